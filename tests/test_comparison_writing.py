import os
import stat
import subprocess
import sys
import zipfile

import pandas as pd
import pytest
from comparison_helpers import TREE, numbered, plan_of

from skmlp.comparison import compare_plan, report, result
from skmlp.comparison.writing import check_writable, is_special, replacing


@pytest.fixture(scope="module")
def comparison():
    return compare_plan(plan_of(numbered(), TREE))


def test_a_file_is_replaced_as_a_whole_or_stays_what_it_was(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("before")
    with pytest.raises(RuntimeError, match="half"), replacing(path) as draft:  # noqa: PT012
        draft.write_text("the first ha")
        assert path.read_text() == "before"
        raise RuntimeError("half")
    assert path.read_text() == "before"
    with replacing(path) as draft:
        draft.write_text("after")
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_nothing_behind(tmp_path):
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a.csv") as draft:  # noqa: PT012
        draft.write_text("some")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_the_mode_of_a_new_file_is_the_usual_one_and_an_old_one_keeps_its_own(tmp_path):
    usual, new, old = (tmp_path / name for name in ("usual", "new", "old"))
    usual.write_text("")
    old.write_text("")
    old.chmod(0o640)
    for path in (new, old):
        with replacing(path) as draft:
            draft.write_text("text")
    assert stat.S_IMODE(new.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)
    assert stat.S_IMODE(old.stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    target.write_text("before")
    link.symlink_to(target)
    with replacing(link) as draft:
        draft.write_text("after")
    assert link.is_symlink()
    assert target.read_text() == "after"


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no devices here")
def test_a_device_stays_a_device(tmp_path):
    null = type(tmp_path)("/dev/null")
    assert is_special(null)
    check_writable(null)
    with replacing(null) as draft:
        draft.write_text("text")
    assert is_special(null)
    assert not is_special(tmp_path)
    assert not is_special(tmp_path / "nowhere")


def test_what_cannot_be_written_is_known_before_and_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        check_writable(tmp_path)
    for path in (tmp_path / "nowhere" / "a.csv", tmp_path / "file" / "a.csv"):
        for attempt in (lambda path: replacing(path).__enter__(), check_writable):
            with pytest.raises(OSError, match=r"a\.csv") as caught:
                attempt(path)
            assert ".skmlp" not in str(caught.value)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="file"):
        check_writable(tmp_path / "file")


def test_trying_leaves_nothing_behind_and_changes_nothing(tmp_path):
    path = tmp_path / "table.csv"
    check_writable(path)
    assert list(tmp_path.iterdir()) == []
    path.write_text("before")
    check_writable(path)
    assert path.read_text() == "before"


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from pathlib import Path
from skmlp.comparison.writing import check_writable, replacing
path = Path(sys.argv[1])
try:
    check_writable(path)
except OSError as error:
    print("known before:", error.strerror)
try:
    with replacing(path) as draft:
        draft.write_text("after" * 1000)
except OSError as error:
    print("not written:", error.strerror)
print(path.read_text(), len(list(path.resolve().parent.iterdir())))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of the size of files there")
def test_where_there_is_no_room_it_is_known_before_and_the_old_file_stays(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("before")
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "known before: File too large",
        "not written: File too large",
        "before 1",
    ]


def test_a_page_that_fails_leaves_the_old_one(comparison, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("before")
    # A lone surrogate cannot be encoded, so that writing fails in the middle of the page.
    monkeypatch.setattr(report, "render_report", lambda *others: "x" * 100_000 + "\ud800")
    with pytest.raises(UnicodeEncodeError):
        comparison.to_html(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_that_cannot_be_written_is_not_even_rendered(comparison, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "render_report", lambda *others: pytest.fail("rendered"))
    with pytest.raises(OSError, match=r"page\.html"):
        comparison.to_html(tmp_path / "nowhere" / "page.html")


def test_a_table_that_fails_leaves_the_old_one(comparison, tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    comparison.to_csv(path)
    before = path.read_text()

    def fail(table, draft):
        draft.write_text("contes")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    with pytest.raises(OSError, match="No space"):
        result.Comparison(comparison.plan, comparison.results).to_csv(path)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_is_compressed_as_its_name_says(comparison, tmp_path):
    for name in ("table.csv.gz", "table.csv.zip"):
        comparison.to_csv(tmp_path / name)
        read = pd.read_csv(tmp_path / name, index_col="contestant")
        assert read["accuracy"].tolist() == comparison.table["accuracy"].tolist()
    assert zipfile.ZipFile(tmp_path / "table.csv.zip").namelist() == ["table.csv"]
