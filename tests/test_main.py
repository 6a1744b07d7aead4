from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("library", ["sklearn", "pandas", "skmlp.comparison.command"])
def test_an_interrupt_while_libraries_are_imported_is_one_line(library):
    code = (
        "import runpy, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *others):\n"
        f"        if name == {library!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "sys.argv = ['skmlp', 'compare', 'iris']\n"
        "runpy.run_module('skmlp', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")
