import re
from base64 import b64decode
from dataclasses import replace
from html import unescape
from io import BytesIO

import numpy as np
import pytest
from comparison_helpers import Failing, Mean, plan_of
from PIL import Image as Picture
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skmlp.comparison import Contestant, InputError, compare_plan, load_dataset, make_dataset
from skmlp.comparison.errors import MissingExtraError
from skmlp.comparison.figures import FIGURES, available, draw
from skmlp.comparison.figures.canvas import class_colours
from skmlp.comparison.report import DPI, image, render_report, write_report
from skmlp.comparison.text import columns

SVC_GRID = {"C": [1, 10], "gamma": ["scale"]}


@pytest.fixture(scope="module")
def comparisons():
    svc = Contestant("SVC <rbf>", SVC(cache_size=50), SVC_GRID)
    circles = plan_of(load_dataset("circles"), svc, Contestant("broken", Failing()))
    diabetes = plan_of(load_dataset("diabetes"), Contestant("mean", Mean()))
    return [compare_plan(circles), compare_plan(diabetes)]


@pytest.fixture(scope="module")
def page(comparisons):
    return render_report(comparisons, "skmlp compare 'my pets.csv'")


def test_every_number_is_there_and_texts_are_escaped(comparisons, page):
    for comparison in comparisons:
        for _, row in comparison.table.iterrows():
            for column in columns(comparison):
                assert re.search(rf">{re.escape(column.text(row))}</t[dh]>", unescape(page))
    assert "SVC &lt;rbf&gt;" in page
    assert "SVC <rbf>" not in page


def test_failures_are_not_hidden(page):
    assert "failed on 3 of 3 folds; fold 1: RuntimeError: no luck [here]" in page


def test_every_figure_is_inside_and_nothing_is_loaded_from_elsewhere(comparisons, page):
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(images) == sum(len(available(comparison)) for comparison in comparisons)
    for picture in images:
        assert b64decode(picture).startswith(b"\x89PNG")
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "@import" not in page
    assert "url(" not in page


def test_significance_and_best_parameters_are_there(comparisons, page):
    for header in ("difference", "p", "worse / equal / better", "best parameters"):
        assert re.search(rf">{header}</th>", page)
    for fold in comparisons[0].fold_scores.query("contestant == 'SVC <rbf>'").itertuples():
        assert re.search(rf">{fold.fold + 1}</td>\s+<td[^>]*>{fold.accuracy:.4g}</td>", page)
        assert fold.best_params in page


def test_everything_to_reproduce_is_there(comparisons, page):
    assert "skmlp compare &#39;my pets.csv&#39;" in page
    assert "SVC(cache_size=50" in page
    for comparison in comparisons:
        for name, value in comparison.settings.items():
            assert f"<dt>{name}</dt><dd>{value}</dd>" in unescape(page)


def test_the_data_set_is_described(page):
    assert re.search(r"1,000 rows, 2 features,\s+2 classes", page)
    assert "0.500" in page  # always guessing the largest class
    assert "a number to predict" in page


def test_the_highest_mean_is_marked(comparisons, page):
    best = columns(comparisons[0])[1].text(comparisons[0].table.iloc[0])
    assert re.search(rf'class="number best">{best}<', page)


def test_it_is_written_as_one_file(comparisons, tmp_path):
    path = write_report(comparisons, tmp_path / "report.html")
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_comparison_writes_or_returns_its_own_page(comparisons, tmp_path):
    path = tmp_path / "one.html"
    assert comparisons[1].to_html(path) is None
    text = path.read_text(encoding="utf-8")
    assert text == comparisons[1].to_html()
    assert "<h2>diabetes</h2>" in text


def test_a_notebook_gets_table_notes_and_scores(comparisons):
    part = comparisons[0]._repr_html_()
    assert part.count("<img") == 1
    assert "<html" not in part
    for column in columns(comparisons[0]):
        assert column.text(comparisons[0].table.loc["SVC <rbf>"]) in unescape(part)
    for note in comparisons[0].notes:
        assert note in unescape(part)


def test_a_notebook_without_the_extra_packages_gets_text(comparisons, monkeypatch):
    def missing(name):
        raise MissingExtraError(name)

    monkeypatch.setattr("skmlp.comparison.report.import_extra", missing)
    assert comparisons[0]._repr_html_() is None


def test_marks_in_the_page_have_the_colours_of_their_classes():
    iris = compare_plan(plan_of(load_dataset("iris"), Contestant("svc", SVC())))
    drawn = BytesIO()
    draw(iris, "boundaries").savefig(drawn, dpi=DPI, format="png")
    full, page = (
        np.asarray(Picture.open(source).convert("RGB")).astype(int)
        for source in (drawn, BytesIO(b64decode(image(iris, "boundaries").data)))
    )
    for colour in (255 * class_colours(3)).round():
        marked = (full == colour).all(axis=2)
        assert marked.sum() > 50
        assert np.abs(page[marked] - colour).max() < 16


def test_a_figure_that_fails_leaves_a_note_and_the_page_stands(comparisons, monkeypatch):
    def fail(comparison, metric):
        raise ArithmeticError("too <steep>\nand more")

    whole = render_report(comparisons)
    for name in ("rows", "scores"):
        kind = FIGURES[name]
        monkeypatch.setitem(FIGURES, name, replace(kind, draw=fail))
    page = render_report(comparisons)
    notes = re.findall(r"This figure could not be drawn \((.*)\)", unescape(page))
    assert notes == ["ArithmeticError: too <steep>"] * 4
    assert page.count("<img") == whole.count("<img") - 4
    assert page.rstrip().endswith("</html>")
    assert "<steep>" not in page
    part = comparisons[0]._repr_html_()
    assert "Scores: this figure could not be drawn (ArithmeticError: too &lt;steep&gt;)" in part
    for column in columns(comparisons[0]):
        assert column.text(comparisons[0].table.loc["SVC <rbf>"]) in unescape(part)


def test_a_figure_of_which_not_even_the_plane_can_be_had_leaves_a_note(comparisons, monkeypatch):
    def fail(comparison):
        raise FloatingPointError("overflow")

    monkeypatch.setattr("skmlp.comparison.figures.table.make_plane", fail)
    monkeypatch.setattr("skmlp.comparison.figures.boundaries.make_plane", fail)
    assert "could not be drawn (FloatingPointError: overflow)" in render_report(comparisons)
    with pytest.raises(FloatingPointError):
        comparisons[0].plot("boundaries")
    with pytest.raises(InputError, match=r"no figure kind='epochs'.*has 'scores'"):
        comparisons[0].plot("epochs")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("columns", [2, 3])
def test_rows_of_1e300_lose_no_page(columns):
    X = np.random.default_rng(0).normal(size=(60, columns))
    X[::7] = 1e300
    dataset = make_dataset(X, np.arange(60) % 2, task="classification")
    contestants = [Contestant("tree", DecisionTreeClassifier()), Contestant("svc", SVC())]
    page = render_report([compare_plan(plan_of(dataset, *contestants))])
    assert page.rstrip().endswith("</html>")
    assert page.count("<img") + page.count("could not be drawn") == 4


NAMES = {
    "hieroglyph and Chinese": ["\U00013080 \u732b", "\u72ac"],
    "Devanagari and Arabic": ["\u0915\u0941\u0924\u094d\u0924\u093e", "\u0642\u0637\u0629"],
    "half a formula": ["$a_^$", "more than $5, less than $9"],
    "characters of control": ["a\tb\x07", "c\nd"],
}


@pytest.mark.parametrize("script", NAMES)
def test_letters_that_no_font_has_bring_no_warning(script):
    """Warnings are errors in the tests."""
    circles, names = load_dataset("circles"), np.array(NAMES[script])
    dataset = make_dataset(circles.X[:90], names[circles.y[:90]])
    tree = Contestant(names[0], DecisionTreeClassifier())
    comparison = compare_plan(plan_of(dataset, tree))
    page = render_report([comparison])
    assert "could not be drawn" not in page
    assert page.count("<img") == len(available(comparison)) == 4
    for kind in ("scores", "boundaries"):
        comparison.plot(kind).savefig(BytesIO(), bbox_inches="tight")
