"""Losses and scores in compiled form. Logits z are flat, targets t (n, m)."""

from __future__ import annotations

import math

import numpy as np

from .codes import ACCURACY, BINARY_LOG_LOSS, LOG_LOSS, R2, SQUARED_ERROR
from .compiling import Loop, compiled, part


@compiled
def loss_of_row(code, m, z, at, t, row):
    """Loss of one row's logits z from ``at`` on, summed over the m outputs in float64."""
    total = 0.0
    if code == LOG_LOSS:
        top = np.float64(z[at])
        for j in range(1, m):
            top = max(top, np.float64(z[at + j]))
        if math.isnan(top):
            return np.nan
        partition, weight = 0.0, 0.0
        for j in range(m):
            v = np.float64(z[at + j]) - top
            partition += math.exp(v)
            weight += t[row, j]
            total -= t[row, j] * v
        return total + weight * math.log(partition)
    for j in range(m):
        v, w = np.float64(z[at + j]), np.float64(t[row, j])
        if code == BINARY_LOG_LOSS:
            total += max(v, 0.0) - v * w + math.log1p(math.exp(-abs(v)))
        elif code == SQUARED_ERROR:
            total += 0.5 * (v - w) * (v - w)
        else:
            total += math.exp(v) - w * v - w + (w * math.log(w) if w > 0 else 0.0)
    return total


@compiled
def loss_gradient(code, m, z, at, t, row, scale, d):
    """d = scale · ∂loss/∂z of one row's logits z; both from ``at`` on."""
    one = z.dtype.type(1)
    if code == LOG_LOSS:
        top = z[at]
        for j in range(1, m):
            top = max(top, z[at + j])
        partition = z.dtype.type(0)
        for j in range(m):
            d[at + j] = math.exp(z[at + j] - top)
            partition += d[at + j]
        for j in range(m):
            d[at + j] = (d[at + j] / partition - t[row, j]) * scale
        return
    for j in range(m):
        if code == BINARY_LOG_LOSS:
            d[at + j] = (one / (one + math.exp(-z[at + j])) - t[row, j]) * scale
        elif code == SQUARED_ERROR:
            d[at + j] = (z[at + j] - t[row, j]) * scale
        else:
            d[at + j] = (math.exp(z[at + j]) - t[row, j]) * scale


@part
def batch_loss(code, B, m, z, at, T, order, first, weights, weight, deltas):
    """Sum of a batch's weighted losses; ``deltas`` gets the gradient of their mean in the logits.

    Logits and deltas begin at ``at``; ``weight`` is the sum of the batch's weights.
    """
    total = 0.0
    for i in range(B):
        row, place = order[first + i], at + i * m
        w = weights[row] if weights.size else 1.0
        total += w * loss_of_row(code, m, z, place, T, row)
        loss_gradient(code, m, z, place, T, row, z.dtype.type(w / weight), deltas)
    return total


@Loop
def mean_loss(code, z, t, weights):
    """Mean loss over rows of weights (n,); z is flat."""
    total, weight, m = 0.0, 0.0, t.shape[1]
    for i in range(t.shape[0]):
        total += weights[i] * loss_of_row(code, m, z, i * m, t, i)
        weight += weights[i]
    return total / weight


@Loop
def score_of(code, z, t, weights):
    """Accuracy: a sum of whole weights divided once, so that equal counts are equal numbers."""
    if code == R2:
        return r2(z, t, weights)
    hits, weight, m = 0.0, 0.0, t.shape[1]
    for i in range(t.shape[0]):
        hit = True
        if code == ACCURACY:
            best, right = 0, 0
            for j in range(1, m):
                best = j if z[i * m + j] > z[i * m + best] else best
                right = j if t[i, j] > t[i, right] else right
            hit = best == right
        else:
            for j in range(m):
                hit &= (z[i * m + j] > 0) == (t[i, j] > 0.5)
        hits += weights[i] if hit else 0.0
        weight += weights[i]
    return hits / weight


@compiled
def r2(mean, t, weights):
    """R² averaged over outputs; a constant target counts 1 if met and 0 if missed."""
    n, m, score = t.shape[0], t.shape[1], 0.0
    for j in range(m):
        weight, centre, constant = 0.0, 0.0, True
        for i in range(n):
            weight += weights[i]
            centre += weights[i] * t[i, j]
            constant &= t[i, j] == t[0, j]
        centre /= weight
        residual, total = 0.0, 0.0
        for i in range(n):
            residual += weights[i] * (np.float64(t[i, j]) - mean[i * m + j]) ** 2
            total += weights[i] * (np.float64(t[i, j]) - centre) ** 2
        if constant:
            score += 0.0 if residual > 0 else 1.0
        else:
            score += 1.0 - residual / total
    return score / m
