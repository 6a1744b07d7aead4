"""The figures of a comparison: a table of them, one module each."""

from .table import FIGURES, Kind, available, draw

__all__ = ["FIGURES", "Kind", "available", "draw"]
