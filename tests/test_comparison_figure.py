import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from skmlp.comparison import (
    Contestant,
    Dataset,
    Outcome,
    StudySettings,
    draw_boundaries,
    load_dataset,
    make_row,
    plan_study,
    run_study,
    write_boundaries,
)
from skmlp.comparison.figure import _belief, _blend

SETTINGS = StudySettings(folds=3, inner_folds=2)
CONTESTANTS = [
    Contestant("neighbours", KNeighborsClassifier(), {"n_neighbors": [15]}),
    Contestant("SVC", SVC(), {"C": [1]}),
    Contestant("line", LogisticRegression(), {"C": [1]}),
    Contestant("SVC linear", SVC(kernel="linear"), {"C": [1]}),
]


@pytest.fixture(scope="module")
def study():
    [plan] = plan_study([load_dataset("circles")], SETTINGS)
    return plan, list(run_study([plan], CONTESTANTS, SETTINGS))


@pytest.fixture(scope="module")
def figure(study):
    return draw_boundaries(*study)


def test_one_panel_for_each_contestant_with_name_and_score(study, figure):
    titles = [panel.get_title() for panel in figure.axes]
    assert len(titles) == len(CONTESTANTS)
    for title, outcome in zip(titles, study[1], strict=True):
        assert outcome.contestant in title
        assert f"{make_row(outcome).accuracy:.3f}" in title


def test_panels_share_their_limits_and_show_every_row(figure):
    assert len({(*panel.get_xlim(), *panel.get_ylim()) for panel in figure.axes}) == 1
    for panel in figure.axes:
        shown = sum(len(points.get_offsets()) for points in panel.collections[-2:])
        assert shown == 1000


def test_the_file_is_a_png(study, tmp_path):
    path = write_boundaries(*study, tmp_path / "figure.png")
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_no_global_figure_is_left(figure):
    assert plt.get_fignums() == []


def test_a_failed_contestant_has_a_panel_that_says_so(study):
    plan, outcomes = study
    failed = Outcome("circles", "broken", 1, (), "fold 1: ValueError: x")
    figure = draw_boundaries(plan, [outcomes[0], failed])
    assert figure.axes[-1].get_title() == "broken   failed"


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("model", [SVC(), LogisticRegression()])
def test_belief_sums_to_one_and_leads_to_the_prediction(model, n_classes):
    generator = np.random.default_rng(0)
    y = np.arange(80) % n_classes
    X = generator.normal(size=(80, 2)) + 2 * y[:, None]
    belief = _belief(model.fit(X, y), X)
    assert belief.shape == (80, n_classes)
    np.testing.assert_allclose(belief.sum(axis=1), 1)
    np.testing.assert_array_equal(belief.argmax(axis=1), model.predict(X))


def test_surer_is_more_colourful():
    none, some, full = _blend(np.array([[0.5, 0.5], [0.7, 0.3], [1.0, 0.0]])).min(axis=1)
    assert 1 >= none > some > full >= 0


def test_three_classes_and_missing_values_can_be_drawn(tmp_path):
    y = np.arange(90) % 3
    X = np.random.default_rng(0).normal(size=(90, 2)) + 3 * y[:, None]
    X[0, 0] = np.nan
    dataset = Dataset("three", pd.DataFrame(X, columns=["u", "v"]), y, ("a", "b", "c"), "")
    [plan] = plan_study([dataset], SETTINGS)
    outcomes = list(run_study([plan], CONTESTANTS[:2], SETTINGS))
    assert write_boundaries(plan, outcomes, tmp_path / "three.png").stat().st_size > 10_000
