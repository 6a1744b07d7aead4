"""Activation functions of the hidden layers, and their derivatives.

Shapes: z and x' are (K, B, width) for K networks and B rows. Loops, which are compiled where numba
is installed, get arrays of n entries; ``type(z[0])`` makes a number of their dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .elementary import erf, exp, expm1, log1p, tanh

_aten = torch.ops.aten

# Klambauer et al. (2017), arXiv:1706.02515: the fixed point is mean 0 and variance 1.
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_STEEPNESS = _SELU_SCALE * _SELU_ALPHA
_ROOT_HALF, _NORMAL_TOP = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)


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
    loop : callable, optional
        ``loop(n, slope, z, h)``: h = f(z), entry by entry; h may be z.
    loop_backward : callable, optional
        ``loop_backward(n, slope, saved, d)``: d *= f'(z). Without these two, networks with the
        activation are not for the compiled loops.
    """

    forward: Callable[[Tensor, float], Tensor]
    backward: Callable[[Tensor, Tensor, float], Tensor] | None = None
    saves_output: bool = True
    initialization: str = "glorot_uniform"
    zero_at_zero: bool = True
    loop: Callable[[int, float, Any, Any], None] | None = None
    loop_backward: Callable[[int, float, Any, Any], None] | None = None


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


def _identity_loop(n, slope, z, h):
    for i in range(n):
        h[i] = z[i]


def _identity_loop_backward(n, slope, saved, d):
    pass


def _logistic_loop(n, slope, z, h):
    one = type(z[0])(1)
    for i in range(n):
        h[i] = one / (one + exp(-z[i]))


def _logistic_loop_backward(n, slope, saved, d):
    one = type(d[0])(1)
    for i in range(n):
        d[i] *= saved[i] * (one - saved[i])


def _tanh_loop(n, slope, z, h):
    for i in range(n):
        h[i] = tanh(z[i])


def _tanh_loop_backward(n, slope, saved, d):
    one = type(d[0])(1)
    for i in range(n):
        d[i] *= one - saved[i] * saved[i]


def _relu_loop(n, slope, z, h):
    zero = type(z[0])(0)
    for i in range(n):
        h[i] = zero if z[i] <= zero else z[i]  # NaN stays NaN


def _relu_loop_backward(n, slope, saved, d):
    zero = type(d[0])(0)
    for i in range(n):
        d[i] = zero if saved[i] <= zero else d[i]


def _leaky_relu_loop(n, slope, z, h):
    zero, below = type(z[0])(0), type(z[0])(slope)
    for i in range(n):
        h[i] = z[i] * below if z[i] <= zero else z[i]


def _leaky_relu_loop_backward(n, slope, saved, d):
    zero, below = type(d[0])(0), type(d[0])(slope)
    for i in range(n):
        d[i] = d[i] * below if saved[i] <= zero else d[i]


def _elu_loop(n, slope, z, h):
    zero = type(z[0])(0)
    for i in range(n):
        h[i] = expm1(z[i]) if z[i] <= zero else z[i]


def _elu_loop_backward(n, slope, saved, d):
    zero, one = type(d[0])(0), type(d[0])(1)
    for i in range(n):
        d[i] = d[i] * (saved[i] + one) if saved[i] <= zero else d[i]


def _selu_loop(n, slope, z, h):
    number = type(z[0])
    zero, scale, steepness = number(0), number(_SELU_SCALE), number(_SELU_STEEPNESS)
    for i in range(n):
        h[i] = steepness * expm1(z[i]) if z[i] <= zero else scale * z[i]


def _selu_loop_backward(n, slope, saved, d):
    number = type(d[0])
    zero, scale, steepness = number(0), number(_SELU_SCALE), number(_SELU_STEEPNESS)
    for i in range(n):
        d[i] *= saved[i] + steepness if saved[i] <= zero else scale


def _gelu_loop(n, slope, z, h):
    number = type(z[0])
    one, half, root = number(1), number(0.5), number(_ROOT_HALF)
    for i in range(n):
        h[i] = z[i] * half * (one + erf(z[i] * root))


def _gelu_loop_backward(n, slope, z, d):
    number = type(d[0])
    one, half, root, top = number(1), number(0.5), number(_ROOT_HALF), number(_NORMAL_TOP)
    for i in range(n):
        v = z[i]
        share = half * (one + erf(v * root))
        d[i] *= share + v * top * exp(-half * v * v)


def _silu_loop(n, slope, z, h):
    one = type(z[0])(1)
    for i in range(n):
        h[i] = z[i] / (one + exp(-z[i]))


def _silu_loop_backward(n, slope, z, d):
    one = type(d[0])(1)
    for i in range(n):
        s = one / (one + exp(-z[i]))
        d[i] *= s * (one + z[i] * (one - s))


def _softplus_loop(n, slope, z, h):
    zero = type(z[0])(0)
    for i in range(n):
        h[i] = max(z[i], zero) + log1p(exp(-abs(z[i])))


def _softplus_loop_backward(n, slope, saved, d):
    for i in range(n):
        d[i] *= -expm1(-saved[i])


def _mish_loop(n, slope, z, h):
    # tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2) for e = exp(z), and 1 beyond z = 20
    number = type(z[0])
    two, top = number(2), number(20)
    for i in range(n):
        e = exp(min(z[i], top))
        m = e * (e + two)
        h[i] = z[i] * (m / (m + two))


def _mish_loop_backward(n, slope, z, d):
    number = type(d[0])
    one, two, top = number(1), number(2), number(20)
    for i in range(n):
        e = exp(min(z[i], top))
        m = e * (e + two)
        t = m / (m + two)
        d[i] *= t + z[i] * (one - t * t) * (e / (one + e))


# Glorot's rule for the ReLU family too: networks of one to three hidden layers generalize better
# from its smaller random function than from He's, in regression above all
# (benchmarks/initialization.py). He's keeps the signal in deep ones.
ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(
        lambda z, slope: z,
        lambda delta, out, slope: delta,
        loop=_identity_loop,
        loop_backward=_identity_loop_backward,
    ),
    "logistic": Activation(
        lambda z, slope: z.sigmoid_(),
        _logistic_backward,
        zero_at_zero=False,
        loop=_logistic_loop,
        loop_backward=_logistic_loop_backward,
    ),
    "tanh": Activation(
        lambda z, slope: z.tanh_(),
        _tanh_backward,
        loop=_tanh_loop,
        loop_backward=_tanh_loop_backward,
    ),
    "relu": Activation(
        lambda z, slope: z.relu_(),
        _relu_backward,
        loop=_relu_loop,
        loop_backward=_relu_loop_backward,
    ),
    "leaky_relu": Activation(
        lambda z, slope: torch.nn.functional.leaky_relu_(z, slope),
        _leaky_relu_backward,
        loop=_leaky_relu_loop,
        loop_backward=_leaky_relu_loop_backward,
    ),
    "elu": Activation(
        lambda z, slope: torch.nn.functional.elu_(z),
        _elu_backward,
        loop=_elu_loop,
        loop_backward=_elu_loop_backward,
    ),
    "selu": Activation(
        lambda z, slope: torch.selu_(z),
        _selu_backward,
        initialization="lecun_normal",
        loop=_selu_loop,
        loop_backward=_selu_loop_backward,
    ),
    "gelu": Activation(
        lambda z, slope: torch.nn.functional.gelu(z),
        _gelu_backward,
        saves_output=False,
        loop=_gelu_loop,
        loop_backward=_gelu_loop_backward,
    ),
    "silu": Activation(
        lambda z, slope: torch.nn.functional.silu(z),
        _silu_backward,
        saves_output=False,
        loop=_silu_loop,
        loop_backward=_silu_loop_backward,
    ),
    "mish": Activation(
        lambda z, slope: torch.nn.functional.mish(z),
        _mish_backward,
        saves_output=False,
        loop=_mish_loop,
        loop_backward=_mish_loop_backward,
    ),
    "softplus": Activation(
        _softplus,
        _softplus_backward,
        zero_at_zero=False,
        loop=_softplus_loop,
        loop_backward=_softplus_loop_backward,
    ),
}
