"""AccessData logical images (AD1) of FTK Imager, versions 3 and 4, in one file or segments ``.ad1``, ``.ad2`` ...

The bytes of the segments, each without its header, are one stream in which all offsets count: items linked as a tree,
each with a list of attributes and, for a file, a table of chunks compressed by zlib. Digests that the imaging program
stored are compared as files are read. Encrypted images are named and refused.

Sources: libad1 notes (AD1-tools), pyad1, and images of FTK Imager; the vendor publishes no specification.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

from triage.errors import CorruptStructureError, EncryptedVolumeError
from triage.evidence.containers.ad1_items import Ad1Reader
from triage.evidence.containers.ad1_stream import SegmentedStream, read_segment_header
from triage.evidence.containers.archive_container import ArchiveContainer
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.containers.segment_file import DescriptorPool, SegmentFile, shown_name
from triage.model.problem import Problem, Reason

STAGE = "evidence/ad1"
SIGNATURE = b"ADSEGMENTEDFILE\x00"
IMAGE_SIGNATURE = b"ADLOGICALIMAGE\x00\x00"
ENCRYPTED = b"ADCRYPT"
MAX_SEGMENTS = 10_000
_SUFFIX = re.compile(r"^\.ad(\d{1,5})$", re.IGNORECASE)
_DRIVE = re.compile(rb"^[A-Za-z]:\\")


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for the signatures of a segment and of an encrypted image."""
    del paths
    return head.startswith((SIGNATURE, ENCRYPTED))


def open_container(paths: tuple[Path, ...], evidence_name: str) -> ArchiveContainer:
    """An AD1 set; segments beside the first are found by name.

    Raises:
        SourceNotFoundError: A file cannot be read.
        EncryptedVolumeError: The image is encrypted.
        CorruptStructureError: The first segment does not hold.
        ReadFailedError: The system cannot give bytes of a file.
    """
    pool = DescriptorPool()
    files: list[SegmentFile] = []
    try:
        for path in _segments(paths):
            files.append(SegmentFile(path, pool))
        return _open(files, evidence_name)
    except BaseException:
        for file in files:
            file.close()
        raise


def _segments(paths: tuple[Path, ...]) -> list[Path]:
    """The files named, and those beside a single one that its name makes segments of the same set."""
    match = _SUFFIX.match(paths[0].suffix)
    if len(paths) > 1 or match is None:
        return list(paths)
    stem = paths[0].stem.lower()
    found: dict[int, Path] = {int(match[1]): paths[0]}
    try:
        names = sorted(paths[0].parent.iterdir())
    except OSError:
        return list(paths)
    for path in names:
        other = _SUFFIX.match(path.suffix)
        if other and path.stem.lower() == stem and path.is_file() and not path.is_symlink():
            found.setdefault(int(other[1]), path)
    return [found[number] for number in sorted(found)][:MAX_SEGMENTS]


def _open(files: list[SegmentFile], evidence_name: str) -> ArchiveContainer:
    first = files[0]
    head = first.read_at(0, 64)
    if head.startswith(ENCRYPTED):
        raise EncryptedVolumeError(
            f"encrypted AD1 image: {shown_name(first.path)}",
            hint="decrypt it with the program that made it and hand in the result",
        )
    headers = [read_segment_header(file) for file in files]
    facts = headers[0]
    if facts is None:
        raise CorruptStructureError(f"no AD1 segment: {shown_name(first.path)}")
    numbered = {header.number: (file, header) for file, header in zip(files, headers, strict=True) if header}
    if facts.number > 1 and 1 not in numbered:
        raise CorruptStructureError(
            f"segment {facts.number} of an AD1 image whose first one is missing: {shown_name(first.path)}",
            hint="put all segments side by side and hand in the first",
        )
    if facts.number < 1:
        numbered = {1: (first, facts)}
    count = min(max(facts.count, *numbered), MAX_SEGMENTS)
    stream = SegmentedStream(numbered, count)
    reader = _reader(stream, shown_name(first.path))
    container = ArchiveContainer("ad1", "ad1", [numbered[number][0] for number in sorted(numbered)], reader)
    container.details = reader.details | {"segments": str(count)}
    missing = [number for number in range(1, count + 1) if number not in numbered]
    strangers = [shown_name(file.path) for file, header in zip(files, headers, strict=True) if header is None]
    problems = []
    if missing:
        words = f"{len(missing)} of {count} segments are missing, the first is number {missing[0]}"
        problems.append((Reason.TRUNCATED, words, stream.missing))
    if strangers:
        problems.append((Reason.MISMATCH, f"no segments of an AD1 image: {', '.join(strangers[:8])}", 0))
    container.problems = tuple(
        Problem(evidence_name, STAGE, reason, words, "put all segments side by side and scan again", lost)
        for reason, words, lost in problems
    )
    return container


def _reader(stream: SegmentedStream, name: str) -> Ad1Reader:
    head = stream.read_at(0, 0x5C)
    if head[:16] != IMAGE_SIGNATURE or len(head) < 0x5C:
        raise CorruptStructureError(f"no logical image in the AD1 file: {name}")
    version, _, chunk_size, _, first_item, name_length = struct.unpack_from("<IIIQQI", head, 16)
    if not 512 <= chunk_size <= 64 << 20:
        raise CorruptStructureError(f"impossible chunk size in the AD1 image: {chunk_size}")
    at = struct.unpack_from("<Q", head, 0x34)[0] if head[0x30:0x34] == b"AD\0\0" else 0x30
    source = stream.read_at(at, name_length) if name_length <= 65536 else b""
    prefix = source.replace(b"\\", b"/") if _DRIVE.match(source) else b""
    reader = Ad1Reader(stream, first_item, chunk_size, prefix)
    reader.details = {"version": str(version)}
    if source:
        reader.details["source"] = printable(source.decode("utf-8", "replace"))
    return reader
