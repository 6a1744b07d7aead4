"""What a user is told of a training that ended before it was done."""

from __future__ import annotations

import numpy as np

from ..network.loss_forms import loss_of
from ..task import TrainingResult, TrainingTask

# Networks start with outputs of order one, and a step of most optimizers moves a weight by about
# the learning rate: to reach targets this much larger takes more epochs than anybody waits.
_LARGE_TARGETS = 10.0


def convergence_messages(result: TrainingResult, task: TrainingTask) -> list[str]:
    """Sentences that name the reason and the way out; none where training has converged."""
    messages = []
    if not result.loss_curve:
        messages.append(
            "a callback stopped training within its first epoch; the weights are little more "
            "than the starting weights."
        )
    if result.n_iter <= task.averaging_wait and not task.keep_checkpoint:
        messages.append(_NOT_AVERAGED.format(result.n_iter, task.averaging_wait))
    if result.stopping_reason in _REMEDIES and not task.keep_checkpoint:
        remedy = _REMEDIES[result.stopping_reason]
        family = task.optimizer.family
        limits = {name: getattr(task, name) for name in ("max_iter", "max_time", "max_fun")}
        text = remedy.format(**limits, optimizer=family)
        messages.append(text + _about_targets(task))
    return messages


_NOT_AVERAGED = (
    "training stopped after {} epochs, and averaging='swa' was to begin after {}: the weights are "
    "not averaged. Lower 'averaging_start' or 'max_iter', or raise 'n_iter_no_change'."
)

_REMEDIES = {
    "max_iter": "max_iter={max_iter} epochs were reached before the training converged. Increase "
    "'max_iter' or 'learning_rate_init', or scale the data.",
    "max_time": "max_time={max_time:g} seconds were over before the training converged. Increase "
    "'max_time' or 'learning_rate_init', or scale the data.",
    "max_fun": "max_fun={max_fun} evaluations were made before the training converged. Increase "
    "'max_fun'.",
    "line_search": "{optimizer} found no lower loss before its gradient met 'tol'. Scale the data, "
    "increase 'tol', or use dtype='float64'.",
}


def _about_targets(task: TrainingTask) -> str:
    """Advice where the targets are far from the scale at which networks learn."""
    if loss_of(task.loss).out_activation != "identity":
        return ""
    scale = float(np.sqrt(np.mean(np.square(task.train.targets, dtype=np.float64))))
    if scale <= _LARGE_TARGETS:
        return ""
    return (
        f" The root mean square of y is {scale:.3g}: scale y too, for example by sklearn.compose."
        "TransformedTargetRegressor(model, transformer=StandardScaler())."
    )
