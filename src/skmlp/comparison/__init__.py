"""Estimators side by side: same folds, same preprocessing, tuned inside, an honest table.

`compare` does it all; the other names are its parts. From the command line: ``skmlp compare``.
"""

from .catalog import default_contestants
from .contestants import Contestant, format_parameters
from .dataset import Dataset, guess_task, make_dataset
from .entry import compare, compare_plan
from .environment import describe_environment
from .errors import InputError, MissingExtraError
from .files import read_file
from .folds import Fold, make_folds
from .named import load_dataset
from .plan import Plan, make_plan
from .preprocessing import make_preprocessing
from .result import Comparison
from .run import FoldResult, run_plan

__all__ = [
    "Comparison",
    "Contestant",
    "Dataset",
    "Fold",
    "FoldResult",
    "InputError",
    "MissingExtraError",
    "Plan",
    "compare",
    "compare_plan",
    "default_contestants",
    "describe_environment",
    "format_parameters",
    "guess_task",
    "load_dataset",
    "make_dataset",
    "make_folds",
    "make_plan",
    "make_preprocessing",
    "read_file",
    "run_plan",
]
