"""Regular expressions of keyword packs in texts: gates first, then the expression itself, as Python reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from triage.detectors.gates import GatePlan, Gates
from triage.detectors.passages import decode_lenient
from triage.detectors.readings import ByteReading, Reading
from triage.detectors.requirements import MAX_WIDTH
from triage.model.rules import KeywordTerm


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
    def pattern(self) -> re.Pattern[str]:
        """The expression as Python reads it; compiled when first needed."""
        return re.compile(self.term.term, re.DOTALL if self.term.case_sensitive else re.IGNORECASE | re.DOTALL)

    def read_in(self, encoding: str) -> bool:
        """Whether the expression is looked for in text of an encoding."""
        return encoding.startswith("utf") or encoding in self.term.encodings

    def found(self, text: str, low: int, size: int) -> Iterator[tuple[int, int]]:
        """Matches in a stretch of a text of ``size`` characters that begins at ``low``.

        A match that touches a cut end of the stretch may owe its border to the cut; the stretch is wide enough that a
        true one does not, unless the expression has no greatest width.
        """
        for match in self.pattern.finditer(text):
            start, end = match.span()
            cut = (start == 0 and low > 0) or (end == len(text) and low + end < size)
            if end > start and (not cut or self.width >= MAX_WIDTH):
                yield low + start, low + end


class Expressions:
    """Finds all expressions.

    Args:
        expressions: By number.
        plan: Their gates.
        always: Numbers of those without gates.
        cache: Folder for compiled databases.
    """

    def __init__(
        self, expressions: Sequence[Expression], plan: GatePlan, always: Sequence[int], cache: Path | None
    ) -> None:
        self._expressions = expressions
        self._always = always
        self._gates = Gates(plan, cache)

    def find(self, reading: Reading) -> Iterator[tuple[Expression, int, int]]:
        """Matches in a text, with their first character and the one past the last."""
        size = len(reading.codes)
        for expression, stretches in self._stretches(reading):
            if expression.read_in(reading.encoding):
                for low, high in stretches:
                    for start, end in expression.found(reading.slice(low, high), low, size):
                        yield expression, start, end

    def find_in_bytes(self, reading: ByteReading) -> Iterator[tuple[Expression, str, int, int]]:
        """Matches in bytes that are no text as a whole: encoding, first byte, and the one past the last."""
        for expression, stretches in self._stretches(reading):
            for low, high in stretches:
                if not reading.may_be_text(low, high):
                    continue
                raw = reading.slice(low, high)
                encodings = ("utf-8",) if raw.isascii() else ("utf-8", *expression.term.encodings)
                for encoding in encodings:
                    part = Reading(raw, reading.offset(low), encoding, decode_lenient(raw, encoding))
                    for start, end in expression.found(part.text, 0, len(part.text)):
                        yield expression, encoding, part.offset(start), part.offset(end)

    def _stretches(self, reading: Reading | ByteReading) -> Iterator[tuple[Expression, list[tuple[int, int]]]]:
        for number in self._always:
            yield self._expressions[number], [(0, len(reading.codes))]
        for number, stretches in self._gates.places(reading.codes, text=isinstance(reading, Reading)):
            yield self._expressions[number], stretches
