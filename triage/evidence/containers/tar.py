"""tar archives of a file system, plain or compressed as a whole: so come extractions of phones.

The number of a member is that of the block where its headers begin, so that it is read without a pass over what
stands before it where the archive is plain. Headers that do not hold are stepped over to the next one that does; what
a truncated archive has is read. Specification: see ``tar_headers.py`` and ``packed_stream.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError
from triage.evidence.containers.archive_container import ArchiveContainer
from triage.evidence.containers.logical import Complaint, Member, Tell, split_path
from triage.evidence.containers.logical_stream import FilesStream, PartStream, Readable
from triage.evidence.containers.packed_machines import packing
from triage.evidence.containers.packed_stream import PackedStream
from triage.evidence.containers.segment_file import SegmentFile, shown_name
from triage.evidence.containers.tar_headers import BLOCK, Header, has_checksum, read_header
from triage.evidence.filesystems.run_stream import RunStream
from triage.evidence.filesystems.tree import Attribute
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.problem import Reason
from triage.model.stream import MemoryStream, Stream

MAX_TAIL = 4 << 20
"""Zeros behind the end of an archive beyond which no further archive is looked for."""
MAX_LINKS = 4_000_000
"""Members remembered as targets of hard links."""
_WINDOW = 1 << 20
_TAR_MARK = re.compile(rb"ustar")
_KINDS = {b"5": EntryType.DIRECTORY, b"D": EntryType.DIRECTORY, b"2": EntryType.SYMLINK, b"3": EntryType.OTHER,
          b"4": EntryType.OTHER, b"6": EntryType.OTHER}  # fmt: skip
_DEVICES = {b"3": "character device", b"4": "block device", b"6": "FIFO"}


class TarReader:
    """The members of a tar archive; see :class:`~triage.evidence.containers.logical.ArchiveReader`.

    Args:
        source: The archive, decompressed.
        size: Its bytes, -1 where they are not known before it was read.
    """

    def __init__(self, source: Readable, size: int) -> None:
        self._source = source
        self._size = size

    # --- listing ------------------------------------------------------------------------------------------------
    def members(self) -> Iterator[Member | Complaint]:
        """All members in stored order."""
        position = 0
        targets: dict[bytes, int] = {}
        try:
            while True:
                block = self._source.read_at(position, BLOCK)
                if len(block) < BLOCK:
                    if position and not 0 <= self._size < position:
                        words = "the archive has no mark of its end, it may be cut short"
                        yield Complaint(Reason.TRUNCATED, words, lost=len(block), anyway=not block)
                    return
                if not any(block):
                    position = self._behind_zeros(position)
                    if position < 0:
                        return
                    continue
                header = read_header(self._source, position)
                if header is None or header.end <= position:
                    following, complaint = self._resume(position)
                    yield complaint
                    position = following
                    if position < 0:
                        return
                    continue
                yield from self._listed(header, position, targets)
                position = header.end
        except ReadFailedError as error:
            yield Complaint(Reason.TRUNCATED, f"the archive cannot be read from {position} on: {error.message}",
                            hint=error.hint or "what came before is listed")  # fmt: skip

    def _listed(self, header: Header, position: int, targets: dict[bytes, int]) -> Iterator[Member | Complaint]:
        """The member of a header; what is wrong with it follows."""
        place = position
        name = b"/".join(split_path(header.name))
        if header.kind == b"1" and not header.stored:
            wanted = b"/".join(split_path(header.link))
            found = targets.get(wanted, -1)
            if found >= 0:
                place = found
                target = read_header(self._source, found) or header
                member = self._member(target, found)
                yield Member(member.number, header.name, member.entry_type, member.size, member.times, member.owner,
                             member.attributes, (*member.caveats, "hard link"))  # fmt: skip
            else:
                yield self._member(header, position)
                message = "a hard link to a member that is not in front of it"
                yield Complaint(Reason.MISMATCH, message, header.name, anyway=True)
        else:
            yield self._member(header, position)
        if header.kind not in b"5D" and len(targets) < MAX_LINKS:
            targets[name] = place
        for trouble in header.troubles:
            yield Complaint(Reason.CORRUPT, trouble, header.name)
        if 0 <= self._size < header.start + header.stored:
            lost = header.start + header.stored - self._size
            yield Complaint(Reason.TRUNCATED, "the archive ends inside this member", header.name, lost=lost)

    def _member(self, header: Header, position: int) -> Member:
        kind = _KINDS.get(header.kind, EntryType.FILE)
        if header.kind in (b"0", b"\0") and header.name.endswith(b"/"):
            kind = EntryType.DIRECTORY
        caveats: tuple[str, ...] = ()
        size = header.size
        if kind is EntryType.OTHER:
            words = _DEVICES[header.kind]
            caveats = (f"{words} {header.device}".strip(),)
            size = 0
        elif kind is EntryType.SYMLINK:
            size = len(header.link)
        elif kind is EntryType.DIRECTORY:
            size = 0
        elif header.kind == b"1" and not header.stored:
            caveats = ("a hard link whose target is not in the archive",)
        elif header.sparse is not None:
            caveats = ("sparse: holes are given as zeros",)
        attributes = tuple(
            Attribute(name, len(value), index) for index, (name, value) in enumerate(header.xattrs.items(), 1)
        )
        return Member(position // BLOCK + 2, header.name, kind, size, header.times, header.owner, attributes, caveats,
                      place=header)  # fmt: skip

    def _behind_zeros(self, position: int) -> int:
        """Where blocks of zeros end, -1 where nothing follows or too many do."""
        first = position
        while position - first < MAX_TAIL:
            data = self._source.read_at(position, _WINDOW)
            rest = len(data) - len(data.lstrip(b"\0"))
            if rest < len(data):
                return (position + rest) // BLOCK * BLOCK
            position += len(data)
            if len(data) < _WINDOW:
                return -1
        return -1

    def _resume(self, position: int) -> tuple[int, Complaint]:
        """The next header behind one that does not hold, -1 where there is none, and what to say of it."""
        start = position
        position += BLOCK
        while True:
            data = self._source.read_at(position, _WINDOW + BLOCK)
            for match in _TAR_MARK.finditer(data):
                at = match.start() - 257
                if at >= 0 and at % BLOCK == 0 and has_checksum(data[at : at + BLOCK]):
                    lost = position + at - start
                    words = f"the header at {start} does not hold; the next one is {lost} bytes further"
                    return position + at, Complaint(Reason.CORRUPT, words, lost=lost)
            if len(data) < _WINDOW + BLOCK:
                lost = position + len(data) - start
                words = f"the header at {start} does not hold, and none follows"
                return -1, Complaint(Reason.CORRUPT, words, lost=lost)
            position += _WINDOW

    # --- content ------------------------------------------------------------------------------------------------
    def member(self, number: int) -> Member:
        """The member whose headers begin at a block."""
        position = (number - 2) * BLOCK
        header = read_header(self._source, position) if position >= 0 else None
        if header is None:
            raise CorruptStructureError(f"no member of the archive at block {number - 2}")
        return self._member(header, position)

    def content(self, member: Member, attribute: int, tell: Tell) -> Stream | tuple[ByteRun, ...]:
        """The data of a member, the target of a link, or an attribute."""
        del tell
        header = member.place
        if not isinstance(header, Header):
            raise CorruptStructureError("no such member")
        if attribute:
            values = list(header.xattrs.values())
            return MemoryStream(values[attribute - 1] if attribute <= len(values) else b"")
        if member.entry_type is EntryType.SYMLINK:
            return MemoryStream(header.link)
        if not member.size:
            return MemoryStream(b"")
        plain = isinstance(self._source, FilesStream)
        if header.sparse is None:
            if plain and header.start + header.size <= self._size:
                return (ByteRun(0, header.start, header.start, header.size),)
            return PartStream(self._source, header.start, header.size)
        runs = _runs(header)
        if plain:
            return runs
        return RunStream(PartStream(self._source, 0, 1 << 62), runs, header.size)


def _runs(header: Header) -> tuple[ByteRun, ...]:
    """A sparse member: its parts lie one behind the other."""
    runs: list[ByteRun] = []
    place = header.start
    for offset, length in header.sparse or ():
        if length:
            runs.append(ByteRun(offset, place, place, length))
        place += length
    return tuple(runs)


def _begins_like_tar(head: bytes) -> bool:
    """A header that holds, or one that is damaged and still has the mark of ustar, and is no boot sector."""
    if has_checksum(head[:BLOCK]):
        return True
    return len(head) >= BLOCK and head[257:262] == b"ustar" and head[510:512] != b"\x55\xaa"


def _first_block(packed: PackedStream) -> bytes:
    """The first block, as far as it can be decoded."""
    try:
        return packed.read_at(0, BLOCK)
    except ReadFailedError as error:
        return error.partial


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for one file that begins with a tar header, as it is or decompressed."""
    if len(paths) != 1:
        return False
    if _begins_like_tar(head):
        return True
    name = packing(head)
    if not name:
        return False
    try:
        file = SegmentFile(paths[0])
    except EvidenceError:
        return False
    try:
        return _begins_like_tar(_first_block(PackedStream(file, file.size, name)))
    except EvidenceError:
        return False
    finally:
        file.close()


def open_container(paths: tuple[Path, ...], evidence_name: str) -> ArchiveContainer:
    """A tar archive.

    Raises:
        SourceNotFoundError: The file cannot be read.
        CorruptStructureError: It does not begin with a header.
        ReadFailedError: It cannot be read or decompressed.
    """
    del evidence_name
    file = SegmentFile(paths[0])
    try:
        head = file.read_at(0, BLOCK)
        name = "" if _begins_like_tar(head) else packing(head)
        media = FilesStream([file])
        packed = PackedStream(file, file.size, name) if name else None
        if not _begins_like_tar(head if packed is None else _first_block(packed)):
            raise CorruptStructureError(f"no tar archive: {shown_name(file.path)}")
        reader = TarReader(packed or media, -1 if packed else file.size)
        container = ArchiveContainer("tar", "tar", [file], reader, media)
        if packed is not None:
            container.details = {"compression": packed.name, "restart_points": packed.restarts}
        return container
    except BaseException:
        file.close()
        raise
