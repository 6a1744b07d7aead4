"""No contestant meets what another, or an earlier call of its own, did to the rows."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from comparison_helpers import NEIGHBOURS, InPlace, NearestMean, numbered, plan_of
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, Normalizer

from skmlp import MLPClassifier, MLPRegressor
from skmlp.comparison import Contestant, compare_plan, load_dataset, make_dataset
from skmlp.comparison.measurement import predict_seconds
from skmlp.comparison.metrics import make_metrics
from skmlp.comparison.rows import Rows, is_plain_network, own, read_only
from skmlp.comparison.tuning import fit, score_all, try_all, tune

rng = np.random.default_rng(0)
y = np.arange(90) % 2
X = rng.normal(size=(90, 3)) + 0.7 * y[:, None]
[ACCURACY] = make_metrics("accuracy", numbered())


def in_place(copy=False, last=None):
    return make_pipeline(
        Normalizer(copy=copy), MinMaxScaler((1, 5), copy=copy), last or LogisticRegression()
    )


def test_a_contestant_that_works_in_place_leaves_the_others_alone():
    iris, knn = load_dataset("iris"), Contestant("knn", KNeighborsClassifier())
    alone = compare_plan(plan_of(iris, knn))
    beside = compare_plan(plan_of(iris, Contestant("in place", in_place()), knn))
    assert beside.table.loc["knn", "accuracy"] == alone.table.loc["knn", "accuracy"]
    np.testing.assert_array_equal(
        beside.predictions.query("contestant == 'knn'")["y_pred"], alone.predictions["y_pred"]
    )


def test_a_contestant_that_works_in_place_scores_as_one_that_copies():
    iris = load_dataset("iris")
    names = {"in place": in_place(copy=False), "copying": in_place(copy=True)}
    found = compare_plan(plan_of(iris, *(Contestant(*one) for one in names.items())))
    scores = found.fold_scores.pivot(index="fold", columns="contestant", values="accuracy")
    np.testing.assert_array_equal(scores["in place"], scores["copying"])
    for result in found.results:
        right = result.predicted == iris.y[plan_rows(found, result)]
        assert right.mean() == result.scores["accuracy"]
        np.testing.assert_array_equal(result.probabilities.argmax(1), codes(iris, result.predicted))


def plan_rows(comparison, result):
    return comparison.plan.folds[result.fold].test


def codes(dataset, labels):
    return np.searchsorted(dataset.classes, labels)


@pytest.mark.parametrize("weighted", [False, True])
def test_targets_and_weights_that_are_overwritten_are_the_fits_own(weighted):
    weights = np.linspace(1, 2, 90) if weighted else None
    dataset = make_dataset(X, y, task="classification", sample_weight=weights)
    plans = [
        plan_of(
            dataset, Contestant("in place", InPlace(), grid), Contestant("in place 2", InPlace())
        )
        for grid in ({}, {"columns": [[0], [0, 1, 2]]})
    ]
    for found in map(compare_plan, plans):
        assert all(result.error is None for result in found.results)
        assert found.table.loc["in place 2", "accuracy"] > 0.6
        for result in found.results:
            truth = dataset.y[plan_rows(found, result)]
            weight = None if weights is None else weights[plan_rows(found, result)]
            right = np.average(result.predicted == truth, weights=weight)
            assert right == pytest.approx(result.scores["accuracy"])


def rows(large=False):
    repeat = 1000 if large else 1
    return Rows(
        *map(read_only, (np.tile(X[:60], (repeat, 1)), np.tile(y[:60], repeat), X[60:], y[60:]))
    )


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_tuning_in_place_finds_the_scores_of_copies(n_jobs, large):
    """Large arrays reach the workers as read-only maps of a file."""
    grid = {"logisticregression__C": [0.01, 1.0]}
    in_turn, copying = (
        tune(Contestant("one", in_place(copy), grid), [rows(large)] * 2, ACCURACY, n_jobs)
        for copy in (False, True)
    )
    assert [one.error for one in in_turn.candidates] == [None, None]
    assert in_turn.candidates == copying.candidates


def test_networks_in_a_pipeline_that_works_in_place_train_as_a_stack_on_clean_rows():
    grid = {"mlpclassifier__alpha": [0.01, 1.0]}
    in_turn, copying = (
        tune(
            Contestant(
                "one", in_place(copy, MLPClassifier((4,), max_iter=3, random_state=0)), grid
            ),
            [rows()] * 2,
            ACCURACY,
            1,
        )
        for copy in (False, True)
    )
    assert [one.error for one in in_turn.candidates] == [None, None]
    assert in_turn.candidates == copying.candidates


def test_every_score_sees_clean_rows_and_targets():
    def overwriting(fitted, X, y):
        right = float(np.mean(fitted.predict(X) == y))
        X[:], y[:] = -7, 5
        return right

    metrics = make_metrics({"first": overwriting, "second": overwriting}, numbered())
    model = NearestMean().fit(X[:60], y[:60])
    first, second = score_all(model, rows(), metrics)
    assert first == second == np.mean(model.predict(X[60:]) == y[60:])


def test_trying_a_scorer_leaves_the_data_set_alone():
    def overwriting(fitted, X, y, sample_weight):
        found = fitted.predict(X)
        X[:], y[:], found[:], sample_weight[:] = -7, 0, 1, 0
        return 1.0

    dataset = make_dataset(X, y, task="classification", sample_weight=np.ones(90))
    make_metrics({"first": overwriting}, dataset)
    np.testing.assert_array_equal(dataset.X, X)
    np.testing.assert_array_equal(dataset.y, y)
    assert dataset.sample_weight.tolist() == [1] * 90


def test_timed_predictions_see_clean_rows_each_time():
    class Summing(InPlace):
        sums = []

        def predict(self, X):
            self.sums.append(X.sum())
            return super().predict(X)

    model = Summing().fit(X.copy(), y.copy())
    predict_seconds(model, read_only(X))
    assert len(set(model.sums)) == 1


def test_figures_leave_the_data_set_alone():
    def overwrite(X):
        found = np.array(X)
        X[:] = -7
        return found

    iris = load_dataset("iris")
    before = iris.X.copy()
    found = compare_plan(plan_of(iris, NEIGHBOURS, preprocessing=FunctionTransformer(overwrite)))
    found.plot("boundaries")
    pd.testing.assert_frame_equal(iris.X, before)


def test_networks_share_their_rows_and_all_others_have_their_own():
    networks = [MLPClassifier(), TransformedTargetRegressor(MLPRegressor())]
    others = [in_place(), make_pipeline(MLPClassifier()), TransformedTargetRegressor()]
    assert all(map(is_plain_network, networks))
    assert not any(map(is_plain_network, others))
    shared, copied = rows().for_fit(networks[0]), rows().for_fit(others[0])
    assert not shared.X.flags.writeable
    assert copied.X.flags.writeable
    assert copied.y.flags.writeable


def test_a_network_does_not_write_to_its_rows():
    given = rows()
    for network in (
        MLPClassifier((4,), max_iter=3),
        MLPClassifier((4,), max_iter=3, dtype="float32"),
    ):
        [trial] = try_all(Contestant("one", network), [({}, given)], [ACCURACY], 1)
        assert trial.error is None
    np.testing.assert_array_equal(given.X, X[:60])


def test_the_copy_is_no_part_of_the_time_or_the_memory_of_a_fit():
    class Idle(NearestMean):
        def fit(self, X, y):
            self.classes_, self.means_ = np.array([0, 1]), np.zeros((2, X.shape[1]))
            return self

    wide = FunctionTransformer(lambda X: np.zeros((len(X), 40_000)))
    plan = plan_of(numbered(), Contestant("idle", Idle()), preprocessing=wide)
    for result in compare_plan(plan).results:
        assert result.error is None
        assert not result.peak_bytes > 5e6  # a copy has 13 MB


@pytest.mark.parametrize(
    "values",
    [
        np.asfortranarray(X),
        X.copy(),
        pd.DataFrame(X),
        pl.DataFrame(X),
        scipy.sparse.csr_array(X),
    ],
)
def test_a_copy_keeps_type_and_layout_and_shares_no_memory(values):
    copy = own(values)
    assert type(copy) is type(values)
    if isinstance(values, np.ndarray):
        assert copy.flags.f_contiguous == values.flags.f_contiguous
        assert not np.shares_memory(copy, values)
    if isinstance(values, pd.DataFrame):
        copy.iloc[:] = -7
        np.testing.assert_array_equal(values, X)


def test_a_mapped_file_becomes_memory(tmp_path):
    np.save(tmp_path / "rows.npy", X)
    copy = own(np.load(tmp_path / "rows.npy", mmap_mode="r"))
    copy[:] = 0
    assert type(copy) is np.ndarray


def test_what_is_read_only_stays_what_it_was():
    array = X.copy()
    view = read_only(array)
    assert np.shares_memory(view, array)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    array[0] = 1  # the owner still may
    assert read_only(None) is None


def test_a_fit_takes_rows_as_they_are_given():
    given = rows().for_fit(InPlace())
    model, _ = fit(InPlace(), given, probabilities=False)
    assert (given.X == -7).all()
    assert score_all(model, given, [ACCURACY])[0] > 0.6
