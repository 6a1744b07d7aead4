"""The figure that all figures are drawn on; the one module that needs matplotlib to be imported."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib.figure import Figure
from matplotlib.text import Text

__all__ = ["Paper"]


class Paper(Figure):
    """A figure that shows any name: dollars are no formula, and letters without a glyph are boxes.

    matplotlib fails on half a formula, and warns of each such letter.
    """

    def draw(self, renderer: Any) -> None:
        for text in self.findobj(Text):
            text.set_parse_math(False)
        with _without_glyph_warnings():
            super().draw(renderer)

    def get_tightbbox(self, *arguments: Any, **options: Any) -> Any:
        with _without_glyph_warnings():
            return super().get_tightbbox(*arguments, **options)


@contextmanager
def _without_glyph_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"(?s)Glyph .* missing from font", UserWarning)
        warnings.filterwarnings("ignore", r"Matplotlib currently does not support", UserWarning)
        yield
