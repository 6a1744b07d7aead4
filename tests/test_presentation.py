"""What networks are shown, by whichever executor."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse
from helpers import TARGETS, assert_same, make_task, random_rows, trained_alone
from sklearn.datasets import load_iris

from skmlp import FeatureSwap, GaussianNoise, Mixup, MLPClassifier, MLPRegressor, config
from skmlp.augmentation import Batch, ByFunction
from skmlp.task import Rows
from skmlp.training import batches, presentation, train
from skmlp.training.compiled import network
from skmlp.training.dropout_schedules import DropoutTime
from skmlp.training.presentation import Presentation
from skmlp.training.stack import random_streams, starting_weights

RULES = [GaussianNoise(0.3), Mixup(0.7), FeatureSwap(0.4), FeatureSwap(0.4, mix_targets=True)]
each_rule = pytest.mark.parametrize("rule", RULES, ids=repr)
each_executor = pytest.mark.parametrize("executor", ["torch", "compiled"])


def both_streams(seed):
    """As a task's seed says, written otherwise: its fourth stream has one for each use."""
    first, second = np.random.SeedSequence(seed).spawn(4)[3].spawn(2)
    return np.random.default_rng(first), np.random.default_rng(second)


def rows(n=23, d=5):
    rng = np.random.default_rng(0)
    return Batch(rng.normal(size=(n, d)), rng.normal(size=(n, 2)), rng.uniform(0.5, 2, n))


def shown(given, n_rows=23, time=None, **parameters):
    each = Presentation(make_task(**{"batch_size": 4, "seed": 7, **parameters}))
    if time is not None:
        each.set_time(time)
    return each.shown(given, n_rows)


def test_without_noise_the_rows_are_shown():
    each, given = Presentation(make_task()), rows()
    assert not each.active
    assert each.shown(given, 23) is given
    assert each.states() == (None, None)


@each_rule
def test_rules_are_given_batches(rule):
    given, (rng, _) = rows(), both_streams(7)
    found = shown(given, augmentation=rule)
    expected = [
        rule.augmented(Batch(*(values[i : i + 4] for values in given)), rng)
        for i in range(0, 23, 4)
    ]
    for ours, theirs in zip(found, zip(*expected, strict=True), strict=True):
        np.testing.assert_array_equal(ours, np.concatenate(theirs))


@each_rule
def test_a_batch_ends_where_an_epoch_does(rule):
    given, task = rows(20), make_task(batch_size=4, augmentation=rule, input_dropout=0.3)
    one, other = Presentation(task), Presentation(task)
    parts = [
        other.shown(Batch(*(values[i : i + n] for values in given)), 10)
        for i, n in [(0, 8), (8, 2), (10, 4), (14, 6)]
    ]
    for ours, theirs in zip(one.shown(given, 10), zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(ours, np.concatenate(theirs))
    assert one.states() == other.states()


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_inputs_are_dropped_and_the_others_make_up_for_them(p):
    given = rows(4000, 6)
    found = shown(given, 4000, input_dropout=p)
    ratio = found.X / given.X
    assert np.mean(ratio == 0) == pytest.approx(p, abs=5 * (p * (1 - p) / ratio.size) ** 0.5)
    np.testing.assert_allclose(ratio[ratio != 0], 1 / (1 - p), rtol=1e-4)
    assert found.targets is given.targets
    # one by one, not by row or column
    dropped = ratio == 0
    assert np.abs(np.corrcoef(dropped.T) - np.eye(6)).max() < 0.08
    # as the levels of the second stream say
    levels = both_streams(7)[1].bit_generator.random_raw(8000).view(np.uint16).reshape(4000, 8)
    np.testing.assert_array_equal(dropped, levels[:, :6] < round(p * 65536))


def test_inputs_are_dropped_after_the_augmentation():
    given, (rng, level_rng) = rows(), both_streams(7)
    found = shown(given, input_dropout=0.5, augmentation=GaussianNoise(0.3))
    noise = 0.3 * rng.standard_normal(given.X.shape)
    levels = level_rng.bit_generator.random_raw(23 * 2).view(np.uint16).reshape(23, 8)[:, :5]
    expected = (given.X + noise) * np.where(levels < 32768, 0, 2)
    np.testing.assert_allclose(found.X, expected, rtol=1e-14)


def test_a_schedule_changes_the_probability_but_not_the_levels():
    given = rows(2000)
    whole, half, none = (
        shown(given, input_dropout=0.5, time=DropoutTime(f)).X == 0 for f in (1.0, 0.5, 0.0)
    )
    assert half.mean() == pytest.approx(0.25, abs=0.02)
    assert not (half & ~whole).any()
    assert not none.any()
    each = Presentation(make_task(input_dropout=0.5))
    assert each.active
    each.set_time(DropoutTime(0.0, True))
    assert not each.active


def test_sparse_rows_lose_the_inputs_that_dense_ones_lose(monkeypatch):
    given = rows()
    X = np.where(given.X > 0.5, given.X, 0)
    expected = shown(given._replace(X=X), input_dropout=0.4).X
    task = make_task(batch_size=4, seed=7, input_dropout=0.4)
    for at_once in (1 << 21, 30):
        monkeypatch.setattr(presentation, "_LEVELS_AT_ONCE", at_once)
        for form in (scipy.sparse.csr_array, scipy.sparse.csr_matrix):
            rows_given = form(X)
            found = Presentation(task).shown_sparse(rows_given)
            np.testing.assert_allclose(found.toarray(), expected, rtol=1e-14)
            np.testing.assert_array_equal(rows_given.toarray(), X)
    untouched = Presentation(make_task()).shown_sparse(rows_given)
    assert untouched is rows_given


# Training


def step_by_hand(task, shown):
    """Weights and biases of a linear model after one step of SGD over what it is shown."""
    arrays = starting_weights(task, random_streams(task)[0])
    (W,), (b,) = arrays.coefs, arrays.intercepts
    w = (np.ones(len(shown.X)) if shown.weights is None else shown.weights)[:, None]
    delta = w / w.sum() * (shown.X @ W + b - shown.targets)
    rate = task.learning_rate_init
    return W - rate * shown.X.T @ delta, b - rate * delta.sum(0)


@each_executor
@each_rule
@pytest.mark.parametrize("weighted", [False, True])
def test_a_step_is_the_one_by_hand(executor, rule, weighted):
    given = random_rows("squared_error", n=12)
    weights = np.random.default_rng(3).uniform(0.5, 2, 12) if weighted else None
    given = Rows(given.X, given.targets, weights)
    task = make_task(
        rows=given,
        hidden=(),
        loss="squared_error",
        score="r2",
        optimizer="sgd",
        settings={"momentum": 0.0},
        learning_rate_init=0.1,
        batch_size=12,
        shuffle=False,
        max_iter=1,
        seed=11,
        augmentation=rule,
        input_dropout=0.25,
    )
    rng, level_rng = both_streams(11)
    by_rule = rule.augmented(Batch(given.X, given.targets, weights), rng)
    levels = level_rng.bit_generator.random_raw(24).view(np.uint16).reshape(12, 8)[:, :5]
    kept = np.where(levels < 16384, 0, np.float32(4 / 3))
    W, b = step_by_hand(task, by_rule._replace(X=by_rule.X * kept))
    with config(executor=executor):
        (result,) = train([task])
    np.testing.assert_allclose(result.coefs[0], W, rtol=1e-9)
    np.testing.assert_allclose(result.intercepts[0], b, rtol=1e-9)


def noisy_tasks(**others):
    rows = random_rows(n=29)
    return [
        make_task(
            rows=rows, augmentation=rule, input_dropout=p, seed=k, dropout_schedule=schedule,
            dropout_cutoff=2, dropout=0.2, batch_size=8, **others,
        )
        for k, (rule, p, schedule) in enumerate(
            [
                (None, 0.0, "constant"),
                (RULES[0], 0.2, "late"),
                (RULES[1], 0.0, "early"),
                (RULES[2], 0.1, "early_linear"),
                (RULES[3], 0.3, "constant"),
                (ByFunction(lambda X, rng: X + rng.uniform(size=X.shape)), 0.0, "late"),
            ]
        )
    ]  # fmt: skip


def test_networks_of_one_stack_have_noise_of_their_own():
    tasks = noisy_tasks()
    assert len({task.stack_key for task in tasks}) == 1
    with config(executor="torch"):
        alone, together = trained_alone(tasks), train(tasks)
    for ours, theirs in zip(together, alone, strict=True):
        assert_same(ours, theirs)


def test_networks_of_unequal_rows_have_noise_of_their_own():
    """Batches are filled up to the widths of others."""
    tasks = [
        make_task(rows=random_rows(n=n), augmentation=rule, input_dropout=0.2, seed=n)
        for n, rule in zip((20, 29, 35, 50), RULES, strict=True)
    ]
    with config(executor="torch"):
        alone, together = trained_alone(tasks), train(tasks)
    for ours, theirs in zip(together, alone, strict=True):
        assert_same(ours, theirs)


@each_executor
def test_noise_does_not_depend_on_how_many_rows_are_made_at_once(executor, monkeypatch):
    tasks = noisy_tasks()[:-1]
    with config(executor=executor):
        expected = train(tasks)
        monkeypatch.setattr(batches, "_CHUNK_BYTES", 1)
        monkeypatch.setattr(network, "_MOST_SHOWN", 100)
        found = train(tasks)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.loss_curve == pytest.approx(theirs.loss_curve, rel=1e-12)
        for a, b in zip(ours.coefs, theirs.coefs, strict=True):
            np.testing.assert_array_equal(a, b)


@each_executor
def test_what_is_off_changes_no_draw(executor):
    """Of the rows' order, of dropout, of the start."""
    still = make_task(dropout=0.3)
    nearly = make_task(dropout=0.3, input_dropout=1e-9, augmentation=GaussianNoise(1e-300))
    with config(executor=executor):
        (expected,), (found,) = train([still]), train([nearly])
    for ours, theirs in zip(found.coefs, expected.coefs, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_float32_rows_get_float32_noise():
    rows = random_rows()
    rows = Rows(rows.X.astype(np.float32), rows.targets.astype(np.float32), None)
    for rule in RULES:
        task = make_task(rows=rows, dtype="float32", augmentation=rule, input_dropout=0.1)
        results = []
        for executor in ("torch", "compiled"):
            with config(executor=executor):
                results += train([task])
        np.testing.assert_allclose(results[0].coefs[0], results[1].coefs[0], rtol=1e-3, atol=1e-5)
        assert results[0].coefs[0].dtype == np.float32


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
@pytest.mark.parametrize("rule", [Mixup(), FeatureSwap(0.5, True)])
def test_mixed_targets_stay_in_the_domain_of_the_loss(loss, rule):
    rows = random_rows(loss)
    assert set(TARGETS) >= {loss}
    (result,) = train([make_task(rows=rows, loss=loss, score="r2", augmentation=rule)])
    assert np.isfinite(result.loss_curve).all()


# Estimators


X, Y = load_iris(return_X_y=True)


def model(cls=MLPClassifier, **parameters):
    return cls(
        (5,), max_iter=3, n_iter_no_change=np.inf, batch_size=32, random_state=0, **parameters
    )


def fitted(estimator, X=X, **fit_parameters):
    with pytest.warns(match="max_iter"):
        return estimator.fit(X, Y, **fit_parameters)


@each_executor
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("value", [None, *RULES], ids=repr)
def test_partial_fit_goes_on_as_if_it_had_not_stopped(executor, weighted, cls, value):
    parameters = {"augmentation": value, "input_dropout": 0.2}
    weights = {"sample_weight": np.linspace(0.5, 2, 150)} if weighted else {}
    classes = {"classes": range(3)} if cls is MLPClassifier else {}
    steps = model(cls, **parameters)
    with config(executor=executor):
        whole = fitted(model(cls, **parameters), **weights)
        for _ in range(3):
            steps = pickle.loads(pickle.dumps(steps.partial_fit(X, Y, **weights, **classes)))
    for ours, theirs in zip(steps.coefs_, whole.coefs_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@each_executor
def test_streams_that_rest_go_on_where_they_stopped(executor):
    """Between two calls with noise there is one without."""
    found = []
    with config(executor=executor):
        for pauses in (False, True):
            steps = model(augmentation="gaussian_noise")
            steps.partial_fit(X, Y, classes=range(3))
            if pauses:
                steps.set_params(augmentation=None).partial_fit(X, Y)
            found.append(steps._checkpoint.random.augmentation)
    assert found[0] == found[1] is not None


def shaken(X, rng):
    return X + rng.normal(size=X.shape)


@pytest.mark.parametrize("value", [*RULES, shaken], ids=lambda value: str(value).split(" at ")[0])
def test_sparse_rows_are_filled_in_batch_by_batch(value):
    sparse = scipy.sparse.csr_array(np.where(X > 2, X, 0))
    dense = fitted(model(augmentation=value), sparse.toarray())
    found = fitted(model(augmentation=value), sparse)
    np.testing.assert_allclose(found.coefs_[0], dense.coefs_[0], rtol=1e-9, atol=1e-12)


@each_executor
def test_sparse_rows_with_dropped_inputs(executor):
    sparse = scipy.sparse.csr_array(np.where(X > 2, X, 0))
    with config(executor=executor):
        dense = fitted(model(input_dropout=0.3), sparse.toarray())
        found = fitted(model(input_dropout=0.3), sparse)
    np.testing.assert_allclose(found.coefs_[0], dense.coefs_[0], rtol=1e-9, atol=1e-12)


def test_predictions_and_validation_see_the_rows_as_they_are():
    noisy = model(augmentation=GaussianNoise(100.0), input_dropout=0.9)
    found = fitted(noisy, X_val=X, y_val=Y)
    assert found.validation_scores_[-1] == found.score(X, Y)
    np.testing.assert_array_equal(found.predict_proba(X), found.predict_proba(X))


def test_what_a_function_raises_or_returns_wrongly_is_the_fits_own_error():
    with pytest.raises(ValueError, match=r"must return 32 rows of 4 features.* Got shape \(3,\)"):
        model(augmentation=lambda X, rng: np.ones(3)).fit(X, Y)
    with pytest.raises(ZeroDivisionError):
        model(augmentation=lambda X, rng: 1 / 0).fit(X, Y)


def test_a_function_that_fails_leaves_the_others_of_its_stack_as_they_are():
    def fails(X, rng):
        raise ArithmeticError("mine")

    tasks = noisy_tasks()
    with config(executor="torch"):
        alone = trained_alone(tasks)
        tasks.insert(
            2, make_task(rows=tasks[0].train, batch_size=8, augmentation=ByFunction(fails))
        )
        assert len({task.stack_key for task in tasks}) == 1
        together = train(tasks)
    assert isinstance(together.pop(2), ArithmeticError)
    for ours, theirs in zip(together, alone, strict=True):
        assert_same(ours, theirs)


def test_functions_are_not_for_the_loops():
    with (
        config(executor="compiled"),
        pytest.raises(ValueError, match="an augmentation by a function or of sparse rows"),
    ):
        model(augmentation=lambda X, rng: X).fit(X, Y)


def test_callbacks_see_the_rows_that_are_shown():
    from skorch.callbacks import Callback

    class Seen(Callback):
        def initialize(self):
            self.batches_ = []
            return self

        def on_batch_begin(self, net, batch=None, training=None, **kwargs):
            if training:
                self.batches_.append(batch)

    found = fitted(model(augmentation=lambda X, rng: 0 * X + 5, callbacks=[Seen()]))
    ((_, seen),) = found.callbacks_
    assert len(seen.batches_) == 15
    assert all((batch[0] == 5).all() for batch in seen.batches_)
