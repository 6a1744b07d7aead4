"""What a user is told of a network whose units start equal."""

from __future__ import annotations

from ..network.rules import Constant
from ..task import TrainingTask


def equal_units_message(task: TrainingTask) -> str | None:
    """A sentence that names the layers and the way out; None where units can become different.

    Units with equal weights and biases see equal gradients. Drawn biases tell them apart, and so
    does dropout; not from weights of zero, through which no gradient comes back.
    """
    rule = task.initialization
    drawn_biases = task.bias_initialization in ("torch", "sklearn")
    if task.initial is not None or type(rule) is not Constant or drawn_biases:
        return None
    hidden = task.layer_sizes[1:-1]
    equal = [
        width
        for width, p in zip(hidden, task.dropout, strict=True)
        if width > 1 and (p == 0 or rule.value == 0)
    ]
    if not equal:
        return None
    return (
        f"initialization={rule!r} starts all units of a hidden layer equal: they get equal "
        f"gradients and stay equal, so that a layer of {equal[0]} units learns what one unit can. "
        "Take a rule that draws the weights, such as 'auto', or hidden_layer_sizes=() for a "
        "linear model."
    )
