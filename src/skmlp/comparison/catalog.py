"""The default contestants: an MLP beside the SVC kernels, for classes or numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR

from .contestants import Contestant
from .errors import MissingExtraError

__all__ = ["KERNELS", "LARGE", "default_contestants"]

# The time of an exact kernel machine grows with the square to the cube of the rows. At this many
# training rows one fit takes seconds to minutes, and a tuned comparison has about 200 a kernel.
LARGE = 10_000

# A kernel that does not suit the data can keep libsvm busy for hours. On the named data sets
# no fit needs a tenth of this; a fit that reaches it is counted as not converged.
SVC_ITERATIONS = 1_000_000

# Landmark rows of the approximate kernels.
NYSTROEM_COMPONENTS = 300


@dataclass(frozen=True)
class Kernel:
    """A kernel: its parameters that stay, and those to search beside C."""

    label: str
    fixed: Mapping[str, Any]
    grid: Mapping[str, list[Any]]
    quick: Mapping[str, list[Any]]


# gamma="scale" is 1/d on standardized features.
KERNELS = (
    Kernel(
        "linear",
        {"kernel": "linear"},
        {"C": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300]},
        {"C": [0.001, 0.01, 0.1, 1, 10, 100]},
    ),
    Kernel(
        "rbf",
        {"kernel": "rbf"},
        {"C": [0.1, 1, 10, 100], "gamma": ["scale", 0.01, 0.1]},
        {"C": [0.1, 1, 10], "gamma": ["scale", 0.1]},
    ),
    *(
        Kernel(
            f"poly {degree}",
            {"kernel": "poly", "degree": degree},
            {"C": [0.1, 1, 10], "gamma": ["scale", 0.1], "coef0": [0, 1]},
            {"C": [0.1, 1, 10], "coef0": [0, 1]},
        )
        for degree in (2, 3)
    ),
    Kernel(
        "sigmoid",
        {"kernel": "sigmoid"},
        {"C": [0.1, 1, 10], "gamma": ["scale", 0.01], "coef0": [0, -1]},
        {"C": [0.1, 1, 10], "coef0": [0, -1]},
    ),
)

# Chosen by cross-validation on 19 public data sets other than the named ones, 600 rows each, out
# of 360 settings: these have the best mean of the best inner scores for their number.
MLP_GRID: Mapping[str, list[Any]] = {
    "hidden_layer_sizes": [(32,), (128,), (64, 64)],
    "alpha": [1e-2, 1.0, 10.0],
    "dropout": [0.0, 0.2],
}
MLP_QUICK: Mapping[str, list[Any]] = {
    "hidden_layer_sizes": [(64, 64)],
    "alpha": [1e-2, 1.0, 10.0],
    "dropout": [0.0, 0.2],
}


def default_contestants(
    task: str = "classification",
    n_rows: int = 0,
    *,
    quick: bool = False,
    random_state: int = 0,
    intelex: bool = False,
) -> tuple[Contestant, ...]:
    """Return the MLP and the SVC kernels, each with its grid.

    For regression all of them see a standardized target (TransformedTargetRegressor): SVR's
    epsilon and C, and the MLP's learning rate, have the target's unit, so that without it the unit
    would decide who wins.

    Parameters
    ----------
    task : {"classification", "regression"}
    n_rows : int
        Training rows. From 10,000 on, kernels are approximated: Nystroem features of 300 rows
        and a linear SVC, in place of exact kernels that would take hours; and the MLP has fewer
        settings and stops early.
    quick : bool
        Half the settings.
    random_state : int
    intelex : bool
        Take the SVC and SVR of scikit-learn-intelex.

    Raises
    ------
    MissingExtraError
        If scikit-learn-intelex is asked for and not installed.

    Examples
    --------
    >>> from skmlp.comparison import default_contestants
    >>> [contestant.name for contestant in default_contestants("regression")]
    ['MLP', 'SVR linear', 'SVR rbf', 'SVR poly 2', 'SVR poly 3', 'SVR sigmoid']
    """
    large = n_rows >= LARGE
    family = _svm_family(task, intelex and not large)
    make = _approximate if large else _exact
    machines = [make(kernel, family, quick, random_state) for kernel in KERNELS]
    contestants = [_mlp(task, large, quick, random_state), *machines]
    if task == "regression":
        contestants = [_on_scaled_target(contestant) for contestant in contestants]
    return tuple(contestants)


def _mlp(task: str, large: bool, quick: bool, random_state: int) -> Contestant:
    # Imported here: a comparison of other contestants, or an error message, needs no torch.
    from .. import MLPClassifier, MLPRegressor

    kind = MLPClassifier if task == "classification" else MLPRegressor
    # Many rows are many steps an epoch, and can spare some to stop early by.
    epochs: dict[str, Any] = (
        {"early_stopping": True, "max_iter": 100} if large else {"max_iter": 500}
    )
    estimator = kind(dtype="float32", learning_rate_init=0.01, random_state=random_state, **epochs)
    return Contestant("MLP", estimator, MLP_QUICK if quick or large else MLP_GRID)


@dataclass(frozen=True)
class Family:
    """Support vector machines of one task: the exact one and the linear one."""

    exact: type[BaseEstimator]
    linear: type[BaseEstimator]
    suffix: str = ""


def _svm_family(task: str, intelex: bool) -> Family:
    linear, exact = (LinearSVC, SVC) if task == "classification" else (LinearSVR, SVR)
    if intelex:
        return Family(getattr(_intelex_svm(), exact.__name__), linear, " (intelex)")
    return Family(exact, linear)


def _intelex_svm() -> Any:
    try:
        from sklearnex import svm  # type: ignore[import-not-found]
    except ImportError as error:
        raise MissingExtraError(
            "intelex=True needs scikit-learn-intelex, which is not installed: "
            "pip install scikit-learn-intelex"
        ) from error
    return svm


def _exact(kernel: Kernel, family: Family, quick: bool, random_state: int) -> Contestant:
    return Contestant(
        f"{family.exact.__name__} {kernel.label}{family.suffix}",
        family.exact(max_iter=SVC_ITERATIONS, **kernel.fixed),
        kernel.quick if quick else kernel.grid,
    )


def _approximate(kernel: Kernel, family: Family, quick: bool, random_state: int) -> Contestant:
    """A linear machine, on Nystroem features of the kernel unless that is linear itself."""
    machine = family.linear(dual="auto", random_state=random_state)
    grid = kernel.quick if quick else kernel.grid
    if kernel.label == "linear":
        return Contestant(family.linear.__name__, machine, grid)
    features = Nystroem(n_components=NYSTROEM_COMPONENTS, random_state=random_state, **kernel.fixed)
    return Contestant(
        f"Nystroem {kernel.label} + {family.linear.__name__}",
        Pipeline([("nystroem", features), ("svm", machine)]),
        {_at_step(name): _nystroem_values(name, values) for name, values in grid.items()},
    )


def _at_step(name: str) -> str:
    return f"svm__{name}" if name == "C" else f"nystroem__{name}"


def _nystroem_values(name: str, values: list[Any]) -> list[Any]:
    """Nystroem says None for 1/d, which "scale" is on standardized features."""
    return [None if value == "scale" else value for value in values] if name == "gamma" else values


def _on_scaled_target(contestant: Contestant) -> Contestant:
    estimator = TransformedTargetRegressor(contestant.estimator, transformer=StandardScaler())
    assert isinstance(contestant.grid, Mapping)
    grid = {f"regressor__{name}": values for name, values in contestant.grid.items()}
    return Contestant(contestant.name, estimator, grid)
