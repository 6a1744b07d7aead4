"""A tuned MLP beside tuned SVC kernels: same folds, same preprocessing, an honest table.

Run it as ``python -m skmlp compare``, or from Python with the names below. It needs the
``compare`` extra: ``pip install "skmlp[compare]"``.
"""

from .contestants import (
    Contestant,
    default_contestants,
    format_parameters,
    make_preprocessing,
)
from .datasets import Dataset, load_dataset, read_csv
from .environment import describe_environment
from .errors import InputError, MissingExtraError
from .figure import draw_boundaries, write_boundaries
from .folds import Fold, Plan, make_folds, plan_study
from .report import Report, Section, render_report, write_report
from .settings import StudySettings
from .study import FoldResult, Outcome, run_study
from .tables import Row, make_row, print_table, write_tables

__all__ = [
    "Contestant",
    "Dataset",
    "Fold",
    "FoldResult",
    "InputError",
    "MissingExtraError",
    "Outcome",
    "Plan",
    "Report",
    "Row",
    "Section",
    "StudySettings",
    "default_contestants",
    "describe_environment",
    "draw_boundaries",
    "format_parameters",
    "load_dataset",
    "make_folds",
    "make_preprocessing",
    "make_row",
    "plan_study",
    "print_table",
    "read_csv",
    "render_report",
    "run_study",
    "write_boundaries",
    "write_report",
    "write_tables",
]
