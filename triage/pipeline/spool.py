"""The entries of a volume while it is listed: in memory as long as they are few, then in a file without a name.

A folder may hold ten million names. Each takes some 900 bytes as an object, and the listing of a volume is looked
through more than once before it goes into the case as a whole.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from triage.errors import OutputNotWritableError
from triage.model.entry import Entry

IN_MEMORY = 100_000
"""Entries that are kept as objects."""
BATCH = 2000


class Spool:
    """Entries in the order added; may be iterated again and again.

    Args:
        folder: Where the file goes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._recent: list[Entry] = []
        self._file: IO[bytes] | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, entry: Entry) -> None:
        """Add an entry.

        Raises:
            OutputNotWritableError: The file cannot be written.
        """
        self._recent.append(entry)
        self._count += 1
        if len(self._recent) >= (IN_MEMORY if self._file is None else BATCH):
            self._flush()

    def clear(self) -> None:
        """Forget everything."""
        self.close()
        self._recent.clear()
        self._count = 0

    def close(self) -> None:
        """Release the file; a second call does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __iter__(self) -> Iterator[Entry]:
        if self._file is not None:
            place = 0
            while True:
                self._file.seek(place)
                try:
                    batch: list[Entry] = pickle.load(self._file)  # written by this process, in a file without a name
                except EOFError:
                    break
                place = self._file.tell()
                yield from batch
        yield from self._recent

    def _flush(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
            self._file.seek(0, 2)
            for at in range(0, len(self._recent), BATCH):
                pickle.dump(self._recent[at : at + BATCH], self._file, pickle.HIGHEST_PROTOCOL)
        except OSError as error:
            words = f"the listing of a volume cannot be kept: {error.strerror or error}"
            raise OutputNotWritableError(words, hint="make room where the case is") from error
        self._recent.clear()
