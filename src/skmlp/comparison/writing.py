"""Files that are there as a whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["check_writable", "is_special", "replacing"]

# Bytes that must find room before a long run starts; a page of one data set has about as many.
ROOM = 1 << 20


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write what becomes ``path`` when the block ends without an error.

    It lies in a folder of its own beside ``path`` and has its name, because pandas goes by the
    name's ending; until the end, and if the block fails, ``path`` stays as it was. A device or a
    pipe is written to at once.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skmlp.comparison.writing import replacing
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "table.csv")
    ...     with replacing(path) as draft:
    ...         _ = draft.write_text("a,b")
    ...     path.read_text(), len(list(Path(folder).iterdir()))
    ('a,b', 1)
    """
    if is_special(path):
        yield path
        return
    target = _real(path)
    with _folder_beside(target, path) as folder:
        draft = Path(folder, target.name)
        yield draft
        with draft.open("r+b") as written:
            os.fsync(written.fileno())  # some file systems find out here that they are full
        if target.exists():
            shutil.copymode(target, draft)
        os.replace(draft, target)


def check_writable(path: Path) -> None:
    """Try what `replacing` will do, and leave nothing behind.

    Raises
    ------
    OSError
        If there is a folder or a file that may not be written to, or no room.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if is_special(path):
        return
    target = _real(path)
    with _folder_beside(target, path) as folder, Path(folder, target.name).open("wb") as draft:
        draft.write(bytes(ROOM))
        draft.flush()
        os.fsync(draft.fileno())


def is_special(path: Path) -> bool:
    """Whether it is a device or a pipe, which must not be replaced by a file."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _real(path: Path) -> Path:
    """What a link points to: the link itself is to stay."""
    return Path(os.path.realpath(path))


def _folder_beside(target: Path, path: Path) -> TemporaryDirectory[str]:
    try:
        return TemporaryDirectory(prefix=".skmlp-", dir=target.parent)
    except OSError as error:  # about the path that the caller knows
        raise type(error)(error.errno, error.strerror, str(path)) from None
