from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from helpers import make_task, random_rows

from skmlp import MLPClassifier, config
from skmlp.training.dropout_schedules import DROPOUT_SCHEDULES, dropout_time

BY_HAND = {
    ("constant", 4): [1, 1, 1, 1, 1, 1, 1],
    ("early", 4): [1, 1, 1, 1, 0, 0, 0],
    ("early_linear", 4): [1, 0.75, 0.5, 0.25, 0, 0, 0],
    ("late", 4): [0, 0, 0, 0, 1, 1, 1],
    ("early_linear", 1): [1, 0, 0],
    ("early", 1): [1, 0, 0],
    ("late", 1): [0, 1, 1],
}


def times(schedule, cutoff, n):
    task = make_task(dropout_schedule=schedule, dropout_cutoff=cutoff)
    return [dropout_time(task, epoch) for epoch in range(n)]


def test_every_schedule_is_tested():
    assert {schedule for schedule, _ in BY_HAND} == set(DROPOUT_SCHEDULES)


@pytest.mark.parametrize(("schedule", "cutoff"), BY_HAND)
def test_factors_by_epoch(schedule, cutoff):
    factors = BY_HAND[schedule, cutoff]
    assert [time.factor for time in times(schedule, cutoff, len(factors))] == factors


@pytest.mark.parametrize("schedule", DROPOUT_SCHEDULES)
@pytest.mark.parametrize("cutoff", [1, 2, 5])
def test_a_factor_lasts_as_long_as_it_is_said_to(schedule, cutoff):
    found = times(schedule, cutoff, 12)
    for epoch, time in enumerate(found):
        last = int(min(epoch + time.n_epochs, 12))
        assert {other.factor for other in found[epoch:last]} == {time.factor}
        if time.n_epochs < np.inf:
            assert found[last].factor != time.factor
        if time.over:
            assert {other.factor for other in found[epoch:]} == {0.0}
    over = [time.over for time in found]
    assert over[-1] == (found[-1].factor == 0)
    assert all(a <= b for a, b in pairwise(over))


# Fits: a schedule is the constant probability or none, as long as it is said to be

X = random_rows(n=50).X
Y = np.random.default_rng(0).integers(0, 3, 50)


def fitted(max_iter=3, **parameters):
    model = MLPClassifier(
        (5, 4),
        batch_size=16,
        max_iter=max_iter,
        n_iter_no_change=np.inf,
        learning_rate_init=0.01,
        random_state=0,
        **{"dropout": 0.3, "input_dropout": 0.2, **parameters},
    )
    with pytest.warns(match="max_iter"):
        return model.fit(X, Y)


def assert_equal_fits(ours, theirs, *, equal=True):
    pairs = zip(ours.coefs_, theirs.coefs_, strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs) == equal


NONE = {"dropout": 0.0, "input_dropout": 0.0}


@pytest.mark.parametrize("executor", ["torch", "compiled"])
@pytest.mark.parametrize(
    ("schedule", "before"), [("early", {}), ("late", NONE), ("early_linear", None)]
)
def test_before_the_cutoff(executor, schedule, before):
    def scheduled(cutoff):
        return fitted(dropout_schedule=schedule, dropout_cutoff=cutoff)

    with config(executor=executor):
        if before is not None:
            expected = fitted(**before)
            assert_equal_fits(scheduled(3), expected)
            assert_equal_fits(scheduled(2), expected, equal=False)
        # a share of max_iter is rounded to epochs, at least one
        assert_equal_fits(scheduled(0.6), scheduled(2))
        assert_equal_fits(scheduled(0.01), scheduled(1))
        assert_equal_fits(scheduled(1), scheduled(2), equal=False)


@pytest.mark.parametrize("executor", ["torch", "compiled"])
@pytest.mark.parametrize("schedule", ["early", "early_linear", "late"])
def test_partial_fit_goes_through_the_schedule(executor, schedule):
    parameters = {"dropout_schedule": schedule, "dropout_cutoff": 2}
    with config(executor=executor):
        whole, steps = fitted(5, **parameters), fitted(1, **parameters)
        del steps.coefs_
        for _ in range(5):
            steps.partial_fit(X, Y, classes=range(3))
    assert_equal_fits(steps, whole)


@pytest.mark.parametrize("executor", ["torch", "compiled"])
def test_epochs_of_a_warm_start_count_on(executor):
    with config(executor=executor):
        late = fitted(2, dropout_schedule="late", dropout_cutoff=2, warm_start=True)
        constant = fitted(2, **NONE, warm_start=True).set_params(dropout=0.3, input_dropout=0.2)
        assert_equal_fits(late, constant)
        for model in (late, constant):
            with pytest.warns(match="max_iter"):
                model.fit(X, Y)
        assert_equal_fits(late, constant)


@pytest.mark.parametrize("executor", ["torch", "compiled"])
def test_a_linear_schedule_is_dropout_of_that_probability(executor):
    """In the second of two epochs, half of it; the levels of units stay those of the stream."""
    with config(executor=executor):
        linear, by_hand = (fitted(1, dropout_schedule="early_linear") for _ in range(2))
        linear, by_hand = (MLPClassifier(**m.get_params()) for m in (linear, by_hand))
        linear.set_params(dropout_cutoff=2)
        by_hand.set_params(dropout_schedule="constant")
        for factor in (1.0, 0.5):
            linear.partial_fit(X, Y, classes=range(3))
            by_hand.set_params(dropout=0.3 * factor, input_dropout=0.2 * factor)
            by_hand.partial_fit(X, Y, classes=range(3))
    assert_equal_fits(linear, by_hand)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"dropout_schedule": "linear"}, "'dropout_schedule' parameter .*'early_linear'"),
        ({"dropout_cutoff": 0}, "'dropout_cutoff' parameter .* Got 0 "),
        ({"dropout_cutoff": 1.0}, "'dropout_cutoff' parameter .* Got 1.0 "),
        ({"dropout_type": "selu"}, "'dropout_type' parameter .*'alpha'"),
        ({"input_dropout": 1.0}, "'input_dropout' parameter .* Got 1.0 "),
    ],
)
def test_bad_values_are_errors(parameters, words):
    with pytest.raises(ValueError, match=words):
        MLPClassifier(**parameters).fit(X, Y)


@pytest.mark.parametrize(
    "parameters",
    [{"dropout_schedule": "early"}, {"input_dropout": 0.1}, {"augmentation": "mixup"}],
)
def test_full_batch_methods_have_no_noise(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"'{name}' parameter .*one fixed loss over all"):
        MLPClassifier(optimizer="lbfgs", **parameters).fit(X, Y)


def test_alpha_dropout_is_for_selu():
    parameters = {"dropout_type": "alpha", "dropout": [0.0, 0.2], "max_iter": 1}
    with pytest.raises(ValueError, match=r"alpha.*activation 'tanh': set activation='selu'"):
        MLPClassifier((4, 4), activation=["selu", "tanh"], **parameters).fit(X, Y)
    with pytest.warns(match="max_iter"):
        MLPClassifier((4, 4), activation=["tanh", "selu"], **parameters).fit(X, Y)
