"""Losses and scores in compiled form. Logits z are flat, targets t (n, m)."""

from __future__ import annotations

import math

import numpy as np

from .codes import ACCURACY, BINARY_LOG_LOSS, LOG_LOSS, R2, SQUARED_ERROR
from .compiling import Loop, compiled


@compiled
def loss_of_row(code, z, t, scale, d):
    """Loss of one row's logits z (m,) and targets t (m,), summed over outputs in float64.

    d gets scale · ∂loss/∂z, unless it has no entries.
    """
    m, total, slopes = z.size, 0.0, d.size > 0
    if code == LOG_LOSS:
        top = np.float64(z[0])
        for j in range(1, m):
            top = max(top, np.float64(z[j]))
        partition, weight = 0.0, 0.0
        for j in range(m):
            v = np.float64(z[j]) - top
            e = math.exp(v)
            partition += e
            weight += t[j]
            total -= t[j] * v
            if slopes:
                d[j] = e
        if slopes:
            for j in range(m):
                d[j] = (d[j] / partition - t[j]) * scale
        return total + weight * math.log(partition)
    for j in range(m):
        v, w = np.float64(z[j]), np.float64(t[j])
        slope = v - w
        if code == BINARY_LOG_LOSS:
            e = math.exp(-abs(v))
            total += max(v, 0.0) - v * w + math.log1p(e)
            slope = (e if v < 0 else 1.0) / (1.0 + e) - w
        elif code == SQUARED_ERROR:
            total += 0.5 * slope * slope
        else:
            e = math.exp(v)
            total += e - w * v - w + (w * math.log(w) if w > 0 else 0.0)
            slope = e - w
        if slopes:
            d[j] = slope * scale
    return total


@compiled
def batch_loss(code, B, m, z, T, order, first, weights, weight, deltas):
    """Sum of a batch's weighted losses; ``deltas`` gets the gradient of their mean in the logits.

    ``weight`` is the sum of the batch's weights.
    """
    total = 0.0
    for i in range(B):
        row = order[first + i]
        w = weights[row] if weights.size else 1.0
        t, logits, by = T[row], z[i * m : (i + 1) * m], deltas[i * m : (i + 1) * m]
        total += w * loss_of_row(code, logits, t, w / weight, by)
    return total


@Loop
def mean_loss(code, z, t, weights):
    """Mean loss over rows of weights (n,); z is flat."""
    total, weight, m = 0.0, 0.0, t.shape[1]
    for i in range(t.shape[0]):
        total += weights[i] * loss_of_row(code, z[i * m : (i + 1) * m], t[i], 0.0, z[:0])
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
