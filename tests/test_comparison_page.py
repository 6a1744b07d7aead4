"""The report in headless Chromium, as its readers see it."""

import browser
import pytest
from comparison_helpers import plan_of
from sklearn.svm import SVC, SVR

from skmlp import MLPClassifier, MLPRegressor
from skmlp.comparison import Contestant, compare_plan, load_dataset
from skmlp.comparison.report import render_report

KERNELS = ("linear", "rbf", "poly", "sigmoid")


@pytest.fixture(scope="module")
def program():
    found = browser.find_browser()
    if found is None and not browser.is_required():
        pytest.skip("no Chromium on this machine")
    assert found, "no Chromium, which this test needs: apt-get install chromium"
    return found


def compared(name):
    """As many contestants as by default, with small grids."""
    dataset = load_dataset(name)
    network, machine = (MLPClassifier, SVC) if dataset.classes else (MLPRegressor, SVR)
    scoring = ["accuracy", "f1_macro"] if dataset.classes else ["r2", "neg_mean_absolute_error"]
    contestants = [
        Contestant(
            "MLP",
            network((16,), max_iter=8, random_state=0, early_stopping=True),
            {"alpha": [0.01, 1.0], "dropout": [0.0, 0.2], "hidden_layer_sizes": [(8,), (8, 8)]},
        ),
        *(
            Contestant(f"SVM {kernel}", machine(kernel=kernel), {"C": [0.1, 1, 10]})
            for kernel in KERNELS
        ),
    ]
    return compare_plan(plan_of(dataset, *contestants, preprocessing=None, scoring=scoring))


@pytest.fixture(scope="module")
def page():
    comparisons = [compared(name) for name in ("circles", "digits", "diabetes")]
    return render_report(comparisons, "skmlp compare circles digits diabetes --report r.html")


@pytest.fixture(scope="module", params=[360, 390, 1200])
def visit(request, program, page, tmp_path_factory):
    return browser.visit(program, page, tmp_path_factory.mktemp("page"), request.param)


def test_three_data_sets_are_under_two_megabytes(page):
    assert len(page.encode()) < 2_000_000


def test_nothing_is_logged_and_nothing_requested(visit):
    assert visit.console == []
    assert visit.found["requests"] == []


def test_all_figures_are_visible(visit):
    assert len(visit.found["images"]) == 3 * 7
    for width, height, shown in visit.found["images"]:
        assert min(width, height) > 200
        assert shown > 300


def test_nothing_is_wider_than_the_window_and_tables_scroll_in_their_box(visit):
    found = visit.found
    assert found["viewport"] == visit.width
    assert found["content"] <= found["viewport"]
    assert found["outside"] == []
    assert set(found["boxes"]) == {"auto"}


def test_text_is_large_enough_to_read(visit):
    assert visit.found["smallest"] >= 12


def test_a_faulty_page_would_be_found_out(program, tmp_path):
    faulty = (
        "<!DOCTYPE html><meta name=viewport content='width=device-width'><body>"
        "<img src='http://example.org/a.png'><p style='width: 700px; font-size: 5px'>wide</p>"
        "<script>console.error('trouble')</script></body>"
    )
    found = browser.visit(program, faulty, tmp_path, 390)
    assert any("trouble" in line for line in found.console)
    assert found.found["requests"] == ["http://example.org/a.png"]
    assert found.found["viewport"] == 390
    assert found.found["content"] >= 700
    assert "P" in found.found["outside"]
    assert found.found["images"][0][0] == 0
    assert found.found["smallest"] == 5
