"""Regular expressions of keyword packs in texts: gates first, then the expression itself, as Python reads it."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy

from triage.detectors.engine import Store
from triage.detectors.gate_plan import GatePlan
from triage.detectors.gate_text import Codes
from triage.detectors.gates import Gates
from triage.detectors.linear import LinearPattern, compile_expression
from triage.detectors.passages import decode_lenient
from triage.detectors.readings import ByteReading, Reading
from triage.detectors.requirements import MAX_WIDTH
from triage.model.rules import KeywordTerm

_TOGETHER = 512 * 1024
_CUTS = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff\ufffd]"
    r"|\n\s{0,40}\n"
    r"|\n(?=[ \t]{0,8}[\[(<]?(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{1,2}:\d\d)\b)"
)


class Expression:
    """A term that is a regular expression.

    Attributes:
        term: The term.
        width: Most characters of a match.
    """

    def __init__(self, term: KeywordTerm, width: int) -> None:
        self.term = term
        self.width = width

    @cached_property
    def pattern(self) -> re.Pattern[str] | LinearPattern:
        """The expression, ready for the search; compiled when first needed."""
        return compile_expression(self.term.term, ignore_case=not self.term.case_sensitive)

    def read_in(self, encoding: str) -> bool:
        """Whether the expression is looked for in text of an encoding."""
        return encoding.startswith("utf") or encoding in self.term.encodings

    def found(self, text: str, low: int, size: int) -> Iterator[tuple[int, int]]:
        """Matches in a stretch of a text of ``size`` characters that begins at ``low``.

        No match holds a control character, a byte that did not decode, an empty line or the beginning of a dated line:
        what stands on either side was not written in one go. A match that touches a cut end of the stretch may owe its
        border to the cut; the stretch is wide enough that a true one does not, unless the expression has no greatest
        width.
        """
        begin = 0
        for cut in (*_CUTS.finditer(text), None):
            past = cut.start() if cut else len(text)
            for match in self.pattern.finditer(text if cut is None and not begin else text[begin:past]):
                start, end = begin + match.start(), begin + match.end()
                at_edge = (start == 0 and low > 0) or (end == len(text) and low + end < size)
                if end > start and (not at_edge or self.width >= MAX_WIDTH):
                    yield low + start, low + end
            begin = cut.end() if cut else past


class Expressions:
    """Finds all expressions.

    Args:
        expressions: By number.
        plan: Their gates.
        always: Numbers of those without gates.
        store: Where compiled databases are kept.
    """

    def __init__(self, expressions: Sequence[Expression], plan: GatePlan, always: Sequence[int], store: Store) -> None:
        self._expressions = expressions
        self._always = [expressions[number] for number in always]
        self._gates = Gates(plan, store)

    def find(self, readings: Sequence[Reading]) -> Iterator[tuple[int, Expression, int, int]]:
        """Matches in texts: number of the text, first character, and the one past the last."""
        for group in _groups(readings):
            joined = _Joined([readings[number] for number in group])
            for expression, stretches in self._stretches(joined.codes, joined.joints):
                for position, low, high in joined.within(stretches):
                    reading = readings[group[position]]
                    if expression.read_in(reading.encoding):
                        for start, end in expression.found(reading.slice(low, high), low, len(reading.text)):
                            yield group[position], expression, start, end
            for number in group:
                for expression in self._always:
                    if expression.read_in(readings[number].encoding):
                        for start, end in expression.found(readings[number].text, 0, len(readings[number].text)):
                            yield number, expression, start, end

    def find_in_bytes(self, reading: ByteReading) -> Iterator[tuple[Expression, str, int, int]]:
        """Matches in bytes that are no text as a whole: encoding, first byte, and the one past the last."""
        if not len(reading.codes):
            return
        everywhere = [(expression, [(0, len(reading.codes))]) for expression in self._always]
        for expression, stretches in (*self._stretches(reading.codes, reading.controls()), *everywhere):
            for low, high in stretches:
                if not reading.may_be_text(low, high):
                    continue
                raw = reading.slice(low, high)
                encodings = ("utf-8",) if raw.isascii() else ("utf-8", *expression.term.encodings)
                for encoding in encodings:
                    part = Reading(raw, reading.offset(low), encoding, decode_lenient(raw, encoding))
                    for start, end in expression.found(part.text, 0, len(part.text)):
                        yield expression, encoding, part.offset(start), part.offset(end)

    def _stretches(self, codes: Codes, apart: Any) -> Iterator[tuple[Expression, list[tuple[int, int]]]]:
        for number, stretches in self._gates.places(codes, apart):
            yield self._expressions[number], stretches


def _groups(readings: Sequence[Reading]) -> Iterator[list[int]]:
    """Numbers of texts to be looked at together: of one width of code, and not too many characters."""
    for narrow in (True, False):
        group: list[int] = []
        size = 0
        for number, reading in enumerate(readings):
            if reading.text.isascii() is narrow and reading.text:
                if group and size + len(reading.text) > _TOGETHER:
                    yield group
                    group, size = [], 0
                group.append(number)
                size += len(reading.text)
        if group:
            yield group


class _Joined:
    """Texts one behind another.

    Attributes:
        codes: Of all, with a zero between two.
        joints: Where these zeros are.
    """

    def __init__(self, readings: Sequence[Reading]) -> None:
        sizes = [len(reading.text) + 1 for reading in readings]
        self._starts = [0, *accumulate(sizes)]
        self.joints = numpy.array(self._starts[1:-1], dtype=numpy.int64) - 1
        if len(readings) == 1:
            self.codes = readings[0].codes
        else:
            joint = numpy.zeros(1, dtype=readings[0].codes.dtype)
            self.codes = numpy.concatenate([part for reading in readings for part in (reading.codes, joint)][:-1])

    def within(self, stretches: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
        """Stretches by text: its position, and the stretch there."""
        for low, high in stretches:
            for position in range(bisect_right(self._starts, low) - 1, bisect_left(self._starts, high)):
                start, past = self._starts[position], self._starts[position + 1] - 1
                if max(low, start) < min(high, past):
                    yield position, max(low, start) - start, min(high, past) - start
