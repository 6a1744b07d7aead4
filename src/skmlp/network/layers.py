"""Layers of K networks at once: ``forward`` is what a layer is, autograd its gradient.

Shapes: x is (K, B, width) for K networks and B rows; a layer's own arrays have the leading axis K
too, and vectors are (K, 1, width).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from .activations import ACTIVATIONS
from .architecture import Architecture, Slot
from .depth import Block, blocks_of


class Step(NamedTuple):
    """What a forward pass is part of.

    Attributes
    ----------
    training : bool
        Whether the rows are a batch that is trained on.
    share : float or Tensor of shape (K, B, 1)
        Weight of each row in the batch's mean; 0 for rows that only fill the batch up.
    masks : sequence of (Tensor of shape (K, B, width) or None)
        Dropout: what each hidden layer's output is multiplied by.
    survivors : sequence of (bool or Tensor of shape (K, 1, 1))
        Stochastic depth: whose branch of each residual block is there (1) or dropped (0), all of
        them (True), or none (False).
    alive : Tensor of shape (K, 1, 1) or None
        Of the block that a layer is in: those of networks without it see none of its rows.
    visit : callable or None
        ``visit(x, weights, biases)`` is called with each linear layer before it is used.
    shifts : sequence of (Tensor of shape (K, B, width) or None)
        Alpha dropout: what is then added to it.
    """

    training: bool = False
    share: float | Tensor = 1.0
    masks: Sequence[Tensor | None] = ()
    survivors: Sequence[bool | Tensor] = ()
    alive: Tensor | None = None
    visit: Callable[[Tensor, Tensor, Tensor], None] | None = None
    shifts: Sequence[Tensor | None] = ()


PREDICTION = Step()


class Layer(Protocol):
    """One layer.

    Attributes
    ----------
    slots : list of Slot
        Its arrays.
    may_pad : bool
        Whether units that are always zero leave the others what they are.
    """

    slots: list[Slot]
    may_pad: bool

    def forward(self, x: Tensor, own: Sequence[Tensor], step: Step) -> Tensor: ...


class Linear:
    """x W + b.

    ``bias`` is "constant" where the next layer takes it away again: its gradient would be nothing
    but rounding, which some optimizers make steps of.
    """

    may_pad = True

    def __init__(self, place: int, fan_in: int, fan_out: int, bias: str = "bias"):
        self.slots = [
            Slot(f"weights.{place}", (fan_in, fan_out), "weight"),
            Slot(f"biases.{place}", (fan_out,), bias),
        ]

    def forward(self, x: Tensor, own: Sequence[Tensor], step: Step) -> Tensor:
        weights, biases = own
        if step.visit is not None:
            step.visit(x, weights, biases)
        # not baddbmm, which copies the biases into every row first: see StackedMLP
        return torch.bmm(x, weights).add_(biases)


class Activate:
    """f(x), see `ACTIVATIONS`."""

    def __init__(self, name: str, negative_slope: float):
        self.slots: list[Slot] = []
        self.activation, self.slope = ACTIVATIONS[name], negative_slope
        self.may_pad = self.activation.zero_at_zero

    def forward(self, x: Tensor, own: Sequence[Tensor], step: Step) -> Tensor:
        return self.activation.forward(x, self.slope)


class Dropout:
    """Each unit times its mask, in training."""

    may_pad = True  # tasks with dropout are not padded: masks are drawn for each unit

    def __init__(self, place: int):
        self.slots: list[Slot] = []
        self.place = place

    def forward(self, x: Tensor, own: Sequence[Tensor], step: Step) -> Tensor:
        mask = step.masks[self.place] if step.masks else None
        shift = step.shifts[self.place] if step.shifts else None
        x = x if mask is None else x * mask
        return x if shift is None else x + shift


# As torch.nn's layers have them.
_EPSILON = 1e-5
_MOMENTUM = 0.1


class BatchNorm:
    """(x - mean) / sqrt(variance + 1e-5) · scale + shift, over the rows of the batch.

    Ioffe & Szegedy (2015), arXiv:1502.03167. Rows count by their weights. Predictions take running
    averages, with momentum 0.1 as `torch.nn.BatchNorm1d`; before the tenth batch they are averages
    of all batches, where torch's still hold what they started from. A batch of one row has no
    variance: it takes the running averages too.
    """

    may_pad = True
    bias_before = "constant"

    def __init__(self, place: int, width: int):
        self.slots = [
            Slot(f"scales.{place}", (width,), "scale"),
            Slot(f"shifts.{place}", (width,), "shift"),
            Slot(f"means.{place}", (width,), "mean"),
            Slot(f"variances.{place}", (width,), "variance"),
            Slot(f"counts.{place}", (1,), "count"),
        ]

    def forward(self, x: Tensor, own: Sequence[Tensor], step: Step) -> Tensor:
        scale, shift, *running = own
        mean, variance = self._moments(x, running, step) if step.training else running[:2]
        return (x - mean) * torch.rsqrt(variance + _EPSILON) * scale + shift

    def _moments(self, x: Tensor, running: Sequence[Tensor], step: Step):
        """Mean and variance of the batch, which the running ones take in."""
        shares = torch.as_tensor(step.share, dtype=x.dtype, device=x.device).expand(*x.shape[:2], 1)
        # how many rows of equal weight would say as much (Kish 1965)
        n_rows = 1.0 / shares.square().sum(1, keepdim=True)
        several = n_rows > 1.0 + 1e-6
        mean = (x * shares).sum(1, keepdim=True)
        variance = ((x - mean).square() * shares).sum(1, keepdim=True)
        moments = [
            torch.where(several, *pair) for pair in ((mean, running[0]), (variance, running[1]))
        ]
        unbiased = variance * (n_rows / torch.where(several, n_rows - 1.0, 1.0))
        seen = several if step.alive is None else several & (step.alive > 0)
        self._average(running, mean.detach(), unbiased.detach(), seen)
        return moments

    @staticmethod
    def _average(running, mean: Tensor, unbiased: Tensor, seen: Tensor) -> None:
        means, variances, count = running
        count.add_(seen)
        rate = torch.where(seen, (1.0 / count.clamp(min=1)).clamp(min=_MOMENTUM), 0.0)
        means.lerp_(mean, rate)
        variances.lerp_(unbiased, rate)


class LayerNorm:
    """(x - mean) / sqrt(variance + 1e-5) · scale + shift, over the units of each row.

    Ba, Kiros & Hinton (2016), arXiv:1607.06450.
    """

    may_pad = False
    bias_before = "bias"

    def __init__(self, place: int, width: int):
        self.slots = [
            Slot(f"scales.{place}", (width,), "scale"),
            Slot(f"shifts.{place}", (width,), "shift"),
        ]

    def forward(self, x: Tensor, own: Sequence[Tensor], step: Step) -> Tensor:
        scale, shift = own
        return torch.nn.functional.layer_norm(x, x.shape[-1:], eps=_EPSILON) * scale + shift


NORMALIZATIONS: dict[str, type[BatchNorm] | type[LayerNorm]] = {
    "batch": BatchNorm,
    "layer": LayerNorm,
}


class Offset:
    """x + b, with one number b for all units."""

    may_pad = False

    def __init__(self, kind: str, place: int):
        self.slots = [Slot(f"{kind}.{place}", (1,), "shift")]

    def forward(self, x: Tensor, own: Sequence[Tensor], step: Step) -> Tensor:
        return x + own[0]


class Multiplier:
    """x · a, with one number a for all units."""

    may_pad = False

    def __init__(self, place: int):
        self.slots = [Slot(f"multipliers.{place}", (1,), "scale")]

    def forward(self, x: Tensor, own: Sequence[Tensor], step: Step) -> Tensor:
        return x * own[0]


class Residual:
    """x P + branch(x), or x + branch(x) where the branch leaves the width as it is.

    With stochastic depth (Huang et al. 2016, arXiv:1603.09382) a batch goes through the whole
    branch or not at all, and predictions take the branch times its probability to survive.
    """

    may_pad = False  # a projection is there or not by the widths

    def __init__(self, place: int, block: Block, branch: Sequence[Layer]):
        self.place, self.branch = place, branch
        # activations may overwrite what they are given
        self.copies = isinstance(branch[0], Activate)
        skip = [Slot(f"projections.{place}", block.widths, "projection")]
        self.n_skip = int(block.projects)
        self.slots = [
            Slot(f"survivals.{place}", (1,), "survival"),
            *skip[: self.n_skip],
            *(slot for layer in branch for slot in layer.slots),
        ]

    def forward(self, x: Tensor, own: Sequence[Tensor], step: Step) -> Tensor:
        survival, *arrays = own
        projection, arrays = arrays[: self.n_skip], arrays[self.n_skip :]
        skip = torch.bmm(x, *projection) if projection else x
        alive: bool | Tensor = survival
        if step.training:
            alive = step.survivors[self.place] if step.survivors else True
        if alive is False:
            return skip
        if step.training and isinstance(alive, Tensor):
            step = step._replace(alive=alive)
        x = x.clone() if self.copies else x
        branch = forward_through(self.branch, x, arrays, step)
        return skip + branch if isinstance(alive, bool) else torch.addcmul(skip, branch, alive)


def forward_through(
    layers: Sequence[Layer], x: Tensor, arrays: Sequence[Tensor], step: Step
) -> Tensor:
    """Rows after some layers, whose arrays are given one after the other."""
    rest = iter(arrays)
    for layer in layers:
        x = layer.forward(x, [next(rest) for _ in layer.slots], step)
    return x


def layers_of(architecture: Architecture) -> list[Layer]:
    """The layers of a network, from the input to the logits."""
    # what stands between a hidden layer's product and the next one's, that included
    steps = [_step_of(architecture, place) for place in range(len(architecture.activations))]
    blocks, layers = blocks_of(architecture), _linear(architecture, 0)
    for place, block in enumerate(blocks):
        branch = list(chain(*steps[block.first - 1 : block.last]))
        if architecture.fixup:
            branch.append(Multiplier(place))
        layers.append(Residual(place, block, branch))
    rest = steps[blocks[-1].last :] if blocks else steps
    return [*layers, *chain(*rest)]


def _step_of(architecture: Architecture, place: int) -> list[Layer]:
    """A hidden layer's normalization, activation and dropout, and the next linear layer."""
    layers: list[Layer] = []
    if architecture.normalization is not None:
        kind = NORMALIZATIONS[architecture.normalization]
        layers.append(kind(place, architecture.layer_sizes[place + 1]))
    if architecture.fixup:
        layers.append(Offset("activation_offsets", place))
    layers.append(Activate(architecture.activations[place], architecture.negative_slope))
    layers.append(Dropout(place))
    return [*layers, *_linear(architecture, place + 1)]


def _linear(architecture: Architecture, place: int) -> list[Layer]:
    fan_in, fan_out = list(pairwise(architecture.layer_sizes))[place]
    normalization, is_last = architecture.normalization, place == len(architecture.activations)
    # A block's sum is normalized wherever it is used, so that batches' means take away its biases
    # too.
    plain = normalization is None or is_last
    bias = "bias" if plain else NORMALIZATIONS[str(normalization)].bias_before
    offsets = [Offset("linear_offsets", place)] if architecture.fixup else []
    return [*offsets, Linear(place, fan_in, fan_out, bias)]


def slots_of(layers: Sequence[Layer]) -> list[Slot]:
    """All arrays of a network: weights first, those of skips too, then biases, then others."""
    order = {"weight": 0, "projection": 1, "bias": 2}
    return sorted(
        (slot for layer in layers for slot in layer.slots),
        key=lambda slot: order.get(slot.kind, len(order)),
    )
