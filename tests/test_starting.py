"""Starting weights of whole networks: which draws decide what."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from helpers import make_task

from skmlp.network.initialization import INITIALIZATIONS, WHOLE_NETWORK, Layer, initial_layer
from skmlp.training.starting import starting_weights

HIDDEN = (8, 8, 4, 4, 6)


def start_of(task, seed=0):
    return starting_weights(task, np.random.default_rng(seed))


@pytest.mark.parametrize("residual", [0, 2])
def test_layers_are_drawn_one_after_the_other(residual):
    rng = np.random.default_rng(0)
    sizes = (5, *HIDDEN, 3)
    expected = [initial_layer("he_normal", Layer(a, b, "tanh"), rng)[0] for a, b in pairwise(sizes)]
    found = start_of(make_task(hidden=HIDDEN, initialization="he_normal", residual=residual))
    for ours, theirs in zip(found.coefs, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", [*INITIALIZATIONS, "fixup"])
def test_weights_are_the_same_whatever_the_rule_of_the_biases(name):
    task = make_task(hidden=HIDDEN, residual=2, initialization=name, fixup=name == "fixup")
    first = start_of(task)
    for rule in ("zeros", "torch", "sklearn", 0.3):
        other = start_of(replace(task, bias_initialization=rule))
        for a, b in zip(
            [*first.coefs, *first.others.values()],
            [*other.coefs, *other.others.values()],
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["auto", *WHOLE_NETWORK])
def test_matrices_of_skips_do_not_depend_on_the_rule_of_the_weights(name):
    """They are as near to an identity as unequal widths allow, and keep a unit's mean variance."""
    task = make_task(hidden=HIDDEN, residual=2, initialization=name, fixup=name == "fixup")
    narrow, wide = (start_of(task).others[f"projections.{i}"] for i in range(2))
    np.testing.assert_allclose(narrow.T @ narrow, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(wide @ wide.T, 6 / 4 * np.eye(4), atol=1e-12)
    x = np.random.default_rng(1).normal(size=(100_000, 4))
    assert (x @ wide).var(axis=0).mean() == pytest.approx(1.0, abs=0.02)


def test_given_weights_are_taken_and_survival_is_the_parameters():
    task = make_task(hidden=HIDDEN, residual=2, stochastic_depth=0.5)
    given = start_of(task)
    assert [given.others[f"survivals.{i}"][0] for i in range(2)] == [0.75, 0.5]
    again = start_of(replace(task, initial=given, stochastic_depth=0.1), seed=1)
    assert again.coefs is given.coefs
    assert again.others["projections.0"] is given.others["projections.0"]
    assert again.others["survivals.1"] == pytest.approx([0.1])
    assert given.others["survivals.1"] == [0.5]
