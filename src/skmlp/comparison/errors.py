"""What goes wrong before a comparison starts, said in one line."""

from importlib import import_module
from types import ModuleType

__all__ = ["InputError", "MissingExtraError", "import_extra"]


class InputError(ValueError):
    """The data or the settings cannot be compared; the message names the way out."""


class MissingExtraError(ImportError):
    """An optional package of ``skmlp[compare]`` is not installed."""


def import_extra(name: str) -> ModuleType:
    """Import a module of the ``compare`` extra, or say how to install it.

    Parameters
    ----------
    name : str
        Full module name, such as ``"matplotlib.figure"``.

    Raises
    ------
    MissingExtraError
        If the package is not installed.

    Examples
    --------
    >>> from skmlp.comparison.errors import import_extra
    >>> import_extra("not_a_package.at_all")
    Traceback (most recent call last):
        ...
    skmlp.comparison.errors.MissingExtraError: The comparison needs not_a_package, which is not
    installed: pip install "skmlp[compare]"
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        raise MissingExtraError(
            f'The comparison needs {package}, which is not installed: pip install "skmlp[compare]"'
        ) from error
