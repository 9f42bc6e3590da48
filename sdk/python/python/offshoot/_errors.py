"""Exceptions: each is an ``OffshootError`` and the built-in one that Python users expect."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

__all__ = [
    "ConvertError",
    "FileError",
    "HeadError",
    "InputError",
    "MissingFileError",
    "OffshootError",
    "PackageError",
]


class OffshootError(Exception):
    """Failure of an operation; the message names the file concerned and the next thing to do.

    >>> import offshoot
    >>> try:
    ...     offshoot.Extractor("absent.offshoot")
    ... except offshoot.OffshootError as error:
    ...     print(error.path, isinstance(error, FileNotFoundError))
    absent.offshoot True
    """

    path: Optional[str] = None
    """File concerned, or ``None``."""

    @classmethod
    def _of(cls, message: str, path: object, code: Optional[int]) -> "OffshootError":
        error = cls(message)
        error.path = None if path is None else str(path)
        if isinstance(error, OSError):
            error.errno = code
            error.filename = error.path
        return error

    def __str__(self) -> str:
        # `OSError` would write errno and file itself.
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> "tuple[object, ...]":
        errno = getattr(self, "errno", None)
        return (type(self)._of, (str(self), self.path, errno))


class FileError(OffshootError, OSError):
    """File that cannot be read or written."""


class MissingFileError(FileError, FileNotFoundError):
    """File that does not exist."""


class PackageError(OffshootError, ValueError):
    """File that is no package, is damaged, or cannot be run here."""


class InputError(OffshootError, ValueError):
    """Image, frame or text that cannot be brought to the network's input."""


class HeadError(OffshootError, ValueError):
    """Head that cannot be made, taught, asked or loaded."""


class ConvertError(OffshootError, ValueError):
    """Model that cannot be converted."""
