"""Terms of keyword packs in raw bytes, in every encoding, block by block.

Literal terms are looked for in the bytes as they are. Regular expressions are looked for in text: bytes that are valid
UTF-8 are text as a whole, others where they look like UTF-16 or hold words of a language in its own encoding.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
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

    Attributes:
        has_terms: Whether there is anything to look for.

    Raises:
        RuleError: A term can never be found.
    """

    name = "keywords"

    def __init__(self, terms: Sequence[KeywordTerm], *, cache_dir: Path | None = None) -> None:
        self._prepared = prepare(terms, cache_dir)
        self.has_terms = bool(terms)
        self._has_expressions = any(term.kind == "regex" for term in terms)

    def scan(self, data: Buffer, names: ContentNames) -> Detection:
        """Terms in a whole content."""
        if len(data) <= BLOCK:
            return self.scan_many([data])[0]
        return self._scan(lambda offset, length: bytes(data[offset : offset + length]), len(data), BLOCK)

    def scan_many(self, contents: Sequence[Buffer]) -> list[Detection]:
        """Terms in whole contents of at most :data:`BLOCK` bytes, many small ones for little more than a large one."""
        blocks = [bytes(content) for content in contents]
        out = []
        for raw, matches in zip(blocks, self._in_blocks(blocks), strict=True):
            found = _Found()
            found.add_all(_settled(matches, range(len(raw))), raw, 0)
            out.append(found.detection(self.name, len(raw)))
        return out

    def scan_stream(self, stream: Stream, names: ContentNames, *, window: int = BLOCK) -> Detection:
        """Terms in a content of any size, read in ascending blocks that overlap; no hit is lost or doubled."""
        return self._scan(stream.read_at, stream.size, window)

    def scan_text(self, segment: TextSegment, names: ContentNames) -> Detection:
        """Terms in decoded text; offsets are those of the bytes that the text came from."""
        return self.scan_texts([segment])[0]

    def scan_texts(self, segments: Sequence[TextSegment]) -> list[Detection]:
        """The same in many texts at once."""
        found = [_Found() for _ in segments]
        parts = [
            (number, max(0, start - OVERLAP), start)
            for number, segment in enumerate(segments)
            for start in range(0, len(segment.text), BLOCK)
        ]
        texts = [segments[number].text[low : start + BLOCK + OVERLAP] for number, low, start in parts]
        for (number, low, start), text, matches in zip(parts, texts, self._in_texts(texts), strict=True):
            kept = _settled(matches, range(start - low, start - low + BLOCK))
            found[number].add_text(kept, text, low, segments[number])
        return [part.detection(self.name, len(segment.text)) for part, segment in zip(found, segments, strict=True)]

    # --- bytes ----------------------------------------------------------------------------------------------------
    def _scan(self, read: Callable[[int, int], bytes], size: int, block: int) -> Detection:
        found = _Found()
        for start in range(0, size, block):
            low = max(0, start - OVERLAP)
            raw = read(low, start - low + block + OVERLAP)
            matches = self._in_blocks([raw])[0]
            found.add_all(_settled(matches, range(start - low, start - low + block)), raw, low)
        return found.detection(self.name, size)

    def _in_blocks(self, blocks: Sequence[bytes]) -> list[list[Match]]:
        """All matches in each block, in no order."""
        if not self.has_terms:
            return [[] for _ in blocks]
        found = [list(self._prepared.literals.find(raw)) for raw in blocks]
        readings: list[Reading] = []
        owners: list[int] = []
        broken = []
        for number, raw in enumerate(blocks):
            text = whole(raw)
            if text is None:
                broken.append(number)
            if not self._has_expressions:
                continue
            if text is None:
                for expression, encoding, start, end in self._prepared.expressions.find_in_bytes(ByteReading(raw)):
                    found[number].append((expression.term, encoding, start, end))
            parts = [*(self._prepared.probe.readings(raw) if text is None else [text]), *wide(raw)]
            readings.extend(parts)
            owners.extend([number] * len(parts))
        for index, expression, start, end in self._prepared.expressions.find(readings):
            reading = readings[index]
            match = (expression.term, reading.encoding, reading.offset(start), reading.offset(end))
            found[owners[index]].append(match)
        for number in broken:
            raw = blocks[number]
            found[number] = [match for match in found[number] if not is_chance(raw, match[2], match[3], match[1])]
        return [_one_order(matches, raw) for matches, raw in zip(found, blocks, strict=True)]

    # --- text -----------------------------------------------------------------------------------------------------
    def _in_texts(self, texts: Sequence[str]) -> list[list[Match]]:
        """All matches in each text, by character, in no order."""
        found: list[list[Match]] = []
        for text in texts:
            raw = text.encode("utf-8", "surrogatepass")
            matches: list[Match] = []
            for term, encoding, start, end in self._prepared.literals.find(raw, only_utf8=True):
                first = len(raw[:start].decode("utf-8", "surrogatepass")) if len(raw) != len(text) else start
                last = first + len(raw[start:end].decode("utf-8", "surrogatepass"))
                matches.append((term, encoding, first, last))
            found.append(matches)
        readings = [Reading(b"", 0, "utf-8", text) for text in texts]
        for index, expression, start, end in self._prepared.expressions.find(readings):
            found[index].append((expression.term, "utf-8", start, end))
        return found


@dataclass(slots=True)
class _Found:
    """Hits by rule, in the order in which they are found."""

    hits: list[Hit] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    _ends: dict[str, int] = field(default_factory=dict)

    def add_all(self, matches: Iterable[Match], raw: bytes, low: int) -> None:
        """Take up matches in a block that begins at ``low``, ascending."""
        for term, encoding, first, last in matches:
            if self._counts_as_new(term, low + first, last - first):
                sides = around(raw, first, last, encoding)
                matched = decode_lenient(raw[first:last], encoding)
                self._keep(term, low + first, last - first, encoding, matched, sides)

    def add_text(self, matches: Iterable[Match], text: str, low: int, segment: TextSegment) -> None:
        """Take up matches in a part of a segment that begins at its character ``low``, ascending."""
        starts = [start for start, _ in segment.offsets]
        for term, _, first, last in matches:
            begin, end = _map(segment, starts, low + first), _map(segment, starts, low + last - 1)
            length = max(end - begin, 0) + _width(segment, low + last - 1)
            if self._counts_as_new(term, begin, length):
                sides = around_text(text, first, last)
                self._keep(term, begin, length, segment.encoding, text[first:last], sides)

    def _counts_as_new(self, term: KeywordTerm, start: int, length: int) -> bool:
        """Count a match, unless it overlaps the one before of its rule; whether it is one of the few that are kept."""
        number = self.counts.get(term.rule, 0)
        if number >= COUNTED or start < self._ends.get(term.rule, 0):
            return False
        self.counts[term.rule] = number + 1
        self._ends[term.rule] = start + length
        return number < POSITIONS

    def _keep(
        self, term: KeywordTerm, start: int, length: int, encoding: str, matched: str, sides: tuple[str, str]
    ) -> None:
        if term.kind == "literal" and accents(matched) < accents(term.term):
            encoding = f"{encoding}, unaccented"
        self.hits.append(Hit(term.rule, start, length, encoding, matched[:MATCHED], *sides))

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
