"""libmagic, where there is one: a name for what the own tables leave open.

``pylibmagic`` carries a library and its database for systems that have none. It must be imported before ``magic``,
which finds its library by ``ctypes`` at import. What ``pylibmagic`` changes in the process for that (variables of the
environment, ``ctypes.CDLL``) is put back at once, so that no child process inherits it.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_OPEN = ("application/octet-stream", "text/plain", "application/x-empty", "inode/x-empty")
_UNPRINTABLE = re.compile(r"[^ -~]+")


class _Library:
    """The loaded library, or the reason why there is none; loaded on first use, once in a process."""

    def __init__(self) -> None:
        self.reason = ""
        self.by_mime: Any = None
        self.by_words: Any = None
        self.failure: type[Exception] = Exception
        try:
            with _unchanged_process():
                database = _packaged_database()
                magic = importlib.import_module("magic")
                self.failure = magic.MagicException
                self.by_mime = magic.Magic(mime=True, magic_file=database)
                self.by_words = magic.Magic(magic_file=database)
        except (ImportError, OSError, AttributeError) as error:
            self.reason = f"libmagic cannot be loaded: {error}"
        except self.failure as error:
            self.reason = f"the libmagic database cannot be loaded: {error}"


_loaded: list[_Library] = []


def _library() -> _Library:
    if not _loaded:
        _loaded.append(_Library())
    return _loaded[0]


def libmagic_status() -> str:
    """Empty where libmagic works, else the reason why it does not."""
    return _library().reason


def describe(head: bytes) -> tuple[str, str] | None:
    """What libmagic says of a content.

    Args:
        head: First bytes of the content; 4 KiB are enough.

    Returns:
        Media type, and a name for people, printable ASCII of at most 80 characters; None where there is no libmagic
        or it knows nothing.
    """
    library = _library()
    if library.reason:
        return None
    try:
        mime = str(library.by_mime.from_buffer(head))
        if mime in _OPEN or not re.fullmatch(r"[a-zA-Z0-9.+-]{1,60}/[a-zA-Z0-9.+-]{1,100}", mime):
            return None
        words = str(library.by_words.from_buffer(head))
    except (library.failure, UnicodeDecodeError):
        return None
    # Descriptions quote the content (titles, authors), so only their first clause is taken.
    name = _UNPRINTABLE.sub(" ", words.partition(",")[0]).strip()[:80]
    return mime, name or mime


def _packaged_database() -> str | None:
    """Path of the database that comes with ``pylibmagic``, None where only the system's can serve."""
    try:
        package = importlib.import_module("pylibmagic")
    except (ImportError, OSError):
        return None
    path = os.path.join(str(package.data), "magic.mgc")
    return path if os.path.isfile(path) else None


@contextmanager
def _unchanged_process() -> Iterator[None]:
    """Put back what the import of ``pylibmagic`` changes in the process."""
    names = ("LIBRARY_PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "MAGIC")
    before = {name: os.environ.get(name) for name in names}
    constructor = ctypes.CDLL.__init__
    try:
        yield
    finally:
        ctypes.CDLL.__init__ = constructor  # type: ignore[method-assign]
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
