"""What both estimators share: fitting, going on, storing, reproducing, refusing."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import io
import pickle
import re
import subprocess
import sys
import threading
import warnings
from time import perf_counter

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import sklearn
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skmlp
from skmlp import MLPClassifier, MLPRegressor, VarianceScaling, config
from skmlp.estimators import base
from skmlp.estimators.rows import fresh_random_state
from skmlp.training.stack import Stack


def data(estimator, n=120):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 5))
    score = X[:, 0] + X[:, 1] ** 2
    return X, (score > 0.7).astype(int) if isinstance(estimator, MLPClassifier) else score


def small(cls, **parameters):
    return cls((6,), **{"max_iter": 5, "random_state": 0, **parameters})


def arrays_of(model):
    return [*model.coefs_, *model.intercepts_]


def assert_bit_equal(first, second):
    for a, b in zip(arrays_of(first), arrays_of(second), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(first.loss_curve_, second.loss_curve_)


both = pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])

# Reproducible


@both
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_same_seed_same_bits_whatever_the_global_seeds(cls, dropout):
    model = small(cls, dropout=dropout, early_stopping=True)
    X, y = data(model)
    first = clone(model).fit(X, y)
    with torch.random.fork_rng():
        torch.manual_seed(99)
        second = clone(model).fit(X, y)
    assert_bit_equal(first, second)
    assert not np.array_equal(
        first.coefs_[0], clone(model).set_params(random_state=1).fit(X, y).coefs_[0]
    )


def test_no_seed_gives_different_networks_and_leaves_the_global_generator():
    model = small(MLPRegressor, random_state=None)
    X, y = data(model)
    before = np.random.get_state()[1].copy()
    first, second = clone(model).fit(X, y), clone(model).fit(X, y)
    assert not np.array_equal(first.coefs_[0], second.coefs_[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_random_state_instance_moves_on():
    state = np.random.RandomState(0)
    X, y = data(MLPRegressor())
    first = small(MLPRegressor, random_state=state).fit(X, y)
    second = small(MLPRegressor, random_state=state).fit(X, y)
    assert not np.array_equal(first.coefs_[0], second.coefs_[0])
    assert fresh_random_state(state) is state


@pytest.mark.parametrize("backend", ["loky", "threading", "sequential"])
def test_same_scores_under_every_joblib_backend(backend):
    model = make_pipeline(StandardScaler(), small(MLPClassifier, dropout=0.2, max_iter=20))
    X, y = data(model[-1])
    expected = cross_val_score(model, X, y, cv=4)
    with joblib.parallel_config(backend, n_jobs=2):
        np.testing.assert_array_equal(cross_val_score(model, X, y, cv=4), expected)


def test_same_bits_beside_other_threads():
    model = small(MLPClassifier, dropout=0.2, max_iter=30)
    X, y = data(model)
    expected, results = clone(model).fit(X, y), []

    def fit():
        for _ in range(3):
            results.append(clone(model).fit(X, y))

    threads = [threading.Thread(target=fit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 12
    for result in results:
        assert_bit_equal(result, expected)


def test_results_agree_for_other_thread_counts():
    X, y = data(MLPRegressor(), n=3000)
    model = MLPRegressor((64,), max_iter=2, random_state=0, batch_size=1500)
    one = clone(model).fit(X, y)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        two = clone(model).fit(X, y)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    for a, b in zip(arrays_of(one), arrays_of(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_import_does_not_load_torch():
    code = (
        "import sys, skmlp; skmlp.MLPClassifier, skmlp.MLPRegressor, skmlp.fused; "
        "sys.exit('torch' in sys.modules or 'skorch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def parameters_in(docstring):
    """What a docstring says of each parameter."""
    section = docstring.split("Parameters\n    ----------\n")[1].split("\n\n    Attributes\n")[0]
    return dict(re.findall(r"^    (\w.*?) : (.*(?:\n     .*)*)", section, re.MULTILINE))


def test_both_docstrings_say_the_same_of_the_same_parameters():
    classifier, regressor = map(parameters_in, (MLPClassifier.__doc__, MLPRegressor.__doc__))
    for cls, parameters in ((MLPClassifier, classifier), (MLPRegressor, regressor)):
        assert ", ".join(parameters) == ", ".join(inspect.signature(cls).parameters)
    differ = {
        name for name in classifier if regressor.get(name, classifier[name]) != classifier[name]
    }
    # of what they minimize, of their score, and of classes
    assert differ == {"loss", "early_stopping", "validation_fraction"}


# Going on


@both
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "nadam", "rmsprop", torch.optim.Adafactor])
def test_partial_fits_are_one_fit(cls, optimizer):
    model = small(cls, optimizer=optimizer, dropout=0.2, batch_size=32)
    X, y = data(model)
    whole = clone(model).fit(X, y)
    steps = clone(model)
    for i in range(5):
        steps.partial_fit(X, y, **({"classes": [0, 1]} if cls is MLPClassifier and not i else {}))
    assert_bit_equal(whole, steps)
    assert steps.t_ == whole.t_
    assert steps.n_iter_ == 1


@both
def test_partial_fit_goes_on_after_pickling_as_without_it(cls):
    model = small(cls, dropout=0.2, batch_size=32, learning_rate="invscaling")
    X, y = data(model)
    first = {"classes": [0, 1]} if cls is MLPClassifier else {}
    model.partial_fit(X, y, **first).partial_fit(X, y)
    stored = io.BytesIO()
    joblib.dump(model, stored)
    stored.seek(0)
    others = [pickle.loads(pickle.dumps(model)), joblib.load(stored), copy.deepcopy(model)]
    model.partial_fit(X, y).partial_fit(X, y)
    for other in others:
        other.partial_fit(X, y).partial_fit(X, y)
        assert_bit_equal(other, model)


@both
def test_partial_fit_after_fit_starts_from_its_weights(cls):
    model = small(cls)
    X, y = data(model)
    model.fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert_bit_equal(model.partial_fit(X, y), again.partial_fit(X, y))
    assert len(model.loss_curve_) == 6
    assert model.loss_curve_[-1] < model.loss_curve_[0]


@both
def test_the_rules_of_the_start_do_not_count_where_a_fit_goes_on(cls):
    model = small(cls, warm_start=True, max_iter=2, bias_initialization=0.5)
    X, y = data(model)
    same = clone(model).fit(X, y).fit(X, y)
    model.fit(X, y).set_params(bias_initialization="torch", initialization=VarianceScaling(9.0))
    assert_bit_equal(model.fit(X, y), same)
    assert_bit_equal(
        model.set_params(bias_initialization=7.0).partial_fit(X, y), same.partial_fit(X, y)
    )


@both
def test_biases_start_where_they_are_asked_to(cls):
    X, y = data(small(cls))
    for rule, least, most in [("zeros", 0, 1e-6), (0.5, 0.499, 0.501), ("torch", 0.01, 0.46)]:
        model = small(cls, optimizer="sgd", learning_rate_init=1e-9, bias_initialization=rule)
        biases = np.abs(np.concatenate(model.fit(X, y).intercepts_))
        assert biases.min() >= least * (rule != "torch")
        assert least <= biases.max() <= most


@both
@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": "sgd"},
        {"optimizer": torch.optim.Adafactor},
        {"batch_size": 7},
        {"dropout": 0.5},
        {"dropout": 0.0},
        {"dtype": "float32"},
        {"learning_rate": "adaptive"},
        {"activation": "tanh", "alpha": 1.0, "max_grad_norm": 0.1, "weight_decay": 0.1},
    ],
)
@pytest.mark.parametrize("start", ["adam", "sgd", "nadam", torch.optim.Adafactor])
def test_parameters_may_change_between_partial_fits(cls, start, change):
    model = small(cls, optimizer=start, dropout=0.2, batch_size=32)
    X, y = data(model)
    model.partial_fit(X, y, **({"classes": [0, 1]} if cls is MLPClassifier else {}))
    model.set_params(**change).partial_fit(X, y).partial_fit(X, y)
    assert all(np.isfinite(array).all() for array in arrays_of(model))
    assert len(model.loss_curve_) == 3


def test_a_new_learning_rate_counts_from_the_next_partial_fit():
    model = small(MLPRegressor, optimizer="sgd", learning_rate="invscaling")
    X, y = data(model)
    model.partial_fit(X, y).set_params(learning_rate_init=1e-12)
    before = model.coefs_[0].copy()
    np.testing.assert_allclose(model.partial_fit(X, y).coefs_[0], before, atol=1e-6)


@both
def test_a_failed_fit_leaves_an_unfitted_estimator(cls):
    model = small(cls)
    X, y = data(model)
    model.fit(X, y)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X * np.nan, y)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_partial_fit_takes_single_rows():
    model = small(MLPRegressor)
    X, y = data(model)
    for i in range(3):
        model.partial_fit(X[i : i + 1], y[i : i + 1])
    assert model.t_ == 3


def test_lbfgs_has_no_partial_fit():
    assert not hasattr(MLPClassifier(optimizer="lbfgs"), "partial_fit")
    assert hasattr(MLPClassifier(), "partial_fit")
    with pytest.raises(AttributeError) as error:
        MLPRegressor(optimizer="lbfgs").partial_fit([[1.0]], [1.0])
    assert "optimizer='lbfgs'" in str(error.value.__cause__)


@both
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs", "cg", "newton-cg"])
def test_warm_start_goes_on_from_the_weights(cls, optimizer):
    model = small(cls, warm_start=True, optimizer=optimizer, max_iter=3)
    X, y = data(model)
    first = arrays_of(model.fit(X, y))
    last_loss = model.loss_curve_[-1]
    model.fit(X, y)
    assert len(model.loss_curve_) > 3
    assert model.loss_curve_[-1] < last_loss
    assert not np.array_equal(first[0], model.coefs_[0])


def test_warm_start_refuses_other_classes_as_scikit_learn_does():
    X, _ = data(MLPClassifier())
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    model = small(MLPClassifier, warm_start=True).fit(X, y)
    message = "warm_start can only be used where `y` has the same classes as in the previous call"
    for other in (np.minimum(y, 1), y + 1):
        with pytest.raises(ValueError, match=message):
            model.fit(X, other)
    weights = np.where(y == 2, 0.0, 1.0)  # a class without weight is still one of y's
    assert np.isfinite(model.fit(X, y, weights).loss_)
    assert np.isfinite(model.partial_fit(X[y == 1], y[y == 1]).loss_)


@both
@pytest.mark.parametrize("optimizer", ["adam", "sgd", torch.optim.Adam])
def test_models_loaded_as_read_only_maps_go_on(cls, optimizer, tmp_path):
    X, y = data(cls())
    known = {"classes": np.unique(y)} if cls is MLPClassifier else {}
    model = small(cls, optimizer=optimizer).partial_fit(X, y, **known)
    joblib.dump(model, tmp_path / "model")
    loaded = joblib.load(tmp_path / "model", mmap_mode="r")
    assert_bit_equal(loaded.partial_fit(X, y), model.partial_fit(X, y))


@both
def test_changed_layer_sizes_with_warm_start_are_an_error(cls):
    model = small(cls, warm_start=True)
    X, y = data(model)
    model.fit(X, y).set_params(hidden_layer_sizes=(7,))
    with pytest.raises(ValueError, match=r"\(5, 6, 1\).*\(5, 7, 1\).*warm_start=False"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        model.set_params(warm_start=False).partial_fit(X, y)


# Stopping


@both
def test_early_stopping_restores_the_best_weights(cls):
    model = small(
        cls, early_stopping=True, max_iter=500, n_iter_no_change=4, learning_rate_init=0.05
    )
    X, y = data(model)
    X_val, y_val = data(model, n=60)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    assert model.stopping_reason_ == "early_stopping"
    assert model.score(X_val, y_val) == pytest.approx(max(model.validation_scores_), abs=1e-12)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert len(model.validation_scores_) == len(model.validation_loss_curve_) == model.n_iter_


@both
@pytest.mark.parametrize(
    ("n", "fraction", "held_out"), [(120, 0.1, 12), (101, 0.1, 11), (21, 0.3, 7)]
)
def test_validation_fraction_is_rounded_up_as_train_test_split_does(
    cls, n, fraction, held_out, monkeypatch
):
    model = small(cls, early_stopping=True, validation_fraction=fraction, max_iter=1)
    X, y = data(model, n)
    parts, split = [], base.held_out
    monkeypatch.setattr(base, "held_out", lambda *given: parts.extend(split(*given)) or parts)
    model.fit(X, y)
    assert [len(part) for part in parts] == [n - held_out, held_out]
    assert len(train_test_split(X, test_size=fraction, random_state=0)[1]) == held_out


@both
def test_validation_rows_are_watched_without_early_stopping_and_change_nothing(cls):
    model = small(cls)
    X, y = data(model)
    watched = clone(model).fit(X, y, X_val=X[:30], y_val=y[:30], sample_weight_val=np.ones(30))
    assert_bit_equal(watched, clone(model).fit(X, y))
    assert watched.validation_scores_[-1] == pytest.approx(watched.score(X[:30], y[:30]))
    assert clone(model).fit(X, y).validation_scores_ is None


def test_max_iter_warns_with_the_way_out():
    X, y = data(MLPRegressor())
    with pytest.warns(ConvergenceWarning, match=r"max_iter=5.*Increase 'max_iter'") as caught:
        small(MLPRegressor).fit(X, y)
    assert caught[0].filename == __file__


def test_converged_training_does_not_warn():
    X, y = data(MLPRegressor())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = small(MLPRegressor, max_iter=5000, tol=0.1).fit(X, y)
    assert model.stopping_reason_ == "no_improvement"


@pytest.mark.parametrize("executor", ["torch", "compiled"])
def test_ctrl_c_propagates(monkeypatch, executor):
    def interrupted(self):
        raise KeyboardInterrupt

    if executor == "torch":
        monkeypatch.setattr(Stack, "advance", interrupted)
    else:
        network = pytest.importorskip("skmlp.training.compiled.network")
        monkeypatch.setattr(network.CompiledNetwork, "run_epochs", interrupted)
    X, y = data(MLPRegressor())
    with config(executor=executor), pytest.raises(KeyboardInterrupt):
        small(MLPRegressor).fit(X, y)


def test_divergence_is_an_error_that_names_epoch_and_rate():
    X, y = data(MLPRegressor())
    model = small(MLPRegressor, optimizer="sgd", learning_rate_init=1e8, max_iter=50)
    pattern = r"diverged.* in epoch \d+ with learning rate 1e\+08.*'learning_rate_init'"
    with pytest.raises(ValueError, match=pattern):
        model.fit(X, y)
    assert not hasattr(model, "coefs_")


def test_divergence_of_lbfgs_advises_what_lbfgs_uses():
    X, y = data(MLPRegressor())
    model = small(MLPRegressor, optimizer="lbfgs", loss="poisson", max_iter=50)
    with pytest.raises(ValueError, match=r"diverged.* in iteration \d+.*'alpha'.*scale") as error:
        model.set_params(hidden_layer_sizes=()).fit(X * 1e200, np.abs(y))
    assert "learning" not in str(error.value)
    assert "max_grad_norm" not in str(error.value)
    assert not hasattr(model, "coefs_")


# Stored


@both
@pytest.mark.parametrize("sizes", [(6,), (300, 300)])
def test_pickle_of_a_plain_fit_is_little_more_than_its_weights(cls, sizes):
    model = cls(sizes, max_iter=3, random_state=0)
    X, y = data(model)
    model.fit(X, y)
    weights = sum(array.nbytes for array in arrays_of(model))
    assert len(pickle.dumps(model)) <= 1.3 * weights + 20_000


@both
def test_fitted_state_is_numpy_and_plain_types(cls):
    model = small(cls)
    X, y = data(model)
    model.partial_fit(X, y, **({"classes": [0, 1]} if cls is MLPClassifier else {}))
    assert b"torch" not in pickle.dumps(model)


@both
def test_an_estimator_of_an_earlier_version_goes_on(cls):
    model = small(cls, **({"loss": "huber"} if cls is MLPRegressor else {}))
    X, y = data(model)
    model.partial_fit(X, y, **({"classes": [0, 1]} if cls is MLPClassifier else {}))
    state = model.__getstate__()
    for name in ("augmentation", "warmup", "learning_rates_", "expected_depth_"):
        del state[name]
    state["_trained"] = state["_trained"]._replace(loss_options=())
    old = cls.__new__(cls)
    old.__setstate__(state)
    np.testing.assert_array_equal(old.predict(X), model.predict(X))
    assert repr(clone(old)) == repr(clone(model))
    assert_bit_equal(old.partial_fit(X, y), model.partial_fit(X, y))
    assert np.isnan(old.learning_rates_[0])
    assert old.learning_rates_[1:] == model.learning_rates_[1:]
    assert old.expected_depth_ is None


def test_model_of_an_absent_device_predicts_on_the_cpu_with_a_warning(monkeypatch):
    X, y = data(MLPRegressor())
    model = small(MLPRegressor).fit(X, y)
    expected = model.predict(X)
    model.device = "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.warns(UserWarning, match=r"'cuda'.*predicting on the CPU") as caught:
        np.testing.assert_array_equal(model.predict(X), expected)
    assert caught[0].filename == __file__


@both
def test_parameters_changed_after_fitting_do_not_change_predictions(cls):
    model = small(cls, activation="tanh")
    X, y = data(model)
    expected = model.fit(X, y).predict(X)
    model.set_params(activation="logistic", hidden_layer_sizes=(3,))
    np.testing.assert_array_equal(model.predict(X), expected)


# Input


@both
def test_float32_stays_float32_and_dtype_overrides(cls):
    model = small(cls)
    X, y = data(model)
    for given, asked, expected in [
        (np.float32, "auto", "float32"),
        (np.float64, "auto", "float64"),
        (np.int64, "auto", "float64"),
        (np.float64, np.float32, "float32"),
        (np.float32, "float64", "float64"),
    ]:
        fitted = clone(model).set_params(dtype=asked).fit((X * 10).astype(given), y)
        assert {a.dtype.name for a in arrays_of(fitted)} == {expected}
    output = model.fit(X.astype(np.float32), y)
    output = output.predict_proba(X) if cls is MLPClassifier else output.predict(X)
    assert output.dtype == np.float32


@both
@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_array])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_sparse_rows_give_what_dense_rows_give(cls, form, optimizer):
    model = small(cls, early_stopping=True, optimizer=optimizer)
    X, y = data(model)
    X = np.where(np.abs(X) > 0.8, X, 0.0)
    dense, sparse = clone(model).fit(X, y), clone(model).fit(form(X), y)
    for a, b in zip(arrays_of(dense), arrays_of(sparse), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(sparse.predict(form(X)), sparse.predict(X))


@both
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_give_names_and_the_same_numbers(cls, frame):
    model = small(cls)
    X, y = data(model)
    names = list("abcde")
    table = frame({name: X[:, i] for i, name in enumerate(names)})
    series = {pd.DataFrame: pd.Series, pl.DataFrame: pl.Series}[frame](y)
    fitted = clone(model).fit(table, series)
    assert_bit_equal(fitted, clone(model).fit(X, y))
    if frame is pd.DataFrame:
        assert list(fitted.feature_names_in_) == names
        with pytest.raises(ValueError, match="feature names"):
            fitted.predict(table[names[::-1]])
    np.testing.assert_array_equal(fitted.predict(table), clone(model).fit(X, y).predict(X))


def test_read_only_and_strided_rows():
    X, y = data(MLPRegressor())
    expected = small(MLPRegressor).fit(X, y)
    frozen, wide = X.copy(), np.repeat(X, 2, axis=1)
    frozen.flags.writeable = False
    assert_bit_equal(small(MLPRegressor).fit(frozen, y), expected)
    assert_bit_equal(small(MLPRegressor).fit(wide[:, ::2], y), expected)
    assert_bit_equal(small(MLPRegressor).fit(np.asfortranarray(X), y), expected)


@both
def test_rows_may_run_backwards_also_a_single_one(cls):
    X, y = data(cls())
    model = small(cls).fit(X, y)
    for rows in (X[::-1], X[::-1][:1], X[:, ::-1][:1]):
        np.testing.assert_array_equal(model.predict(rows), model.predict(rows.copy()))


def test_lbfgs_that_stops_early_says_so_whatever_the_schedule():
    X, y = data(MLPClassifier())
    parameters = {"optimizer": "lbfgs", "early_stopping": True, "max_iter": 200}
    for learning_rate in ("constant", "adaptive"):
        model = small(MLPClassifier, **{**parameters, "learning_rate": learning_rate}, tol=1e-9)
        model.set_params(n_iter_no_change=1).fit(X, y)
        assert model.stopping_reason_ == "early_stopping"


def test_input_is_not_changed():
    X, y = data(MLPRegressor())
    X_before, y_before = X.copy(), y.copy()
    small(MLPRegressor, dropout=0.5, early_stopping=True).fit(X, y).predict(X)
    np.testing.assert_array_equal(X, X_before)
    np.testing.assert_array_equal(y, y_before)


def test_grid_search_of_the_new_parameters():
    X, y = data(MLPClassifier())
    search = GridSearchCV(
        make_pipeline(StandardScaler(), small(MLPClassifier, early_stopping=True)),
        {
            "mlpclassifier__initialization": ["he_normal", "glorot_uniform"],
            "mlpclassifier__optimizer": ["adam", "sgd"],
            "mlpclassifier__dropout": [0.0, 0.2],
            "mlpclassifier__weight_decay": [0.0, 1e-2],
        },
        n_jobs=2,
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 16
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


# Refused, before training

BAD_DATA = [
    ({"X": lambda X: np.where(X > 2, np.nan, X)}, "Input X contains NaN"),
    ({"X": lambda X: np.where(X > 2, np.inf, X)}, "Input X contains infinity"),
    ({"y": lambda y: np.where(y > 0.5, np.nan, y)}, "contains NaN|Unknown label"),
    ({"y": lambda y: np.where(y > 0.5, np.inf, y)}, "contains infinity|Unknown label"),
    ({"y": lambda y: y[:-1]}, "inconsistent numbers of samples"),
    ({"X": lambda X: X[:1], "y": lambda y: y[:1]}, r"1 sample.*minimum of 2 is required"),
    ({"X": lambda X: X[:0], "y": lambda y: y[:0]}, "0 sample"),
    ({"X": lambda X: X[:, 0]}, "Expected 2D array"),
    ({"X": lambda X: X.astype(str) + "a"}, "could not convert"),
    ({"X": lambda X: X + 1j}, "Complex data not supported"),
    ({"sample_weight": lambda n: np.full(n, -1.0)}, r"sample_weight\[0\] is -1"),
    ({"sample_weight": lambda n: np.zeros(n)}, "All sample_weight are zero"),
    ({"sample_weight": lambda n: np.full(n, np.nan)}, "NaN"),
    ({"sample_weight": lambda n: np.ones(n - 1)}, "sample_weight.shape"),
]


@both
@pytest.mark.parametrize(("change", "message"), BAD_DATA)
def test_bad_data_is_refused(cls, change, message):
    model = small(cls)
    X, y = data(model)
    X, y_bad = change.get("X", lambda X: X)(X), change.get("y", lambda y: y)(y.astype(float))
    weights = change["sample_weight"](len(y)) if "sample_weight" in change else None
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X, y_bad, weights)
    assert not hasattr(model, "coefs_")


BAD_PARAMETERS = [
    (
        "hidden_layer_sizes",
        [0, -3, 2.5, (5, 0), (5, -1), (5, 2.5), "10", None, True, (5, "a"), [[5]], np.array(5)],
    ),
    ("activation", ["relu6", ["relu", "step"], 3]),
    ("initialization", ["xavier", None, 1.0, VarianceScaling, dict]),
    ("loss", ["mse", None, torch.nn.MSELoss]),
    ("augmentation", ["noise", 0.1, dict]),
    ("early_stopping_metric", ["auc", dict]),
    # switched on, they would mean 1
    ("stochastic_depth", [True, 0.0, np.nan]),
    ("max_time", [True, 0, np.inf, np.nan]),
    ("validation_every", [True, 0, 1.5]),
    ("averaging_horizon", [True, 0, np.inf]),
    ("bias_initialization", ["ones", True, np.nan, np.inf, [0.1], lambda n, rng: np.zeros(n)]),
    ("optimizer", ["adams", torch.nn.Linear, None, torch.optim.SGD([torch.zeros(1)], lr=0.1)]),
    ("alpha", [-1, np.nan, np.inf * -1, "a"]),
    ("l1_ratio", [-0.1, 1.1]),
    ("weight_decay", [-1, "none"]),
    ("dropout", [-0.1, 1, 1.5, [0.1, 1.0]]),
    ("max_grad_norm", [0, -1]),
    ("max_grad_value", [0, -1]),
    ("batch_size", [0, -1, 2.5, "all"]),
    ("learning_rate", ["cos", None, 0.5, dict]),
    ("learning_rate_init", [0, -1, np.nan]),
    ("learning_rate_decay", [0, 1.1, np.nan]),
    ("learning_rate_period", [0, -1, 0.0, 1.5, np.nan]),
    ("learning_rate_end", [-0.1, 1.1]),
    ("period_multiplier", [0.9, np.nan]),
    ("warmup", [-1, 1.0, 2.5, -0.1, np.nan, None, True]),
    ("base_momentum", [-0.1, 1.0]),
    ("layer_learning_rates", [1.0, [-1, 1], [1, np.nan], ["a", 1], [[1], [1]], [1, np.inf], "ab"]),
    ("bias_learning_rate", [-1, np.nan, np.inf, None, True]),
    ("max_iter", [0, -1, 2.5]),
    ("tol", [-1]),
    ("momentum", [-0.1, 1.1]),
    ("validation_fraction", [-0.1, 1.0]),
    ("beta_1", [-0.1, 1.0]),
    ("epsilon", [0]),
    ("n_iter_no_change", [0, 2.5]),
    ("random_state", ["a", 1.5]),
    ("device", ["gpu", 0, "cuda:x", None]),
    ("dtype", ["float16", "int32", int, None]),
    ("callbacks", ["EarlyStopping", [1], [("name", 3)]]),
    ("negative_slope", [-0.1]),
]


@both
@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, values in BAD_PARAMETERS for v in values]
)
def test_bad_parameters_are_refused(cls, name, value):
    model = small(cls)
    X, y = data(model)
    model.set_params(**{name: value})
    pattern = rf"(?s)The '{name}' parameter of {cls.__name__} must be .*Got .* instead\."
    with pytest.raises(ValueError, match=pattern):
        model.fit(X, y)
    with pytest.raises(ValueError, match=pattern):
        model.partial_fit(X, y)


def test_unknown_names_come_with_the_known_ones():
    X, y = data(MLPRegressor())
    for name, known in [
        ("activation", "'mish'"),
        ("initialization", "'he_normal_fan_out'"),
        ("bias_initialization", "'sklearn'.*a finite number"),
        ("optimizer", "'adadelta'.*'lbfgs'"),
        ("learning_rate", "'invscaling'"),
    ]:
        with pytest.raises(ValueError, match=known):
            small(MLPRegressor).set_params(**{name: "unknown"}).fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"activation": ["relu"]}, r"'activation'.*one value per hidden layer \(2\)"),
        ({"dropout": [0.1, 0.2, 0.3]}, r"'dropout'.*one value per hidden layer \(2\)"),
        ({"optimizer": "lbfgs", "dropout": 0.1}, "'dropout'.*no meaning.*lbfgs"),
        (
            {"optimizer": "schedule_free_sgd", "layer_learning_rates": np.ones(3)},
            "'layer_learning_rates'.*no meaning.*schedule_free_sgd",
        ),
        ({"optimizer": "cg", "l1_ratio": 0.5}, "'l1_ratio'.*0.5: take optimizer='lbfgs'"),
        ({"optimizer": "newton-cg", "l1_ratio": 1.0}, "'l1_ratio'.*take optimizer='lbfgs'"),
        ({"optimizer": "lbfgs", "weight_decay": 0.1}, "'weight_decay'.*no meaning.*alpha"),
        ({"optimizer": "lbfgs", "max_grad_norm": 1.0}, "'max_grad_norm'.*no meaning"),
        ({"early_stopping": True, "validation_fraction": 0.0}, "validation_fraction"),
        ({"early_stopping": True, "validation_fraction": 0.001}, "validation_fraction"),
        ({"early_stopping": True, "validation_fraction": 0.999}, "validation_fraction"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(parameters, message):
    X, y = data(MLPRegressor())
    with pytest.raises(ValueError, match=message):
        MLPRegressor((4, 3), **parameters).fit(X, y)


def test_partial_fit_refuses_early_stopping():
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping"):
        MLPRegressor(early_stopping=True).partial_fit([[1.0]], [1.0])


def test_large_batches_are_clipped_with_a_warning():
    X, y = data(MLPRegressor())
    with pytest.warns(UserWarning, match=r"batch_size=500.*120 training rows") as caught:
        clipped = small(MLPRegressor, batch_size=500).fit(X, y)
    assert caught[0].filename == __file__
    assert_bit_equal(clipped, small(MLPRegressor, batch_size=120).fit(X, y))


@both
def test_bad_validation_rows_are_refused(cls):
    model = small(cls)
    X, y = data(model)
    for given, message in [
        ({"X_val": X}, "y_val is missing"),
        ({"y_val": y}, "X_val is missing"),
        ({"sample_weight_val": y}, "X_val is missing"),
        ({"X_val": X[:, :3], "y_val": y}, "3 features"),
        ({"X_val": X * np.nan, "y_val": y}, "NaN"),
        ({"X_val": X, "y_val": y, "sample_weight_val": -np.ones(len(y))}, "sample_weight_val"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.fit(X, y, **given)
    with pytest.raises(ValueError, match="feature names"):
        model.fit(
            pd.DataFrame(X, columns=list("abcde")),
            y,
            X_val=pd.DataFrame(X, columns=list("edcba")),
            y_val=y,
        )


@both
def test_predicting_before_fitting_is_an_error(cls):
    with pytest.raises(NotFittedError):
        cls().predict([[1.0]])


def test_absent_device_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    X, y = data(MLPRegressor())
    with pytest.raises(ValueError, match=r"'device'.*'cuda'.*no such device.*device='auto'"):
        small(MLPRegressor, device="cuda").fit(X, y)


@both
def test_values_too_large_for_float32_are_refused(cls):
    model = small(cls, dtype="float32")
    X, y = data(model)
    huge = X.copy()
    huge[0] = 1e39
    with pytest.raises(ValueError, match=r"X has values too large for float32.*float64"):
        model.fit(huge, y)
    with pytest.raises(ValueError, match=r"X_val has values too large for float32"):
        model.fit(X, y, X_val=huge, y_val=y)
    model.fit(X, y)
    with pytest.raises(ValueError, match=r"X has values too large for float32"):
        model.predict(huge)
    with pytest.raises(ValueError, match=r"X has values too large for float32"):
        model.predict(scipy.sparse.csr_matrix(huge))


def test_targets_too_large_for_float32_are_refused():
    X, y = data(MLPRegressor())
    with pytest.raises(ValueError, match=r"y_val has values too large for float32"):
        small(MLPRegressor, dtype="float32").fit(X, y, X_val=X, y_val=y * 1e39)


def test_weights_whose_sum_overflows_are_refused():
    X, y = data(MLPRegressor())
    with pytest.raises(ValueError, match="sum of sample_weight overflows"):
        small(MLPRegressor).fit(X, y, np.full(len(y), 1e308))


@both
def test_outputs_that_overflow_are_an_error_not_nan(cls):
    X, y = data(cls())
    y = np.digitize(X[:, 0], [-0.5, 0.5]) if cls is MLPClassifier else y
    model = small(cls).fit(X.astype(np.float32), y)
    wide = np.where(np.arange(len(X))[:, None] == 2, np.float32(3e38), X.astype(np.float32))
    with pytest.raises(ValueError, match=r"outputs overflow float32 \(first in row 2\).*scale"):
        model.predict(wide)
    if cls is MLPClassifier:
        with pytest.raises(ValueError, match="outputs overflow"):
            model.predict_proba(wide)


@both
@pytest.mark.parametrize("scale", [2.0**-140, 2.0**120])
def test_extreme_weights_of_validation_rows_choose_the_same_epoch_in_float32(cls, scale):
    X, y = data(cls())
    weights = 0.5 + np.random.default_rng(1).random(len(y))
    parameters = {"early_stopping": True, "alpha": 0.0, "dtype": "float32", "max_iter": 20}

    def fitted(factor):
        model = small(cls, **parameters)
        return model.fit(X, y, X_val=X[:40], y_val=y[:40], sample_weight_val=factor * weights[:40])

    ordinary, extreme = fitted(1.0), fitted(scale)
    assert extreme.validation_scores_ == ordinary.validation_scores_
    assert_bit_equal(extreme, ordinary)


def test_a_penalty_that_tiny_weights_take_out_of_float32_is_refused():
    X, y = data(MLPClassifier())
    model = small(MLPClassifier, dtype="float32", alpha=0.1)
    with pytest.raises(ValueError, match=r"alpha divided by.*too large for float32.*sample_weight"):
        model.fit(X, y, np.full(len(y), 1e-45))
    assert np.isfinite(small(MLPClassifier, dtype="float32", alpha=0.0).fit(X, y).loss_)


@pytest.mark.parametrize("bad", [None, np.inf, -np.inf])
def test_missing_and_infinite_targets_are_refused_before_training(bad):
    X, y = data(MLPRegressor())
    targets = y.astype(object)
    targets[7] = bad
    with pytest.raises(ValueError, match=rf"y has {bad} in row 7: targets must be finite"):
        small(MLPRegressor).fit(X, targets)
    with pytest.raises(ValueError, match=rf"y has {bad} in row 7"):
        small(MLPRegressor).fit(X, y, X_val=X, y_val=targets)


@both
def test_solver_is_answered_with_optimizer(cls):
    with pytest.raises(TypeError, match=r"no parameter 'solver': use 'optimizer'.*'lbfgs'"):
        cls(solver="lbfgs")
    with pytest.raises(ValueError, match=r"no parameter 'solver': use 'optimizer'"):
        cls().set_params(solver="lbfgs")


def test_validation_rows_of_weight_zero_are_absent():
    X, y = data(MLPRegressor())
    weights = np.array([1.0, 1.0, 0.0])
    y_val = np.array([1.0, 1.0, 5.0])
    model = small(MLPRegressor).fit(X, y, X_val=X[:3], y_val=y_val, sample_weight_val=weights)
    without = small(MLPRegressor).fit(X, y, X_val=X[:2], y_val=y_val[:2])
    np.testing.assert_allclose(model.validation_scores_, without.validation_scores_)
    assert model.validation_scores_ == [0.0] * 5  # as r2_score's for a constant target


def test_a_learning_rate_inside_a_partial_is_refused():
    X, y = data(MLPRegressor())
    optimizer = functools.partial(torch.optim.SGD, lr=0.5)
    with pytest.raises(ValueError, match=r"'optimizer'.*lr=0\.5.*'learning_rate_init'"):
        small(MLPRegressor, optimizer=optimizer).fit(X, y)


def test_weight_decay_that_would_flip_signs_is_refused():
    X, y = data(MLPRegressor())
    with pytest.raises(ValueError, match=r"'weight_decay'.*at most 1 / learning_rate_init"):
        small(MLPRegressor, weight_decay=1e5).fit(X, y)


def test_extreme_schedules_do_not_overflow():
    X, y = data(MLPRegressor())
    for optimizer in ("sgd", "adam"):
        model = small(MLPRegressor, optimizer=optimizer, learning_rate="invscaling", power_t=500)
        assert np.isfinite(model.fit(X, y).loss_)


def test_odd_forms_of_parameters():
    X, y = data(MLPRegressor())
    expected = small(MLPRegressor, dropout=0.2).fit(X, y)
    assert_bit_equal(small(MLPRegressor, dropout=np.array(0.2)).fit(X, y), expected)
    shares = {"warmup": 0.5, "learning_rate_period": 0.25, "dropout_cutoff": 0.75, "dropout": 0.5}
    narrow = {name: np.float32(value) for name, value in shares.items()}
    parameters = {"learning_rate": "step", "dropout_schedule": "late"}
    expected = small(MLPRegressor, **parameters, **shares).fit(X, y)
    assert_bit_equal(small(MLPRegressor, **parameters, **narrow).fit(X, y), expected)
    with pytest.raises(ValueError, match="'initialization' callable returned"):
        small(MLPRegressor, initialization=lambda s, rng: [np.ones(s), np.ones(s[1])]).fit(X, y)


@both
def test_warnings_of_partial_fit_point_at_the_caller(cls):
    model = small(cls, batch_size=500)
    X, y = data(model)
    with pytest.warns(UserWarning, match="batch_size=500") as caught:
        model.partial_fit(X, y, **({"classes": [0, 1]} if cls is MLPClassifier else {}))
    assert caught[0].filename == __file__


@pytest.mark.parametrize("sizes", [[20] * 10 + [120], [64, 64, 40, 120], [100, 50, 120]])
def test_dropout_goes_on_when_the_size_of_the_chunks_changes(sizes):
    model = small(MLPClassifier, dropout=0.5)
    X, y = data(model)
    for n in sizes:
        model.partial_fit(X[:n], y[:n], classes=[0, 1])
    without = copy.deepcopy(model).set_params(dropout=0.0).partial_fit(X, y)
    assert not np.array_equal(model.partial_fit(X, y).coefs_[0], without.coefs_[0])


def test_an_empty_tuple_is_a_linear_model():
    X, y = data(MLPRegressor())
    model = MLPRegressor((), optimizer="lbfgs").fit(X, y)
    assert model.n_layers_ == 2
    np.testing.assert_allclose(model.predict(X), X @ model.coefs_[0][:, 0] + model.intercepts_[0])


def test_layer_sizes_may_be_ints_lists_and_numpy_numbers():
    X, y = data(MLPRegressor())
    expected = small(MLPRegressor).fit(X, y)
    for sizes in (6, [6], np.array([6]), (np.int64(6),), np.int32(6)):
        assert_bit_equal(MLPRegressor(sizes, max_iter=5, random_state=0).fit(X, y), expected)


def test_verbose_prints_a_line_per_epoch(capsys):
    X, y = data(MLPRegressor())
    small(MLPRegressor, verbose=True).fit(X, y)
    assert capsys.readouterr().out.count("Iteration ") == 5


# When training stops

executors = pytest.mark.parametrize("executor", ["torch", "compiled"])
unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def watched(cls, executor="compiled", **parameters):
    """A fit with validation rows of its own."""
    X, y = data(small(cls))
    with config(executor=executor):
        model = small(cls, learning_rate_init=0.02, **parameters)
        return model.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])


@unconverged
@executors
@both
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("every", [2, 3, 100])
def test_every_few_epochs_is_a_part_of_every_epoch(cls, executor, optimizer, every):
    settings = {"optimizer": optimizer, "max_iter": 10}
    all_epochs = watched(cls, executor, **settings)
    some = watched(cls, executor, validation_every=every, **settings)
    assert_bit_equal(some, all_epochs)
    places = [n - 1 for n in sorted({*range(every, 11, every), 10})]
    for name in ("validation_scores_", "validation_loss_curve_"):
        found, expected = getattr(some, name), getattr(all_epochs, name)
        assert found == [expected[place] for place in places]


@executors
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_epoch_in_which_training_stops_is_validated(executor, optimizer):
    """The plateau of the training loss, and convergence, are not foreseen."""
    settings = {"optimizer": optimizer, "tol": 0.05, "n_iter_no_change": 2, "max_iter": 200}
    model = watched(MLPRegressor, executor, validation_every=1000, **settings)
    assert model.stopping_reason_ == {"adam": "no_improvement", "lbfgs": "converged"}[optimizer]
    expected = watched(MLPRegressor, executor, **settings).validation_scores_[-1]
    assert model.validation_scores_ == [expected]


@unconverged
@executors
@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("metric", ["score", "loss", "neg_log_loss"])
def test_the_best_of_the_validated_epochs_is_restored(executor, every, metric):
    settings = {"early_stopping_metric": metric, "max_iter": 20, "n_iter_no_change": 2}
    settings |= {"validation_every": every, "early_stopping": True, "tol": 0.0}
    model = watched(MLPClassifier, executor, **settings)
    best = min(every * (int(np.argmax(model.validation_scores_)) + 1), 20)
    assert model.n_iter_ > 0
    expected = watched(MLPClassifier, executor, max_iter=best, n_iter_no_change=np.inf)
    for ours, theirs in zip(arrays_of(model), arrays_of(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_callbacks_want_every_validation():
    from skorch.callbacks import Callback

    with pytest.raises(ValueError, match=r"'validation_every' .* must be 1 .*'callbacks'.* Got 2"):
        watched(MLPClassifier, validation_every=2, callbacks=[Callback()])


@executors
@both
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_limit_of_time_stops_at_the_end_of_an_epoch(cls, executor, optimizer):
    settings = {"optimizer": optimizer, "max_iter": 10**6, "tol": 0.0, "n_iter_no_change": np.inf}
    with pytest.warns(ConvergenceWarning, match=r"max_time=1e-09 seconds were over .*'max_time'"):
        stopped = watched(cls, executor, max_time=1e-9, **settings)
    assert (stopped.n_iter_, stopped.stopping_reason_) == (1, "max_time")
    with pytest.warns(ConvergenceWarning, match="max_iter=1 epochs"):
        one = watched(cls, executor, **{**settings, "max_iter": 1})
    assert_bit_equal(stopped, one)
    assert stopped.validation_scores_ == one.validation_scores_


@unconverged
@executors
def test_a_fit_takes_about_as_long_as_its_limit(executor):
    settings = {"max_iter": 10**9, "tol": 0.0, "n_iter_no_change": np.inf, "shuffle": False}
    watched(MLPRegressor, executor, max_time=0.01, **settings)  # what is compiled is there
    start = perf_counter()
    model = watched(MLPRegressor, executor, max_time=0.5, **settings)
    elapsed = perf_counter() - start
    assert model.stopping_reason_ == "max_time"
    assert model.n_iter_ > 10
    assert 0.5 <= elapsed < 3.0  # some 0.2 s more on a machine that is not busy


@unconverged
@executors
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_limit_that_is_not_reached_changes_nothing(executor, optimizer, early_stopping):
    settings = {"early_stopping": early_stopping, "max_iter": 40, "optimizer": optimizer}
    settings["dropout"] = 0.2 if optimizer == "adam" else 0.0
    limited = watched(MLPClassifier, executor, max_time=1e6, **settings)
    free = watched(MLPClassifier, executor, **settings)
    assert_bit_equal(limited, free)
    assert limited.stopping_reason_ == free.stopping_reason_
    assert limited.validation_scores_ == free.validation_scores_


@unconverged
@executors
def test_time_that_is_over_leaves_the_best_weights(executor):
    """Each epoch lowers the score: targets of the validation rows are opposite ones."""
    X, y = data(small(MLPRegressor))
    settings = {"max_iter": 10**6, "n_iter_no_change": np.inf, "early_stopping": True}
    with config(executor=executor):
        model = small(MLPRegressor, learning_rate_init=0.02, max_time=0.2, **settings)
        model.fit(X, y, X_val=X, y_val=-y)
        one = small(MLPRegressor, learning_rate_init=0.02, max_iter=1).fit(X, y)
    assert model.n_iter_ > 1
    assert np.argmax(model.validation_scores_) == 0
    for ours, theirs in zip(arrays_of(model), arrays_of(one), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@both
def test_partial_fit_does_not_look_at_the_clock(cls):
    X, y = data(small(cls))
    model = small(cls, max_time=1e-9, validation_every=3, early_stopping_metric="loss")
    for _ in range(3):
        model.partial_fit(X, y, **({"classes": [0, 1]} if cls is MLPClassifier else {}))
    assert model.stopping_reason_ == "max_iter"
    assert len(model.loss_curve_) == 3


@pytest.mark.parametrize(
    "parameters",
    [
        {"validation_every": 0},
        {"validation_every": 1.5},
        {"max_time": 0},
        {"max_time": -1.0},
        {"max_time": "1 h"},
        {"max_time": np.nan},
    ],
)
def test_what_is_no_number_of_epochs_or_seconds_is_an_error(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"The '{name}' parameter of MLPRegressor must be"):
        watched(MLPRegressor, **parameters)


# Groups


class Watching:
    """A scorer that keeps the rows that are held out."""

    def __init__(self):
        self.rows = []

    def __call__(self, model, X, y):
        self.rows.append(X)
        return 0.0

    def __deepcopy__(self, memo):
        return self


def grouped(n=120):
    """Rows whose last column is the number of their group."""
    X, y = data(small(MLPClassifier), n)
    groups = np.random.default_rng(1).integers(0, 15, n)
    return np.column_stack([X, groups]), y, groups


@unconverged
@pytest.mark.parametrize("is_sparse", [False, True])
@both
def test_groups_are_held_out_whole(cls, is_sparse):
    X, y, groups = grouped()
    trained, scorer = [], Watching()
    weights = np.where(np.arange(120) % 7, 1.0, 0.0)
    model = small(cls, early_stopping=True, early_stopping_metric=scorer, validation_fraction=0.3)
    given = scipy.sparse.csr_matrix(X) if is_sparse else X
    with pytest.MonkeyPatch.context() as patch:
        original = base.train_or_meet
        patch.setattr(
            base, "train_or_meet", lambda task: trained.append(task.train.X) or original(task)
        )
        model.fit(given, y, weights, groups=[f"group {g}" for g in groups])
    held_out, train = (
        (X.toarray() if is_sparse else X)[:, -1] for X in (scorer.rows[0], trained[0])
    )
    assert len(np.unique(held_out)) == 5  # of 15
    assert not set(held_out) & set(train)
    assert len(held_out) + len(train) == np.count_nonzero(weights)


@unconverged
def test_groups_mean_nothing_where_nothing_is_held_out():
    X, y, groups = grouped()
    for parameters, rows in (
        ({}, {}),
        ({"early_stopping": True}, {"X_val": X[:30], "y_val": y[:30]}),
    ):
        plain = small(MLPClassifier, **parameters).fit(X, y, **rows)
        assert_bit_equal(small(MLPClassifier, **parameters).fit(X, y, groups=groups, **rows), plain)


def test_groups_of_another_length_are_an_error_always():
    X, y, groups = grouped()
    with pytest.raises(ValueError, match="groups has 119 entries for 120 rows"):
        small(MLPClassifier).fit(X, y, groups=groups[1:])
    for wrong in (3, np.zeros((120, 2))):
        with pytest.raises(ValueError, match=r"groups has shape .* for 120 rows: give one"):
            small(MLPClassifier).fit(X, y, groups=wrong)


@unconverged
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("in_pipeline", [False, True])
@pytest.mark.parametrize("asked", [False, True])
def test_a_search_with_groups_keeps_them_whole_at_both_levels(fused, in_pipeline, asked):
    X, y, groups = grouped()
    scorer = Watching()
    model = small(MLPClassifier, early_stopping=True, early_stopping_metric=scorer, max_iter=2)
    fitted = []
    with sklearn.config_context(enable_metadata_routing=True), pytest.MonkeyPatch.context() as p:
        original = base.train_or_meet
        p.setattr(base, "train_or_meet", lambda task: fitted.append(task) or original(task))
        if asked:
            model.set_fit_request(groups=True)
        prefix = "mlpclassifier__" if in_pipeline else ""
        search = GridSearchCV(
            make_pipeline(FunctionTransformer(), model) if in_pipeline else model,
            {f"{prefix}alpha": [1e-4, 1.0]},
            cv=GroupKFold(3),
            refit=False,
            error_score="raise",
        )
        with skmlp.fused() if fused else contextlib.nullcontext():
            search.fit(X, y, groups=groups)
    assert len(fitted) == 6
    folds = list(GroupKFold(3).split(X, y, groups))
    for task, (train, _) in zip(fitted, folds * 2, strict=True):
        parts = [set(rows.X[:, -1]) for rows in (task.train, task.validation)]
        assert parts[0] | parts[1] == set(groups[train])
        assert not parts[0] & parts[1]
