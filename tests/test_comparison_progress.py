import io
from collections import Counter

import pytest
from comparison_helpers import NEIGHBOURS, TREE, numbered, plan_of

from skmlp.comparison import progress as module
from skmlp.comparison.errors import MissingExtraError
from skmlp.comparison.progress import BarProgress, LogProgress, Pace, make_progress

UNITS = Counter({("circles", "MLP"): 2, ("circles", "SVC"): 2})


def test_the_rest_takes_what_each_contestant_has_taken_so_far():
    pace = Pace(UNITS)
    assert pace.remaining() is None
    pace.finish(("circles", "MLP"), 10.0)
    # one more of 10 s, and two of which nothing is known: the usual
    assert pace.remaining() == 30
    pace.finish(("circles", "SVC"), 2.0)
    assert pace.remaining() == 12
    pace.finish(("circles", "MLP"), 20.0)
    pace.finish(("circles", "SVC"), 2.0)
    assert pace.remaining() == 0


def test_a_log_has_a_line_for_each_contestant_and_fold():
    stream = io.StringIO()
    with LogProgress(UNITS, stream) as progress:
        progress.begin("circles", "MLP")
        progress.advance()
        progress.begin("circles", "SVC")
    first, second = stream.getvalue().splitlines()
    assert first == "[1/4] circles: MLP"
    assert second == "[2/4] circles: SVC (about 0 s left)"


def test_long_times_are_in_minutes():
    progress = LogProgress(UNITS, io.StringIO())
    progress.pace.finish(("circles", "MLP"), 300.0)
    assert progress.left() == "15 min left"


def test_a_bar_shows_the_contestant_the_folds_and_the_time_left():
    console = pytest.importorskip("rich.console").Console(
        file=io.StringIO(), force_terminal=True, width=100
    )
    with BarProgress(UNITS, console) as progress:
        for name in ("MLP", "SVC", "MLP"):
            progress.begin("circles", name)
            progress.advance()
        progress.begin("circles", "SVC")
        progress.bar.refresh()
    shown = console.file.getvalue()
    assert "circles: SVC" in shown
    assert "3/4" in shown
    assert "about 0 s left" in shown


def test_without_a_terminal_there_is_a_log_of_all_plans():
    plan = plan_of(numbered(name="made"), NEIGHBOURS, TREE)
    progress = make_progress([plan])
    assert isinstance(progress, LogProgress)
    assert progress.total == 6


def test_without_rich_there_is_a_log(monkeypatch):
    def missing(name):
        raise MissingExtraError(name)

    monkeypatch.setattr(module, "import_extra", missing)
    assert isinstance(make_progress([plan_of(numbered(), TREE)]), LogProgress)
