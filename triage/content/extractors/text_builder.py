"""Put text together run by run, with the way back to the bytes."""

from __future__ import annotations

import re

from triage.content.extractors.interface import MAX_RUNS, cut_label
from triage.model.content import TextSegment

_BLANKS = re.compile(rb"  +")
_BAD_BYTES = re.compile("[\udc80-\udcff]")
_FLUSH = 4096
# Soft hyphen, zero-width space, word joiner, byte order mark: invisible, and in the middle of words.
_INVISIBLE = frozenset("\u00ad\u200b\u2060\ufeff")


class TextBuilder:
    """Text of one segment while it grows.

    Attributes:
        last: Last character so far, a newline at the beginning.
        end: Byte offset behind the text so far.
        is_full: True once no more runs are taken.
    """

    __slots__ = ("_chunks", "_expected", "_length", "_offsets", "_parts", "encoding", "end", "is_full", "last")

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self.last = "\n"
        self.end = 0
        self.is_full = False
        self._expected = -1
        self._length = 0
        self._offsets: list[tuple[int, int]] = []
        self._parts: list[str] = []
        self._chunks: list[str] = []

    def add_bytes(self, raw: bytes, offset: int) -> None:
        """Add bytes that spell text in the encoding; each byte that is wrong in it becomes ``?``."""
        if not raw:
            return
        try:
            text = raw.decode(self.encoding)
        except UnicodeDecodeError:
            text = self._decode_wrong(raw)
        self._add(text, offset)
        self.end = self._expected = offset + len(raw)

    def add_folded(self, raw: bytes, offset: int) -> None:
        """Add bytes that spell text in the encoding, with one blank for each run of them.

        Args:
            raw: Bytes in which a space is the only blank.
            offset: Where they lie.
        """
        if raw.isascii():
            self._add_ascii_folded(raw, offset)
        else:
            position = 0
            for run in _BLANKS.finditer(raw):
                self.add_bytes(raw[position : run.start()], offset + position)
                self.add_break(" ")
                position = run.end()
            self.add_bytes(raw[position:], offset + position)

    def _add_ascii_folded(self, raw: bytes, offset: int) -> None:
        """As :meth:`add_folded`, in one go, since a byte is a character."""
        if not raw:
            return
        if b"  " not in raw:
            self._add(raw.decode("ascii"), offset)
            self.end = self._expected = offset + len(raw)
            return
        before, gone = self._length, 0
        self._add(_BLANKS.sub(b" ", raw).decode("ascii"), offset)
        if self.is_full:
            return
        for run in _BLANKS.finditer(raw):
            begin, behind = run.span()
            gone += behind - begin - 1
            if behind < len(raw):
                self._offsets.append((before + behind - gone, offset + behind))
        self.end = self._expected = offset + len(raw)

    def _decode_wrong(self, raw: bytes) -> str:
        """Text of bytes that are wrong in the encoding: a question mark is one byte in all of them."""
        try:
            return _BAD_BYTES.sub("?", raw.decode(self.encoding, "surrogateescape"))
        except UnicodeDecodeError:
            return _BAD_BYTES.sub("?", raw.decode("ascii", "surrogateescape"))

    def add_spelled(self, text: str, start: int, end: int) -> None:
        """Add a character that the bytes from ``start`` to ``end`` spell in another way."""
        if text in _INVISIBLE:
            self.end = end
            return
        self._expected = -1
        self._add(text, start)
        self._expected = -1
        self.end = end

    def add_break(self, character: str) -> None:
        """Add a character that stands for markup, behind the text so far, unless a break is there already."""
        if self.last == character or self.last == "\n" or (character == " " and self.last == "\t"):
            return
        self._add(character, self.end)
        # A break is one byte of the map, and what follows it is never contiguous with it.
        self._expected = -1

    def _add(self, text: str, offset: int) -> None:
        if offset != self._expected:
            if len(self._offsets) >= MAX_RUNS:
                self.is_full = True
                return
            self._offsets.append((self._length, offset))
        self._parts.append(text)
        self._length += len(text)
        self.last = text[-1]
        if len(self._parts) >= _FLUSH:
            self._chunks.append("".join(self._parts))
            self._parts.clear()

    def segments(self, label: str, size: int) -> tuple[TextSegment, ...]:
        """The segment, or nothing where there is no text.

        Args:
            label: Part of the document.
            size: Bytes of the content.
        """
        self._chunks.append("".join(self._parts))
        self._parts.clear()
        text = "".join(self._chunks)
        self._chunks = [text]
        if not text.strip():
            return ()
        runs = MAX_RUNS if self.is_full else len(self._offsets)
        return (TextSegment(text, tuple(self._offsets), self.encoding, cut_label(label, size, runs)),)
