"""Losses that are made of others, or of a user's function.

A loss' key is a name of `LOSSES`, or one of the forms here. Keys are values: networks of one stack
have equal ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .losses import LOSSES, Loss, Problem

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Groups:
    """A loss of classes for each of several columns, added up.

    ``widths``: classes of each column; its logits and indicators stand together.
    """

    of: Key
    widths: tuple[int, ...]

    def loss(self) -> Loss:
        base, widths = loss_of(self.of), list(self.widths)
        delta = base.delta

        def per_row(z: Tensor, t: Tensor, *options: Any) -> Tensor:
            pairs = zip(z.split(widths, -1), t.split(widths, -1), strict=True)
            return sum(base.per_row(*pair, *options) for pair in pairs)  # type: ignore[return-value]

        def joined_delta(z: Tensor, t: Tensor, *options: Any) -> Tensor:
            import torch

            assert delta is not None
            pairs = zip(z.split(widths, -1), t.split(widths, -1), strict=True)
            return torch.cat([delta(*pair, *options) for pair in pairs], -1)

        def mean(z: Tensor, *options: Any) -> Tensor:
            import torch

            return torch.cat([base.mean(part, *options) for part in z.split(widths, -1)], -1)

        return replace(
            base,
            score="columns_accuracy",
            score_options=tuple(map(float, widths)),
            per_row=per_row,
            delta=delta and joined_delta,
            mean=mean,
            widths=self.widths,
        )


@dataclass(frozen=True)
class Several:
    """A loss of quantiles whose predictions have an axis for them, even for one."""

    of: Key

    def loss(self) -> Loss:
        return replace(loss_of(self.of), has_quantile_axis=True)


@dataclass(frozen=True)
class Bounded:
    """A loss of outputs within bounds: middle + half the range · tanh(z).

    The bounds are two more options, the last ones.
    """

    of: Key

    def loss(self) -> Loss:
        base = loss_of(self.of)
        assert base.delta is not None
        delta = base.delta

        def bounded_delta(z: Tensor, t: Tensor, *options: Any) -> Tensor:
            *others, low, high = options
            tanh = z.tanh()
            slope = 0.5 * (high - low) * (1 - tanh.square())
            return delta(_between(tanh, low, high), t, *others).mul_(slope)

        return replace(
            base,
            out_activation="tanh",
            options=(*base.options, "output_range"),
            per_row=lambda z, t, *options: base.per_row(
                _between(z.tanh(), *options[-2:]), t, *options[:-2]
            ),
            delta=bounded_delta,
            mean=lambda z, *options: _between(z.tanh(), *options[-2:]),
            n_logits=lambda n_targets, options: base.n_logits(n_targets, options[:-2]),
            is_bounded=True,
        )


def _between(tanh: Tensor, low: float | Tensor, high: float | Tensor) -> Tensor:
    return 0.5 * (low + high) + 0.5 * (high - low) * tanh


class Own:
    """A user's loss: ``function(z, t)`` gives the loss of each row, (n,), from z and t (n, m).

    Its gradient is autograd's. Equal functions are equal keys.
    """

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], problem: Problem):
        self.function, self.problem = function, problem

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Own) or self.problem != other.problem:
            return False
        return self.function is other.function or self.function == other.function

    def __hash__(self) -> int:
        return hash((type(self.function), self.problem))  # functions may not be hashable

    def __repr__(self) -> str:
        return getattr(self.function, "__qualname__", repr(self.function))

    def loss(self) -> Loss:
        scores = {"classes": "accuracy", "labels": "subset_accuracy", "numbers": "r2"}
        return Loss(
            name=repr(self),
            problem=self.problem,
            score=scores[self.problem],
            out_activation="identity",
            per_row=self._per_row,
            delta=self._delta,
            mean=lambda z: z,
        )

    def _per_row(self, z: Tensor, t: Tensor) -> Tensor:
        import torch

        with torch.inference_mode(False), torch.no_grad():
            return self._called(z.clone(), t).detach()

    def _delta(self, z: Tensor, t: Tensor) -> Tensor:
        import torch

        with torch.inference_mode(False), torch.enable_grad():
            leaf = z if z.requires_grad else z.clone().requires_grad_()
            losses = self._called(leaf.clone(), t)  # which may change its argument
            if not losses.requires_grad:
                raise ValueError(
                    f"loss={self!r} has no gradient in z: compute it from z by torch's functions, "
                    "without detach() or no_grad()."
                )
            # whoever gives a z that requires gradients asks for second derivatives
            gradient = torch.autograd.grad(losses.sum(), leaf, create_graph=z.requires_grad)[0]
        self._check_finite(gradient, z, "gradient")
        return gradient

    def _called(self, z: Tensor, t: Tensor) -> Tensor:
        """What the function gives for rows of all networks, one under the other."""
        rows = z.flatten(0, -2)
        found = self.function(rows, t.clone().flatten(0, -2))
        self._check_form(found, len(rows))
        self._check_finite(found, z, "value")
        return found.to(z).reshape(z.shape[:-1])

    def _check_form(self, found: Any, n: int) -> None:
        import torch

        if not isinstance(found, torch.Tensor):
            got = f"a {type(found).__name__}"
        elif found.shape != (n,):
            got = f"shape {tuple(found.shape)}"
        elif not found.is_floating_point():
            got = f"a tensor of {found.dtype}"
        else:
            return
        raise ValueError(
            f"loss={self!r} must give a tensor of floats with the loss of each row, here of shape "
            f"({n},), and gave {got}. Sum over the last axis only: the mean over rows is taken "
            "with their weights."
        )

    def _check_finite(self, found: Tensor, z: Tensor, what: str) -> None:
        """Raise if the function fails; where z is not finite itself, training says so."""
        found, z = found.detach(), z.detach()
        if found.isfinite().all() or not z.isfinite().all():
            return
        raise ValueError(
            f"loss={self!r} has a {what} that is not finite, for z from {float(z.min()):.3g} to "
            f"{float(z.max()):.3g}: it must be finite for all z (a square root or a logarithm at "
            "zero is not), or lower 'learning_rate_init'."
        )


Key = str | Groups | Several | Bounded | Own


def loss_of(key: Key) -> Loss:
    """The loss that a key stands for."""
    return LOSSES[key] if isinstance(key, str) else key.loss()
