"""What a user is told of a network whose units start equal."""

from __future__ import annotations

from ..network.depth import blocks_of
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
    hidden, different = task.layer_sizes[1:-1], _told_apart(task)
    equal = [
        width
        for place, (width, p) in enumerate(zip(hidden, task.dropout, strict=True))
        if width > 1 and (p == 0 or rule.value == 0) and place not in different
    ]
    if not equal:
        return None
    return (
        f"initialization={rule!r} starts all units of a hidden layer equal: they get equal "
        f"gradients and stay equal, so that a layer of {equal[0]} units learns what one unit can. "
        "Take a rule that draws the weights, such as 'auto', or hidden_layer_sizes=() for a "
        "linear model."
    )


def _told_apart(task: TrainingTask) -> set[int]:
    """Hidden layers whose units a drawn matrix on a skip makes different.

    These are the first one and those that end a block: all of them see the same sum.
    """
    blocks = blocks_of(task.architecture)
    if not any(block.projects for block in blocks):
        return set()
    return {0, *(block.last for block in blocks)}
