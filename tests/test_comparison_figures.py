"""Every kind of figure, drawn from small comparisons, and held against their numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from comparison_helpers import NEIGHBOURS, Failing, Mean, NearestMean, plan_of
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, SVR

from skmlp import MLPClassifier
from skmlp.comparison import Contestant, InputError, compare_plan, load_dataset, make_dataset
from skmlp.comparison.figures import FIGURES, available
from skmlp.comparison.figures.boundaries import _belief, _blend
from skmlp.comparison.figures.canvas import class_colours, cut_below, log_axis, new_figure
from skmlp.comparison.figures.plane import make_plane

CONTESTANTS = [
    Contestant("neighbours", KNeighborsClassifier()),
    Contestant("SVC", SVC(), {"C": [0.1, 10], "gamma": ["scale", 5]}),
    Contestant(
        "MLP",
        MLPClassifier((4,), max_iter=5, random_state=0, early_stopping=True),
        {"alpha": [0.01, 1.0], "hidden_layer_sizes": [(2,), (4, 4)]},
    ),
    Contestant("broken", Failing()),
]


@pytest.fixture(scope="module")
def circles():
    return compare_plan(plan_of(load_dataset("circles"), *CONTESTANTS))


@pytest.fixture(scope="module")
def iris():
    return compare_plan(plan_of(load_dataset("iris"), *CONTESTANTS[:2], preprocessing=None))


@pytest.fixture(scope="module")
def diabetes():
    machine = Contestant("SVR", SVR(), {"C": [1, 100]})
    return compare_plan(plan_of(load_dataset("diabetes"), Contestant("mean", Mean()), machine))


def line_of(panel, label):
    [line] = [line for line in panel.get_lines() if line.get_label() == label]
    return line


def test_kinds_are_those_with_something_to_show(circles, iris, diabetes):
    assert available(circles) == [kind for kind in FIGURES if kind != "predicted"]
    assert available(iris) == ["scores", "rows", "cost", "boundaries", "C"]
    assert available(diabetes) == ["scores", "rows", "cost", "predicted", "C"]


@pytest.mark.parametrize("kind", [None, *FIGURES])
def test_every_kind_is_drawn_without_a_window(circles, diabetes, kind, tmp_path):
    comparison = diabetes if kind == "predicted" else circles
    comparison.plot(kind).savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert plt.get_fignums() == []


def test_what_there_is_not_is_refused_with_the_way_out(circles, diabetes):
    with pytest.raises(InputError, match="kind='scatter', but expected one of 'scores'"):
        circles.plot("scatter")
    with pytest.raises(InputError, match="metric='r2', but expected one of 'accuracy'"):
        circles.plot(metric="r2")
    with pytest.raises(InputError, match=r"use kind='predicted'\. This comparison has 'scores'"):
        diabetes.plot("boundaries")
    with pytest.raises(InputError, match="use kind='boundaries'"):
        circles.plot("predicted")
    with pytest.raises(InputError, match="no contestant records its loss"):
        diabetes.plot("epochs")


def test_nothing_finished_leaves_no_figure_of_scores():
    comparison = compare_plan(plan_of(load_dataset("iris"), Contestant("broken", Failing())))
    assert available(comparison) == []
    with pytest.raises(InputError, match="no contestant has finished a fold"):
        comparison.plot()


def test_scores_are_the_folds_and_their_mean(circles):
    [panel] = circles.plot("scores").axes
    assert [text.get_text() for text in panel.get_yticklabels()] == list(circles.table.index)
    for place, points in enumerate(panel.collections[:3]):
        name = circles.table.index[place]
        folds = circles.fold_scores.query("contestant == @name")["accuracy"]
        np.testing.assert_allclose(points.get_offsets()[:, 0], folds)
        bar = panel.get_lines()[place].get_xdata()
        np.testing.assert_allclose(bar, circles.table.loc[name, "accuracy"])
    assert "failed" in [text.get_text() for text in panel.texts]


def test_another_metric_can_be_shown():
    plan = plan_of(load_dataset("iris"), NEIGHBOURS, scoring=["accuracy", "f1_macro"])
    comparison = compare_plan(plan)
    [panel] = comparison.plot("scores", metric="f1_macro").axes
    assert panel.get_xlabel().startswith("f1_macro")
    assert panel.get_lines()[0].get_xdata()[0] == comparison.table["f1_macro"].iloc[0]


def test_costs_are_at_their_time_and_score(circles):
    panels = circles.plot("cost").axes
    row = circles.table.loc["SVC"]
    for panel, cost in zip(
        panels,
        (row.tuning_seconds + row.fit_seconds, 1000 * row.predict_seconds, row["size"]),
        strict=True,
    ):
        assert panel.get_xscale() == "log"
        point = panel.containers[1].lines[0]
        np.testing.assert_allclose([*point.get_xdata(), *point.get_ydata()], [cost, row.accuracy])


def test_curves_by_rows_show_the_means_of_the_folds(circles):
    [panel] = circles.plot("rows").axes
    curve = circles.learning_curve.query("contestant == 'SVC'").groupby("share")
    line = line_of(panel, "SVC")
    np.testing.assert_allclose(line.get_ydata(), curve["accuracy"].mean())
    np.testing.assert_allclose(line.get_xdata(), curve["rows"].mean())
    assert line.get_ydata()[-1] == pytest.approx(circles.table.loc["SVC", "accuracy"])


def test_the_effect_of_c_is_the_best_inner_score(circles):
    [panel] = circles.plot("C").axes
    tried = circles.tuning.query("contestant == 'SVC'")
    means = tried.groupby(["C", tried["gamma"].map(str)])["score"].mean().groupby("C").max()
    line = line_of(panel, "SVC")
    np.testing.assert_allclose(line.get_xdata(), [0.1, 10])
    np.testing.assert_allclose(line.get_ydata(), means)


def test_parameters_of_networks_show_every_setting(circles):
    panels = circles.plot("parameters").axes
    titles = [panel.get_title() for panel in panels]
    assert titles == ["MLP: alpha", "MLP: hidden_layer_sizes"]
    tried = circles.tuning.query("contestant == 'MLP'")
    settings = tried.groupby(["alpha", "hidden_layer_sizes"])["score"].mean()
    for panel in panels:
        points = panel.collections[0].get_offsets()
        np.testing.assert_allclose(np.sort(points[:, 1]), np.sort(settings))
    best = settings.groupby("alpha").max()
    np.testing.assert_allclose(line_of(panels[0], "best").get_ydata(), best)
    assert [text.get_text() for text in panels[1].get_xticklabels()] == ["(2,)", "(4, 4)"]


def test_curves_by_epochs_are_those_recorded(circles):
    panels = circles.plot("epochs").axes
    labels = [panel.get_ylabel() for panel in panels]
    assert labels == ["training loss", "validation loss", "validation score"]
    records = ["loss_curve_", "validation_loss_curve_", "validation_scores_"]
    for panel, record in zip(panels, records, strict=True):
        for model, line in zip(circles.models["MLP"], panel.get_lines(), strict=True):
            np.testing.assert_array_equal(line.get_ydata(), getattr(model[-1], record))
            np.testing.assert_array_equal(line.get_xdata(), np.arange(1, model[-1].n_iter_ + 1))


def test_curves_of_validations_are_drawn_over_their_epochs():
    network = MLPClassifier(
        (3,), max_iter=5, random_state=0, early_stopping=True, validation_every=2
    )
    comparison = compare_plan(plan_of(load_dataset("circles"), Contestant("MLP", network)))
    losses, *validated = comparison.plot("epochs").axes
    assert losses.get_lines()[0].get_xdata().tolist() == [1, 2, 3, 4, 5]
    for panel in validated:
        assert panel.get_lines()[0].get_xdata().tolist() == [2, 4, 5]


def test_predictions_are_those_of_all_test_rows(diabetes):
    for panel, (_, rows) in zip(
        diabetes.plot("predicted").axes,
        diabetes.predictions.groupby("contestant", sort=False),
        strict=True,
    ):
        points = panel.collections[0].get_offsets()
        np.testing.assert_allclose(points, rows[["y_true", "y_pred"]].astype(float))
        np.testing.assert_array_equal(*panel.get_lines()[0].get_data())


def test_one_panel_for_each_contestant_with_name_and_score(circles):
    titles = [panel.get_title() for panel in circles.plot("boundaries").axes]
    assert titles[-1] == "broken   failed"
    for title, (name, row) in zip(titles[:-1], circles.table.iterrows(), strict=False):
        assert name in title
        assert f"{row['accuracy']:.3f}" in title


def test_panels_share_their_limits_and_show_every_row(circles):
    panels = circles.plot("boundaries").axes
    assert len({(*panel.get_xlim(), *panel.get_ylim()) for panel in panels}) == 1
    for panel in panels:
        assert sum(len(points.get_offsets()) for points in panel.collections[-2:]) == 1000


def test_two_features_are_the_plane(circles):
    plane = make_plane(circles)
    assert plane.exact
    assert plane.labels == ("x1", "x2")
    np.testing.assert_array_equal(plane.points, circles.plan.dataset.X)


def test_more_features_are_cut_along_the_principal_axes(iris):
    plane = make_plane(iris)
    assert not plane.exact
    assert plane.labels[0].startswith("principal axis 1 (7")
    assert iris.plot("boundaries").axes[-1].get_xlabel() == plane.labels[0]
    # A lifted point lies where it is on the plane, through the mean of the training rows.
    model = iris.models["SVC"][0]
    X = model[0].transform(iris.plan.dataset.X.iloc[iris.plan.folds[0].train])
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    lifted = plane.lift(corners)
    np.testing.assert_allclose(lifted[0], X.mean(axis=0), atol=1e-12)
    steps = lifted - lifted[0]
    np.testing.assert_allclose(steps @ steps.T, corners @ corners.T, atol=1e-12)
    spread = (X @ steps[1]).std(), (X @ steps[2]).std() / 2
    assert spread[0] > spread[1]
    np.testing.assert_allclose(spread[0] ** 2, np.linalg.eigvalsh(np.cov(X.T, ddof=0))[-1])


def test_one_dimension_has_no_boundaries():
    X = np.arange(60.0)[:, None]
    comparison = compare_plan(plan_of(make_dataset(X, (X[:, 0] > 30) * 1), CONTESTANTS[0]))
    with pytest.raises(InputError, match="one dimension only"):
        comparison.plot("boundaries")


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


@pytest.mark.parametrize("n_classes", [2, 8, 10, 20])
def test_classes_have_colours_of_their_own(n_classes):
    assert len(np.unique(class_colours(n_classes), axis=0)) == n_classes


def test_three_classes_and_missing_values_can_be_drawn(tmp_path):
    y = np.arange(90) % 3
    X = np.random.default_rng(0).normal(size=(90, 2)) + 3 * y[:, None]
    X[0, 0] = np.nan
    dataset = make_dataset(pd.DataFrame(X, columns=["u", "v"]), np.array(list("abc"))[y])
    comparison = compare_plan(plan_of(dataset, *CONTESTANTS[:2], preprocessing=None))
    comparison.plot("boundaries").savefig(tmp_path / "three.png")
    assert (tmp_path / "three.png").stat().st_size > 10_000


def test_only_scores_far_below_all_others_are_cut_off():
    near, far = new_figure().subplots(1, 2)
    for panel, values in ((near, [0.5, 0.9, 0.94, 0.95]), (far, [-35, 0.1, 0.4, 0.5])):
        panel.plot(values)
        cut_below(panel, values)
    assert near.get_ylim()[0] < 0.5
    assert len(near.texts) == 0
    assert -1 < far.get_ylim()[0] < 0.1
    assert far.texts[0].get_text() == "cut off: down to -35"


@pytest.mark.parametrize("values", [[0.07, 0.6], [30, 50], [1e-3, 1e3], [2.0]])
def test_logarithmic_axes_have_few_labels_as_plain_numbers(values):
    figure = new_figure()
    panel = figure.subplots()
    panel.plot(values, values)
    log_axis(panel.xaxis, values)
    figure.draw_without_rendering()
    low, high = panel.get_xlim()
    shown = [
        text.get_text()
        for place, text in zip(panel.get_xticks(), panel.get_xticklabels(), strict=True)
        if low <= place <= high
    ]
    assert 0 < len(shown) <= 8
    assert all(float(text.replace(",", "")) > 0 for text in shown)
