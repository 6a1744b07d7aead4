"""Elementary functions for the loops of activations and losses.

As Python they are `math`'s. Compiled they are `training.compiled.elementary`'s: several at once.
"""

from __future__ import annotations

import math


def exp(v):
    return math.exp(v)


def expm1(v):
    return math.expm1(v)


def log1p(v):
    """For v from 0 to 1."""
    return math.log1p(v)


def tanh(v):
    return math.tanh(v)


def erf(v):
    return math.erf(v)
