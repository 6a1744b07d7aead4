import numpy as np
import pytest
from comparison_helpers import NEIGHBOURS, numbered
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC, SVR

from skmlp.comparison import Contestant, InputError, format_parameters, make_dataset
from skmlp.comparison.contestants import as_contestants, calibrated, parts, takes_weights

DATASET = numbered()
WEIGHTED = numbered(sample_weight=np.ones(60))
NUMBERS = make_dataset(np.arange(40.0).reshape(20, 2), np.linspace(0.5, 9, 20))


def test_a_dict_gives_names_and_maybe_grids():
    plain, tuned, ready = as_contestants(
        {"plain": SVC(), "tuned": (SVC(), {"C": [1, 10]}), "ready": NEIGHBOURS}, DATASET
    )
    assert (plain.name, plain.candidates, plain.settings) == ("plain", 1, [{}])
    assert tuned.settings == [{"C": 1}, {"C": 10}]
    assert (ready.name, ready.grid) == ("ready", NEIGHBOURS.grid)


def test_a_grid_may_be_a_list_of_grids():
    grid = [{"kernel": ["linear"]}, {"kernel": ["rbf"], "gamma": [0.1, 1]}]
    assert Contestant("svc", SVC(), grid).candidates == 3


def test_a_search_is_an_estimator_like_any_other():
    [search] = as_contestants({"own": GridSearchCV(SVC(), {"C": [1]})}, DATASET)
    assert search.candidates == 1


def test_building_leaves_the_estimator_alone():
    built = NEIGHBOURS.build(n_neighbors=3)
    assert built.n_neighbors == 3
    assert NEIGHBOURS.estimator.n_neighbors == 5


BAD = {
    "no dict": (SVC(), DATASET, "expected a dict"),
    "none": ({}, DATASET, "empty"),
    "class": ({"svc": SVC}, DATASET, "'svc' is <class.*not a class"),
    "regressor": (
        {"svr": SVR()},
        DATASET,
        r"'svr' is no classifier.*task='regression' \(--task regression\)",
    ),
    "classifier": ({"svc": SVC()}, NUMBERS, "'svc' is no regressor"),
    "parameter": ({"svc": (SVC(), {"c": [1]})}, DATASET, "'c', which is no parameter of SVC: C,"),
    "grid": ({"svc": (SVC(), {"C": 1})}, DATASET, "grid of 'svc' is none"),
    "twice": ([NEIGHBOURS, NEIGHBOURS], DATASET, "Two contestants are called 'neighbours'"),
    "weights": ({"knn": KNeighborsClassifier()}, WEIGHTED, "'knn' takes no sample_weight"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_compete_is_refused(case):
    estimators, dataset, words = BAD[case]
    with pytest.raises(InputError, match=words):
        as_contestants(estimators, dataset)


@pytest.mark.parametrize(
    ("estimator", "takes"),
    [
        (SVC(), True),
        (TransformedTargetRegressor(SVR()), True),
        (TransformedTargetRegressor(LinearRegression()), True),
        (KNeighborsClassifier(), False),
        (make_pipeline(SVC()), False),
    ],
)
def test_who_takes_weights(estimator, takes):
    assert takes_weights(estimator) == takes


def test_probabilities_come_from_calibration_where_there_are_none():
    knn = KNeighborsClassifier()
    assert calibrated(knn, 3) is knn
    X = np.random.default_rng(0).normal(size=(60, 2)) + 2 * (np.arange(60) % 2)[:, None]
    model = calibrated(SVC(random_state=0), 3).fit(X, np.arange(60) % 2)
    assert model.ensemble is False
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_parts_are_found_however_deep():
    svr = SVR()
    held = make_pipeline(TransformedTargetRegressor(svr))
    assert any(part is svr for part in parts(held))


def test_parameters_are_written_by_their_last_name():
    parameters = {"regressor__svm__C": 10, "hidden_layer_sizes": (32, 16)}
    assert format_parameters(parameters) == "C=10, hidden_layer_sizes=(32,16)"
