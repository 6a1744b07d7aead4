from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers import assert_same, make_task, trained_alone

from skmlp import config, training
from skmlp.task import OptimizerSettings
from skmlp.training import stacks, train
from skmlp.training.bar import StackBar
from skmlp.training.stack import Stack


def bars(text: str) -> list[str]:
    """The states that the bar went through."""
    return [state for state in text.replace("\n", "\r").split("\r") if "Training networks" in state]


@pytest.fixture(params=["compiled", "torch"])
def executor(request):
    with config(executor=request.param):
        yield


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_bar_counts_networks_and_shows_epochs_and_the_lowest_loss(
    monkeypatch, capsys, n_threads, executor
):
    monkeypatch.setattr(stacks, "_FLOPS_FOR_SLICES", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    tasks = [make_task(seed=k, max_iter=2 + k) for k in range(5)]
    results = train(tasks, progress=True)
    last = bars(capsys.readouterr().err)[-1]
    assert "5/5" in last
    assert "epoch=6" in last
    lowest = min(min(r.loss_curve) for r in results)
    assert f"lowest loss={lowest:.4g}" in last


def test_the_bar_shows_the_best_validation_score_where_there_is_one(capsys, executor):
    tasks = [
        replace(make_task(seed=k), validation=make_task(seed=k).train, early_stopping=True)
        for k in range(3)
    ]
    results = train(tasks, progress=True)
    best = max(max(r.validation_scores) for r in results)
    assert f"best validation score={best:.4f}" in bars(capsys.readouterr().err)[-1]


def test_an_epoch_is_shown_before_any_network_is_done_and_the_end_closes_the_bar(capsys):
    with StackBar(2) as bar:
        bar._bar.mininterval = bar._bar.miniters = 0
        stack = Stack([make_task()])
        stack.members[0].progress.end_epoch(0.25, 0.1)
        bar.epoch_ended(stack)
        shown = bars(capsys.readouterr().err)[-1]
        assert "0/2" in shown
        assert "epoch=1, lowest loss=0.25" in shown
        assert not bar._bar.disable
    assert bar._bar.disable  # what tqdm calls a closed bar


def test_full_batch_networks_are_counted_too(capsys, executor):
    task = make_task(optimizer="lbfgs", max_iter=3)
    train([task, make_task()], progress=True)
    assert "2/2" in bars(capsys.readouterr().err)[-1]


def test_verbose_networks_share_one_bar_and_one_alone_prints_its_epochs(capsys):
    tasks = [replace(make_task(seed=k, max_iter=2), verbose=1) for k in range(2)]
    together = train(tasks)
    output = capsys.readouterr()
    assert "Iteration" not in output.out
    assert "2/2" in bars(output.err)[-1]
    alone = trained_alone(tasks)
    output = capsys.readouterr()
    assert output.out.count("Iteration 2") == 2
    assert output.err == ""
    for one, other in zip(together, alone, strict=True):
        assert_same(one, other)


def test_nothing_is_shown_unless_it_is_asked_for(capsys):
    train([make_task(seed=k) for k in range(2)])
    assert capsys.readouterr() == ("", "")


def test_shares_of_the_time_add_up_to_what_the_stack_took(monkeypatch, by_torch):
    clock = iter(range(1000))
    monkeypatch.setattr(training.stack, "perf_counter", lambda: float(next(clock)))
    tasks = [make_task(seed=k, max_iter=epochs) for k, epochs in enumerate([2, 2, 5])]
    shares = [result.seconds for result in train(tasks)]
    # Laps of one second: two of three networks, then three of one.
    assert shares == pytest.approx([2 / 3, 2 / 3, 2 / 3 + 3])
    assert sum(shares) == pytest.approx(5)


def test_a_full_batch_network_has_its_own_time():
    (result,) = train([replace(make_task(max_iter=3), optimizer=OptimizerSettings("lbfgs"))])
    assert 0 < result.seconds < 60
