"""Plain networks on a CPU train in compiled loops, each on one core, several side by side.

Importing this imports numba; the modules that hold loops are compiled when they are first called,
and what comes of it is kept on disk.
"""

from .arrays import is_plain
from .training import train_network

__all__ = ["is_plain", "train_network"]
