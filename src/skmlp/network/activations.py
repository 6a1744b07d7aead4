"""Activation functions of the hidden layers, and their derivatives.

Shapes: z and x' are (K, B, width) for K networks and B rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_aten = torch.ops.aten

# Klambauer et al. (2017), arXiv:1706.02515: the fixed point is mean 0 and variance 1.
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@dataclass(frozen=True)
class Activation:
    """One activation x' = f(z).

    Attributes
    ----------
    forward : callable
        ``forward(z, slope) -> x'``. It may overwrite ``z`` only where ``saves_output`` is true.
    backward : callable
        ``backward(delta, saved, slope) -> delta * f'(z)``, written into ``delta``. Without it, the
        gradient is autograd's.
    saves_output : bool
        Whether ``backward`` needs the output x' (then z is not kept) or the input z.
    initialization : str
        What ``initialization="auto"`` takes for a layer that feeds this activation.
    zero_at_zero : bool
        Whether f(0) = 0.
    """

    forward: Callable[[Tensor, float], Tensor]
    backward: Callable[[Tensor, Tensor, float], Tensor] | None = None
    saves_output: bool = True
    initialization: str = "glorot_uniform"
    zero_at_zero: bool = True


def _relu_backward(delta: Tensor, out: Tensor, slope: float) -> Tensor:
    return _aten.threshold_backward.grad_input(delta, out, 0, grad_input=delta)


def _leaky_relu_backward(delta: Tensor, out: Tensor, slope: float) -> Tensor:
    return _aten.leaky_relu_backward.grad_input(delta, out, slope, True, grad_input=delta)


def _elu_backward(delta: Tensor, out: Tensor, slope: float) -> Tensor:
    return _aten.elu_backward.grad_input(delta, 1.0, 1.0, 1.0, True, out, grad_input=delta)


def _selu_backward(delta: Tensor, out: Tensor, slope: float) -> Tensor:
    return _aten.elu_backward.grad_input(
        delta, _SELU_ALPHA, _SELU_SCALE, 1.0, True, out, grad_input=delta
    )


def _logistic_backward(delta: Tensor, out: Tensor, slope: float) -> Tensor:
    return _aten.sigmoid_backward.grad_input(delta, out, grad_input=delta)


def _tanh_backward(delta: Tensor, out: Tensor, slope: float) -> Tensor:
    return _aten.tanh_backward.grad_input(delta, out, grad_input=delta)


def _gelu_backward(delta: Tensor, z: Tensor, slope: float) -> Tensor:
    return _aten.gelu_backward.grad_input(delta, z, approximate="none", grad_input=delta)


def _silu_backward(delta: Tensor, z: Tensor, slope: float) -> Tensor:
    return _aten.silu_backward.grad_input(delta, z, grad_input=delta)


def _mish_backward(delta: Tensor, z: Tensor, slope: float) -> Tensor:
    return delta.copy_(_aten.mish_backward(delta, z))


def _softplus_backward(delta: Tensor, out: Tensor, slope: float) -> Tensor:
    # f'(z) = sigmoid(z) = 1 - exp(-f(z))
    return delta.mul_(torch.expm1(-out).neg_())


def _softplus(z: Tensor, slope: float) -> Tensor:
    # max(z, 0) + log(1 + exp(-|z|)): exact at every z, where torch's own goes linear at 20
    return torch.logaddexp(z, torch.zeros((), dtype=z.dtype, device=z.device))


# Glorot's rule for the ReLU family too: networks of one to three hidden layers generalize better
# from its smaller random function than from He's, in regression above all
# (benchmarks/initialization.py). He's keeps the signal in deep ones.
ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(lambda z, slope: z, lambda delta, out, slope: delta),
    "logistic": Activation(lambda z, slope: z.sigmoid_(), _logistic_backward, zero_at_zero=False),
    "tanh": Activation(lambda z, slope: z.tanh_(), _tanh_backward),
    "relu": Activation(lambda z, slope: z.relu_(), _relu_backward),
    "leaky_relu": Activation(
        lambda z, slope: torch.nn.functional.leaky_relu_(z, slope), _leaky_relu_backward
    ),
    "elu": Activation(lambda z, slope: torch.nn.functional.elu_(z), _elu_backward),
    "selu": Activation(
        lambda z, slope: torch.selu_(z), _selu_backward, initialization="lecun_normal"
    ),
    "gelu": Activation(
        lambda z, slope: torch.nn.functional.gelu(z), _gelu_backward, saves_output=False
    ),
    "silu": Activation(
        lambda z, slope: torch.nn.functional.silu(z), _silu_backward, saves_output=False
    ),
    "mish": Activation(
        lambda z, slope: torch.nn.functional.mish(z), _mish_backward, saves_output=False
    ),
    "softplus": Activation(_softplus, _softplus_backward, zero_at_zero=False),
}
