"""Multilayer perceptrons as scikit-learn estimators, with a PyTorch core on CPU or GPU."""

from typing import TYPE_CHECKING, Any

from ._config import config
from ._version import __version__
from .classifier import MLPClassifier
from .fusion import fused
from .regressor import MLPRegressor

if TYPE_CHECKING:
    from .comparison import compare

__all__ = ["MLPClassifier", "MLPRegressor", "__version__", "compare", "config", "fused"]


def __getattr__(name: str) -> Any:
    # A fit does not need the comparison, so it is imported when it is asked for.
    if name == "compare":
        from .comparison import compare

        return compare
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING", "Any"})
