"""The settings of a comparison, shared by every contestant."""

from dataclasses import dataclass

from .errors import InputError

__all__ = ["StudySettings"]

# scikit-learn and NumPy accept seeds in this range.
LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class StudySettings:
    """How a comparison is run.

    Parameters
    ----------
    folds : int, default=5
        Outer folds: each is the test set once.
    inner_folds : int, default=3
        Folds inside every outer training set, for tuning.
    random_state : int, default=0
        Seed of the folds and of the contestants that draw random numbers.
    n_jobs : int, default=1
        Processes of the grid search, -1 for one per core.

    Raises
    ------
    InputError
        If a value is out of its range.

    Examples
    --------
    >>> from skmlp.comparison import StudySettings
    >>> StudySettings(folds=1)
    Traceback (most recent call last):
        ...
    skmlp.comparison.errors.InputError: Got folds=1, but cross-validation needs at least 2 folds:
    use --folds 5.
    """

    folds: int = 5
    inner_folds: int = 3
    random_state: int = 0
    n_jobs: int = 1

    def __post_init__(self) -> None:
        for name in ("folds", "inner_folds"):
            if getattr(self, name) < 2:
                raise InputError(
                    f"Got {name}={getattr(self, name)}, but cross-validation needs at least "
                    "2 folds: use --folds 5."
                )
        if self.n_jobs == 0:
            raise InputError("Got n_jobs=0: use --n-jobs 1, or -1 for one process per core.")
        if not 0 <= self.random_state <= LARGEST_SEED:
            raise InputError(
                f"Got random_state={self.random_state}, but expected 0 to {LARGEST_SEED}: "
                "use --random-state 0."
            )
