"""Layers of K networks at once: ``forward`` is what a layer is, autograd its gradient.

Shapes: x is (K, B, width) for K networks and B rows; a layer's own arrays have the leading axis K
too, and vectors are (K, 1, width).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from .activations import ACTIVATIONS
from .architecture import Architecture, Slot


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
    shifts : sequence of (Tensor of shape (K, B, width) or None)
        Alpha dropout: what is then added to it.
    """

    training: bool = False
    share: float | Tensor = 1.0
    masks: Sequence[Tensor | None] = ()
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
        mean, variance = self._moments(x, running, step.share) if step.training else running[:2]
        return (x - mean) * torch.rsqrt(variance + _EPSILON) * scale + shift

    def _moments(self, x: Tensor, running: Sequence[Tensor], share: float | Tensor):
        """Mean and variance of the batch, which the running ones take in."""
        shares = torch.as_tensor(share, dtype=x.dtype, device=x.device).expand(*x.shape[:2], 1)
        # how many rows of equal weight would say as much (Kish 1965)
        n_rows = 1.0 / shares.square().sum(1, keepdim=True)
        several = n_rows > 1.0 + 1e-6
        mean = (x * shares).sum(1, keepdim=True)
        variance = ((x - mean).square() * shares).sum(1, keepdim=True)
        moments = [
            torch.where(several, *pair) for pair in ((mean, running[0]), (variance, running[1]))
        ]
        self._average(running, mean.detach(), variance.detach(), n_rows, several)
        return moments

    @staticmethod
    def _average(running, mean: Tensor, variance: Tensor, n_rows: Tensor, several: Tensor) -> None:
        means, variances, count = running
        count.add_(several)
        rate = torch.where(several, (1.0 / count.clamp(min=1)).clamp(min=_MOMENTUM), 0.0)
        unbiased = variance * (n_rows / torch.where(several, n_rows - 1.0, 1.0))
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


def layers_of(architecture: Architecture) -> list[Layer]:
    """The layers of a network, from the input to the logits."""
    layers: list[Layer] = []
    sizes, normalization = architecture.layer_sizes, architecture.normalization
    *hidden, last = pairwise(sizes)
    for place, (fan_in, fan_out) in enumerate(hidden):
        if normalization is None:
            layers.append(Linear(place, fan_in, fan_out))
        else:
            kind = NORMALIZATIONS[normalization]
            layers += [Linear(place, fan_in, fan_out, kind.bias_before), kind(place, fan_out)]
        layers.append(Activate(architecture.activations[place], architecture.negative_slope))
        layers.append(Dropout(place))
    return [*layers, Linear(len(hidden), *last)]


def slots_of(layers: Sequence[Layer]) -> list[Slot]:
    """All arrays of a network: weights first, then biases, then others."""
    order = {"weight": 0, "bias": 1}
    return sorted(
        (slot for layer in layers for slot in layer.slots),
        key=lambda slot: order.get(slot.kind, len(order)),
    )
