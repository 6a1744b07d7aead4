import io
from dataclasses import replace

import pytest
from comparison_helpers import NEIGHBOURS, TREE, Failing, plan_of
from rich.console import Console

from skmlp.comparison import Comparison, Contestant, compare_plan, load_dataset
from skmlp.comparison.terminal import print_comparison


@pytest.fixture(scope="module")
def comparison():
    bad = Contestant("SVC sigmoid", Failing())
    plan = plan_of(load_dataset("circles"), NEIGHBOURS, TREE, bad)
    return compare_plan(plan)


def printed(comparison, width):
    console = Console(file=io.StringIO(), width=width)
    print_comparison(comparison, console)
    return console.file.getvalue()


def test_long_names_give_way_to_numbers():
    names = ("Nystroem poly 2 + LinearSVC", "a name of quite some length")
    contestants = [replace(TREE, name=name) for name in names]
    comparison = compare_plan(plan_of(load_dataset("circles"), *contestants))
    text = printed(comparison, 80)
    assert "…" not in text
    assert f"{comparison.table['accuracy_std'].iloc[1]:.3f}" in text


@pytest.mark.parametrize("width", [80, 120])
def test_the_tables_fit_and_say_everything(comparison, width):
    text = printed(comparison, width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "…" not in text
    row = comparison.table.loc["tree"]
    for word in (
        "circles, 3 folds",
        f"{row['accuracy']:.3f} ± {row['accuracy_std']:.3f}",
        f"{row['accuracy_worse']:.2f}",
        "tree: max_depth=5",
        "SVC sigmoid",
        "no luck [here]",
        "Holm",
    ):
        assert word in text.replace("\n", " "), word


def test_a_partial_result_is_marked(comparison):
    text = printed(Comparison(comparison.plan, comparison.results[:2]), 80)
    assert "circles, 3 folds (partial)" in text
