"""The guide's block for skore gives the scores of the comparison."""

import re
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.svm import SVC

from skmlp import compare

GUIDE = Path(__file__).parent.parent / "docs" / "guide.md"


@pytest.fixture(autouse=True)
def globals_untouched():
    """skore may use the global generators."""


@pytest.mark.filterwarnings("ignore")  # those of skore are not ours
def test_skore_gets_the_same_folds_and_models(capsys):
    pytest.importorskip("skore")
    X, y = load_iris(return_X_y=True)
    machines = {"linear": SVC(kernel="linear"), "rbf": SVC(C=10)}
    comparison = compare(X, y, machines, cv=3, random_state=0, progress=False)
    [block] = re.findall(r"```py\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    test = comparison.plan.splits[-1][1]
    names = {"comparison": comparison, "plan": comparison.plan, "test": test}
    exec(compile(block, "guide.md", "exec"), names)
    scores = comparison.fold_scores.set_index(["contestant", "fold"])["accuracy"]
    fitted = names["fitted"].metrics.accuracy()
    again = names["again"].metrics.accuracy(aggregate=None)
    for name in machines:
        assert float(fitted[name].iloc[0]) == scores[name, 2]
        assert again[name].to_numpy().ravel().tolist() == scores[name].tolist()
    assert "Accuracy" in capsys.readouterr().out
