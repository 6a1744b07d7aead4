"""The weights that a network starts from: given, or drawn by its rule, and scaled by its rows."""

from __future__ import annotations

from math import sqrt

import numpy as np

from ..network.architecture import NetworkArrays
from ..network.depth import blocks_of, survival_probabilities
from ..network.fixup import scaled_by_fixup
from ..network.initialization import WHOLE_NETWORK, Layer, initial_biases, initial_layer
from ..network.lsuv import scaled_to_unit_variance
from ..network.rules import orthonormal
from ..task import Matrix, Rows, TrainingTask
from .row_weights import validation_weights

# LSUV looks at this many rows at most, and at fewer where they have more than this many entries.
_MOST_ROWS, _MOST_ENTRIES = 512, 1 << 23


def starting_weights(task: TrainingTask, rng: np.random.Generator) -> NetworkArrays:
    """Weights and biases, given or drawn, and what else a network starts with."""
    if task.initial is not None:
        return _with(task.initial, _survivals(task))
    layers, rule = _layers(task), task.initialization
    if isinstance(rule, str):
        rule = WHOLE_NETWORK.get(rule, rule)
    drawn = [initial_layer(rule, layer, rng) for layer in layers]
    others = _survivals(task) | _projections(task, rng)
    rows = _some_rows(task.train, rng) if task.initialization == "lsuv" else None
    biases = [b for _, b in drawn]
    if task.bias_initialization is not None:
        # After all else, which is then the same whatever the rule of the biases.
        biases = [initial_biases(task.bias_initialization, layer, rng) for layer in layers]
    arrays = NetworkArrays([w for w, _ in drawn], biases, others)
    if task.fixup:
        return scaled_by_fixup(arrays, task.architecture)
    return arrays if rows is None else scaled_to_unit_variance(arrays, task.architecture, *rows)


def _layers(task: TrainingTask) -> list[Layer]:
    """What a rule may look at, layer by layer."""
    sizes, hidden = task.layer_sizes, task.activations
    return [
        Layer(fan_in, fan_out, activation, task.negative_slope, nearest)
        for fan_in, fan_out, activation, nearest in zip(
            sizes[:-1],
            sizes[1:],
            (*hidden, "identity"),
            (*hidden, *(hidden[-1:] or ("identity",))),
            strict=True,
        )
    ]


def _with(arrays: NetworkArrays, others: dict[str, np.ndarray]) -> NetworkArrays:
    return arrays._replace(others={**arrays.others, **others})


def _survivals(task: TrainingTask) -> dict[str, np.ndarray]:
    """How often each block survives: a parameter's, whatever the network goes on from."""
    n_blocks = len(blocks_of(task.architecture))
    probabilities = survival_probabilities(n_blocks, task.stochastic_depth)
    return {f"survivals.{i}": np.array([p]) for i, p in enumerate(probabilities)}


def _projections(task: TrainingTask, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Matrices of skips between unequal widths: as near to an identity as there can be.

    Orthonormal rows or columns, whatever the rule of the weights, times what gives a unit the mean
    variance that those before it have.
    """
    found = {}
    for place, block in enumerate(blocks_of(task.architecture)):
        if block.projects:
            fan_in, fan_out = block.widths
            gain = max(1.0, sqrt(fan_out / fan_in))
            found[f"projections.{place}"] = gain * orthonormal(block.widths, rng)
    return found


def _some_rows(rows: Rows, rng: np.random.Generator) -> tuple[Matrix, np.ndarray]:
    """Rows drawn from all, each as likely, and their weights."""
    n, d = rows.X.shape
    weights = validation_weights(rows)  # whose sum is a number
    most = min(_MOST_ROWS, max(1, _MOST_ENTRIES // max(1, d)))
    if n <= most:
        return rows.X, weights
    index = np.sort(rng.choice(n, most, replace=False))
    return rows.X[index], weights[index]
