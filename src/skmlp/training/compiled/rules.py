"""Pieces around the loss and between the gradient and the optimizer's step."""

from __future__ import annotations

import math

import numpy as np

from ...network.elementary import tanh


def penalize(n_weights, l1, l2, flat, gradient):
    """Add the penalty's gradient; return the penalty l1·|W|₁ + l2/2·|W|²."""
    number = type(flat[0])
    zero, by_1, by_2 = number(0), number(l1), number(l2)
    squares, sizes = zero, zero
    for i in range(n_weights):
        gradient[i] += by_2 * flat[i]
        squares += flat[i] * flat[i]
    if l1:
        for i in range(n_weights):
            gradient[i] += by_1 if flat[i] > zero else (-by_1 if flat[i] < zero else zero)
            sizes += abs(flat[i])
    return 0.5 * l2 * squares + l1 * sizes


def clip(n, max_value, max_norm, gradient):
    """Cut entries to [-max_value, max_value], then scale to norm max_norm."""
    number = type(gradient[0])
    if max_value < math.inf:
        most = number(max_value)
        for i in range(n):
            gradient[i] = most if gradient[i] > most else gradient[i]
            gradient[i] = -most if gradient[i] < -most else gradient[i]
    if max_norm < math.inf:
        squares = number(0)
        for i in range(n):
            squares += gradient[i] * gradient[i]
        # 1e-6 as in torch.nn.utils.clip_grad_norm_
        factor = max_norm / (math.sqrt(squares) + 1e-6)
        if not factor > 1:
            by = number(factor)
            for i in range(n):
                gradient[i] *= by


def decay(n_weights, factor, flat):
    """Decoupled decay of the weights."""
    by = type(flat[0])(factor)
    for i in range(n_weights):
        flat[i] *= by


def bound(n, low, high, z):
    """Outputs between low and high, from logits."""
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    for i in range(n):
        z[i] = middle + half * tanh(z[i])


def bound_back(n, low, high, h, d):
    """d, the gradient in the outputs h, becomes that in the logits."""
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    for i in range(n):
        share = (np.float64(h[i]) - middle) / half
        d[i] *= half * (1.0 - share) * (1.0 + share)


def average(n, share, flat, averages):
    """Move averages by a share of what is between them and the parameters."""
    by = type(flat[0])(share)
    for i in range(n):
        averages[i] = flat[i] if share == 1 else averages[i] + by * (flat[i] - averages[i])
