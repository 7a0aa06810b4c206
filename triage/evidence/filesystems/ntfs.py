r"""What The Sleuth Kit does not tell of an NTFS file: exact times, the owner, how much of it is initialised.

* The library cuts times to 32 bits of seconds; ``$STANDARD_INFORMATION`` holds 64 bits of 100 ns since 1601.
* Its user identity is no Windows identity. ``$STANDARD_INFORMATION`` of NTFS 3 has a security id, which
  ``$Secure:$SDS`` maps to a security descriptor with the owner's SID.
* It reads bytes past the initialised size as zeros, but does not give that size; the attribute header has it.

Source: the NTFS documentation of the Linux-NTFS project: FILE record, attribute header, attributes 0x10 and 0x20,
the file ``$Secure``; [MS-DTYP] 2.4.2 and 2.4.6 for SID and security descriptor. Not handled: attribute lists that
are themselves spread over records.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from triage.errors import EvidenceError
from triage.evidence.filesystems.tsk_library import (
    ATTRIBUTE_DATA,
    ATTRIBUTE_LIST,
    ATTRIBUTE_SI,
    LIBRARY_ERRORS,
)
from triage.model.stream import Stream
from triage.model.times import Times

FILE_ENCRYPTED = 0x4000
"""Bit of the file attributes in ``$STANDARD_INFORMATION``."""
MAX_DESCRIPTORS = 64 << 20
"""Bytes of ``$SDS`` that are read at most; a large server has some 10 MiB."""
_SI = struct.Struct("<QQQQI16xI")
_EPOCH = 116_444_736_000_000_000
_NOTHING = (Times(), "", 0)


class NtfsFacts:
    """Reads these facts of one file system.

    Args:
        library: The library's file system.
        media: Decoded media.
        image_offset: Byte of the media where the volume begins.
    """

    def __init__(self, library: Any, media: Stream, image_offset: int) -> None:
        self._library = library
        self._owners: dict[int, str] | None = None
        self._mft: Any = None
        self._record_size = 0
        try:
            boot = media.read_at(image_offset, 512)
            self._record_size = _record_size(boot)
            self._mft = library.open_meta(0)
        except (EvidenceError, *LIBRARY_ERRORS, struct.error):
            self._record_size = 0

    def standard(self, file: Any, attribute_id: int) -> tuple[Times, str, int]:
        """Times, owner's SID (empty where unknown) and file attributes of ``$STANDARD_INFORMATION``.

        Args:
            file: The library's file.
            attribute_id: Identifier of its ``$STANDARD_INFORMATION``.
        """
        try:
            data = file.read_random(0, 72, ATTRIBUTE_SI, attribute_id)
        except LIBRARY_ERRORS:
            return _NOTHING
        if len(data) < _SI.size:
            if len(data) < 36:
                return _NOTHING
            data = data[:48].ljust(_SI.size, b"\0")
        crtime, mtime, ctime, atime, attributes, security = _SI.unpack_from(data)
        times = Times(
            (mtime - _EPOCH) * 100 if mtime else None,
            (atime - _EPOCH) * 100 if atime else None,
            (ctime - _EPOCH) * 100 if ctime else None,
            (crtime - _EPOCH) * 100 if crtime else None,
        )
        if not security:
            return times, "", attributes
        if self._owners is None:
            self._owners = dict(_owners(self._library))
        return times, self._owners.get(security, ""), attributes

    def initialised_size(self, meta_address: int, name: bytes) -> int | None:
        """Bytes of a ``$DATA`` attribute that were ever written; None where that cannot be told.

        Args:
            meta_address: MFT entry.
            name: Name of the attribute as the library gives it (UTF-8), empty for the unnamed one.
        """
        record = self._record(meta_address)
        try:
            wanted = name.decode("utf-8").encode("utf-16-le")
            for kind, attribute in _attributes(record):
                if kind == ATTRIBUTE_LIST:
                    return self._listed_size(meta_address, wanted)
                if kind == ATTRIBUTE_DATA and _name(attribute) == wanted:
                    return _initialised(attribute)
        except (UnicodeDecodeError, struct.error, *LIBRARY_ERRORS):
            pass
        return None

    def _listed_size(self, meta_address: int, wanted: bytes) -> int | None:
        """The same for a file with an attribute list: the list names the record of the first piece."""
        file = self._library.open_meta(meta_address)
        for attribute in file:
            if attribute.info.type == ATTRIBUTE_LIST:
                entries = file.read_random(0, min(attribute.info.size, 1 << 20), ATTRIBUTE_LIST, attribute.info.id)
                break
        else:
            return None
        position = 0
        while position + 26 <= len(entries):
            kind, length, count, start, first_cluster, reference = struct.unpack_from("<IHBBQQ", entries, position)
            name = entries[position + start : position + start + 2 * count] if count else b""
            if kind == ATTRIBUTE_DATA and not first_cluster and name == wanted:
                for inner, attribute in _attributes(self._record(reference & 0xFFFF_FFFF_FFFF)):
                    if inner == ATTRIBUTE_DATA and _name(attribute) == wanted:
                        return _initialised(attribute)
            if length < 26:
                break
            position += length
        return None

    def _record(self, meta_address: int) -> bytes:
        """A FILE record with its fixups undone; empty where it is none."""
        size = self._record_size
        if not size:
            return b""
        try:
            record = bytearray(self._mft.read_random(meta_address * size, size, ATTRIBUTE_DATA, self._data_id()))
            if len(record) < size or record[:4] != b"FILE":
                return b""
            start, count = struct.unpack_from("<HH", record, 4)
            for index in range(1, count):
                end = index * 512
                if end > size or start + 2 * index + 2 > size:
                    return b""
                record[end - 2 : end] = record[start + 2 * index : start + 2 * index + 2]
        except LIBRARY_ERRORS:
            return b""
        return bytes(record)

    def _data_id(self) -> int:
        for attribute in self._mft:
            if attribute.info.type == ATTRIBUTE_DATA and not attribute.info.name:
                return int(attribute.info.id)
        raise OSError("$MFT has no data")


def _record_size(boot: bytes) -> int:
    """Bytes of a FILE record, 0 where the boot sector makes no sense."""
    sector, clusters, code = struct.unpack_from("<HB", boot, 11) + struct.unpack_from("<b", boot, 0x40)
    cluster = sector * clusters if clusters < 0x80 else sector << min(31, 0x100 - clusters)
    size: int = 1 << -code if code < 0 else code * cluster
    return size if 512 <= size <= 65536 else 0


def _attributes(record: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and bytes of every attribute of a record, in stored order."""
    if len(record) < 0x30:
        return
    position = int.from_bytes(record[0x14:0x16], "little")
    while position + 24 <= len(record):
        kind, length = struct.unpack_from("<II", record, position)
        if kind == 0xFFFF_FFFF or length < 24 or position + length > len(record):
            return
        yield kind, record[position : position + length]
        position += length


def _name(attribute: bytes) -> bytes:
    count, start = struct.unpack_from("<BH", attribute, 9)
    return attribute[start : start + 2 * count]


def _initialised(attribute: bytes) -> int | None:
    """Initialised size of a non-resident attribute whose piece is the first; None of another."""
    if not attribute[8] or len(attribute) < 64 or attribute[16:24] != bytes(8):
        return None
    return int.from_bytes(attribute[56:64], "little")


def _owners(library: Any) -> Iterator[tuple[int, str]]:
    """Security id and owner's SID of every descriptor in ``$Secure:$SDS``."""
    try:
        secure = library.open_meta(9)
        found = [a.info for a in secure if a.info.type == ATTRIBUTE_DATA and a.info.name == b"$SDS"]
        if not found:
            return
        size, attribute_id = min(found[0].size, MAX_DESCRIPTORS), found[0].id
        # Each 256 KiB of descriptors is followed by 256 KiB of copies.
        for block in range(0, size, 0x80000):
            data = secure.read_random(block, min(0x40000, size - block), ATTRIBUTE_DATA, attribute_id)
            yield from block_owners(data, block)
    except LIBRARY_ERRORS:
        return


def block_owners(data: bytes, block: int) -> Iterator[tuple[int, str]]:
    """Security id and owner's SID of the descriptors in one block of ``$Secure:$SDS``.

    Args:
        data: Bytes of the block.
        block: Where it begins in the stream.
    """
    position = 0
    while position + 40 <= len(data):
        _, security, offset, length = struct.unpack_from("<IIQI", data, position)
        if offset != block + position or length < 20:
            return
        descriptor = data[position + 20 : position + length]
        if len(descriptor) >= 8:
            yield security, sid(descriptor, int.from_bytes(descriptor[4:8], "little"))
        position += (length + 15) & ~15


def sid(descriptor: bytes, start: int) -> str:
    """Text of a security identifier in a descriptor, empty where there is none at ``start``."""
    if not start or start + 8 > len(descriptor):
        return ""
    revision, count = descriptor[start], descriptor[start + 1]
    parts = descriptor[start + 8 : start + 8 + 4 * count]
    if revision != 1 or count > 15 or len(parts) < 4 * count:
        return ""
    authority = int.from_bytes(descriptor[start + 2 : start + 8], "big")
    return "-".join(["S-1", str(authority), *map(str, struct.unpack(f"<{count}I", parts))])
