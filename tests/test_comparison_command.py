import importlib
import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from comparison_helpers import NEIGHBOURS, TREE, Failing, NearestMean

from skmlp.__main__ import main
from skmlp._version import __version__
from skmlp.comparison import Contestant, MissingExtraError, command, plan

needs_full_device = pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="no device that is always full"
)


class Interrupting(NearestMean):
    """Ctrl-C in the second fold."""

    fits = 0

    def fit(self, X, y):
        if len(X) > 12:  # more than in the warm-up
            type(self).fits += 1
            if self.fits == 2:
                raise KeyboardInterrupt
        return super().fit(X, y)


@pytest.fixture
def contestants(monkeypatch):
    """Replace the contestants by cheap ones; the list can be changed by the test."""
    cheap = [NEIGHBOURS, TREE]
    monkeypatch.setattr(plan, "default_contestants", lambda *args, **options: cheap)
    return cheap


@pytest.fixture
def pets(tmp_path):
    generator = np.random.default_rng(0)
    kind = np.array(["cat", "dog"] * 40)
    table = pd.DataFrame(
        {
            "size": generator.normal(size=80) + 3 * (kind == "dog"),
            "colour": generator.choice(["red", "blue"], 80),
            "weight": generator.normal(size=80),
            "kind": kind,
            "rare": ["a"] * 79 + ["b"],
            "same": 1,
        }
    )
    table.loc[3, "size"] = np.nan
    table.loc[4, "colour"] = np.nan
    path = tmp_path / "pets.csv.gz"
    table.to_csv(path, index=False)
    return path


def compare(*words):
    return main(["compare", *map(str, words), "--folds", "3", "--n-jobs", "1"])


def test_a_run_prints_tables_and_names_its_files(contestants, tmp_path, capsys):
    report, table = tmp_path / "out" / "report.html", tmp_path / "table.csv"
    assert compare("circles", "wine", "--report", report, "--csv", table) == 0
    text = capsys.readouterr().out
    for row in pd.read_csv(table).itertuples():
        assert f"{row.data}, 3 folds" in text
        assert f"{row.accuracy:.3f} ± {row.accuracy_std:.3f}" in text
        assert row.accuracy > 0.8
    assert text.rstrip().endswith(f"Wrote {report}")
    assert "circles" in report.read_text(encoding="utf-8")


def test_without_a_report_nothing_is_written(contestants, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert compare("circles") == 0
    assert not list(tmp_path.iterdir())


def test_a_csv_with_text_missing_values_and_string_classes(contestants, pets, capsys):
    assert compare(pets, "--target", "kind") == 0
    assert "pets.csv.gz, 3 folds" in capsys.readouterr().out


def test_parquet_regression_and_scores_of_ones_choice(contestants, pets, tmp_path, capsys):
    from sklearn.tree import DecisionTreeRegressor

    contestants[:] = [Contestant("tree", DecisionTreeRegressor(random_state=0))]
    path = tmp_path / "pets.parquet"
    pd.read_csv(pets).to_parquet(path)
    words = ["--target", "weight", "--task", "regression"]
    assert compare(path, *words, "--scoring", "neg_mean_absolute_error,r2") == 0
    text = capsys.readouterr().out
    assert text.index("neg_mean_absolute_error") < text.index("r2")


def test_quick_is_passed_on(contestants, monkeypatch, capsys):
    asked = {}

    def chosen(*args, **options):
        asked.update(options)
        return contestants

    monkeypatch.setattr(plan, "default_contestants", chosen)
    assert main(["compare", "iris", "--quick", "--n-jobs", "1"]) == 0
    assert asked["quick"] is True
    assert "iris, 3 folds" in capsys.readouterr().out


def test_a_failed_contestant_is_a_row_and_an_exit_code(contestants, capsys):
    contestants.insert(0, Contestant("broken", Failing()))
    assert compare("circles") == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "broken: failed on 3 of 3 folds; fold 1: RuntimeError: no luck [here]" in text


def test_an_interrupt_prints_and_writes_what_is_finished(contestants, tmp_path, capsys):
    Interrupting.fits = 0
    contestants[1] = Contestant("slow", Interrupting())
    report = tmp_path / "report.html"
    assert compare("circles", "wine", "--report", report) == 130
    shown = capsys.readouterr()
    assert "Interrupted" in shown.err
    assert "circles, 3 folds (partial)" in shown.out
    assert "Partial: 3 of 6 folds of contestants" in shown.out
    assert "wine, 3 folds" not in shown.out
    assert "partial" in report.read_text(encoding="utf-8")


def test_an_interrupt_before_anything_is_finished_says_so(contestants, capsys):
    Interrupting.fits = 1
    contestants[:] = [Contestant("slow", Interrupting())]
    assert compare("circles") == 130
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Interrupted before anything was finished" in shown.err


@needs_full_device
def test_a_csv_that_cannot_be_written_is_a_line_and_the_report_is_there(
    contestants, tmp_path, capsys
):
    report = tmp_path / "report.html"
    assert compare("circles", "--csv", "/dev/full", "--report", report) == 1
    shown = capsys.readouterr()
    assert "Cannot write '/dev/full' (No space left on device)" in shown.err
    assert "Traceback" not in shown.err
    assert shown.out.rstrip().endswith(f"Wrote {report}")
    assert report.read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_a_report_that_fails_is_a_line_and_the_csv_is_there(
    contestants, tmp_path, capsys, monkeypatch
):
    def fail(*arguments):
        raise RuntimeError("no ink\nat all")

    monkeypatch.setattr("skmlp.comparison.report.render_report", fail)
    table, report = tmp_path / "table.csv", tmp_path / "report.html"
    assert compare("circles", "--csv", table, "--report", report) == 1
    shown = capsys.readouterr()
    lines = [line for line in shown.err.splitlines() if not line.startswith("[")]
    why = "(RuntimeError: no ink): nothing is left there."
    assert lines == [f"skmlp compare: Cannot write {str(report)!r} {why}"]
    assert len(pd.read_csv(table)) == 2
    assert list(tmp_path.iterdir()) == [table]


@needs_full_device
def test_tables_that_cannot_be_printed_do_not_take_the_files_with_them(tmp_path):
    code = (
        "import sys; from sklearn.dummy import DummyClassifier; "
        "from skmlp.comparison import Contestant, plan; "
        "plan.default_contestants = lambda *a, **k: [Contestant('one', DummyClassifier())]; "
        "from skmlp.__main__ import main; "
        "sys.exit(main(['compare', 'iris', '--folds', '3', '--csv', sys.argv[1]]))"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "table.csv")]
    with open("/dev/full", "w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if not line.startswith("[")]
    assert lines == [
        "skmlp compare: Cannot print the tables (No space left on device): the files are written."
    ]
    assert len(pd.read_csv(tmp_path / "table.csv")) == 1


@pytest.mark.parametrize("option", ["--report", "--csv"])
@pytest.mark.parametrize(
    "trouble", [PermissionError(13, "Permission denied"), OSError(28, "No room")]
)
def test_a_file_that_cannot_be_written_is_found_before_the_run(
    contestants, tmp_path, capsys, monkeypatch, option, trouble
):
    def refuse(**others):
        raise trouble

    monkeypatch.setattr("skmlp.comparison.writing.TemporaryDirectory", refuse)
    monkeypatch.setattr(command, "compare_plan", lambda *others: pytest.fail("it has begun to run"))
    path = tmp_path / "out.html"
    assert compare("circles", option, path) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"skmlp compare: Cannot write to {str(path)!r} ({trouble.strerror})")
    assert option in line


def test_files_that_would_overwrite_each_other_or_the_data_are_refused(
    contestants, pets, tmp_path, capsys
):
    before = pets.read_bytes()
    one, same = tmp_path / "one.html", tmp_path / "." / "folder" / ".." / "one.html"
    (tmp_path / "folder").mkdir()
    assert compare("circles", "--report", one, "--csv", same) == 2
    assert "--csv would overwrite" in (line := capsys.readouterr().err)
    assert "which is --report" in line
    for option in ("--report", "--csv"):
        assert compare(pets, "--target", "kind", option, pets) == 2
        assert f"{option} would overwrite" in (line := capsys.readouterr().err)
        assert "which is the data" in line
    assert pets.read_bytes() == before


def test_an_interrupt_while_plans_are_made_is_one_line(contestants, capsys, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    for name in ("load_dataset", "make_plan", "import_extra"):
        with monkeypatch.context() as patch:
            patch.setattr(command, name, interrupted)
            assert compare("circles") == 130
        shown = capsys.readouterr()
        assert shown.out == ""
        assert len(shown.err.splitlines()) == 1


def test_classes_that_may_be_quantities_name_the_option(contestants, tmp_path, capsys):
    """As in the abalone data: 28 numbers of rings, some of them in one row only."""
    rings = np.r_[np.tile(np.arange(3, 23), 20), 24, 29]
    table = pd.DataFrame({"length": np.arange(402.0), "rings": rings})
    table.to_csv(tmp_path / "shells.csv", index=False)
    assert compare(tmp_path / "shells.csv", "--target", "rings") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "Class 24" in line
    assert "--task regression" in line


BAD_INPUT = {
    "unknown set": (["roses"], "'roses'.*circles, moons"),
    "missing file": (["nowhere.csv", "--target", "t"], r"nowhere\.csv"),
    "other file": (["FOLDER/notes.txt"], r"neither a \.csv nor a \.parquet"),
    "no target": (["PETS"], "--target.*size, colour, weight, kind"),
    "wrong target": (["PETS", "--target", "sort"], "'sort'.*size, colour"),
    "constant": (["PETS", "--target", "same"], "'same' is 1 in every row"),
    "rare class": (["PETS", "--target", "rare"], "'b'.*only 1 row"),
    "text": (["PETS", "--target", "kind", "--task", "regression"], "regression predicts numbers"),
    "missing values": (["PETS", "--target", "colour"], "missing in 1 of 80"),
    "target alone": (["circles", "--target", "kind"], "--target names a column"),
    "one fold": (["circles", "--folds", "1"], "cv=1"),
    "many folds": (["iris", "--folds", "99"], "only 50 rows, too few for 99 folds"),
    "no jobs": (["circles", "--n-jobs", "0"], "n_jobs=0"),
    "scoring": (["circles", "--scoring", "speed"], "'speed'"),
    "no folder": (["circles", "--report", "PETS/r.html"], "Cannot write.*--report"),
    "bad folder": (["circles", "--csv", "/proc/r.csv"], r"Cannot write to '/proc/r.csv'.*--csv"),
    "damaged": (["FOLDER/bad.csv.xz", "--target", "t"], r"Cannot read .*bad\.csv\.xz"),
    "twins": (["FOLDER/twins.csv", "--target", "y"], "two columns named 'y'"),
    "folder": (["circles", "--report", "FOLDER"], "it is a folder.*--report"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line_and_exit_code_two(contestants, pets, capsys, tmp_path, case):
    words, expected = BAD_INPUT[case]
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "bad.csv.xz").write_text("x")
    (tmp_path / "twins.csv").write_text("a,y,y\n1,2,2\n")
    places = {"PETS": str(pets), "FOLDER": str(tmp_path)}
    words = [re.sub("PETS|FOLDER", lambda found: places[found.group()], word) for word in words]
    assert main(["compare", *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    [line] = shown.err.splitlines()
    assert line.startswith("skmlp compare: ")
    assert re.search(expected, line)


@pytest.mark.parametrize("words", [[], ["compare"], ["compare", "iris", "--folds", "x"], ["dance"]])
def test_a_wrong_command_line_is_one_line_too(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_missing_extra_is_named_before_any_work(contestants, monkeypatch, capsys):
    def missing(name):
        raise MissingExtraError(f'needs {name}: pip install "skmlp[compare]"')

    monkeypatch.setattr(command, "import_extra", missing)
    assert compare("circles") == 2
    assert "skmlp[compare]" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"skmlp {__version__}\n"


def test_the_command_starts_without_the_optional_packages_and_without_torch():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['jinja2', 'matplotlib'])); "
        "from skmlp.__main__ import main; "
        "code = main(['compare', 'circles', '--report', 'r.html']); "
        "sys.exit('torch' if 'torch' in sys.modules else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert re.fullmatch(r'skmlp compare: .*needs matplotlib.*"skmlp\[compare\]"\n', done.stderr)


def test_every_public_name_exists():
    package = importlib.import_module("skmlp.comparison")
    assert all(hasattr(package, name) for name in package.__all__)
    assert package.__all__ == sorted(package.__all__)
