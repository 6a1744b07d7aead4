"""Multilayer perceptrons as scikit-learn estimators, with a PyTorch core on CPU or GPU."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .augmentation import FeatureSwap, GaussianNoise, Mixup
    from .comparison import compare
    from .estimators.classifier import MLPClassifier
    from .estimators.regressor import MLPRegressor
    from .fusion.fused import fused
    from .network.rules import (
        Constant,
        Normal,
        Orthogonal,
        TruncatedNormal,
        Uniform,
        VarianceScaling,
    )
    from .settings import config

__all__ = [
    "Constant",
    "FeatureSwap",
    "GaussianNoise",
    "MLPClassifier",
    "MLPRegressor",
    "Mixup",
    "Normal",
    "Orthogonal",
    "TruncatedNormal",
    "Uniform",
    "VarianceScaling",
    "__version__",
    "compare",
    "config",
    "fused",
]

# Imported when they are asked for: a fit does not need the comparison, and the command line is to
# answer an interrupt from its first moment on.
_HOMES = {
    "Constant": "network.rules",
    "FeatureSwap": "augmentation",
    "GaussianNoise": "augmentation",
    "MLPClassifier": "estimators.classifier",
    "MLPRegressor": "estimators.regressor",
    "Mixup": "augmentation",
    "Normal": "network.rules",
    "Orthogonal": "network.rules",
    "TruncatedNormal": "network.rules",
    "Uniform": "network.rules",
    "VarianceScaling": "network.rules",
    "compare": "comparison",
    "config": "settings",
    "fused": "fusion.fused",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING", "Any", "import_module"})
