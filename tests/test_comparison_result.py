import pickle

import numpy as np
import pandas as pd
import pytest
from comparison_helpers import NEIGHBOURS, TREE, Failing, numbered, plan_of
from sklearn.svm import SVC

from skmlp.comparison import Comparison, Contestant, compare_plan, load_dataset


@pytest.fixture(scope="module")
def comparison():
    svc = Contestant("svc", SVC(random_state=0), {"C": [1, 10], "kernel": ["rbf"]})
    plan = plan_of(load_dataset("circles"), NEIGHBOURS, svc, preprocessing=None)
    return compare_plan(plan)


def test_best_params_has_a_row_for_each_fold_and_a_column_for_each_parameter(comparison):
    best = comparison.best_params
    assert list(best.columns) == ["contestant", "fold", "n_neighbors", "C", "kernel"]
    assert len(best) == 6
    assert best.loc[best["contestant"] == "svc", "kernel"].tolist() == ["rbf"] * 3
    assert best.loc[best["contestant"] == "svc", "n_neighbors"].isna().all()


def test_every_row_is_predicted_once_by_every_contestant(comparison):
    predictions = comparison.predictions
    for _, own in predictions.groupby("contestant"):
        assert sorted(own["row"]) == list(range(1000))
    data = comparison.plan.dataset
    np.testing.assert_array_equal(predictions["y_true"], data.y[predictions["row"]])
    knn = predictions[predictions["contestant"] == "neighbours"]
    accuracy = (knn["y_true"] == knn["y_pred"]).groupby(knn["fold"]).mean()
    scores = comparison.fold_scores.query("contestant == 'neighbours'")["accuracy"]
    assert accuracy.tolist() == pytest.approx(scores.tolist())
    np.testing.assert_allclose(knn["probability_0"] + knn["probability_1"], 1)
    assert predictions.loc[predictions["contestant"] == "svc", "probability_0"].isna().all()


def test_tuning_has_every_setting_with_its_inner_score(comparison):
    tuning = comparison.tuning
    assert len(tuning) == 3 * (2 + 2)
    chosen = tuning[tuning["chosen"]]
    assert len(chosen) == 6
    for (name, fold), tried in tuning.groupby(["contestant", "fold"]):
        best = chosen[(chosen["contestant"] == name) & (chosen["fold"] == fold)]
        assert best["score"].item() == tried["score"].max()


def test_models_are_fitted_and_pipelines_can_be_fitted_again(comparison):
    assert {name: len(models) for name, models in comparison.models.items()} == {
        "neighbours": 3,
        "svc": 3,
    }
    data, fold = comparison.plan.dataset, comparison.plan.folds[2]
    again = comparison.pipeline("svc", 2).fit(data.X.iloc[fold.train], data.y[fold.train])
    score = again.score(data.X.iloc[fold.test], data.y[fold.test])
    assert score == comparison.result("svc", 2).scores["accuracy"]
    with pytest.raises(KeyError, match="no result on fold 7"):
        comparison.result("svc", 7)


def test_settings_repeat_the_comparison(comparison):
    settings = comparison.settings
    assert settings["source"].startswith("sklearn.datasets.make_circles(")
    assert (settings["rows"], settings["features"]) == (1000, 2)
    assert (settings["cv"], settings["inner_cv"]) == ("3 folds", "2 folds")
    assert settings["scoring"] == ["accuracy"]
    assert "StandardScaler" in settings["preprocessing"]
    assert {"random_state", "baseline", "memory", "scikit-learn", "cores"} <= set(settings)


def test_csv_holds_the_table(comparison, tmp_path):
    path = tmp_path / "table.csv"
    assert comparison.to_csv(path) is None
    read = pd.read_csv(path, index_col="contestant")
    assert read["accuracy"].tolist() == pytest.approx(comparison.table["accuracy"].tolist())
    assert comparison.to_csv() == path.read_text()


def test_it_can_be_stored(comparison):
    stored = pickle.loads(pickle.dumps(comparison))
    pd.testing.assert_frame_equal(stored.table, comparison.table)


def test_it_says_what_it_is(comparison):
    assert repr(comparison) == "<Comparison of 2 contestants on circles, 3 folds>"
    assert str(comparison) == comparison.to_markdown()
    assert not comparison.partial


def test_what_is_not_finished_is_marked(comparison):
    part = Comparison(comparison.plan, comparison.results[:3])
    assert part.partial
    assert part.notes[0] == "Partial: 3 of 6 folds of contestants are finished."
    assert repr(part).startswith("<partial Comparison")
    assert part.table["folds"].tolist() == [2, 1]
    assert len(part.models["svc"]) == 1


def test_failures_are_noted_and_the_others_stand():
    dataset = numbered()
    first = int(plan_of(dataset, TREE).folds[0].test[0])
    bad = Contestant("bad", Failing(without=first))
    comparison = compare_plan(plan_of(dataset, TREE, bad))
    [note] = [note for note in comparison.notes if note.startswith("bad: ")]
    assert note == "bad: failed on 1 of 3 folds; fold 1: RuntimeError: no luck [here]"
    assert not comparison.partial
    assert np.isfinite(comparison.table.loc["tree", "accuracy"])
    assert len(comparison.predictions) == 60 + 40
    assert len(comparison.models["bad"]) == 2


def test_a_setting_that_cannot_be_fitted_is_noted():
    svc = Contestant("svc", SVC(random_state=0), {"C": [-1, 1]})
    comparison = compare_plan(plan_of(numbered(), svc))
    [note] = [note for note in comparison.notes if "could not be fitted" in note]
    assert note.startswith("svc: 1 setting could not be fitted on 3 of 3 folds: Invalid")
    assert comparison.best_params["C"].tolist() == [1, 1, 1]


def test_if_all_fail_there_are_still_tables():
    comparison = compare_plan(plan_of(numbered(), Contestant("bad", Failing())))
    assert comparison.table["accuracy"].isna().all()
    assert comparison.predictions.empty
    assert comparison.tuning.empty
    assert comparison.best_params.empty
    assert "failed on 3 of 3 folds" in comparison.to_markdown()


def test_a_baseline_that_fails_is_noted_as_the_reason_that_nothing_is_compared():
    broken = Contestant("broken", Failing())
    first, last = (
        compare_plan(plan_of(load_dataset("circles"), *contestants)).notes
        for contestants in [(broken, TREE), (TREE, broken)]
    )
    assert any(note.startswith("The baseline broken has no scores") for note in first)
    assert not any("baseline" in note for note in last)


def test_scores_that_are_not_finite_are_noted():
    def score(fitted, X, y):
        return np.nan

    circles, scoring = load_dataset("circles"), {"strange": score}
    untuned = compare_plan(plan_of(circles, TREE.untuned(), scoring=scoring)).notes
    assert any("strange is not a finite number on 3 of 3 folds" in note for note in untuned)
    tuned = compare_plan(plan_of(circles, TREE, scoring=scoring)).notes
    assert any("no setting has a score that is a number" in note for note in tuned)
