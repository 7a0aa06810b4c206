"""Expert Witness images, version 1: E01 of EnCase 1 to 7, FTK Imager, Guymager, ewfacquire, and S01 of SMART.

Our own reader: the wheel of libewf carries a slow inflate, and it refuses a set from which a segment is missing.
Segments are read as they come; the chunks of the media are numbered through the tables in order. Where a segment is
missing or its sections break off, the tables behind the gap are placed from the end of the media backwards, which
holds when the last segment is there; the gap reads as zeros and becomes a Problem with its bytes.

Not read here: Ex01 and Lx01 (version 2), L01 (logical files), see ``libewf.py``.

Source: Expert Witness Compression Format specification (Joachim Metz, libewf documentation).
"""

from __future__ import annotations

import re
import struct
import uuid
import zlib
from pathlib import Path

from triage.evidence.containers import ewf_headers
from triage.evidence.containers.ewf_media import EwfMedia
from triage.evidence.containers.ewf_sections import SIGNATURE, Section, Segment, has_first_section
from triage.evidence.containers.ewf_set import SegmentSet, build_set
from triage.evidence.containers.ewf_tables import STAGE
from triage.evidence.containers.segment_file import DescriptorPool, SegmentFile, shown_name
from triage.model.address import Address
from triage.model.problem import Problem, Reason

MAX_SECTION_TEXT = 4 << 20
"""Bytes of a header section that are looked at."""
MAX_ERROR_RANGES = 64
"""Ranges of unreadable sectors that become Problems one by one."""
_SUFFIX = re.compile(r"^\.[es]\d\d$", re.IGNORECASE)
_MEDIA_TYPES = {0: "removable", 1: "fixed", 3: "optical", 0x0E: "logical", 0x10: "memory"}


class EwfContainer:
    """An E01 or S01 set; see :class:`~triage.evidence.interface.Container`.

    Args:
        files: Closed with the container.
        segments: The set that they form.
    """

    name = "ewf"

    def __init__(self, files: list[SegmentFile], segments: SegmentSet) -> None:
        facts = segments.facts
        self._files = files
        self.details = _describe(segments)
        self.stored_hashes = _stored_hashes(segments)
        _tell_acquisition_errors(segments)
        self.bad = segments.bad
        self.media = EwfMedia(segments.tables, segments.size, facts.chunk_size, segments.evidence_name, self.bad)
        self.sector_size = facts.sector_size
        self.paths = tuple(segment.file.path for segment in segments.segments)
        self.problems = tuple(segments.problems)

    def read_problems(self) -> tuple[Problem, ...]:
        """Damaged chunks and tables seen since the last call."""
        return self.media.take_problems()

    def changed(self) -> tuple[Path, ...]:
        """Files that changed since opening."""
        return tuple(file.path for file in self._files if file.changed())

    def close(self) -> None:
        """Close the files; a second call does nothing."""
        self.media.close()
        for file in self._files:
            file.close()


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for the signature of an E01, or where the name says so and a section follows a damaged signature."""
    return head[:8] == SIGNATURE or bool(_SUFFIX.match(paths[0].suffix) and has_first_section(head))


def open_container(paths: tuple[Path, ...], evidence_name: str) -> EwfContainer:
    """An E01 or S01 set.

    Args:
        paths: Segment files in the order of their names.
        evidence_name: For the addresses of Problems.

    Raises:
        SourceNotFoundError: A file cannot be read.
        CorruptStructureError: Nothing says what the media are like.
        ReadFailedError: The system cannot give bytes of a file.
    """
    pool = DescriptorPool()
    files: list[SegmentFile] = []
    try:
        for path in paths:
            files.append(SegmentFile(path, pool))
        return EwfContainer(files, build_set(files, evidence_name))
    except BaseException:
        for file in files:
            file.close()
        raise


def _sections(segments: SegmentSet, *kinds: str) -> list[tuple[Segment, Section]]:
    return [
        (segment, section) for segment in segments.segments for section in segment.sections if section.kind in kinds
    ]


def _describe(segments: SegmentSet) -> dict[str, str]:
    """What the set says of itself; ``header2`` knows more than ``header`` and has times with a zone."""
    found: dict[str, dict[str, str]] = {}
    for segment, section in _sections(segments, "xheader", "header", "header2"):
        if section.kind in found:
            continue
        data = segment.data(section, MAX_SECTION_TEXT)
        is_xml = section.kind == "xheader"
        found[section.kind] = ewf_headers.parse_xheader(data) if is_xml else ewf_headers.parse_header(data)
    details: dict[str, str] = {}
    for kind in ("xheader", "header", "header2"):
        details.update(found.get(kind, {}))
    facts = segments.facts
    details["segments"] = str(len(segments.segments))
    details["media_type"] = _MEDIA_TYPES.get(facts.media_type, f"unknown ({facts.media_type})")
    details["bytes_per_sector"] = str(facts.sector_size)
    details["sectors"] = str(segments.size // facts.sector_size)
    details["chunk_size"] = str(facts.chunk_size)
    if facts.set_identifier:
        details["set_identifier"] = str(uuid.UUID(bytes_le=facts.set_identifier))
    return details


def _stored_hashes(segments: SegmentSet) -> dict[str, str]:
    """Digests of the ``digest``, ``hash`` and ``xhash`` sections; those with a wrong checksum are left out."""
    found: dict[str, str] = {}
    for segment, section in _sections(segments, "digest", "hash", "xhash"):
        data = segment.data(section, MAX_SECTION_TEXT if section.kind == "xhash" else 80)
        where = shown_name(segment.file.path)
        if section.kind == "xhash":
            stated = ewf_headers.parse_xhash(data)
        else:
            covered = 76 if section.kind == "digest" else 32
            if len(data) < covered + 4 or zlib.adler32(data[:covered]) != struct.unpack_from("<I", data, covered)[0]:
                segments.say(Reason.CORRUPT, f"{where}: wrong checksum of the {section.kind} section; it is not used")
                continue
            stated = {"md5": data[:16].hex()}
            if section.kind == "digest":
                stated["sha1"] = data[16:36].hex()
        for algorithm, digest in stated.items():
            if not digest.strip("0"):
                continue
            if found.setdefault(algorithm, digest) != digest:
                segments.say(Reason.MISMATCH, f"{where}: two different {algorithm.upper()} are stored")
    return found


def _tell_acquisition_errors(segments: SegmentSet) -> None:
    """Sectors that the acquiring program could not read, from the ``error2`` section; they are zeros in the image."""
    told: set[tuple[int, int]] = set()
    sector_size = segments.facts.sector_size
    for segment, section in _sections(segments, "error2"):
        data = segment.data(section, 520 + 8 * 65536)
        count = min(int.from_bytes(data[:4], "little"), max(0, len(data) - 520) // 8)
        for first, sectors in struct.iter_unpack("<II", data[520 : 520 + 8 * count]):
            offset = first * sector_size
            length = min(sectors * sector_size, segments.size - offset)
            if length <= 0 or (first, sectors) in told:
                continue
            segments.bad.add(offset, offset + length, "the acquiring program could not read it")
            told.add((first, sectors))
            if len(told) > MAX_ERROR_RANGES:
                continue
            segments.problems.append(
                Problem(
                    str(Address(segments.evidence_name, "p0", space="gap", offset=offset, length=length)),
                    STAGE,
                    Reason.UNREADABLE,
                    f"the acquiring program could not read {sectors} sectors from sector {first} on",
                    "image the device again if it still exists",
                    length,
                )
            )
    if len(told) > MAX_ERROR_RANGES:
        segments.say(Reason.UNREADABLE, f"{len(told)} ranges of sectors could not be read when the image was made")
