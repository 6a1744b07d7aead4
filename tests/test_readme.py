"""The Python blocks of the README and of the guide run, and print what stands under them."""

from __future__ import annotations

import contextlib
import io
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def globals_untouched():
    """scikit-learn's loaders and searches may use the global generators."""


@pytest.mark.parametrize("page", ["README.md", "docs/guide.md"])
def test_python_blocks_print_what_stands_under_them(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```(python|text)\n(.*?)```", text, flags=re.DOTALL)
    assert [kind for kind, _ in blocks] == ["python", "text"] * (len(blocks) // 2)
    assert len(blocks) >= 4
    names: dict = {}
    for (_, code), (_, expected) in zip(blocks[::2], blocks[1::2], strict=True):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, page, "exec"), names)
        assert printed.getvalue() == expected


def test_links_of_the_readme_hold_wherever_it_is_shown():
    """It is also the package's page, beside which there is no other file."""
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_commands_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^make (\w+)|`make (\w+)`", README, flags=re.MULTILINE))
    for target in {name for pair in targets for name in pair if name}:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_counts_of_choices_are_right():
    from skmlp.network.activations import ACTIVATIONS
    from skmlp.network.initialization import INITIALIZATIONS, WHOLE_NETWORK
    from skmlp.network.losses import LOSSES
    from skmlp.task import FULL_BATCH_OPTIMIZERS
    from skmlp.training.optimizers import OPTIMIZERS
    from skmlp.training.schedules import SCHEDULES

    optimizers = len(OPTIMIZERS) + len(FULL_BATCH_OPTIMIZERS)
    initializations = len(INITIALIZATIONS) + len(WHOLE_NETWORK)
    names = {row.name for row in LOSSES.values()}
    assert f"{len(names)} losses or a function" in README
    expected = (
        f"{len(ACTIVATIONS)} activations, {initializations} initializations, "
        f"{optimizers} optimizers"
    )
    assert expected in README
    assert f"{len(SCHEDULES)} learning-rate schedules" in README


def test_docstrings_list_every_name_of_the_tables():
    from skmlp import MLPClassifier, MLPRegressor
    from skmlp.network.activations import ACTIVATIONS
    from skmlp.network.initialization import INITIALIZATIONS, WHOLE_NETWORK
    from skmlp.training.optimizers import OPTIMIZERS
    from skmlp.training.schedules import SCHEDULES

    for cls in (MLPClassifier, MLPRegressor):
        names = [*ACTIVATIONS, *INITIALIZATIONS, *WHOLE_NETWORK, *OPTIMIZERS, *SCHEDULES]
        for name in names:
            assert f'"{name}"' in cls.__doc__, name


def test_docstrings_describe_every_parameter():
    from skmlp import MLPClassifier, MLPRegressor

    for cls in (MLPClassifier, MLPRegressor):
        described = re.findall(r"^    ([a-z_\d, ]+) : ", cls.__doc__, flags=re.MULTILINE)
        described = {name.strip() for line in described for name in line.split(",")}
        assert set(cls().get_params()) <= described


def test_metadata_has_honest_ranges_and_the_console_script():
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    assert all(">=" in requirement for requirement in project["dependencies"])
    assert project["scripts"]["skmlp"] == "skmlp.__main__:main"
