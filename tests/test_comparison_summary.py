import numpy as np
import pytest
from comparison_helpers import NEIGHBOURS, TREE, numbered, plan_of
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from skmlp.comparison import Contestant, FoldResult, load_dataset, run_plan
from skmlp.comparison.significance import compare_scores, holm
from skmlp.comparison.size import Size
from skmlp.comparison.summary import COSTS, fold_table, summarize, too_sure
from skmlp.comparison.tuning import Candidate, Tuning

PLAN = plan_of(numbered(), NEIGHBOURS, TREE, Contestant("svc", SVC()))


def result(name, fold, score, parameters=None, **others):
    tuning = Tuning((Candidate(parameters, (0.5, 0.5)),), 2.0) if parameters else None
    return FoldResult(
        name,
        fold,
        {"accuracy": score},
        tuning,
        parameters or {},
        **{
            "fit_seconds": 0.25,
            "predict_seconds": 0.0015,
            "peak_bytes": 3e6,
            "size": Size(1234, "parameters"),
            "unconverged": 1,
            "fits": 3,
            **others,
        },
    )


RESULTS = [
    *(
        result("neighbours", fold, score, {"n_neighbors": 15})
        for fold, score in enumerate((0.9, 0.8, 0.7))
    ),
    *(
        result("tree", fold, score, {"max_depth": 2 + fold // 2})
        for fold, score in enumerate((0.8, 0.75, 0.5))
    ),
    *(result("svc", fold, score) for fold, score in enumerate((0.95, 0.8, 0.72))),
]


def test_a_row_is_over_all_folds():
    row = summarize(PLAN, RESULTS).loc["tree"]
    assert row["accuracy"] == pytest.approx(np.mean([0.8, 0.75, 0.5]))
    assert row["accuracy_std"] == pytest.approx(np.std([0.8, 0.75, 0.5], ddof=1))
    assert (row["tuning_seconds"], row["fit_seconds"]) == (2.0, 0.25)
    assert (row["predict_seconds"], row["peak_memory_mb"]) == pytest.approx((0.0015, 3.0))
    assert (row["size"], row["size_unit"], row["candidates"]) == (1234, "parameters", 2)
    assert (row["best_params"], row["chosen"], row["folds"]) == ("max_depth=2", 2, 3)
    assert (row["unconverged"], row["fits"], row["error"]) == (3, 9, "")


def test_numbers_are_numbers():
    table = summarize(PLAN, RESULTS)
    assert list(table.index) == ["neighbours", "tree", "svc"]
    for column in [*COSTS, "accuracy", "accuracy_p_value"]:
        assert table[column].dtype == float
    for column in ["folds", "candidates", "chosen", "fits"]:
        assert table[column].dtype.kind == "i"


def test_the_significance_is_against_the_baseline_and_adjusted():
    table = summarize(PLAN, RESULTS)
    base = [0.9, 0.8, 0.7]
    tree = compare_scores([0.8, 0.75, 0.5], base, 1 / 2, 0.01)
    svc = compare_scores([0.95, 0.8, 0.72], base, 1 / 2, 0.01)
    assert table["accuracy_difference"].tolist()[1:] == pytest.approx([tree.mean, svc.mean])
    adjusted = holm([tree.p_value, svc.p_value])
    assert table["accuracy_p_value"].tolist()[1:] == pytest.approx(adjusted.tolist())
    for word in ("worse", "equal", "better"):
        assert table.loc["tree", f"accuracy_{word}"] == pytest.approx(getattr(tree, word))
    assert table.loc["neighbours", "accuracy_difference":"accuracy_better"].isna().all()


def test_identical_contestants_are_equal_with_p_one():
    twin = Contestant("twin", KNeighborsClassifier(), NEIGHBOURS.grid)
    plan = plan_of(load_dataset("circles"), NEIGHBOURS, twin, preprocessing=None)
    row = summarize(plan, list(run_plan(plan))).loc["twin"]
    assert (row["accuracy_difference"], row["accuracy_p_value"]) == (0, 1)
    assert row["accuracy_equal"] == 1


def test_a_failed_contestant_has_no_numbers_but_says_why():
    failed = [
        *RESULTS[:3],
        RESULTS[3],
        FoldResult("tree", 1, error="ValueError: bad [luck]"),
        *RESULTS[5:],
    ]
    table = summarize(PLAN, failed)
    row = table.loc["tree"]
    assert row[["accuracy", "accuracy_std", "accuracy_p_value", "tuning_seconds"]].isna().all()
    assert row["error"] == "failed on 1 of 3 folds; fold 2: ValueError: bad [luck]"
    assert row["folds"] == 2
    svc = compare_scores([0.95, 0.8, 0.72], [0.9, 0.8, 0.7], 1 / 2, 0.01)
    assert table.loc["svc", "accuracy_p_value"] == pytest.approx(svc.p_value)
    kept = fold_table(PLAN, failed).set_index(["contestant", "fold"])
    assert kept.loc[("tree", 0), "accuracy"] == 0.8
    assert kept.loc[("tree", 1), "error"] == "ValueError: bad [luck]"


def test_unfinished_contestants_are_compared_on_the_folds_both_have():
    partial = [*RESULTS[:3], *RESULTS[3:5]]
    table = summarize(PLAN, partial)
    expected = compare_scores([0.8, 0.75], [0.9, 0.8], 1 / 2, 0.01)
    assert table.loc["tree", "accuracy_difference"] == pytest.approx(expected.mean)
    assert table.loc["tree", "folds"] == 2
    assert np.isnan(table.loc["svc", "accuracy"])


def test_the_fold_table_has_a_row_for_each_contestant_and_fold():
    table = fold_table(PLAN, RESULTS)
    assert table["accuracy"].tolist()[:3] == [0.9, 0.8, 0.7]
    assert table["n_train"].tolist() == [40] * 9
    assert table["n_test"].tolist() == [20] * 9
    assert table["best_params"][0] == "n_neighbors=15"


def test_several_metrics_have_their_columns():
    plan = plan_of(numbered(), NEIGHBOURS, TREE, scoring=["accuracy", "f1"])
    table = summarize(plan, list(run_plan(plan)))
    assert list(table.columns[:14:7]) == ["accuracy", "f1"]
    assert table["f1_equal"].notna().tolist() == [False, True]


def test_repeated_folds_count_as_k_times_r():
    cv = RepeatedStratifiedKFold(n_splits=4, n_repeats=2, random_state=0)
    plan = plan_of(numbered(), NEIGHBOURS, TREE, cv=cv)
    results = list(run_plan(plan))
    scores = fold_table(plan, results).pivot(index="fold", columns="contestant", values="accuracy")
    expected = compare_scores(scores["tree"], scores["neighbours"], 15 / 45, 0.01)
    assert summarize(plan, results).loc["tree", "accuracy_p_value"] == pytest.approx(
        expected.p_value
    )


def test_a_difference_of_one_row_on_every_fold_is_called_too_sure():
    def of(shifts):
        base = [result("neighbours", fold, 0.9) for fold in range(3)]
        tree = [result("tree", fold, 0.9 - shift) for fold, shift in enumerate(shifts)]
        return too_sure(PLAN, base + tree)

    [note] = of([0.05, 0.05, 0.05])
    assert note.startswith("tree: the difference in accuracy is the same on every fold")
    assert of([0.05, 0.10, 0.05]) == []
    assert of([0, 0, 0]) == []
