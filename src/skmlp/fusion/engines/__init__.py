"""Where the fits of a fused search run, if not in this process: `ENGINES` is the table.

A search's calls are dealt into one share per worker, and each worker runs its share as this
process would run them all: as stacks.
"""

from __future__ import annotations

from importlib import import_module

from .engine import Engine

__all__ = ["ENGINES", "Engine", "start_engine"]

# name: module and class; a module is imported, and with it its library, when it is asked for
ENGINES = {
    "loky": ("loky", "LokyEngine"),
    "dask": ("dask", "DaskEngine"),
    "ray": ("ray", "RayEngine"),
}


def start_engine(name: str) -> Engine:
    """The engine called ``name``, ready to take shares.

    Raises
    ------
    ImportError
        If its library is not installed.
    ValueError
        If it has no cluster.
    """
    module, cls = ENGINES[name]
    try:
        return getattr(import_module(f".{module}", __name__), cls)()
    except ImportError as error:
        raise ImportError(
            f"fused(engine={name!r}) needs a library that cannot be imported here ({error}). "
            f"Install it with: pip install 'skmlp[{name}]'; or use engine='loky', which needs "
            "nothing more."
        ) from error
