import importlib
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from skmlp.__main__ import main
from skmlp._version import __version__
from skmlp.comparison import Contestant, MissingExtraError, command


class Interrupting(KNeighborsClassifier):
    def fit(self, X, y):
        if len(X) > 12:  # more than in the warm-up
            raise KeyboardInterrupt
        return super().fit(X, y)


class Failing(KNeighborsClassifier):
    def fit(self, X, y):
        raise ValueError("no luck")


NEIGHBOURS = Contestant("neighbours", KNeighborsClassifier(), {"n_neighbors": [1, 15]})
TREE = Contestant("tree", DecisionTreeClassifier(random_state=0), {"max_depth": [2, 5]})


@pytest.fixture
def contestants(monkeypatch):
    """Replace the contestants by cheap ones; the list can be changed by the test."""
    cheap = [NEIGHBOURS, TREE]
    monkeypatch.setattr(command, "default_contestants", lambda random_state: cheap)
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
            "rare": ["a"] * 77 + ["b"] * 3,
        }
    )
    table.loc[3, "size"] = np.nan
    table.loc[4, "colour"] = np.nan
    path = tmp_path / "pets.csv.gz"
    table.to_csv(path, index=False)
    return path


def compare(*words, output):
    return main(
        ["compare", *map(str, words), "--folds", "3", "--n-jobs", "1", "--output", str(output)]
    )


def test_a_run_prints_a_table_and_names_its_files(contestants, tmp_path, capsys):
    assert compare("circles", output=tmp_path / "out") == 0
    text = capsys.readouterr().out
    assert "circles, 3 folds" in text
    names = {"report.html", "results.csv", "folds.csv", "boundaries_circles.png"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert all(f"Wrote {tmp_path / 'out' / name}" in text for name in names)
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    for row in results.itertuples():
        assert f"{row.accuracy:.3f} ± {row.accuracy_std:.3f}" in text
        assert row.accuracy > 0.8


def test_several_built_in_sets_can_be_named(contestants, tmp_path, capsys):
    assert compare("breast-cancer", "circles", "circles", output=tmp_path) == 0
    results = pd.read_csv(tmp_path / "results.csv")
    assert results["dataset"].tolist() == ["breast_cancer"] * 2 + ["circles"] * 2


def test_a_csv_with_text_missing_values_and_string_classes(contestants, pets, tmp_path, capsys):
    assert compare("--data", pets, "--target", "kind", output=tmp_path) == 0
    results = pd.read_csv(tmp_path / "results.csv")
    assert (results["accuracy"] > 0.8).all()
    assert not list(tmp_path.glob("*.png"))


def test_a_csv_of_two_numbers_has_its_figure(contestants, pets, tmp_path, capsys):
    plane = tmp_path / "plane.csv"
    pd.read_csv(pets)[["size", "weight", "kind"]].to_csv(plane, index=False)
    assert compare("--data", plane, "--target", "kind", output=tmp_path) == 0
    assert (tmp_path / "boundaries_plane.csv.png").exists()


def test_a_failed_contestant_is_a_row_and_an_exit_code(contestants, tmp_path, capsys):
    contestants.insert(0, Contestant("broken", Failing(), {"n_neighbors": [1]}))
    assert compare("circles", output=tmp_path) == 1
    text = capsys.readouterr().out
    assert "broken failed on fold 1: ValueError: no luck" in text
    assert pd.read_csv(tmp_path / "results.csv")["accuracy"].notna().tolist() == [0, 1, 1]


def test_an_interrupt_prints_what_is_finished(contestants, tmp_path, capsys):
    contestants[1] = Contestant("slow", Interrupting(), {"n_neighbors": [1]})
    assert compare("circles", output=tmp_path) == 130
    shown = capsys.readouterr()
    assert "partial: 1 of 2 contestants finished" in shown.out
    assert "neighbours" in shown.out
    assert "slow" not in shown.out
    assert "no files were written" in shown.err
    assert not list(tmp_path.iterdir())


BAD_INPUT = {
    "unknown set": (["iris"], "'iris'.*circles, breast_cancer, digits"),
    "missing file": (["--data", "nowhere.csv", "--target", "t"], r"nowhere\.csv"),
    "no target": (["--data", "PETS"], "--target.*size, colour, weight, kind"),
    "wrong target": (["--data", "PETS", "--target", "sort"], "'sort'.*size, colour"),
    "rare class": (["--data", "PETS", "--target", "rare"], "'b'.*only 3 rows"),
    "continuous": (["--data", "PETS", "--target", "weight"], "continuous"),
    "missing values": (["--data", "PETS", "--target", "colour"], "missing in 1 of 80"),
    "target alone": (["--target", "kind"], "add --data"),
    "one fold": (["circles", "--folds", "1"], "folds=1"),
    "no jobs": (["circles", "--n-jobs", "0"], "n_jobs=0"),
    "no folder": (["circles", "--output", "PETS"], "Cannot write.*--output"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line_and_exit_code_two(contestants, pets, capsys, tmp_path, case):
    words, expected = BAD_INPUT[case]
    words = [str(pets) if word == "PETS" else word for word in words]
    if "--output" not in words:
        words += ["--output", str(tmp_path / "out")]
    assert main(["compare", *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    [line] = shown.err.splitlines()
    assert line.startswith("skmlp compare: ")
    assert re.search(expected, line)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [[], ["compare", "--folds", "many"], ["dance"]])
def test_a_wrong_command_line_is_one_line_too(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_missing_extra_is_named_before_any_work(contestants, monkeypatch, capsys, tmp_path):
    def missing(name):
        raise MissingExtraError(f'needs {name}: pip install "skmlp[compare]"')

    monkeypatch.setattr(command, "import_extra", missing)
    assert compare("circles", output=tmp_path) == 2
    assert "skmlp[compare]" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"skmlp {__version__}\n"


def test_the_command_starts_without_the_optional_packages_and_without_torch():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['rich', 'jinja2', 'matplotlib'])); "
        "from skmlp.__main__ import main; code = main(['compare', 'circles']); "
        "sys.exit('torch' if 'torch' in sys.modules else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert re.fullmatch(r'skmlp compare: .*needs matplotlib.*"skmlp\[compare\]"\n', done.stderr)


def test_every_public_name_exists():
    package = importlib.import_module("skmlp.comparison")
    assert all(hasattr(package, name) for name in package.__all__)
    assert package.__all__ == sorted(package.__all__)
