"""The command line of skmlp: ``python -m skmlp``, or ``skmlp``."""

import sys
from collections.abc import Sequence

from ._version import __version__

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    arguments : sequence of str, default=None
        The words after the program's name; None takes them from ``sys.argv``.
    """
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


def _run(arguments: Sequence[str] | None) -> int:
    # Imported here, where an interrupt is caught: it takes seconds.
    from .comparison.command import OneLineParser, add_compare_command

    parser = OneLineParser(
        prog="skmlp", description="Multilayer perceptrons as scikit-learn estimators."
    )
    parser.add_argument("--version", action="version", version=f"skmlp {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_compare_command(commands)
    parsed = parser.parse_args(arguments)
    return parsed.run(parsed)


if __name__ == "__main__":
    sys.exit(main())
