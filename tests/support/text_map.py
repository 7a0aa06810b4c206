"""The way from a character of a text segment back to its bytes, as the contract of extractors states it."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

from triage.model.content import TextSegment


def byte_offset(segment: TextSegment, index: int) -> int:
    """Byte offset of a character: that of its run, and the bytes of the characters of the run in front of it."""
    run = bisect_right(segment.offsets, (index, 1 << 62)) - 1
    start, offset = segment.offsets[run]
    return offset + len(segment.text[start:index].encode(segment.encoding, "replace"))


def check_map(segment: TextSegment, data: bytes) -> int:
    """Check the shape of a map, and that every character which the bytes spell plainly lies where the map says.

    Returns:
        How many characters were found in the bytes as they are.
    """
    assert segment.text and segment.offsets[0][0] == 0
    assert all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(segment.offsets))
    plain = 0
    runs = [*segment.offsets, (len(segment.text), len(data))]
    for (start, offset), (end, _) in pairwise(runs):
        assert 0 <= offset <= len(data)
        place = offset
        for character in segment.text[start:end]:
            raw = character.encode(segment.encoding, "replace")
            found = data[place : place + len(raw)]
            # Old East Asian code pages have two codes for some letters.
            if found == raw or found.decode(segment.encoding, "replace") == character:
                plain += 1
            else:
                folded = character in " \n\t?-" or place == offset
                assert folded, (character, place, found, segment.encoding)
            place += len(raw)
    return plain
