"""What happens between the gradient and the next step: penalty, clipping, decay, optimizer.

``numbers`` and their places: see `codes`. The rules are those of torch.optim's classes.
"""

from __future__ import annotations

import math

import numpy as np

from .codes import (
    ADADELTA,
    ADAGRAD,
    ADAM,
    ADAMAX,
    BETA_1,
    BETA_2,
    DECAY,
    EPSILON,
    MAX_NORM,
    MAX_VALUE,
    MOMENTUM,
    MU_PRODUCT,
    NADAM,
    NESTEROV,
    RADAM,
    RATE,
    RMSPROP,
    STEP,
)
from .compiling import compiled, part


@compiled
def penalize(flat, gradient, n_weights, l1, l2):
    """Add the penalty's gradient; return the penalty l1·|W|₁ + l2/2·|W|²."""
    by_1, by_2 = flat.dtype.type(l1), flat.dtype.type(l2)
    squares, sizes = flat.dtype.type(0), flat.dtype.type(0)
    for i in range(n_weights):
        gradient[i] += by_2 * flat[i]
        squares += flat[i] * flat[i]
    if l1:
        zero = flat.dtype.type(0)
        for i in range(n_weights):
            gradient[i] += by_1 if flat[i] > zero else (-by_1 if flat[i] < zero else zero)
            sizes += abs(flat[i])
    return 0.5 * l2 * squares + l1 * sizes


@compiled
def clip(gradient, numbers):
    """Cut entries to [-max_value, max_value], then scale to norm max_norm."""
    if numbers[MAX_VALUE] < math.inf:
        most = gradient.dtype.type(numbers[MAX_VALUE])
        for i in range(gradient.size):
            gradient[i] = most if gradient[i] > most else gradient[i]
            gradient[i] = -most if gradient[i] < -most else gradient[i]
    if numbers[MAX_NORM] < math.inf:
        squares = gradient.dtype.type(0)
        for i in range(gradient.size):
            squares += gradient[i] * gradient[i]
        # 1e-6 as in torch.nn.utils.clip_grad_norm_
        factor = numbers[MAX_NORM] / (math.sqrt(squares) + 1e-6)
        if not factor > 1:
            by = gradient.dtype.type(factor)
            for i in range(gradient.size):
                gradient[i] *= by


@part
def update(code, flat, gradient, state, n_weights, numbers):
    """Decoupled decay of the weights, then one step of the optimizer."""
    rate = numbers[RATE]
    if numbers[DECAY]:
        by = flat.dtype.type(1.0 - rate * numbers[DECAY])
        for i in range(n_weights):
            flat[i] *= by
    numbers[STEP] += 1
    first, second = state[0], state[1]
    if code == ADAM:
        adam(flat, gradient, first, second, numbers)
    elif code == NADAM:
        nadam(flat, gradient, first, second, numbers)
    elif code == RADAM:
        radam(flat, gradient, first, second, numbers)
    elif code == ADAMAX:
        adamax(flat, gradient, first, second, numbers)
    elif code == RMSPROP:
        one, keep, by = flat.dtype.type(1), flat.dtype.type(0.99), flat.dtype.type(rate)
        epsilon = flat.dtype.type(1e-8)
        for i in range(flat.size):
            g = gradient[i]
            first[i] = keep * first[i] + (one - keep) * g * g
            flat[i] -= by * g / (math.sqrt(first[i]) + epsilon)
    elif code == ADAGRAD:
        by, epsilon = flat.dtype.type(rate), flat.dtype.type(1e-10)
        for i in range(flat.size):
            g = gradient[i]
            first[i] += g * g
            flat[i] -= by * g / (math.sqrt(first[i]) + epsilon)
    elif code == ADADELTA:
        one, keep, by = flat.dtype.type(1), flat.dtype.type(0.9), flat.dtype.type(rate)
        epsilon = flat.dtype.type(1e-6)
        for i in range(flat.size):
            g = gradient[i]
            first[i] = keep * first[i] + (one - keep) * g * g
            change = math.sqrt(second[i] + epsilon) / math.sqrt(first[i] + epsilon) * g
            second[i] = keep * second[i] + (one - keep) * change * change
            flat[i] -= by * change
    else:
        sgd(flat, gradient, first, numbers)


@compiled
def moments(gradient, mean, square, numbers):
    one = mean.dtype.type(1)
    beta_1, beta_2 = mean.dtype.type(numbers[BETA_1]), mean.dtype.type(numbers[BETA_2])
    for i in range(mean.size):
        g = gradient[i]
        mean[i] += (g - mean[i]) * (one - beta_1)
        square[i] = beta_2 * square[i] + (one - beta_2) * g * g


@compiled
def adam(flat, gradient, mean, square, numbers):
    t = numbers[STEP]
    by = flat.dtype.type(numbers[RATE] / (1 - numbers[BETA_1] ** t))
    root = flat.dtype.type(1 / math.sqrt(1 - numbers[BETA_2] ** t))
    epsilon = flat.dtype.type(numbers[EPSILON])
    keep_1, add_1 = flat.dtype.type(numbers[BETA_1]), flat.dtype.type(1 - numbers[BETA_1])
    keep_2, add_2 = flat.dtype.type(numbers[BETA_2]), flat.dtype.type(1 - numbers[BETA_2])
    for i in range(flat.size):
        g = gradient[i]
        mean[i] = keep_1 * mean[i] + add_1 * g
        square[i] = keep_2 * square[i] + add_2 * g * g
        flat[i] -= by * mean[i] / (math.sqrt(square[i]) * root + epsilon)


@compiled
def nadam(flat, gradient, mean, square, numbers):
    """Dozat (2016), with torch's momentum_decay of 0.004."""
    t, beta_1 = numbers[STEP], numbers[BETA_1]
    mu = beta_1 * (1 - 0.5 * 0.96 ** (t * 0.004))
    following = beta_1 * (1 - 0.5 * 0.96 ** ((t + 1) * 0.004))
    # in float32, as torch counts it in every dtype
    numbers[MU_PRODUCT] = np.float32(numbers[MU_PRODUCT]) * np.float32(mu)
    product = numbers[MU_PRODUCT]
    by_gradient = flat.dtype.type(numbers[RATE] * (1 - mu) / (1 - product))
    by_mean = flat.dtype.type(numbers[RATE] * following / (1 - product * following))
    correction = flat.dtype.type(1 / (1 - numbers[BETA_2] ** t))
    epsilon = flat.dtype.type(numbers[EPSILON])
    moments(gradient, mean, square, numbers)
    for i in range(flat.size):
        below = math.sqrt(square[i] * correction) + epsilon
        flat[i] -= (by_gradient * gradient[i] + by_mean * mean[i]) / below


@compiled
def radam(flat, gradient, mean, square, numbers):
    """Liu et al. (2019), arXiv:1908.03265: plain momentum until the variance can be trusted."""
    t, beta_2 = numbers[STEP], numbers[BETA_2]
    moments(gradient, mean, square, numbers)
    bias_2 = 1 - beta_2**t
    longest = 2 / (1 - beta_2) - 1
    length = longest - 2 * t * beta_2**t / bias_2
    by = numbers[RATE] / (1 - numbers[BETA_1] ** t)
    if length <= 5:
        plain = flat.dtype.type(by)
        for i in range(flat.size):
            flat[i] -= plain * mean[i]
        return
    certain = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    adapted = flat.dtype.type(by * math.sqrt(certain) * math.sqrt(bias_2))
    epsilon = flat.dtype.type(numbers[EPSILON])
    for i in range(flat.size):
        flat[i] -= adapted * mean[i] / (math.sqrt(square[i]) + epsilon)


@compiled
def adamax(flat, gradient, mean, largest, numbers):
    one = flat.dtype.type(1)
    by = flat.dtype.type(numbers[RATE] / (1 - numbers[BETA_1] ** numbers[STEP]))
    beta_1, beta_2 = flat.dtype.type(numbers[BETA_1]), flat.dtype.type(numbers[BETA_2])
    epsilon = flat.dtype.type(numbers[EPSILON])
    for i in range(flat.size):
        g = gradient[i]
        mean[i] += (g - mean[i]) * (one - beta_1)
        now, before = abs(g) + epsilon, largest[i] * beta_2
        largest[i] = before if before > now else now  # NaN comes through
        flat[i] -= by * mean[i] / largest[i]


@compiled
def sgd(flat, gradient, velocity, numbers):
    by, momentum = flat.dtype.type(numbers[RATE]), flat.dtype.type(numbers[MOMENTUM])
    nesterov = numbers[NESTEROV] > 0
    if momentum == 0:
        for i in range(flat.size):
            flat[i] -= by * gradient[i]
        return
    for i in range(flat.size):
        velocity[i] = momentum * velocity[i] + gradient[i]
        step = gradient[i] + momentum * velocity[i] if nesterov else velocity[i]
        flat[i] -= by * step
