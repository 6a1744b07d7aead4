"""A stack's networks have in common what `Common` lists, and nothing else."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial

import pytest
import torch
from helpers import make_task, random_rows

from skmlp.task import Common, OptimizerSettings, TrainingTask

CHANGES = {
    "layer_sizes": (5, 8, 7, 3),
    "activations": ("tanh", "relu"),
    "negative_slope": 0.1,
    "normalization": "layer",
    "residual": 2,
    "fixup": True,
    "loss": "binary_log_loss",
    "score": "subset_accuracy",
    "optimizer": OptimizerSettings("sgd"),
    "batch_size": 7,
    "dtype": "float32",
    "device": "cuda",
}


def test_all_that_is_common_is_tried_here():
    assert set(CHANGES) == {each.name for each in fields(Common)}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_common_decides_who_trains_together(name):
    task = make_task()
    assert task.stack_key == make_task().stack_key
    assert hash(task.stack_key) == hash(make_task().stack_key)
    assert task.stack_key != replace(task, **{name: CHANGES[name]}).stack_key


def test_the_rest_does_not():
    task = make_task()
    others = {
        "seed": 3,
        "alpha": 1.0,
        "loss_options": (0.3,),
        "dropout": (0.5, 0.5),
        "stochastic_depth": 0.5,
        "learning_rate_init": 0.5,
        "train": random_rows(n=9),
        "validation": random_rows(),
        "optimizer": OptimizerSettings("adam", beta_1=0.5, epsilon=1e-3),
    }
    assert replace(task, **others).stack_key == task.stack_key
    assert replace(task, **others).common == task.common
    assert not isinstance(task.common, TrainingTask)


def test_optimizers_of_the_user_train_together_if_they_are_the_same():
    sgd = partial(torch.optim.SGD, momentum=0.5)
    same, other = make_task(optimizer=sgd), make_task(optimizer=partial(torch.optim.SGD))
    assert same.stack_key == make_task(optimizer=sgd, seed=1).stack_key
    assert same.stack_key != other.stack_key
    assert same.stack_key != make_task(optimizer=torch.optim.SGD).stack_key


def test_searches_along_a_line_train_alone():
    first, second = (make_task(optimizer=torch.optim.LBFGS) for _ in range(2))
    assert first.common == second.common
    assert first.stack_key != second.stack_key
    assert first.stack_key == first.stack_key


def test_a_network_is_described_by_its_task():
    task = make_task(negative_slope=0.2, normalization="layer")
    assert task.architecture == ((5, 8, 6, 3), ("tanh", "tanh"), 0.2, "layer", 0, False)
    assert task.common.architecture == task.architecture
