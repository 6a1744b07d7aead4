import numpy as np
import pytest
from sklearn.metrics import get_scorer_names, make_scorer, max_error
from sklearn.neighbors import KNeighborsClassifier

from skmlp.comparison import InputError, make_dataset
from skmlp.comparison.metrics import make_metrics

X = np.arange(40.0).reshape(20, 2)
TWO = make_dataset(X, np.arange(20) % 2)
WORDS = make_dataset(X, np.array(["no", "yes"])[np.arange(20) % 2])
THREE = make_dataset(X, np.arange(20) % 3)
NUMBERS = make_dataset(X, np.linspace(0.5, 9, 20))
WEIGHTED = make_dataset(X, np.linspace(0.5, 9, 20), sample_weight=np.ones(20))


def names(metrics):
    return [metric.name for metric in metrics]


def absolute(fitted, X, y):
    return -np.abs(fitted.predict(X) - y).mean()


def test_defaults_depend_on_the_task():
    assert names(make_metrics(None, TWO)) == ["accuracy"]
    assert names(make_metrics(None, NUMBERS)) == ["r2"]


def test_several_scores_keep_their_order():
    assert names(make_metrics(["f1", "accuracy"], TWO)) == ["f1", "accuracy"]
    own = {"error": absolute, "R²": "r2"}
    assert names(make_metrics(own, NUMBERS)) == ["error", "R²"]
    assert names(make_metrics(absolute, NUMBERS)) == ["absolute"]


@pytest.mark.parametrize("dataset", [TWO, WORDS, THREE])
def test_probabilities_are_asked_for_where_they_are_needed(dataset):
    for name, needed in [("accuracy", False), ("neg_log_loss", True), ("roc_auc_ovr", True)]:
        if name == "roc_auc_ovr" and dataset is not THREE:
            continue  # two classes are scored by decision values
        [metric] = make_metrics(name, dataset)
        assert metric.needs_probabilities == needed, name


def test_every_classification_score_of_scikit_learn_that_fits_the_target_is_accepted():
    accepted = []
    for name in get_scorer_names():
        try:
            make_metrics(name, TWO)
            accepted.append(name)
        except InputError:
            continue
    assert {"accuracy", "f1", "roc_auc", "neg_brier_score", "matthews_corrcoef"} <= set(accepted)


def test_scores_are_those_of_scikit_learn():
    model = KNeighborsClassifier(1).fit(X, TWO.y)
    [metric] = make_metrics("accuracy", TWO)
    assert metric.score(model, X[:4], TWO.y[:4], None) == 1
    wrong = np.array([0, 1, 1, 1])
    assert metric.score(model, X[:4], wrong, np.array([1, 1, 2, 1])) == pytest.approx(3 / 5)


def test_the_region_of_equivalence():
    accuracy, loss = make_metrics(["accuracy", "neg_log_loss"], TWO)
    assert accuracy.equivalence(0.9) == 0.01
    assert loss.equivalence(-0.5) == pytest.approx(0.005)
    [own] = make_metrics("accuracy", TWO, 0.03)
    assert own.equivalence(0.9) == 0.03
    first, second = make_metrics(["r2", "neg_mean_squared_error"], NUMBERS, {"r2": 0.2})
    assert first.equivalence(0.5) == 0.2
    assert second.equivalence(-4) == pytest.approx(0.04)


BAD = {
    "unknown": ("speed", TWO, None, "'speed'.*get_scorer_names"),
    "other task": ("r2", WORDS, None, "scoring='r2' cannot score this target"),
    "labels": ("f1", WORDS, None, "scoring='f1'.*pos_label"),
    "several classes": ("roc_auc", THREE, None, r"multi_class.*task='regression' \(--task"),
    "empty": ([], TWO, None, "empty"),
    "number": (3, TWO, None, "scoring=3"),
    "no weights": (make_scorer(max_error), WEIGHTED, None, "with sample_weight"),
    "rope name": ("r2", NUMBERS, {"accuracy": 0.1}, "rope names 'accuracy'"),
    "rope": ("r2", NUMBERS, -1, "rope=-1"),
}


@pytest.mark.parametrize("case", BAD)
def test_scores_that_cannot_be_are_refused_before_any_fit(case):
    scoring, dataset, rope, words = BAD[case]
    with pytest.raises(InputError, match=words):
        make_metrics(scoring, dataset, rope)
