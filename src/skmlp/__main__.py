"""The command line of skmlp: ``python -m skmlp``, or ``skmlp``."""

import sys
from collections.abc import Sequence

from ._version import __version__
from .comparison.command import OneLineParser, add_compare_command

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    arguments : sequence of str, default=None
        The words after the program's name; None takes them from ``sys.argv``.
    """
    parser = OneLineParser(
        prog="skmlp", description="Multilayer perceptrons as scikit-learn estimators."
    )
    parser.add_argument("--version", action="version", version=f"skmlp {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_compare_command(commands)
    parsed = parser.parse_args(arguments)
    try:
        return parsed.run(parsed)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
