"""ZIP archives of a file system: extractions of phones by UFED, Magnet and others come so.

Members come in the order of the central directory, each compared with its local header; then those that only a local
header tells of, found in what no listed member covers. The number of a member is the place of its header, so that one
is read without going through the directory. Specification: see ``zip_headers.py`` and ``zip_methods.py``.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path

from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError, UnsupportedFormatError
from triage.evidence.containers.archive_container import ArchiveContainer
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.containers.logical import Complaint, Member, Tell
from triage.evidence.containers.logical_stream import STEP, DecodedStream, FilesStream, Readable
from triage.evidence.containers.segment_file import SegmentFile, shown_name
from triage.evidence.containers.zip_crypt import ZipKeys
from triage.evidence.containers.zip_headers import (
    SIZES_BEHIND_FLAG,
    Directory,
    Header,
    find_directory,
    find_local,
    find_next_mark,
    mode_kind,
    parse_central,
    read_central,
    read_local,
)
from triage.evidence.containers.zip_methods import EngineDecoder, make_decoder
from triage.evidence.containers.zip_places import Covered, Place, compare, member_size
from triage.evidence.keychain import Keychain
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.problem import Reason
from triage.model.stream import MemoryStream, Stream

MARKS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08PK\x03\x04", b"PK00PK\x03\x04")
MAX_CENTRAL = 46 + 3 * 65535
MAX_LOOKED = 100_000
"""Members among which the first encrypted one is looked for."""
MAX_TRIED = 64 << 20
"""Bytes of a member whose flag says encrypted that are unpacked to see whether it lies."""


class ZipReader:
    """The members of a ZIP archive; see :class:`~triage.evidence.containers.logical.ArchiveReader`.

    Args:
        media: The archive.
        keys: Passwords for encrypted members.
    """

    def __init__(self, media: Stream, keys: ZipKeys) -> None:
        self._media = media
        self._keys = keys
        self._size = media.size
        self.directory = find_directory(media, self._size)

    # --- listing ------------------------------------------------------------------------------------------------
    def members(self) -> Iterator[Member | Complaint]:
        """Members of the directory in its order, then those that only a local header tells of."""
        covered = Covered()
        directory = self.directory
        if directory is not None:
            yield from self._listed(directory, covered)
            if directory.start >= 0:
                covered.add(directory.start, directory.end)
        yield from self._unlisted(covered)

    def _listed(self, directory: Directory, covered: Covered) -> Iterator[Member | Complaint]:
        listed = 0
        for at, stated in read_central(self._media, directory):
            listed += 1
            place = self._place(stated, directory)
            yield self._member(2 + 2 * at, place)
            yield from compare(place)
            if place.local is not None:
                covered.add(place.local.offset, min(place.local.start + stated.packed, self._size))
                lost = place.local.start + stated.packed - self._size
                if lost > 0:
                    yield Complaint(Reason.TRUNCATED, "the archive ends inside this member", stated.name, lost=lost)
        if listed < directory.count:
            message = f"the directory breaks off after {listed} of {directory.count} members"
            yield Complaint(Reason.CORRUPT, message, hint="members that have their own headers are listed all the same")

    def holds_first(self) -> bool:
        """The first member of the directory is in this file; the number of disks may be damaged."""
        directory = self.directory
        listed = next(read_central(self._media, directory), None) if directory is not None else None
        return directory is not None and listed is not None and self._place(listed[1], directory).local is not None

    def _place(self, stated: Header, directory: Directory) -> Place:
        local = read_local(self._media, stated.offset + directory.shift)
        if local is None and directory.shift:
            local = read_local(self._media, stated.offset)
        return Place(stated, local)

    def _unlisted(self, covered: Covered) -> Iterator[Member | Complaint]:
        found = 0
        for start, stop in covered.gaps(self._size):
            position = start
            while True:
                at = find_local(self._media, position, stop)
                if at < 0:
                    break
                local = read_local(self._media, at, listed=False)
                position = at + 4
                if local is None:
                    continue
                place, end = self._measure(local)
                found += 1
                yield self._member(3 + 2 * at, place)
                position = max(position, min(end, stop))
        if self.directory is None:
            message = f"no end record; {found} members found by their own headers"
            yield Complaint(Reason.TRUNCATED, message, hint="the archive may be cut short; compare with its source")
        elif found:
            message = f"{found} members are not in the directory"
            yield Complaint(Reason.MISMATCH, message, anyway=True)

    def _measure(self, local: Header) -> tuple[Place, int]:
        """A member without an entry in the directory, and where it ends; its sizes may stand behind its data."""
        if local.packed or not local.flags & SIZES_BEHIND_FLAG:
            return Place(local, local), local.start + local.packed
        packed, size, crc = 0, 0, local.crc
        if local.method == 8 and not local.is_encrypted:
            decoder = make_decoder(self._media, local.start, self._size, 8, 0)()
            try:
                while piece := decoder.read(STEP):
                    size += len(piece)
                end = decoder.used_to if isinstance(decoder, EngineDecoder) else local.start
            except ReadFailedError as error:
                size += len(error.partial)
                end = find_next_mark(self._media, local.start, self._size)
        else:
            end = find_next_mark(self._media, local.start, self._size)
            size = end - local.start
        packed = end - local.start
        behind = self._media.read_at(end, 8)
        if behind[:4] == b"PK\x07\x08":
            crc = int.from_bytes(behind[4:8], "little")
        full = Header(local.name, local.flags, local.method, crc, packed, size, local.offset, local.start, local.times,
                      owner=local.owner, aes=local.aes)  # fmt: skip
        return Place(full, full), end

    def _member(self, number: int, place: Place) -> Member:
        stated, local = place.stated, place.local
        name = stated.name
        if b"\\" in name and b"/" not in name and (stated.from_dos or stated is local):
            name = name.replace(b"\\", b"/")
        kind = EntryType.FILE
        told = mode_kind(stated.mode)
        if told == "folder" or stated.is_folder or name.endswith(b"/"):
            kind = EntryType.DIRECTORY
        elif told:
            kind = EntryType.SYMLINK if told == "link" else EntryType.OTHER
        caveats: tuple[str, ...] = ()
        if stated is local:
            caveats = ("not in the directory of the archive",)
        size = 0 if kind in (EntryType.DIRECTORY, EntryType.OTHER) else member_size(stated, local)
        digest = ("crc32", f"{stated.crc:08x}") if stated.crc and size == stated.size else None
        times = local.times if local and local.times.zone_known else stated.times
        owner = stated.owner or (local.owner if local else "")
        if stated.is_encrypted:
            caveats = (*caveats, "encrypted")
        return Member(number, name, kind, size, times, owner, (), caveats, digest=digest, place=place)

    # --- content ------------------------------------------------------------------------------------------------
    def member(self, number: int) -> Member:
        """The member whose header stands at a place."""
        at = (number - 2) // 2
        if number % 2:
            local = read_local(self._media, at, listed=False)
            if local is not None:
                return self._member(number, self._measure(local)[0])
        elif self.directory is not None:
            parsed = parse_central(self._media.read_at(at, MAX_CENTRAL), 0)
            if parsed is not None:
                return self._member(number, self._place(parsed[0], self.directory))
        raise CorruptStructureError(f"no member of the archive at {at}")

    def content(self, member: Member, attribute: int, tell: Tell) -> Stream | tuple[ByteRun, ...]:
        """The data of a member."""
        place = member.place
        if not isinstance(place, Place) or attribute:
            raise CorruptStructureError("no such member")
        stated, local = place.stated, place.local
        if local is None:
            raise CorruptStructureError(f"no member where the directory says, at byte {stated.offset}")
        source: Readable = self._media
        start, end = local.start, min(local.start + (stated.packed or local.packed), self._size)
        is_locked = stated.is_encrypted and not self._is_plain(stated, local)
        if is_locked:
            source, start, end = self._keys.open(self._media, stated, local, end)
        if not member.size:
            return MemoryStream(b"")
        if stated.method == 0 and member.size <= end - start and not is_locked:
            return (ByteRun(0, start, start, member.size),)
        make = make_decoder(source, start, end, stated.method, member.size)

        def longer() -> None:
            words = f"more comes out of the member than the {member.size} bytes declared; the rest is not examined"
            tell(Complaint(Reason.MISMATCH, words, hint="unpack it with another program"))

        return DecodedStream(make, member.size, longer)

    def try_keys(self) -> None:
        """Try the passwords on the first encrypted member, so that what fits is known from the beginning."""
        directory = self.directory
        for count, (_, stated) in enumerate(read_central(self._media, directory) if directory is not None else ()):
            if count >= MAX_LOOKED:
                return
            if directory is None or not stated.is_encrypted or not stated.packed:
                continue
            local = self._place(stated, directory).local
            if local is not None and not self._is_plain(stated, local):
                with contextlib.suppress(EvidenceError):  # told for each member when it is read
                    self._keys.open(self._media, stated, local, min(local.start + stated.packed, self._size))
                return

    def _is_plain(self, stated: Header, local: Header) -> bool:
        """The flag alone is no proof: programs that want to be overlooked set it on members that are not encrypted."""
        if stated.aes or not stated.crc or stated.size > MAX_TRIED:
            return False
        if stated.method == 0 and stated.packed != stated.size:
            return False
        end = min(local.start + stated.packed, self._size)
        crc = 0
        try:
            decoder = make_decoder(self._media, local.start, end, stated.method, stated.size)()
            while piece := decoder.read(STEP):
                crc = zlib.crc32(piece, crc)
        except (ReadFailedError, UnsupportedFormatError):
            return False
        return crc == stated.crc


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for one file that begins like a ZIP archive."""
    return len(paths) == 1 and head.startswith(MARKS)


def open_container(paths: tuple[Path, ...], evidence_name: str, keychain: Keychain | None = None) -> ArchiveContainer:
    """A ZIP archive.

    Args:
        paths: The file.
        evidence_name: For the keychain's notes.
        keychain: Passwords for encrypted members.

    Raises:
        SourceNotFoundError: The file cannot be read.
        UnsupportedFormatError: It is one of several files of an archive.
        ReadFailedError: It cannot be read.
    """
    file = SegmentFile(paths[0])
    try:
        media = FilesStream([file])
        keychain = keychain or Keychain()
        reader = ZipReader(media, ZipKeys(keychain, evidence_name))
        directory = reader.directory
        if directory is not None and directory.disks > 1 and not reader.holds_first():
            raise UnsupportedFormatError(
                f"ZIP archive split over {directory.disks} files: {shown_name(file.path)}",
                hint="join the parts (zip -s 0) and hand in the one that comes out",
            )
        if len(keychain):
            reader.try_keys()
        container = ArchiveContainer("zip", "zip", [file], reader, media)
        if directory is not None:
            container.details["members"] = str(directory.count)
            if directory.comment:
                container.details["comment"] = printable(directory.comment.decode("utf-8", "replace"))
        return container
    except BaseException:
        file.close()
        raise
