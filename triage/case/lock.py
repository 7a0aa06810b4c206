"""One run at a time holds a case."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from triage.errors import CaseLockedError, OutputNotWritableError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class CaseLock:
    """An advisory lock on ``CASE/lock`` that vanishes with its process, however that ends.

    Raises:
        CaseLockedError: Another process holds it; the message says which.
        OutputNotWritableError: The folder does not take the file.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "lock"
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError as error:
            raise OutputNotWritableError(f"cannot write in the case folder: {path}: {error.strerror}") from error
        if fcntl is not None:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                holder = os.read(self._descriptor, 200).decode("utf-8", "replace").strip() or "another process"
                os.close(self._descriptor)
                raise CaseLockedError(
                    f"the case is in use: {folder}: {holder}", hint="wait for that run to end, or stop it"
                ) from error
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())

    def release(self) -> None:
        """Give the case free; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
