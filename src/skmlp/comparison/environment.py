"""Versions and machine, for a report that can be reproduced."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .._version import __version__

__all__ = ["describe_environment"]

PACKAGES = {"NumPy": "numpy", "scikit-learn": "scikit-learn", "PyTorch": "torch"}


def describe_environment() -> dict[str, str]:
    """Return the versions of everything that decides the numbers, and the machine.

    Examples
    --------
    >>> from skmlp.comparison import describe_environment
    >>> list(describe_environment())[:5]
    ['skmlp', 'Python', 'NumPy', 'scikit-learn', 'PyTorch']
    """
    return {
        "skmlp": __version__,
        "Python": platform.python_version(),
        **{name: _installed(package) for name, package in PACKAGES.items()},
        "processor": _processor(),
        "cores": str(os.cpu_count() or "unknown"),
        "operating system": f"{platform.system()} {platform.machine()}",
    }


def _installed(package: str) -> str:
    # The metadata gives the version without importing: torch takes seconds.
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    """Name the processor; only Linux tells its model in a file."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown"
