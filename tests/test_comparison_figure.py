import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from comparison_helpers import Failing, NearestMean, plan_of
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from skmlp.comparison import Contestant, compare_plan, load_dataset, make_dataset
from skmlp.comparison.figure import _belief, _blend, draw_boundaries, write_boundaries

CONTESTANTS = [
    Contestant("neighbours", KNeighborsClassifier()),
    Contestant("SVC", SVC()),
    Contestant("line", LogisticRegression()),
    Contestant("broken", Failing()),
]


@pytest.fixture(scope="module")
def comparison():
    return compare_plan(plan_of(load_dataset("circles"), *CONTESTANTS))


@pytest.fixture(scope="module")
def figure(comparison):
    return draw_boundaries(comparison)


def test_one_panel_for_each_contestant_with_name_and_score(comparison, figure):
    titles = [panel.get_title() for panel in figure.axes]
    assert titles[-1] == "broken   failed"
    for title, (name, row) in zip(titles[:-1], comparison.table.iterrows(), strict=False):
        assert name in title
        assert f"{row['accuracy']:.3f}" in title


def test_panels_share_their_limits_and_show_every_row(figure):
    assert len({(*panel.get_xlim(), *panel.get_ylim()) for panel in figure.axes}) == 1
    for panel in figure.axes:
        shown = sum(len(points.get_offsets()) for points in panel.collections[-2:])
        assert shown == 1000


def test_the_file_is_a_png(comparison, tmp_path):
    path = write_boundaries(comparison, tmp_path / "figure.png")
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_no_global_figure_is_left(figure):
    assert plt.get_fignums() == []


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("model", [SVC(random_state=0), LogisticRegression(), NearestMean()])
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
    dataset = make_dataset(pd.DataFrame(X, columns=["u", "v"]), np.array(list("abc"))[y])
    comparison = compare_plan(plan_of(dataset, *CONTESTANTS[:2], preprocessing=None))
    assert write_boundaries(comparison, tmp_path / "three.png").stat().st_size > 10_000
