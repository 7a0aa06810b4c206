"""Encodings in which terms are looked for, at the level of bytes and at any offset.

Decoding never fails and is reversible: bytes that are wrong become lone surrogates (``surrogateescape``; UTF-16 lets
lone surrogates through), which :func:`~triage.detectors.characters.is_barrier` calls no text. So the number of bytes in
front of a character is the encoded length of the text in front of it.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import lru_cache

# A byte below this is never the second byte of a character in a multi-byte code page.
_NEVER_TRAILING = 0x30
_SYNC_REACH = 512


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """One encoding.

    Attributes:
        name: Python's name of the codec, as written in :attr:`~triage.model.hit.Hit.encoding`.
        kind: ``utf-8``, ``utf-16``, ``single`` (one byte a character) or ``multi`` (a multi-byte code page).
        errors: Error handler that makes decoding reversible.
        widest: Most bytes that one character takes.
    """

    name: str
    kind: str
    errors: str = "surrogateescape"
    widest: int = 4

    @property
    def is_big_endian(self) -> bool:
        """Whether the high byte of a UTF-16 unit comes first."""
        return self.name == "utf-16-be"

    def encode(self, text: str) -> bytes | None:
        """The bytes of a text, None where it cannot be written in this encoding."""
        try:
            return text.encode(self.name)
        except UnicodeEncodeError:
            return None

    def decode(self, raw: bytes | memoryview) -> str:
        """The text of bytes that begin at a character; a cut character at the end of UTF-16 is left out."""
        if self.kind == "utf-16" and len(raw) % 2:
            raw = raw[:-1]
        return str(raw, self.name, self.errors)

    def length(self, text: str) -> int:
        """Bytes that a text took from which :meth:`decode` made it."""
        return len(text.encode(self.name, self.errors))

    def text_after(self, view: memoryview, start: int, characters: int) -> str:
        """At most so many characters that begin at byte ``start``."""
        return self.decode(view[start : start + characters * self.widest])[:characters]

    def text_before(self, view: memoryview, end: int, characters: int) -> str:
        """At most so many characters that end at byte ``end``, which is the start of one."""
        reach = characters * self.widest
        if self.kind == "utf-16":
            start = max(end - reach, end % 2)
        elif self.kind == "multi":
            start = self.sync(view, max(0, end - reach))
        else:
            start = max(0, end - reach)
        return self.decode(view[start:end])[-characters:]

    def sync(self, view: memoryview, start: int) -> int:
        """The nearest place at or in front of ``start`` where a character of a multi-byte code page begins.

        Where no such place lies within reach, ``start`` itself.
        """
        for position in range(start - 1, max(-1, start - _SYNC_REACH), -1):
            if view[position] < _NEVER_TRAILING:
                return position + 1
        return 0 if start < _SYNC_REACH else start

    def is_aligned(self, view: memoryview, start: int) -> bool:
        """Whether a character begins at ``start``, as far as the bytes in front of it tell; multi-byte only."""
        if self.kind != "multi":
            return True
        decoder = codecs.getincrementaldecoder(self.name)(self.errors)
        decoder.decode(bytes(view[self.sync(view, start) : start]))
        return not decoder.getstate()[0]


UTF_8 = TextEncoding("utf-8", "utf-8")
UTF_16_LE = TextEncoding("utf-16-le", "utf-16", "surrogatepass")
UTF_16_BE = TextEncoding("utf-16-be", "utf-16", "surrogatepass")
UNICODE = (UTF_8, UTF_16_LE, UTF_16_BE)


@lru_cache(maxsize=256)
def code_page(name: str) -> TextEncoding | None:
    """A legacy code page by any of its names; None where it is one of the Unicode encodings above.

    Raises:
        LookupError: Python has no text encoding of that name.
    """
    found = codecs.lookup(name)
    "a".encode(found.name)
    if found.name.replace("_", "-") in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
        return None
    decoder = codecs.getincrementaldecoder(found.name)("surrogateescape")
    for lead in range(0x80, 0x100):
        decoder.reset()
        if not decoder.decode(bytes((lead,))):
            return TextEncoding(found.name, "multi")
    return TextEncoding(found.name, "single", widest=1)
