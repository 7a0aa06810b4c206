"""From the paths that a user names to evidence sources: the segments of one image belong together.

Names that make a set, whatever the case of the letters:

- ``a.E01``, ``a.E02`` ... ``a.E99``, ``a.EAA`` ... ``a.ZZZ``, and the same with ``S01``, ``L01``, ``Ex01``, ``Lx01``
- ``a.001``, ``a.002`` ... or from ``a.000``; three to five digits
- ``a.aa``, ``a.ab`` ... ``a.zz``, or three letters

Only names are looked at, except where a suffix of letters (``.iso``, ``.log``) could be a segment by its name alone:
there the first bytes decide. Nothing is opened that is not a regular file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from triage.errors import EvidenceError
from triage.evidence.containers.segment_file import check_regular, read_head

_EWF_NUMBER = re.compile(r"^([ESL]X?)(\d\d)$")
_EWF_LETTERS = re.compile(r"^([E-Z])(X?)([A-Z]{2})$")
_DIGITS = re.compile(r"^\d{3,5}$")
_LETTERS = re.compile(r"^[a-z]{2,3}$")
_MAGIC = (b"EVF\x09\x0d\x0a\xff\x00", b"EVF2\x0d\x0a\x81\x00", b"LVF\x09\x0d\x0a\xff\x00", b"LEF2\x0d\x0a\x81\x00")
_LETTER_GAP = 3
"""Missing segments in a row that a set named by letters may have; beyond it the name is taken as unrelated."""


@dataclass(frozen=True, slots=True)
class SegmentName:
    """What the name of a segment says.

    Attributes:
        stem: Name without the suffix, in lower case.
        family: ``E``, ``S``, ``L``, ``EX``, ``LX``, ``digits`` or ``letters``, with the width where it matters.
        number: Place in the set; 1 is the first for EWF, 0 or 1 for digits, 0 for letters.
    """

    stem: str
    family: str
    number: int


def _ewf_number(suffix: str, first: str) -> int:
    """Number of a segment by its suffix, 0 where the suffix cannot belong to the family that begins with ``first``."""
    suffix = suffix.upper()
    numbered = _EWF_NUMBER.match(suffix)
    if numbered:
        return int(numbered[2]) if numbered[1] == first else 0
    lettered = _EWF_LETTERS.match(suffix)
    if lettered and lettered[2] == first[1:] and lettered[1] >= first[0]:
        high, low = (ord(letter) - ord("A") for letter in lettered[3])
        return 100 + (ord(lettered[1]) - ord(first[0])) * 676 + high * 26 + low
    return 0


def _letters_number(suffix: str) -> int:
    number = 0
    for letter in suffix:
        number = number * 26 + ord(letter) - ord("a")
    return number


def segment_names(path: Path) -> list[SegmentName]:
    """Every reading of a name as that of a segment, the most likely first; empty where it is none."""
    stem, dot, suffix = path.name.rpartition(".")
    if not dot or not stem:
        return []
    stem = stem.lower()
    if _DIGITS.match(suffix):
        return [SegmentName(stem, f"digits{len(suffix)}", int(suffix))]
    names = []
    for family in ("E", "S", "L", "EX", "LX"):
        number = _ewf_number(suffix, family)
        if number:
            names.append(SegmentName(stem, family, number))
    if _LETTERS.match(suffix.lower()):
        lower = suffix.lower()
        names.append(SegmentName(stem, f"letters{len(suffix)}", _letters_number(lower)))
    return names


def _is_ewf(path: Path) -> bool:
    try:
        check_regular(path)
        return read_head(path, 8) in _MAGIC
    except EvidenceError:
        return False


def _siblings(path: Path, wanted: SegmentName) -> dict[int, list[Path]]:
    """Files beside ``path`` that read as segments of the same set, by number."""
    found: dict[int, list[Path]] = {}
    try:
        names = sorted(os.listdir(path.parent))
    except OSError:
        return {}
    for name in names:
        candidate = path.parent / name
        for reading in segment_names(candidate):
            if (reading.stem, reading.family) == (wanted.stem, wanted.family):
                found.setdefault(reading.number, []).append(candidate)
    return found


def _prefer(paths: list[Path], named: Path) -> list[Path]:
    """Of names that differ by case only, the one written like ``named`` first."""
    style = (named.name[: -len(named.suffix)], named.suffix[1:2].isupper())
    return sorted(paths, key=lambda p: ((p.name[: -len(p.suffix)], p.suffix[1:2].isupper()) != style, p.name))


def _ewf_set(path: Path, wanted: SegmentName) -> tuple[Path, ...]:
    lettered = wanted.number > 99
    if lettered and not _is_ewf(path):
        return ()
    segments: list[Path] = []
    for number, paths in sorted(_siblings(path, wanted).items()):
        for candidate in _prefer(paths, path):
            if number <= 99 or _is_ewf(candidate):
                segments.append(candidate)
    return tuple(segments) if path in segments else ()


def _split_set(path: Path, wanted: SegmentName) -> tuple[Path, ...]:
    found = _siblings(path, wanted)
    letters = wanted.family.startswith("letters")
    if letters and 0 not in found:
        return ()
    segments: list[Path] = []
    previous = -1
    for number, paths in sorted(found.items()):
        if letters and number - previous - 1 > _LETTER_GAP:
            break
        segments += _prefer(paths, path)
        previous = number
    return tuple(segments) if path in segments and len(segments) > 1 else ()


def find_set(path: Path) -> tuple[Path, ...]:
    """All segments of the set that a file belongs to, in order; the file alone where it belongs to none."""
    for reading in segment_names(path):
        of_split = reading.family.startswith(("digits", "letters"))
        segments = _split_set(path, reading) if of_split else _ewf_set(path, reading)
        if segments:
            return segments
    return (path,)


def group_sources(paths: Sequence[Path]) -> list[tuple[Path, ...]]:
    """The evidence sources that the named files stand for, in the order first named.

    Naming any segment, or all of them, stands for the whole set. A path that cannot be read becomes a source of its
    own, so that opening it says why.

    Args:
        paths: Files as the user named them.
    """
    sources: list[tuple[Path, ...]] = []
    taken: set[str] = set()
    for path in map(Path, paths):
        if os.path.realpath(path) in taken:
            continue
        segments = find_set(path)
        taken.update(os.path.realpath(segment) for segment in (*segments, path))
        sources.append(segments)
    return sources
