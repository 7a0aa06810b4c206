"""What programs that make raw images write beside them of sectors that they could not read.

Read are the map files of GNU ddrescue (``.map``, ``.mapfile``, ``.log``) and the text files of FTK Imager. A raw image
has no place for this: where a sector could not be read it has zeros, which look like an empty disk.

Sources: GNU ddrescue manual, "Mapfile structure"; the text that FTK Imager writes. A file of another kind under such a
name is left alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from triage.errors import EvidenceError
from triage.evidence.containers.bad_ranges import BadRange, BadRanges
from triage.evidence.containers.segment_file import SegmentFile, shown_name
from triage.model.address import Address
from triage.model.problem import Problem, Reason

MAX_BYTES = 64 << 20
"""Of a file beside an image."""
SECTOR = 512
_SUFFIXES = (".map", ".mapfile", ".log", ".txt", ".ddrescue", ".ddrescue.log", ".ddrescue.map")
_MARKS = (b"# Mapfile.", b"# Rescue Logfile.")
_CURRENT = re.compile(rb"^(?:0x[0-9a-fA-F]+|\d+)\s+[?*/+FG-](?:\s+\d+)?\s*$")
_LINE = re.compile(rb"^(0x[0-9a-fA-F]{1,16}|\d{1,19})\s+(0x[0-9a-fA-F]{1,16}|\d{1,19})\s+([?*/+-])\s*$")
_STATES = {
    b"?": "not tried by ddrescue",
    b"*": "ddrescue could not read it (not trimmed)",
    b"/": "ddrescue could not read it (not scraped)",
    b"-": "ddrescue could not read it (bad sector)",
}
_FTK_MARK = b"sector(s) on the source drive could not be read"
_FTK_LINE = re.compile(rb"^\s*(\d{1,18})(?:\s+(?:through|-)\s+(\d{1,18}))?\s*$")


@dataclass(frozen=True, slots=True)
class RescueMap:
    """What a file beside an image says.

    Attributes:
        path: The file.
        size: Bytes that it is about, 0 where it does not say.
        ranges: What could not be read, ascending.
    """

    path: Path
    size: int
    ranges: tuple[BadRange, ...]


def find_rescue_map(image: Path) -> RescueMap | None:
    """The first file beside an image that lists what could not be read; None where there is none."""
    for path in names_beside(image, _SUFFIXES):
        try:
            data = read_beside(path)
        except EvidenceError:
            continue
        found = parse_mapfile(path, data) or parse_ftk(path, data)
        if found is not None:
            return found
    return None


def names_beside(image: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Files beside an image whose name is that of the image and a suffix, or with the suffix in place of its own."""
    for stem in dict.fromkeys((image.name, image.stem)):
        for suffix in suffixes:
            for written in (suffix, suffix.upper()):
                path = image.parent / (stem + written)
                if path != image and os.path.lexists(path):
                    yield path
                    break


def read_beside(path: Path) -> bytes:
    """The bytes of a file beside an image.

    Raises:
        EvidenceError: It is no regular file, empty, cannot be read, or has more than :data:`MAX_BYTES`.
    """
    file = SegmentFile(path)
    try:
        if file.size > MAX_BYTES:
            raise EvidenceError(f"too large for a list beside an image: {shown_name(path)}")
        return file.read_at(0, file.size)
    finally:
        file.close()


def parse_mapfile(path: Path, data: bytes) -> RescueMap | None:
    """A map file of ddrescue; None where the bytes are none, line by line."""
    if not data.startswith(_MARKS):
        return None
    found = []
    end = 0
    seen_current = False
    for line in data.splitlines():
        if not line.strip() or line.startswith(b"#"):
            continue
        if not seen_current:
            if not _CURRENT.match(line):
                return None
            seen_current = True
            continue
        match = _LINE.match(line)
        if match is None:
            return None
        start, length = int(match[1], 0), int(match[2], 0)
        if length and match[3] in _STATES:
            found.append(BadRange(start, length, _STATES[match[3]]))
        end = max(end, start + length)
    return RescueMap(path, end, tuple(sorted(found)))


def parse_ftk(path: Path, data: bytes) -> RescueMap | None:
    """The text file of FTK Imager, where it lists sectors; None where it does not."""
    if _FTK_MARK not in data:
        return None
    found = []
    for line in data.partition(_FTK_MARK)[2].splitlines()[1:]:
        match = _FTK_LINE.match(line)
        if match is None:
            if line.strip():
                break
            continue
        first, last = int(match[1]), int(match[2] or match[1])
        if last >= first:
            length = (last - first + 1) * SECTOR
            found.append(BadRange(first * SECTOR, length, "the acquiring program could not read it"))
    return RescueMap(path, 0, tuple(sorted(found)))


def tell_rescue_map(
    image: Path, size: int, evidence_name: str, stage: str
) -> tuple[BadRanges, tuple[Problem, ...], str]:
    """What is known beside a raw image.

    Args:
        image: Its first file.
        size: Bytes of the media.
        evidence_name: For the addresses of Problems.
        stage: For Problems.

    Returns:
        Bad ranges as Problems to take, further Problems, and the name of the file; empty where there is none.
    """
    bad = BadRanges(evidence_name, stage)
    found = find_rescue_map(image)
    if found is None:
        return bad, (), ""
    name = shown_name(found.path)
    problems = []
    if found.size and found.size != size:
        address = str(Address(evidence_name, "p0", space="gap", offset=0, length=size))
        words = f"{name} is about {found.size} bytes, the image has {size}"
        hint = "make sure that this is the map of this image; move it away if not"
        problems.append(Problem(address, stage, Reason.MISMATCH, words, hint, examined_anyway=found.size < size))
    for part in found.ranges:
        bad.add(part.offset, min(part.end, size), Reason.UNREADABLE, f"{part.cause}, says {name}")
    return bad, tuple(problems), name
