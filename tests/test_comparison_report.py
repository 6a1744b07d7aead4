import re
from base64 import b64decode
from html import unescape

import pytest
from comparison_helpers import Failing, Mean, plan_of
from sklearn.svm import SVC

from skmlp.comparison import Contestant, compare_plan, load_dataset
from skmlp.comparison.report import render_report, write_report
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
                assert f">{column.text(row)}</td>" in unescape(page)
    assert "SVC &lt;rbf&gt;" in page
    assert "SVC <rbf>" not in page


def test_failures_are_not_hidden(page):
    assert "failed on 3 of 3 folds; fold 1: RuntimeError: no luck [here]" in page


def test_the_figure_is_inside_and_nothing_is_loaded_from_elsewhere(page):
    [image] = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert b64decode(image).startswith(b"\x89PNG")
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "@import" not in page


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
