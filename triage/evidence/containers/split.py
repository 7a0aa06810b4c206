"""Split raw images: the media byte for byte, cut into numbered files.

A segment that is missing between two others leaves a hole of zeros as long as the other segments are, so that what
follows keeps its place. What a set that ends too early would have held further on cannot be known.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from triage.evidence.containers.rescue_map import tell_rescue_map
from triage.evidence.containers.segment_file import DescriptorPool, SegmentFile, shown_name
from triage.evidence.sources import segment_names
from triage.model.address import Address
from triage.model.problem import Problem, Reason

STAGE = "evidence/split"


@dataclass(frozen=True, slots=True)
class _Part:
    start: int
    size: int
    file: SegmentFile | None


class SplitStream:
    """Files and holes one behind the other.

    Args:
        parts: In order and without gaps; at least one.
    """

    def __init__(self, parts: list[_Part]) -> None:
        self._parts = parts
        self._starts = [part.start for part in parts]
        self._size = parts[-1].start + parts[-1].size

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        return self._size

    def _pieces(self, offset: int, length: int) -> Iterator[tuple[_Part, int, int]]:
        """Parts that a range touches, each with offset in the part and length."""
        end = min(offset + length, self._size)
        index = bisect_right(self._starts, offset) - 1
        while offset < end:
            part = self._parts[index]
            piece = min(end, part.start + part.size) - offset
            yield part, offset - part.start, piece
            offset += piece
            index += 1

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`. A missing segment reads as zeros."""
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        return b"".join(
            part.file.read_at(inside, piece) if part.file else bytes(piece)
            for part, inside, piece in self._pieces(offset, length)
        )

    def data_ranges(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Parts that are no holes; see :meth:`SegmentFile.data_ranges`."""
        if offset < 0 or offset >= self._size:
            return
        for part, inside, piece in self._pieces(offset, length):
            if part.file:
                for begin, size in part.file.data_ranges(inside, piece):
                    yield part.start + begin, size

    def close(self) -> None:
        """Close the files; a second call does nothing."""
        for part in self._parts:
            if part.file:
                part.file.close()


class SplitContainer:
    """A raw image in numbered files; see :class:`~triage.evidence.interface.Container`."""

    name = "split"
    sector_size = 512

    def __init__(self, parts: list[_Part], problems: list[Problem], evidence_name: str) -> None:
        self._files = [part.file for part in parts if part.file]
        self.media = SplitStream(parts)
        told, more, name = tell_rescue_map(self._files[0].path, self.media.size, evidence_name, STAGE)
        self.bad = told.bad
        for part in parts:
            if part.file is None:
                self.bad.add(part.start, part.start + part.size, "in a missing file of the set")
        self.paths = tuple(file.path for file in self._files)
        self.stored_hashes: dict[str, str] = {}
        self.details = {"segments": str(len(self._files)), **({"rescue_map": name} if name else {})}
        self.problems = (*problems, *more, *told.take())

    def read_problems(self) -> tuple[Problem, ...]:
        """None: a read that fails raises."""
        return ()

    def changed(self) -> tuple[Path, ...]:
        """Files that changed since opening."""
        return tuple(file.path for file in self._files if file.changed())

    def close(self) -> None:
        """Close the files; a second call does nothing."""
        self.media.close()


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for more than one file."""
    del head
    return len(paths) > 1


def _numbers(paths: tuple[Path, ...]) -> list[int]:
    """Place of each file in its set by its name; simply counted where the names do not belong together."""
    readings = [segment_names(path) for path in paths]
    for wanted in readings[0]:
        found = [next((r.number for r in reading if r.family == wanted.family), None) for reading in readings]
        numbers = [number for number in found if number is not None]
        if len(numbers) == len(paths):
            return numbers
    return list(range(len(paths)))


class _Assembly:
    """Puts segments in order and tells what is wrong with them."""

    def __init__(self, evidence_name: str) -> None:
        self._name = evidence_name
        self.parts: list[_Part] = []
        self.problems: list[Problem] = []
        self._end = 0

    def add(self, file: SegmentFile) -> None:
        self.parts.append(_Part(self._end, file.size, file))
        self._end += file.size

    def add_hole(self, size: int, what: str) -> None:
        address = str(Address(self._name, "p0", space="gap", offset=self._end, length=size))
        self.parts.append(_Part(self._end, size, None))
        self.problems.append(
            Problem(
                address,
                STAGE,
                Reason.TRUNCATED,
                f"{what} missing: bytes {self._end} to {self._end + size} of the media read as zeros, their number "
                "taken from the other segments",
                "find the missing file, put it beside the others and scan again",
                size,
            )
        )
        self._end += size

    def say(self, reason: Reason, message: str, hint: str, missing: int = 0) -> None:
        address = str(Address(self._name, "p0", space="gap", offset=0, length=self._end))
        self.problems.append(Problem(address, STAGE, reason, message, hint, missing))


def _assemble(files: dict[int, SegmentFile], evidence_name: str) -> _Assembly:
    """Segments by number, holes where a number is missing.

    A set may begin with 0 or 1; letters begin with 0.
    """
    assembly = _Assembly(evidence_name)
    usual = max(file.size for file in files.values())
    first, last = min(files), max(files)
    if first > 1:
        assembly.add_hole(usual * (first - 1), f"{first - 1} segments before {shown_name(files[first].path)} are")
    previous = first
    for number in sorted(files):
        gap = number - previous - 1
        if gap > 0:
            before, after = shown_name(files[previous].path), shown_name(files[number].path)
            assembly.add_hole(usual * gap, f"{gap} of the segments between {before} and {after} are")
        assembly.add(files[number])
        previous = number
    for number, file in sorted(files.items()):
        if number != last and file.size != usual:
            assembly.say(
                Reason.TRUNCATED,
                f"segment {shown_name(file.path)} has {file.size} bytes where another has {usual}; what follows it "
                "may be out of place",
                "compare the segments with their source",
                usual - file.size,
            )
    return assembly


def open_container(paths: tuple[Path, ...], evidence_name: str) -> SplitContainer:
    """A split raw image.

    Raises:
        SourceNotFoundError: A file cannot be read.
        UnsupportedFormatError: A file is empty.
    """
    pool = DescriptorPool()
    files: dict[int, SegmentFile] = {}
    doubled: list[tuple[Path, Path]] = []
    try:
        for number, path in zip(_numbers(paths), paths, strict=True):
            if number in files:
                doubled.append((files[number].path, path))
            else:
                files[number] = SegmentFile(path, pool)
    except Exception:
        for file in files.values():
            file.close()
        raise
    assembly = _assemble(files, evidence_name)
    for kept, dropped in doubled:
        assembly.say(
            Reason.MISMATCH,
            f"two files for one segment: {shown_name(kept)} is used, {shown_name(dropped)} is not",
            "keep only the right one in the folder",
        )
    return SplitContainer(assembly.parts, assembly.problems, evidence_name)
