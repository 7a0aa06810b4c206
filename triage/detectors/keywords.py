"""Keywords in raw bytes, in every encoding, in one pass.

One pass tells which byte patterns are present at all. Literal terms are then located and tested at their borders;
regular expressions run, as Python's ``re`` understands them, on the decoded passages around the literals that they
require. Content that looks like UTF-16 is decoded once for the expressions.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from triage.detectors.byte_patterns import plain_literal
from triage.detectors.characters import accents, touches
from triage.detectors.engine import make_engine
from triage.detectors.passages import MATCHED, Buffer, around, byte_length, decode_lenient, unit
from triage.detectors.sentences import SentenceGate
from triage.detectors.terms import Expression, Literal, prepare
from triage.model.content import ContentNames, Coverage, Detection, TextSegment
from triage.model.hit import Hit, HitCount
from triage.model.rules import KeywordTerm
from triage.model.stream import Stream

POSITIONS = 16
COUNTED = 10_000
OVERLAP = 16 * 1024
_LITTLE = re.compile(rb"(?:[\x09-\x7e]\x00){6}|(?:[\x00-\xff][\x01-\x0e]){8}", re.DOTALL)
_BIG = re.compile(rb"(?:\x00[\x09-\x7e]){6}|(?:[\x01-\x0e][\x00-\xff]){8}", re.DOTALL)
_ARABIC_PREFIXES = "وفبكلال"

Spans = dict[str, dict[int, Hit]]


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
        self._sentences = SentenceGate(terms, cache_dir)
        self._engine = make_engine(self._prepared.patterns, cache_dir) if self._prepared.patterns else None

    def scan(self, data: Buffer, names: ContentNames) -> Detection:
        """Terms in a whole content."""
        return self._detection(self._spans(data), len(data))

    def scan_stream(self, stream: Stream, names: ContentNames, *, window: int = 8 << 20) -> Detection:
        """Terms in a content of any size, read in ascending windows that overlap; no hit is lost or doubled."""
        found: Spans = {}
        step = max(window - 2 * OVERLAP, OVERLAP)
        for start in range(0, max(stream.size, 1), step):
            low = max(0, start - OVERLAP)
            data = stream.read_at(low, start - low + step + OVERLAP)
            for rule, hits in self._spans(data).items():
                for offset, hit in hits.items():
                    if start <= low + offset < start + step:
                        found.setdefault(rule, {})[low + offset] = replace(hit, file_offset=low + offset)
        return self._detection(found, stream.size)

    def scan_text(self, segment: TextSegment, names: ContentNames) -> Detection:
        """Terms in decoded text; offsets are those of the bytes that the text came from."""
        data = segment.text.encode("utf-8", "surrogatepass")
        starts = [start for start, _ in segment.offsets]
        found: Spans = {}
        for rule, hits in self._spans(data, only_utf8=True).items():
            for offset, hit in hits.items():
                first = len(data[:offset].decode("utf-8", "replace"))
                begin = _map(segment, starts, first)
                end = _map(segment, starts, first + max(len(hit.matched) - 1, 0))
                found.setdefault(rule, {})[begin] = replace(
                    hit,
                    file_offset=begin,
                    length=max(end - begin, 0) + _width(segment, first + len(hit.matched) - 1),
                    encoding=segment.encoding,
                )
        return self._detection(found, len(data))

    # --- search -------------------------------------------------------------------------------------------------
    def _spans(self, data: Buffer, *, only_utf8: bool = False) -> Spans:
        """Hits by rule and offset."""
        found: Spans = {}
        if self._engine is None or not len(data):
            return found
        present = self._engine.present(data)
        atoms: dict[str, set[int]] = {}
        for identity in present:
            for literal in self._prepared.literals.get(identity, ()):
                if not only_utf8 or literal.encoding == "utf-8":
                    self._literal(data, literal, found)
            for number, encoding in self._prepared.atoms.get(identity, ()):
                atoms.setdefault(encoding, set()).add(number)
        for encoding in sorted(atoms):
            self._expressions(data, encoding, atoms[encoding] | atoms.get("utf-8", set()), found)
        if not only_utf8:
            self._wide(data, found)
        return found

    def _literal(self, data: Buffer, literal: Literal, found: Spans) -> None:
        hits = found.setdefault(literal.term.rule, {})
        for match in literal.pattern.finditer(data):
            if len(hits) >= COUNTED:
                return
            start, end = match.span()
            if start in hits or not _stands(data, start, end, literal):
                continue
            hits[start] = _hit(data, start, end, literal.encoding, literal.term, len(hits))
        if not hits:
            del found[literal.term.rule]

    def _expressions(self, data: Buffer, encoding: str, atoms: set[int], found: Spans) -> None:
        """Expressions whose required literals stand close enough together to be one match."""
        numbers = sorted({number for atom in atoms for number in self._prepared.by_gate.get(atom, ())})
        candidates = [self._prepared.expressions[number] for number in numbers]
        candidates = [expression for expression in candidates if all(gate & atoms for gate in expression.gates)]
        if candidates and encoding == "utf-8":
            passing = self._sentences.passing(data, {expression.term.rule for expression in candidates})
            candidates = [expression for expression in candidates if expression.term.rule in passing]
        if not candidates:
            return
        places = _Places(data, encoding, self._prepared.atom_patterns)
        widest = 1 if places.plain else 4 if encoding == "utf-8" else 2
        for expression in candidates:
            reach = min(expression.width * widest, OVERLAP // 2) // 2 * 2 + 2
            first, *others = ([places.of(atom) for atom in gate & atoms] for gate in expression.gates)
            near = [
                place
                for place in sorted({place for places_of_atom in first for place in places_of_atom})
                if all(any(_within(group, place, reach) for group in groups) for groups in others)
            ]
            for low, high in _windows(near, reach, len(data), unit(encoding)):
                text = decode_lenient(bytes(data[low:high]), encoding)
                self._expression(data, low, text, encoding, expression, found)

    def _expression(
        self, data: Buffer, start: int, text: str, encoding: str, expression: Expression, found: Spans
    ) -> None:
        for match in expression.pattern.finditer(text):
            hits = found.setdefault(expression.term.rule, {})
            if len(hits) >= COUNTED:
                return
            begin = start + byte_length(text[: match.start()], encoding)
            end = begin + byte_length(match[0], encoding)
            if end > begin and begin not in hits:
                hits[begin] = _hit(data, begin, end, encoding, expression.term, len(hits))
        if not found.get(expression.term.rule, True):
            del found[expression.term.rule]

    def _wide(self, data: Buffer, found: Spans) -> None:
        """Expressions in UTF-16, where the content looks like it."""
        for encoding, looks in (("utf-16-le", _LITTLE), ("utf-16-be", _BIG)):
            match = looks.search(data)
            if match is None:
                continue
            first = match.start() % 2
            text = decode_lenient(bytes(data[first : len(data) - (len(data) - first) % 2]), encoding)
            narrow = text.encode("utf-8", "surrogatepass")
            for rule, hits in self._spans(narrow, only_utf8=True).items():
                for offset, hit in hits.items():
                    lead = narrow[:offset].decode("utf-8", "surrogatepass")
                    begin = first + byte_length(lead, encoding)
                    length = byte_length(hit.matched, encoding)
                    known = found.setdefault(rule, {})
                    # Text in one order reads, a byte further, as text in the other: the even place is meant.
                    twin = begin + 1 if encoding == "utf-16-be" else begin - 1
                    other = known.get(twin)
                    if other is not None and other.encoding.startswith("utf-16") and other.encoding != encoding:
                        if begin % 2:
                            continue
                        del known[twin]
                    if begin not in known:
                        known[begin] = replace(hit, file_offset=begin, length=length, encoding=encoding)

    def _detection(self, found: Spans, size: int) -> Detection:
        hits: list[Hit] = []
        counts = []
        for rule in sorted(found):
            offsets = sorted(found[rule])
            hits.extend(found[rule][offset] for offset in offsets[:POSITIONS])
            counts.append(HitCount(rule, len(offsets), len(offsets) >= COUNTED))
        return Detection(tuple(sorted(hits)), tuple(counts), (), Coverage(self.name, 1, size))


class _Places:
    """Where required literals stand in a content, each looked for once.

    Attributes:
        plain: The content is ASCII, so that a character is a byte.
    """

    def __init__(self, data: Buffer, encoding: str, patterns: dict[tuple[int, str], list[bytes]]) -> None:
        self._data = bytes(data).lower()
        self._encoding = encoding
        self._patterns = patterns
        self._known: dict[int, list[int]] = {}
        self.plain = self._data.isascii()

    def of(self, atom: int) -> list[int]:
        """Offsets of a literal, ascending; in the encoding at hand, or in UTF-8 where it has no other bytes."""
        found = self._known.get(atom)
        if found is None:
            patterns = self._patterns.get((atom, self._encoding)) or self._patterns.get((atom, "utf-8"), [])
            found = self._known[atom] = sorted(place for pattern in patterns for place in self._find(pattern))
        return found

    def _find(self, pattern: bytes) -> Iterator[int]:
        literal = plain_literal(pattern)
        if literal is None:
            yield from (match.start() for match in re.finditer(pattern, self._data, re.DOTALL))
            return
        literal = literal.lower()
        place = self._data.find(literal)
        while place >= 0:
            yield place
            place = self._data.find(literal, place + 1)


def _within(places: list[int], place: int, reach: int) -> bool:
    """Whether one of the places lies within reach of another."""
    index = bisect_left(places, place - reach)
    return index < len(places) and places[index] <= place + reach


def _windows(places: list[int], reach: int, size: int, step: int) -> Iterator[tuple[int, int]]:
    """Stretches around places, on borders of characters of ``step`` bytes; those that touch are one."""
    low = high = -1
    for place in places:
        if low >= 0 and place - reach <= high:
            high = min(size, place + reach)
            continue
        if low >= 0:
            yield low, high
        low, high = max(place % step, place - reach), min(size, place + reach)
    if low >= 0:
        yield low, high


def _stands(data: Buffer, start: int, end: int, literal: Literal) -> bool:
    """Whether a literal stands as its term asks: alone, at the beginning of a word, or anywhere."""
    if literal.term.match == "substring":
        return True
    encoding = literal.encoding
    text = decode_lenient(bytes(data[start:end]), encoding)
    size = unit(encoding)
    reach = min(start, 8) // size * size
    before = decode_lenient(bytes(data[start - reach : start]), encoding)
    if before and touches(text[0], before[-1]):
        lead = before.rstrip(_ARABIC_PREFIXES)
        if len(before) - len(lead) not in (1, 2) or (lead and touches(text[0], lead[-1])):
            return False
    if literal.term.match == "word-start":
        return True
    after = decode_lenient(bytes(data[end : end + 8]), encoding)
    return not after or not touches(text[-1], after[0])


def _hit(data: Buffer, start: int, end: int, encoding: str, term: KeywordTerm, number: int) -> Hit:
    matched = decode_lenient(bytes(data[start:end]), encoding)
    shown = f"{encoding}, unaccented" if term.kind == "literal" and accents(matched) < accents(term.term) else encoding
    before, after = around(data, start, end, encoding) if number < POSITIONS else ("", "")
    return Hit(term.rule, start, end - start, shown, matched[:MATCHED], before, after)


def _map(segment: TextSegment, starts: list[int], index: int) -> int:
    """Byte offset of a character of a segment."""
    run = max(0, bisect_right(starts, index) - 1)
    start, offset = segment.offsets[run] if segment.offsets else (0, 0)
    return offset + len(segment.text[start:index].encode(segment.encoding, "replace"))


def _width(segment: TextSegment, index: int) -> int:
    """Bytes of a character of a segment in the content."""
    return max(len(segment.text[index : index + 1].encode(segment.encoding, "replace")), 1)
