"""Keywords in raw bytes, in every encoding, in one pass.

One pass tells which byte patterns are present at all. Literal terms are then located and tested at their borders;
regular expressions run, as Python's ``re`` understands them, on the decoded passages around the literals that they
require. Content that looks like UTF-16 is decoded once for the expressions.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from triage.detectors.characters import accents, touches
from triage.detectors.engine import make_engine
from triage.detectors.passages import MATCHED, Buffer, around, byte_length, decode_lenient, unit
from triage.detectors.terms import Expression, Literal, prepare
from triage.model.content import ContentNames, Coverage, Detection, TextSegment
from triage.model.hit import Hit, HitCount
from triage.model.rules import KeywordTerm
from triage.model.stream import Stream

POSITIONS = 16
COUNTED = 10_000
OVERLAP = 16 * 1024
_LITTLE = re.compile(rb"(?:[\x09-\x7e]\x00){6}|(?:[\x00-\xff][\x01-\x06]){8}", re.DOTALL)
_BIG = re.compile(rb"(?:\x00[\x09-\x7e]){6}|(?:[\x01-\x06][\x00-\xff]){8}", re.DOTALL)
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
        """Expressions whose required literals are all present in an encoding."""
        wanted: dict[int, list[Expression]] = {}
        for atom in atoms:
            for number in self._prepared.by_gate.get(atom, ()):
                expression = self._prepared.expressions[number]
                if all(gate & atoms for gate in expression.gates):
                    wanted.setdefault(atom, []).append(expression)
        for atom, expressions in sorted(wanted.items()):
            patterns = self._prepared.atom_patterns.get((atom, encoding))
            if patterns is None:
                continue
            locate = re.compile(b"|".join(p.removeprefix(b"(?i)") for p in patterns), re.IGNORECASE | re.DOTALL)
            width = max(expression.width for expression in expressions)
            for start, text in _passages(data, locate, encoding, width):
                folded = text.casefold()
                for expression in expressions:
                    if all(any(stem in folded for stem in stems) for stems in expression.stems):
                        self._expression(data, start, text, encoding, expression, found)

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


def _passages(data: Buffer, locate: re.Pattern[bytes], encoding: str, width: int) -> Iterator[tuple[int, str]]:
    """Decoded text around the places of a literal; places close together make one passage."""
    reach = min(width * (4 if encoding == "utf-8" else 2), OVERLAP // 2)
    reach += reach % unit(encoding)
    low = high = -1
    for match in locate.finditer(data):
        if low >= 0 and match.start() - reach <= high:
            high = match.end() + reach
            continue
        if low >= 0:
            yield low, decode_lenient(bytes(data[low:high]), encoding)
        low, high = max(0, match.start() - reach), match.end() + reach
    if low >= 0:
        yield low, decode_lenient(bytes(data[low:high]), encoding)


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
