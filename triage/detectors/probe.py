"""Words in encodings of their language: which stretches of bytes that are no UTF-8 are worth reading in which encoding.

Looks for pieces of required texts that hold letters outside ASCII, in the encodings of their packs, and judges by the
bytes around a piece of single-byte text whether it stands among letters at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from triage.detectors.engine import Pattern, Store, make_engine
from triage.detectors.noise import is_chance
from triage.detectors.readings import Reading
from triage.detectors.requirements import Requirement
from triage.detectors.syntax import DIGIT

_PIECE = 6
_REGION = 2048
_SURE = 6
_CONTEXT = 10
_HAN = 0x2E80
_SPREAD = ("gb18030", "gbk", "big5", "big5hkscs", "shift_jis", "euc_jp", "euc_kr", "cp949")


@dataclass(slots=True)
class ProbePlan:
    """Pieces in their encodings: (bytes, encoding), kept between runs."""

    pieces: list[tuple[bytes, str]] = field(default_factory=list)

    def add(self, needs: Requirement, legacy: Iterable[str]) -> None:
        """Take up the required texts of one expression."""
        encodings = ("utf-8", *legacy)
        for way in needs.ways:
            for gate in way:
                for atom in gate.atoms:
                    if not atom.text.replace(DIGIT, "").isascii():
                        self.pieces.extend(_pieces(atom.text, encodings))

    def finish(self) -> None:
        """Each piece once."""
        self.pieces = sorted(set(self.pieces))


def _pieces(text: str, encodings: Iterable[str]) -> Iterator[tuple[bytes, str]]:
    """A telling piece of a text, in each case and encoding."""
    part = max(text.split(DIGIT), key=lambda part: sum(not character.isascii() for character in part))
    first = next(index for index, character in enumerate(part) if not character.isascii())
    start = max(0, min(first - 2, len(part) - _PIECE))
    forms = {form[start : start + _PIECE] for form in (part, part.title(), part.capitalize(), part.upper())}
    han = any(ord(character) >= _HAN for character in part)
    for encoding in (*encodings, *(("utf-16-le", "utf-16-be") if han else ())):
        for form in forms:
            try:
                raw = form.encode(encoding)
            except UnicodeEncodeError:
                continue
            if len(raw) >= (4 if han else 3) and not raw.isascii():
                yield raw, encoding


class Probe:
    """Finds the stretches.

    Args:
        plan: What to look for.
        store: Where compiled databases are kept.
    """

    def __init__(self, plan: ProbePlan, store: Store) -> None:
        self._pieces = plan.pieces

        def patterns() -> list[Pattern]:
            return [Pattern.of(raw, number) for number, (raw, _) in enumerate(plan.pieces)]

        self._engine = make_engine("probe", patterns, store)

    def readings(self, raw: bytes) -> Iterator[Reading]:
        """Stretches of ``raw`` in the encodings whose words they hold."""
        regions: dict[str, list[list[int]]] = {}
        for number, end in zip(*self._engine.events(raw), strict=True):
            piece, encoding = self._pieces[number]
            start = end - len(piece)
            known = regions.setdefault(encoding, [])
            if known and start >= known[-1][0] and end <= known[-1][1] - _REGION // 2:
                continue
            if not _stands_in_text(raw, start, end, encoding):
                continue
            low, high = max(0, start - _REGION), min(len(raw), end + _REGION)
            if encoding.startswith("utf-16"):
                low += (start - low) % 2
                high -= (high - low) % 2
            if known and low <= known[-1][1] and (not encoding.startswith("utf-16") or (low - known[-1][0]) % 2 == 0):
                known[-1][1] = max(known[-1][1], high)
            else:
                known.append([low, high])
        for encoding in sorted(regions):
            for low, high in regions[encoding]:
                begin = _beginning(raw, low, encoding)
                yield Reading(raw[begin:high], begin, encoding)


def _stands_in_text(raw: bytes, start: int, end: int, encoding: str) -> bool:
    """Whether what surrounds a piece can be text; asked where a few bytes may fit by chance."""
    if end - start >= _SURE or encoding == "utf-8" or encoding.startswith("utf-16") or encoding in _SPREAD:
        return not is_chance(raw, start, end, encoding)
    around = raw[max(0, start - _CONTEXT) : end + _CONTEXT].decode(encoding, "replace")
    fit = sum(character.isalnum() or character in " \r\n\t,.-" for character in around)
    return fit >= 0.85 * len(around)


def _beginning(raw: bytes, low: int, encoding: str) -> int:
    """A place at or in front of ``low`` where a character begins, whatever stands before."""
    if encoding not in _SPREAD:
        return low
    # No second byte of these encodings lies below 0x30, so what follows one begins a character.
    for place in range(low, max(low - _REGION, 0), -1):
        if raw[place - 1] < 0x30:
            return place
    return low
