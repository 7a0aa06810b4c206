"""Plain text in encodings that the search of raw bytes does not cover: UTF-32.

UTF-8, UTF-16 and the code pages are searched in the raw bytes, so for them there is nothing to add.
"""

from __future__ import annotations

from triage.content.extractors.interface import MAX_BYTES, Data, cut_label
from triage.model.content import ContentType, TextSegment

_MARKS = {b"\xff\xfe\0\0": "utf-32-le", b"\0\0\xfe\xff": "utf-32-be"}


def extract(content_type: ContentType, data: Data) -> tuple[TextSegment, ...]:
    """The text behind a UTF-32 byte order mark, nothing for any other content."""
    encoding = _MARKS.get(bytes(data[:4]))
    if encoding is None or len(data) < 8:
        return ()
    # Four bytes are one character whatever they hold, so the map needs a single run.
    text = bytes(data[4 : min(len(data) & ~3, MAX_BYTES)]).decode(encoding, "replace")
    return (TextSegment(text, ((0, 4),), encoding, cut_label("", len(data), 1)),)
