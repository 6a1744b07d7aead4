import re
from base64 import b64decode

import numpy as np
import pandas as pd
import pytest
from sklearn.svm import SVC
from skmlp.comparison.tables import cells

from skmlp.comparison import (
    Contestant,
    Dataset,
    Report,
    Row,
    Section,
    StudySettings,
    describe_environment,
    render_report,
    write_report,
)

GOOD = Row("pets", "SVC <rbf>", 0.91234, 0.0123, 12.5, 3.25, 0.75, 4321, 12, "C=10", 4, 3, 185)
BAD = Row("pets", "MLP", *[float("nan")] * 6, 12, "", 0, 0, 0, error="fold 1: ValueError: 1 < 2")
DATASET = Dataset(
    "pets",
    pd.DataFrame(np.zeros((10, 3)), columns=list("abc")),
    np.array([0] * 6 + [1] * 4),
    ("cat", "dog"),
    "pets.csv",
    ("A note about pets.",),
)


@pytest.fixture
def page(tmp_path):
    figure = tmp_path / "figure.png"
    figure.write_bytes(b"\x89PNG pretended")
    report = Report(
        [Section(DATASET, [GOOD, BAD], figure)],
        [Contestant("SVC <rbf>", SVC(cache_size=50), {"C": [1, 10], "gamma": ["scale"]})],
        StudySettings(folds=5, n_jobs=2),
        "python -m skmlp compare --data 'my pets.csv' --target kind",
        seconds=61.4,
    )
    return write_report(report, tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_report_has_the_numbers_of_the_table(page):
    for text in cells(GOOD)[1:]:
        assert f">{text}</td>" in page
    assert "SVC &lt;rbf&gt;" in page
    assert "(4 of 5 folds)" in page


def test_failures_and_warnings_are_not_hidden(page):
    assert "fold 1: ValueError: 1 &lt; 2" in page
    assert "3 of 185 fits" in page


def test_the_figure_is_inside_and_nothing_is_loaded_from_elsewhere(page):
    [image] = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert b64decode(image) == b"\x89PNG pretended"
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "@import" not in page


def test_everything_to_reproduce_is_there(page):
    assert "--data &#39;my pets.csv&#39; --target kind" in page
    assert "pets.csv" in page
    assert "SVC(cache_size=50)" in page
    assert "C: 1, 10" in page
    for name, value in describe_environment().items():
        assert f"<dt>{name}</dt><dd>{value}</dd>" in page


def test_the_data_set_is_described(page):
    assert re.search(r"10 rows,\s+3 features, 2 classes", page)
    assert "0.600" in page  # always guessing the largest class
    assert "A note about pets." in page


def test_the_highest_mean_is_marked(page):
    assert len(re.findall(r'class="number best">0\.912 ± 0\.012<', page)) == 1


def test_a_data_set_without_a_figure_has_none(tmp_path):
    report = Report([Section(DATASET, [GOOD])], [], StudySettings(), "", 1.0)
    assert "<img" not in render_report(report)
