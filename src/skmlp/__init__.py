"""Multilayer perceptrons as scikit-learn estimators, with a PyTorch core on CPU or GPU."""

from ._version import __version__
from .classifier import MLPClassifier
from .fusion import fused
from .regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "__version__", "fused"]
