import numpy as np
import pandas as pd
import pytest
from comparison_helpers import Failing, Recorder, numbered, plan_of
from sklearn.linear_model import Ridge
from sklearn.svm import SVC

from skmlp import MLPClassifier
from skmlp.comparison import Contestant, compare_plan, load_dataset
from skmlp.comparison.learning import SHARES, learning_curve


def compared(dataset, *contestants, **options):
    return compare_plan(plan_of(dataset, *contestants, **options))


def test_the_whole_is_what_the_comparison_measured():
    comparison = compared(load_dataset("iris"), Contestant("SVC", SVC(), {"C": [0.1, 10]}))
    whole = comparison.learning_curve.query("share == 1")
    pd.testing.assert_series_equal(
        whole["accuracy"], comparison.fold_scores["accuracy"], check_index=False
    )
    assert whole["rows"].tolist() == [100, 100, 100]


def test_a_share_equals_a_fit_of_the_chosen_setting_by_hand():
    comparison = compared(load_dataset("iris"), Contestant("SVC", SVC(), {"C": [0.1, 10]}))
    plan, curve = comparison.plan, comparison.learning_curve
    for fold in range(3):
        train, test = plan.splits[fold]
        half = plan.dataset.mixed(train, plan.random_state)[:50]
        X, y = plan.dataset.X.to_numpy(), plan.dataset.y
        model = SVC(**comparison.result("SVC", fold).parameters, random_state=0).fit(
            X[half], y[half]
        )
        [found] = curve.query("share == 0.5 and fold == @fold")["accuracy"]
        assert found == model.score(X[test], y[test])


def test_shares_hold_each_other_and_no_test_row():
    Recorder.seen.clear()
    dataset = numbered(320)
    comparison = compared(dataset, Contestant("a", Recorder("a")))
    before = len(Recorder.seen["a"])
    learning_curve(comparison.plan, comparison.results)
    fits = [set(X[:, 0].astype(int)) for X, _ in Recorder.seen["a"][before:]]
    assert len(fits) == len(SHARES) * 3
    for fold, (train, test) in enumerate(comparison.plan.splits):
        some = fits[fold * len(SHARES) : (fold + 1) * len(SHARES)]
        for smaller, larger in zip(some, [*some[1:], set(train)], strict=True):
            assert smaller < larger
        assert not some[-1] & set(test)


def test_classes_are_in_proportion_in_every_beginning():
    dataset = numbered(300, classes=3)
    order = dataset.mixed(np.arange(300), 0)
    assert sorted(order) == list(range(300))
    for n in (3, 30, 150):
        assert set(np.bincount(dataset.codes[order[:n]])) == {n // 3}


def test_networks_in_a_stack_give_what_they_give_alone():
    network = MLPClassifier((4,), max_iter=3, random_state=0)
    comparison = compared(load_dataset("iris"), Contestant("MLP", network))
    plan, curve = comparison.plan, comparison.learning_curve
    train, test = plan.splits[0]
    rows = plan.dataset.mixed(train, plan.random_state)[:25]
    X, y = plan.dataset.X.to_numpy(), plan.dataset.y
    [found] = curve.query("share == 0.25 and fold == 0")["accuracy"]
    assert found == network.fit(X[rows], y[rows]).score(X[test], y[test])


def test_weights_are_used_and_numbers_need_no_classes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2))
    y = X[:, 0] + rng.normal(size=120)
    from skmlp.comparison import make_dataset

    weights = rng.uniform(0.1, 5, 120)
    dataset = make_dataset(X, y, sample_weight=weights)
    comparison = compared(dataset, Contestant("ridge", Ridge()))
    plan = comparison.plan
    train, test = plan.splits[0]
    rows = dataset.mixed(train, plan.random_state)[:40]
    model = Ridge().fit(X[rows], y[rows], weights[rows])
    [found] = comparison.learning_curve.query("share == 0.5 and fold == 0")["r2"]
    assert found == pytest.approx(model.score(X[test], y[test], weights[test]))


def test_a_fit_that_fails_says_so_and_the_others_stand():
    dataset = numbered(120)
    # The row is among all training rows of two folds, but not in every share of them.
    comparison = compared(dataset, Contestant("frail", Failing(without=None)))
    assert comparison.learning_curve.empty
    comparison = compared(dataset, Contestant("picky", Failing(without=7)))
    curve = comparison.learning_curve
    assert len(curve) > 2
    failed = curve[curve["error"] != ""]
    assert len(failed) > 0
    assert failed["accuracy"].isna().all()
    assert curve.loc[curve["error"] == "", "accuracy"].notna().all()


def test_too_few_rows_for_a_share_leave_it_out():
    comparison = compared(load_dataset("iris"), Contestant("SVC", SVC()))
    assert comparison.learning_curve["rows"].min() >= 10
    few = compared(numbered(30), Contestant("SVC", SVC()))
    assert sorted(few.learning_curve["share"].unique()) == [0.5, 1.0]
