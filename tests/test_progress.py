from __future__ import annotations

import re
from dataclasses import replace
from math import inf, nan

import pytest
from helpers import make_task

from skmlp.training.progress import Clock, DivergenceError, Progress, check_finite


def progress(**others):
    return Progress(make_task(max_iter=100, **others))


def run(p, losses, scores=None, rate=0.1):
    """Feed epochs until it stops; return the rates."""
    rates = []
    for i, loss in enumerate(losses):
        if scores is not None:
            p.validate(1.0, scores[i])
        rate = p.end_epoch(loss, rate)
        rates.append(rate)
        if p.stopping_reason:
            break
    return rates


def test_stops_after_more_than_n_iter_no_change_epochs_without_improvement():
    p = progress(n_iter_no_change=3, tol=0.01)
    run(p, [1.0, 0.5, 0.495, 0.492, 0.491, 0.491, 0.491, 0.491])
    assert (p.n_iter, p.stopping_reason) == (6, "no_improvement")
    assert p.best_loss == 0.491


def test_improvements_of_tol_start_the_count_again():
    p = progress(n_iter_no_change=2, tol=0.1)
    run(p, [1.0, 0.95, 0.95, 0.8, 0.79, 0.79, 0.79])
    assert p.n_iter == 7


@pytest.mark.parametrize(("tol", "losses"), [(0.0, [1.0] * 9), (0.5, [2.0, 1.5, 1.0, 0.5])])
def test_a_loss_lower_by_exactly_tol_is_an_improvement(tol, losses):
    p = progress(n_iter_no_change=0, tol=tol)
    run(p, losses)
    assert (p.n_iter, p.stopping_reason) == (len(losses), None)


def test_validation_score_decides_with_early_stopping():
    p = progress(n_iter_no_change=1, tol=0.01, early_stopping=True)
    run(p, [5, 4, 3, 2, 1], scores=[0.5, 0.8, 0.805, 0.8, 0.9])
    assert (p.n_iter, p.stopping_reason) == (4, "early_stopping")
    assert p.best_validation_score == 0.805


def test_validate_tells_the_best_only_with_early_stopping():
    p = progress(early_stopping=True)
    assert p.validate(1.0, 0.5)
    p.end_epoch(1.0, 0.1)
    assert not p.validate(1.0, 0.5)
    assert p.validate(2.0, 0.6)
    assert (p.validation_loss_curve, p.validation_scores) == ([1.0, 1.0, 2.0], [0.5, 0.5, 0.6])
    assert not progress().validate(1.0, 0.5)


@pytest.mark.parametrize(("dtype", "rounding"), [("float64", 1e-12), ("float32", 1e-6)])
def test_scores_that_differ_by_rounding_are_a_tie(dtype, rounding):
    p = progress(early_stopping=True, dtype=dtype, tol=0.1, n_iter_no_change=0)
    assert p.validate(1.0, 0.5)
    p.end_epoch(1.0, 0.1)
    assert not p.validate(1.0, 0.5 + 0.9 * rounding)
    assert p.validate(1.0, 0.5 + 1.1 * rounding)
    # An improvement by tol, but for rounding, is one.
    assert p.validate(1.0, 0.6 - 0.9 * rounding)
    p.end_epoch(1.0, 0.1)
    assert (p.no_improvement_count, p.stopping_reason) == (0, None)
    p.validate(1.0, p.best_validation_score + 0.1 - 1.1 * rounding)
    p.end_epoch(1.0, 0.1)
    assert (p.no_improvement_count, p.stopping_reason) == (1, "early_stopping")


@pytest.mark.parametrize("start", [0, 3])
def test_epochs_that_come_for_certain(start):
    """None that do not come, and one before the last at most."""
    task = make_task(max_iter=20, n_iter_no_change=4, tol=10.0)
    progress = Progress(task, no_improvement_count=start, best_loss=0.0)
    assert progress.certain_epochs == 5 - start
    while progress.stopping_reason is None:
        certain = progress.certain_epochs
        assert certain >= 1
        for _ in range(certain):
            assert progress.stopping_reason is None
            progress.end_epoch(1.0, 0.1)
    assert progress.n_iter == 5 - start
    assert Progress(replace(task, max_iter=3)).certain_epochs == 3


def test_max_iter():
    p = Progress(make_task(max_iter=3))
    run(p, [3, 2, 1, 0])
    assert (p.n_iter, p.stopping_reason) == (3, "max_iter")


def test_the_first_reason_to_stop_is_told():
    p = Progress(make_task(max_iter=2, n_iter_no_change=0, tol=1.0))
    run(p, [1.0, 1.0])
    assert (p.n_iter, p.stopping_reason) == (2, "no_improvement")


def test_rows_are_counted_and_losses_kept():
    p = progress()
    run(p, [3.0, 1.0, 2.0])
    assert (p.t, p.n_iter, p.loss_curve, p.best_loss) == (3 * 40, 3, [3.0, 1.0, 2.0], 1.0)
    fresh = progress()
    assert (fresh.t, fresh.n_iter, fresh.no_improvement_count) == (0, 0, 0)
    assert (fresh.best_loss, fresh.best_validation_score) == (inf, -inf)


def test_inverse_scaling_is_the_formula():
    p = progress(learning_rate="invscaling", learning_rate_init=0.3, power_t=0.7)
    assert run(p, [3, 2, 1]) == pytest.approx([0.3 / (40 * n + 1) ** 0.7 for n in (1, 2, 3)])


def test_adaptive_divides_by_five_down_to_one_millionth():
    p = progress(learning_rate="adaptive", n_iter_no_change=1, tol=1e-4)
    rates = run(p, [1.0] * 200, rate=1e-3)
    distinct = list(dict.fromkeys(rates))
    assert distinct == pytest.approx([1e-3 / 5**i for i in range(6)])
    assert p.stopping_reason == "learning_rate"


def test_an_adaptive_rate_of_one_millionth_is_too_small():
    for rate, reason in [(1e-6, "learning_rate"), (1.01e-6, None)]:
        p = progress(learning_rate="adaptive", n_iter_no_change=0, tol=1.0)
        run(p, [1.0, 1.0], rate=rate)
        assert p.stopping_reason == reason


def test_a_lower_rate_gets_new_patience():
    p = progress(learning_rate="adaptive", n_iter_no_change=2, tol=0.1)
    rates = run(p, [1.0] * 8, rate=0.1)
    assert rates == pytest.approx([0.1] * 3 + [0.02] * 3 + [0.004] * 2)
    assert p.no_improvement_count == 1


def test_the_last_rate_of_each_epoch_is_kept():
    p = progress(learning_rate="adaptive", n_iter_no_change=2, tol=0.1)
    run(p, [1.0] * 5, rate=0.1)
    assert p.learning_rates == pytest.approx([0.1] * 4 + [0.02])
    # 3 steps an epoch: factors (s + 1) / 5 up to the fifth step
    p = Progress(make_task(max_iter=5, warmup=4 / 15))
    p.end_epochs([3.0, 2.0], 0.1)
    p.end_epoch(1.0, 0.1)
    assert p.learning_rates == pytest.approx([0.06, 0.1, 0.1])


def test_divergence_tells_the_rate_of_its_epoch():
    p = Progress(make_task(max_iter=5, warmup=4 / 15))
    for epoch, rate in [(1, 0.06), (2, 0.1)]:
        with pytest.raises(
            DivergenceError, match=rf"loss.*epoch {epoch} with learning rate {rate}"
        ):
            p.check_finite(nan, 0.1, epoch=epoch)
    with pytest.raises(DivergenceError, match=r"weight.*iteration 2"):
        p.check_finite(inf, None, "weight", epoch=2)
    p.check_finite(1.0, 0.1)


def test_infinite_patience_never_stops():
    p = progress(n_iter_no_change=inf)
    run(p, [1.0] * 99)
    assert p.stopping_reason is None


def test_verbose_prints_what_happens(capsys):
    p = progress(n_iter_no_change=1, tol=0.0, early_stopping=True, verbose=1)
    run(p, [1.0] * 4, scores=[0.5] * 4)
    printed = capsys.readouterr().out
    assert "Iteration 1, loss = 1.00000000" in printed
    assert "Validation score: 0.500000" in printed


@pytest.mark.parametrize(
    ("parameters", "rate", "message"),
    [
        ({"early_stopping": True}, 0.1, "Validation score did not improve.*Stopping"),
        ({}, 0.1, "Training loss did not improve.*tol=0.100000 for 1 consecutive.*Stopping"),
        ({"learning_rate": "adaptive"}, 0.1, "Training loss.*Setting learning rate to 0.020000"),
        ({"learning_rate": "adaptive"}, 1e-7, "Learning rate too small"),
    ],
)
def test_verbose_tells_why_it_stops(capsys, parameters, rate, message):
    p = progress(n_iter_no_change=1, tol=0.1, verbose=1, **parameters)
    run(p, [1.0] * 3, scores=[0.5] * 3, rate=rate)
    assert re.search(message, capsys.readouterr().out)


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_divergence_names_epoch_and_rate(value):
    with pytest.raises(
        DivergenceError, match=r"epoch 7 with learning rate 0\.5.*learning_rate_init"
    ):
        check_finite(value, 7, 0.5)
    check_finite(1e300, 7, 0.5)


# Validations every few epochs


@pytest.mark.parametrize("every", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("max_iter", [1, 6, 7])
def test_multiples_and_the_last_epoch_are_validated(every, max_iter):
    p = Progress(make_task(max_iter=max_iter, validation_every=every))
    validated = []
    while p.stopping_reason is None:
        ahead = p.n_iter + p.epochs_to_validation
        if p.validation_is_due:
            assert ahead == p.running_epoch
            validated.append(p.running_epoch)
            p.validate(1.0, 0.5)
        p.end_epoch(1.0, 0.1)
        assert p.n_iter <= ahead
    assert validated == sorted({*range(every, max_iter + 1, every), max_iter})
    assert not p.validation_is_due


def run_every(p, scores):
    """Feed scores to those epochs that are validated; return the epochs."""
    epochs = []
    while p.stopping_reason is None:
        if p.validation_is_due:
            epochs.append(p.running_epoch)
            p.validate(1.0, scores[len(epochs) - 1])
        p.end_epoch(1.0, 0.1)
    return epochs


def test_patience_counts_validations():
    task = {"validation_every": 3, "early_stopping": True, "tol": 0.1}
    p = progress(n_iter_no_change=2, **task)
    assert run_every(p, [0.5, 0.7, 0.7, 0.75, 0.7]) == [3, 6, 9, 12, 15]
    assert (p.n_iter, p.stopping_reason) == (15, "early_stopping")
    assert p.best_validation_score == 0.75


@pytest.mark.parametrize("every", [1, 2, 5])
@pytest.mark.parametrize("start", [0, 2])
def test_epochs_that_come_for_certain_between_validations(every, start):
    """The stop is at the end of those that are foreseen, never within them."""
    task = make_task(
        max_iter=100, n_iter_no_change=4, tol=10.0, early_stopping=True, validation_every=every
    )
    p = Progress(task, no_improvement_count=start, best_validation_score=0.0)
    assert p.certain_epochs == (5 - start) * every
    while p.stopping_reason is None:
        certain = p.certain_epochs
        for _ in range(certain):
            assert p.stopping_reason is None
            if p.validation_is_due:
                p.validate(1.0, 0.0)
            p.end_epoch(1.0, 0.1)
    assert p.n_iter == (5 - start) * every


def test_a_stop_that_was_not_foreseen_is_validated_after_it():
    p = progress(validation_every=10, n_iter_no_change=1, tol=1.0)
    for _ in range(3):
        assert not p.validation_is_due
        p.end_epoch(1.0, 0.1)
    assert p.stopping_reason == "no_improvement"
    assert (p.validation_is_due, p.running_epoch) == (True, 3)
    assert not p.validate(1.0, 0.5)
    assert not p.validation_is_due


@pytest.mark.parametrize(("last", "is_best"), [(0.6, False), (0.8, True)])
def test_the_validation_after_a_stop_may_be_the_best(last, is_best):
    p = progress(validation_every=2, max_time=5.0, early_stopping=True)
    for n in (1, 2, 3):
        if p.validation_is_due:
            assert p.validate(1.0, 0.7)
        p.end_epoch(1.0, 0.1)
        p.spend(2.0 * n)
    assert p.stopping_reason == "max_time"
    assert p.validation_is_due
    assert p.validate(1.0, last) == is_best
    assert p.best_validation_score == max(0.7, last)


def test_only_validated_epochs_tell_of_a_score(capsys):
    run_every(progress(validation_every=40, verbose=1), [0.25, 0.5, 0.75])
    printed = capsys.readouterr().out
    assert printed.count("Iteration") == 100
    assert re.findall(r"Iteration (\d+),.*\nValidation score: (.*)", printed) == [
        ("40", "0.250000"),
        ("80", "0.500000"),
        ("100", "0.750000"),
    ]


def test_verbose_tells_that_patience_counts_validations(capsys):
    task = {"validation_every": 3, "early_stopping": True, "verbose": 1}
    run_every(progress(n_iter_no_change=2, **task), [0.5] * 9)
    assert "for 2 consecutive validations. Stopping." in capsys.readouterr().out


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_rounding_of_a_metric_is_relative_to_its_size(scale):
    p = progress(early_stopping=True, metric="loss", tol=0.0, n_iter_no_change=0)
    assert p.validate(scale, -scale)
    p.end_epoch(1.0, 0.1)
    assert not p.validate(scale, -scale * (1 - 0.9e-12))
    p.end_epoch(1.0, 0.1)
    assert p.no_improvement_count == 0  # less than rounding below the best is as good
    assert p.validate(scale, -scale * (1 - 3e-12))
    p.validate(scale, -scale * (1 + 3e-12))
    p.end_epoch(1.0, 0.1)
    assert p.no_improvement_count == 1


# A limit of time


@pytest.mark.parametrize(("seconds", "reason"), [(1.99, None), (2.0, "max_time"), (9, "max_time")])
def test_time_that_is_over_stops_training(seconds, reason, capsys):
    p = progress(max_time=2.0, verbose=1)
    p.end_epoch(1.0, 0.1)
    p.spend(seconds)
    assert p.stopping_reason == reason
    assert ("max_time=2 seconds are over" in capsys.readouterr().out) == bool(reason)


def test_time_means_nothing_without_a_limit_and_after_a_stop():
    p = progress()
    p.spend(1e9)
    assert p.stopping_reason is None
    p = Progress(make_task(max_iter=1, max_time=1.0))
    p.end_epoch(1.0, 0.1)
    p.spend(2.0)
    assert p.stopping_reason == "max_iter"


def test_a_clock_tells_how_many_epochs_fit_a_tenth_of_a_second(monkeypatch):
    now = iter([100.0, 100.02, 100.32, 100.92, 100.92])
    monkeypatch.setattr("skmlp.training.progress.perf_counter", lambda: next(now))
    clock = Clock(limit=1.0)
    assert clock.epochs_of_a_call() == 0.0  # nothing is known yet
    assert clock.lap(2) == pytest.approx(0.02)
    assert clock.epochs_of_a_call() == pytest.approx(10)
    assert clock.lap(10) == pytest.approx(0.32)
    assert clock.epochs_of_a_call() == pytest.approx(0.1 / 0.03)
    assert clock.lap(20) == pytest.approx(0.92)
    assert clock.epochs_of_a_call() == pytest.approx(0.08 / 0.03)  # no more time is left
    clock.lap(1)  # in less than it can measure
    assert clock.epochs_of_a_call() == inf
