import io

import pytest

from skmlp.comparison.progress import BarProgress, LogProgress, make_progress


def test_a_log_has_a_line_for_each_contestant():
    stream = io.StringIO()
    with LogProgress(total=2, stream=stream) as progress:
        progress.begin("circles", "MLP")
        progress.advance(5)
        progress.begin("circles", "SVC rbf")
    first, second = stream.getvalue().splitlines()
    assert first == "[1/2] circles: MLP"
    assert second.startswith("[2/2] circles: SVC rbf (about ")
    assert second.endswith(" s left)")


def test_a_bar_shows_the_contestant_and_the_folds():
    console = pytest.importorskip("rich.console").Console(
        file=io.StringIO(), force_terminal=True, width=80
    )
    with BarProgress(10, console) as progress:
        progress.begin("circles", "SVC rbf")
        progress.advance(3)
        progress.bar.refresh()
    shown = console.file.getvalue()
    assert "circles: SVC rbf" in shown
    assert "3/10" in shown


def test_without_a_terminal_there_is_a_log(capsys):
    assert isinstance(make_progress(contestants=5, datasets=3, folds=5), LogProgress)
