"""Tables of fixed-width numbers in a file, read page by page: a map of a large disk is never held whole."""

from __future__ import annotations

import struct

from triage.model.stream import Stream

PAGE = 4096
"""Entries read at once."""
MAX_PAGES = 64
"""Pages kept."""


class EntryTable:
    """A table of unsigned numbers.

    Args:
        stream: File with the table.
        code: ``struct`` form of one entry with its byte order, ``<I`` or ``>Q``.
    """

    def __init__(self, stream: Stream, code: str) -> None:
        self._stream = stream
        self._order, self._letter = code[0], code[1]
        self._width = struct.calcsize(code)
        self._pages: dict[tuple[int, int], tuple[int, ...]] = {}

    def get(self, base: int, index: int) -> int:
        """An entry.

        Args:
            base: Where the table begins in the file, bytes.
            index: From 0.

        Returns:
            The number; -1 where it lies behind the end of the file.

        Raises:
            ReadFailedError: The file cannot be read.
        """
        key = (base, index // PAGE)
        page = self._pages.get(key)
        if page is None:
            page = self._read(base + key[1] * PAGE * self._width)
            if len(self._pages) >= MAX_PAGES:
                del self._pages[next(iter(self._pages))]
            self._pages[key] = page
        inside = index % PAGE
        return page[inside] if inside < len(page) else -1

    def _read(self, offset: int) -> tuple[int, ...]:
        data = self._stream.read_at(offset, PAGE * self._width)
        count = len(data) // self._width
        return struct.unpack(f"{self._order}{count}{self._letter}", data[: count * self._width])
