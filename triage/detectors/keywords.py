"""Terms of keyword packs in raw bytes, in every encoding, block by block.

Literal terms are looked for in the bytes as they are. Regular expressions are looked for in text: bytes that are valid
UTF-8 are text as a whole, others where they look like UTF-16 or hold words of a language in its own encoding.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from triage.detectors.characters import accents
from triage.detectors.noise import is_chance
from triage.detectors.passages import MATCHED, Buffer, around, around_text, decode_lenient
from triage.detectors.readings import ByteReading, Reading, in_order, whole, wide
from triage.detectors.terms import prepare
from triage.model.content import ContentNames, Coverage, Detection, TextSegment
from triage.model.hit import Hit, HitCount
from triage.model.rules import KeywordTerm
from triage.model.stream import Stream

POSITIONS = 16
COUNTED = 10_000
BLOCK = 512 * 1024
OVERLAP = 16 * 1024

Match = tuple[KeywordTerm, str, int, int]
"""Term, encoding, where it begins, one past where it ends."""


class KeywordDetector:
    """Finds the terms of keyword packs.

    Args:
        terms: What to look for.
        cache_dir: Folder for compiled databases, None for none.

    Raises:
        RuleError: A term can never be found.
    """

    name = "keywords"

    def __init__(self, terms: Sequence[KeywordTerm], *, cache_dir: Path | None = None) -> None:
        self._prepared = prepare(terms, cache_dir)

    def scan(self, data: Buffer, names: ContentNames) -> Detection:
        """Terms in a whole content."""
        return self._scan(lambda offset, length: bytes(data[offset : offset + length]), len(data), BLOCK)

    def scan_stream(self, stream: Stream, names: ContentNames, *, window: int = BLOCK) -> Detection:
        """Terms in a content of any size, read in ascending blocks that overlap; no hit is lost or doubled."""
        return self._scan(stream.read_at, stream.size, window)

    def scan_text(self, segment: TextSegment, names: ContentNames) -> Detection:
        """Terms in decoded text; offsets are those of the bytes that the text came from."""
        text = segment.text
        starts = [start for start, _ in segment.offsets]
        found = _Found()
        for start in range(0, len(text), BLOCK):
            low = max(0, start - OVERLAP)
            part = text[low : start + BLOCK + OVERLAP]
            owned = range(start - low, start - low + BLOCK)
            for term, _, first, last in _settled(self._in_text(part), owned):
                begin, end = _map(segment, starts, low + first), _map(segment, starts, low + last - 1)
                length = max(end - begin, 0) + _width(segment, low + last - 1)

                def hit(context: bool, part: str = part, first: int = first, last: int = last) -> tuple[str, str, str]:
                    return part[first:last], *(around_text(part, first, last) if context else ("", ""))

                found.add(term, segment.encoding, begin, length, hit)
        return found.detection(self.name, len(text))

    # --- bytes ----------------------------------------------------------------------------------------------------
    def _scan(self, read: Callable[[int, int], bytes], size: int, block: int) -> Detection:
        found = _Found()
        for start in range(0, size, block):
            low = max(0, start - OVERLAP)
            raw = read(low, start - low + block + OVERLAP)
            for term, encoding, first, last in _settled(self._in_bytes(raw), range(start - low, start - low + block)):

                def hit(
                    context: bool, raw: bytes = raw, first: int = first, last: int = last, encoding: str = encoding
                ) -> tuple[str, str, str]:
                    sides = around(raw, first, last, encoding) if context else ("", "")
                    return decode_lenient(raw[first:last], encoding), *sides

                found.add(term, encoding, low + first, last - first, hit)
        return found.detection(self.name, size)

    def _in_bytes(self, raw: bytes) -> list[Match]:
        """All matches in a block, in no order."""
        found = list(self._prepared.literals.find(raw))
        text = whole(raw)
        if text is not None:
            found.extend(self._in_reading(text))
        else:
            for expression, encoding, start, end in self._prepared.expressions.find_in_bytes(ByteReading(raw)):
                found.append((expression.term, encoding, start, end))
            for reading in self._prepared.probe.readings(raw):
                found.extend(self._in_reading(reading))
            found = [match for match in found if not is_chance(raw, match[2], match[3], match[1])]
        for reading in wide(raw):
            found.extend(self._in_reading(reading))
        return _one_order(found, raw)

    def _in_reading(self, reading: Reading) -> Iterator[Match]:
        for expression, start, end in self._prepared.expressions.find(reading):
            yield expression.term, reading.encoding, reading.offset(start), reading.offset(end)

    # --- text -----------------------------------------------------------------------------------------------------
    def _in_text(self, text: str) -> list[Match]:
        """All matches in a text, by character, in no order."""
        raw = text.encode("utf-8", "surrogatepass")
        found = []
        for term, encoding, start, end in self._prepared.literals.find(raw, only_utf8=True):
            first = len(raw[:start].decode("utf-8", "surrogatepass")) if len(raw) != len(text) else start
            last = first + len(raw[start:end].decode("utf-8", "surrogatepass"))
            found.append((term, encoding, first, last))
        reading = Reading(b"", 0, "utf-8", text)
        found.extend(
            (expression.term, "utf-8", start, end)
            for expression, start, end in self._prepared.expressions.find(reading)
        )
        return found


@dataclass(slots=True)
class _Found:
    """Hits by rule, in the order in which they are found."""

    hits: list[Hit] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    _ends: dict[str, int] = field(default_factory=dict)

    def add(
        self, term: KeywordTerm, encoding: str, start: int, length: int, texts: Callable[[bool], tuple[str, str, str]]
    ) -> None:
        """Count a match, and keep it with its surroundings while there are few; overlapping ones of a rule are one."""
        number = self.counts.get(term.rule, 0)
        if number >= COUNTED or start < self._ends.get(term.rule, 0):
            return
        self.counts[term.rule] = number + 1
        self._ends[term.rule] = start + length
        if number < POSITIONS:
            matched, before, after = texts(True)
            if term.kind == "literal" and accents(matched) < accents(term.term):
                encoding = f"{encoding}, unaccented"
            self.hits.append(Hit(term.rule, start, length, encoding, matched[:MATCHED], before, after))

    def detection(self, detector: str, size: int) -> Detection:
        """What was found."""
        counts = tuple(HitCount(rule, count, count >= COUNTED) for rule, count in sorted(self.counts.items()))
        return Detection(tuple(sorted(self.hits)), counts, (), Coverage(detector, 1, size))


def _settled(matches: Iterable[Match], owned: range) -> list[Match]:
    """Matches that begin within a block, by place; of several at one place UTF-8 first, then the longest."""
    kept = [match for match in matches if match[2] in owned]
    return sorted(kept, key=lambda match: (match[2], match[1] != "utf-8", -match[3], match[1], match[0].rule))


def _one_order(matches: list[Match], raw: bytes) -> list[Match]:
    """Text of UTF-16 reads in the other order too, a byte apart: only the order that is meant."""
    little = {(match[0].rule, match[2]): match[3] for match in matches if match[1] == "utf-16-le"}
    if not little:
        return matches
    wrong = set()
    for match in matches:
        end = little.get((match[0].rule, match[2] + 1)) if match[1] == "utf-16-be" else None
        if end is not None:
            meant = in_order(raw, match[2] + 1, end)
            wrong.add(
                (match[0].rule, *(("utf-16-be", match[2]) if meant == "utf-16-le" else ("utf-16-le", match[2] + 1)))
            )
    return [match for match in matches if (match[0].rule, match[1], match[2]) not in wrong]


def _map(segment: TextSegment, starts: list[int], index: int) -> int:
    """Byte offset of a character of a segment."""
    run = max(0, bisect_right(starts, index) - 1)
    start, offset = segment.offsets[run] if segment.offsets else (0, 0)
    return offset + len(segment.text[start:index].encode(segment.encoding, "replace"))


def _width(segment: TextSegment, index: int) -> int:
    """Bytes of a character of a segment in the content."""
    return max(len(segment.text[index : index + 1].encode(segment.encoding, "replace")), 1)
