import re

import numpy as np
import pytest
from comparison_helpers import NEIGHBOURS, TREE, Failing, numbered, plan_of

from skmlp.comparison import Comparison, Contestant, compare_plan
from skmlp.comparison.text import columns, legend, three_digits


@pytest.fixture(scope="module")
def comparison():
    bad = Contestant("bad|name", Failing())
    plan = plan_of(
        numbered(name="made"), NEIGHBOURS, TREE, bad, scoring=["accuracy", "neg_log_loss"]
    )
    return compare_plan(plan)


def cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_markdown_has_a_line_for_each_contestant_and_all_columns(comparison):
    lines = comparison.to_markdown().splitlines()
    assert lines[0] == "**made**, 3 folds"
    header, rule, *rows = [cells(line) for line in lines if line.startswith("|")]
    assert header == [column.header for column in columns(comparison)]
    assert len(rule) == len(header)
    assert [row[0] for row in rows] == ["neighbours", "tree", r"bad\|name"]
    assert {len(row) for row in rows} == {len(header)}


def test_cells_are_the_numbers_of_the_table(comparison):
    row = comparison.table.loc["tree"]
    texts = {column.header: column.text(row) for column in columns(comparison)[:5]}
    assert texts["accuracy"] == f"{row['accuracy']:.3f} ± {row['accuracy_std']:.3f}"
    assert texts["difference"] == f"{row['accuracy_difference']:+.3f}"
    assert texts["p"] == f"{row['accuracy_p_value']:.3f}"
    expected = [f"{row[f'accuracy_{word}']:.2f}" for word in ("worse", "equal", "better")]
    assert texts["worse / equal / better"] == " / ".join(expected)


def test_what_is_not_known_is_a_dash(comparison):
    baseline, _, failed = (comparison.table.iloc[i] for i in range(3))
    texts = {column.header: column.text(failed) for column in columns(comparison)}
    assert texts["accuracy"] == texts["fit (ms)"] == texts["size"] == "-"
    assert [column.text(baseline) for column in columns(comparison)[2:5]] == ["-"] * 3


def test_the_legend_says_against_whom_and_what_is_equal(comparison):
    text = legend(comparison)
    assert "against neighbours" in text
    loss = comparison.table.loc["neighbours", "neg_log_loss"]
    assert f"0.01 in accuracy, {abs(loss) / 100:.3g} in neg_log_loss" in text


def test_notes_follow(comparison):
    text = comparison.to_markdown()
    assert all(f"- {note}" in text for note in comparison.notes)
    assert "failed on 3 of 3 folds" in text


def test_a_partial_table_says_so(comparison):
    part = Comparison(comparison.plan, comparison.results[:4])
    assert part.to_markdown().splitlines()[0] == "**made**, 3 folds (partial)"
    assert "Partial: 4 of 9" in part.to_markdown()


@pytest.mark.parametrize(
    ("value", "text"), [(0.0004, "0.0004"), (0.05, "0.0500"), (9.994, "9.99"), (99.95, "100.0")]
)
def test_three_digits(value, text):
    assert three_digits(value) == text


def test_a_single_fold_has_no_deviation():
    plan = plan_of(numbered(), TREE, cv=[(np.arange(40), np.arange(40, 60))])
    comparison = compare_plan(plan)
    assert "±" not in columns(comparison)[1].text(comparison.table.iloc[0])
