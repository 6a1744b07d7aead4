"""The contract between the estimators and training: what goes in, what comes out.

Nothing here needs torch. n rows, d features, m outputs, L layers of weights.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Literal, Protocol

import numpy as np

from .augmentation import Augmentation, runs_users_code
from .network.architecture import Architecture, NetworkArrays
from .network.loss_forms import Key, Own
from .network.rules import is_users_code


@dataclass(frozen=True)
class FullBatchMethod:
    """An optimizer that works on all rows at once, not in mini-batches.

    Attributes
    ----------
    scipy_name : str
        What `scipy.optimize.minimize` calls it.
    takes_bounds : bool
        Whether it keeps to bounds, as an L1 penalty needs them.
    takes_products : bool
        Whether it asks for products of the Hessian matrix with vectors.
    """

    scipy_name: str
    takes_bounds: bool = False
    takes_products: bool = False


FULL_BATCH_METHODS = {
    "lbfgs": FullBatchMethod("L-BFGS-B", takes_bounds=True),
    "cg": FullBatchMethod("CG"),
    # not scipy's "Newton-CG", which stops by the step's size and never by the gradient's
    "newton-cg": FullBatchMethod("trust-ncg", takes_products=True),
}
FULL_BATCH_OPTIMIZERS = tuple(FULL_BATCH_METHODS)

Matrix = Any  # an ndarray, or a SciPy CSR matrix or array


@dataclass(frozen=True)
class OptimizerSettings:
    """The optimizer's family and the numbers that its steps depend on, but for the rate.

    Networks of one stack have one family, and settings are equal where their families are.
    """

    family: Any  # a name of training.optimizers.OPTIMIZERS, or a torch.optim class or partial
    momentum: float = field(default=0.9, compare=False)
    nesterovs_momentum: bool = field(default=True, compare=False)
    beta_1: float = field(default=0.9, compare=False)
    beta_2: float = field(default=0.999, compare=False)
    epsilon: float = field(default=1e-8, compare=False)


@dataclass
class Rows:
    """Rows with their targets: to train on, or to validate on.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n, d)
    targets : ndarray of shape (n, m)
        What the loss compares the outputs with: 0/1 indicators, or values.
    weights : ndarray of shape (n,) or None
        Positive sample weights.
    labels : array-like of length n
        ``y`` as the user gave it; only callbacks see it.
    """

    X: Matrix
    targets: np.ndarray
    weights: np.ndarray | None = None
    labels: Any = None

    def __len__(self) -> int:
        return self.X.shape[0]


@dataclass
class RandomStates:
    """Where the random streams of a training stand: of what `random_streams` and others draw.

    Dropout masks are drawn for many steps at once: ``dropout`` is the state before the draw that
    the next step belongs to, ``dropout_steps`` how many of its steps are used up. ``augmentation``
    and ``inputs`` (dropout of inputs) are None for a stream that has not been used.
    """

    order: Mapping[str, Any]
    dropout: Mapping[str, Any]
    dropout_steps: int
    augmentation: Mapping[str, Any] | None = None
    inputs: Mapping[str, Any] | None = None
    depth: Mapping[str, Any] | None = None


@dataclass
class AverageState:
    """Where the average of a network's weights stands: see training.averaging."""

    kind: str  # a key of AVERAGINGS
    arrays: NetworkArrays
    weight: float
    epochs: int


@dataclass
class Checkpoint:
    """What `partial_fit` needs to go on as if it had not stopped. Plain types and NumPy.

    ``family`` and ``learning_rate_init`` are those of the task: where the user has changed one,
    the optimizer's state, or the rate that a schedule has reached, is not carried over. ``weights``
    are those that the next step starts from, where others were returned: averages.
    """

    family: Any
    optimizer: list[dict[str, Any]]  # per block, weights then biases: see StackOptimizer
    learning_rate_init: float
    learning_rate: float
    random: RandomStates
    epochs: int = 0  # that the optimizer and the schedule have behind them
    weights: NetworkArrays | None = None
    average: AverageState | None = None


@dataclass
class Observed:
    """What skorch's side of a fit leaves: callbacks as pairs (name, callback), and the history."""

    callbacks: list[tuple[str, Any]]
    history: Any


@dataclass
class CallbackView:
    """How skorch callbacks see one fit: scorers call these on the network's logits.

    ``before``: where training goes on, what its first part left.
    """

    callbacks: Any
    predict: Callable[[np.ndarray], np.ndarray]
    predict_proba: Callable[[np.ndarray], np.ndarray] | None
    estimator_type: str
    classes: np.ndarray | None = None
    before: Observed | None = None
    score: Callable[..., float] | None = None  # of true labels and predictions


class Metric(Protocol):
    """A scorer of the user's, as training calls it: higher is better."""

    def __call__(
        self, task: TrainingTask, logits: np.ndarray, arrays: NetworkArrays, epoch: int
    ) -> float:
        """The score of a network on the held-out rows, for which it has these logits (n, m).

        Raises
        ------
        Exception
            What the scorer raises; ValueError if it gives no finite number.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Common:
    """What the networks of a stack have in common: equal ones can be trained together.

    ``layer_sizes`` is (d, hidden…, outputs); ``activations`` has one entry per hidden layer;
    ``residual`` is the layers of a block, or 0.
    """

    layer_sizes: tuple[int, ...]
    activations: tuple[str, ...]
    negative_slope: float = 0.01
    normalization: str | None = None
    residual: int = 0
    fixup: bool = False
    loss: Key
    score: str = "accuracy"
    optimizer: OptimizerSettings
    batch_size: int = 200
    dtype: str = "float64"
    device: str = "cpu"

    @property
    def architecture(self) -> Architecture:
        return Architecture(
            self.layer_sizes,
            self.activations,
            self.negative_slope,
            self.normalization,
            self.residual,
            self.fixup,
        )


@dataclass(frozen=True, kw_only=True)
class TrainingTask(Common):
    """Everything that training one network needs: what is common to a stack, and its own.

    ``loss_options``: those that the loss' row names. ``dropout`` has one entry per hidden layer;
    ``dropout_cutoff`` is in epochs.
    ``alpha``, ``l1_ratio``: penalty alpha·(l1_ratio·|W|₁ + (1 - l1_ratio)/2·|W|²) divided by the
    batch's sum of weights, as scikit-learn's MLP divides it. ``weight_decay``: each step multiplies
    W by 1 - learning rate · weight_decay. Biases are never penalized. ``stochastic_depth``: the
    probability that the last residual block survives.

    ``warmup``, ``learning_rate_period``: epochs if integers, else shares of all training, which is
    ``horizon`` epochs (None: ``max_iter``). ``layer_learning_rates``: what multiplies the steps of
    each layer of weights (empty: nothing does); ``bias_learning_rate`` those of biases besides.

    ``averaging_horizon``: of an exponential moving average, in epochs; ``averaging_wait``: epochs
    before the first whose weights are averaged.

    ``metric`` is what validation scores are: None for ``score``, "loss" for the negative loss, or a
    `Metric`. ``max_time`` is in seconds of the network's own training.
    """

    train: Rows
    seed: int
    loss_options: tuple[float, ...] = ()
    initialization: Any = "auto"
    bias_initialization: str | float | None = None
    initial: NetworkArrays | None = None
    alpha: float = 0.0
    l1_ratio: float = 0.0
    weight_decay: float = 0.0
    dropout: tuple[float, ...] = ()
    stochastic_depth: float = 1.0
    dropout_type: str = "standard"
    dropout_schedule: str = "constant"
    dropout_cutoff: int = 1
    input_dropout: float = 0.0
    augmentation: Augmentation | None = None
    max_grad_norm: float | None = None
    max_grad_value: float | None = None
    learning_rate_init: float = 1e-3
    learning_rate: str | Callable[[float], float] = "constant"
    power_t: float = 0.5
    warmup: float = 0
    learning_rate_decay: float = 0.1
    learning_rate_period: float = 0.25
    period_multiplier: float = 1.0
    learning_rate_end: float = 0.0
    base_momentum: float | None = None
    horizon: int | None = None
    layer_learning_rates: tuple[float, ...] = ()
    bias_learning_rate: float = 1.0
    averaging: str | None = None
    averaging_horizon: float = 1.0
    averaging_wait: int = 0
    shuffle: bool = True
    max_iter: int = 200
    max_fun: int = 15000
    tol: float = 1e-4
    n_iter_no_change: float = 10
    validation: Rows | None = None
    early_stopping: bool = False
    metric: Metric | Literal["loss"] | None = None
    validation_every: int = 1
    max_time: float | None = None
    verbose: int = 0
    keep_checkpoint: bool = False
    resume: Checkpoint | None = None
    history: dict[str, Any] = field(default_factory=dict)  # fields of Progress to start from
    callback_view: CallbackView | None = None

    @property
    def runs_users_code(self) -> bool:
        """Whether a function of the user's is called while it trains, but for callbacks."""
        functions = (self.metric, self.learning_rate)
        return (
            any(map(callable, functions))
            or isinstance(self.loss, Own)
            or is_users_code(self.initialization)
            or runs_users_code(self.augmentation)
        )

    @property
    def common(self) -> Common:
        return Common(**{each.name: getattr(self, each.name) for each in fields(Common)})

    @property
    def stack_key(self) -> tuple[Common, int | None]:
        """Networks with equal keys can be trained as one stack."""
        return self.common, id(self) if self.trains_alone else None

    @property
    def trains_alone(self) -> bool:
        """Whether something belongs to one network: callbacks, a resumed state, or the search
        along a line of an optimizer that evaluates the loss several times a step."""
        return (
            self.callback_view is not None
            or self.resume is not None
            or needs_closure(self.optimizer.family)
        )


def needs_closure(family: Any) -> bool:
    """Whether an optimizer's ``step`` must be given a function that evaluates the loss."""
    family = family.func if isinstance(family, partial) else family
    if isinstance(family, str):
        return False
    closure = inspect.signature(family.step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty


@dataclass
class TrainingResult:
    """What training gives back. Arrays and plain types only.

    ``stopping_reason`` is a key of `STOPPING_REASONS`; ``seconds`` is the network's share of the
    time that its stack took: each step's time is divided by the networks that took it.
    """

    arrays: NetworkArrays
    loss: float
    loss_curve: list[float]
    learning_rates: list[float] | None
    validation_loss_curve: list[float] | None
    validation_scores: list[float] | None
    best_loss: float | None
    best_validation_score: float | None
    n_iter: int
    t: int
    no_improvement_count: int
    stopping_reason: str
    checkpoint: Checkpoint | None = None
    seconds: float = 0.0
    observed: Observed | None = None

    @property
    def coefs(self) -> list[np.ndarray]:
        return self.arrays.coefs

    @property
    def intercepts(self) -> list[np.ndarray]:
        return self.arrays.intercepts


STOPPING_REASONS = {
    "max_iter": "max_iter epochs were reached",
    "no_improvement": "the training loss stopped improving by tol",
    "early_stopping": "the validation score stopped improving by tol",
    "learning_rate": "the adaptive learning rate became too small",
    "converged": "the full-batch optimizer met its tolerance",
    "max_fun": "max_fun evaluations of the loss were made",
    "line_search": "the full-batch optimizer could not lower the loss any further",
    "callback": "a callback asked for it",
    "max_time": "max_time seconds were over",
}
