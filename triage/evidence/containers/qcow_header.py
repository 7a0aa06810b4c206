"""Headers of QCOW images, versions 1 to 3: checked before anything is believed.

Sources: qemu ``docs/interop/qcow2.txt``; for version 1 the header as qemu's documentation of the format states it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EncryptedVolumeError, UnsupportedFormatError
from triage.evidence.containers.ewf_headers import printable
from triage.model.stream import Stream
from triage.model.times import iso_from_ns

MAGIC = b"QFI\xfb"
MAX_L1 = 32 << 20
"""Bytes of the first table, as in qemu."""
MAX_SNAPSHOTS = 65536
_DIRTY, _CORRUPT, _DATA_FILE, _COMPRESSION, _EXTENDED = (1 << bit for bit in range(5))
_BACKING_FORMAT = 0xE2792ACA
_DATA_FILE_NAME = 0x44415441


@dataclass(frozen=True, slots=True)
class QcowHeader:
    """What a QCOW header states.

    Attributes:
        version: 1 to 3.
        size: Bytes of the media.
        cluster_bits: log2 of the bytes in a cluster.
        l2_bits: log2 of the entries in a second-level table.
        l1_offset: Where the first-level table begins.
        l1_size: Entries in it.
        backing: Name of the backing file, empty where none.
        backing_format: ``raw``, ``qcow2`` ...; empty where not stated.
        data_file: Name of the external data file, None where the clusters are in the image.
        zstd: Compressed clusters are zstd, not deflate.
        extended: Entries of second-level tables have 16 bytes, clusters 32 subclusters.
        dirty: Was not closed properly.
        corrupt: Marked as damaged by the program that wrote it.
        snapshots: Names of internal snapshots with their dates, at most 64.
        snapshot_count: Internal snapshots.
    """

    version: int
    size: int
    cluster_bits: int
    l2_bits: int
    l1_offset: int
    l1_size: int
    backing: str = ""
    backing_format: str = ""
    data_file: str | None = None
    zstd: bool = False
    extended: bool = False
    dirty: bool = False
    corrupt: bool = False
    snapshots: tuple[str, ...] = ()
    snapshot_count: int = 0


def _corrupt(words: str) -> CorruptStructureError:
    return CorruptStructureError(f"damaged QCOW header: {words}", hint="compare with another copy of the image")


def read_header(stream: Stream) -> QcowHeader:
    """The header of a QCOW image.

    Raises:
        UnsupportedFormatError: Another version, or a feature that is not read.
        EncryptedVolumeError: The clusters are encrypted.
        CorruptStructureError: The numbers do not hold.
    """
    head = stream.read_at(0, 4096)
    if len(head) < 48 or head[:4] != MAGIC:
        raise _corrupt("it is cut short")
    version = int.from_bytes(head[4:8], "big")
    if version == 1:
        return _version_1(stream, head)
    if version not in (2, 3):
        raise UnsupportedFormatError(
            f"QCOW version {version} is not read", hint="convert it to raw with `qemu-img convert -O raw`"
        )
    return _version_2(stream, head.ljust(112, b"\x00"), version)


def _backing(stream: Stream, offset: int, length: int) -> str:
    if not offset or not length:
        return ""
    name = stream.read_at(offset, length) if length <= 1023 else b""
    if len(name) != length:
        raise _corrupt("the name of the backing file is not in the file")
    return name.decode("utf-8", "surrogateescape")


def _version_1(stream: Stream, head: bytes) -> QcowHeader:
    backing_offset, backing_size, _, size = struct.unpack_from(">QIIQ", head, 8)
    cluster_bits, l2_bits, _, method, l1_offset = struct.unpack_from(">BBHIQ", head, 32)
    if method:
        raise EncryptedVolumeError(
            "QCOW image with encrypted clusters (AES)", hint="decrypt it with `qemu-img convert`"
        )
    if not 9 <= cluster_bits <= 21 or not 6 <= l2_bits <= 18:
        raise _corrupt(f"clusters of 2^{cluster_bits} bytes, tables of 2^{l2_bits} entries")
    entries = (size + (1 << (cluster_bits + l2_bits)) - 1) >> (cluster_bits + l2_bits)
    if entries * 8 > MAX_L1:
        raise _corrupt(f"impossible size of the media: {size} bytes")
    backing = _backing(stream, backing_offset, backing_size)
    return QcowHeader(1, size, cluster_bits, l2_bits, l1_offset, entries, backing)


def _version_2(stream: Stream, head: bytes, version: int) -> QcowHeader:
    backing_offset, backing_size, cluster_bits, size, method, l1_size, l1_offset = struct.unpack_from(
        ">QIIQIIQ", head, 8
    )
    snapshot_count, snapshot_offset = struct.unpack_from(">IQ", head, 60)
    incompatible = int.from_bytes(head[72:80], "big") if version == 3 else 0
    length = int.from_bytes(head[100:104], "big") if version == 3 else 72
    if not 9 <= cluster_bits <= 21 or not 72 <= length <= 1 << cluster_bits:
        raise _corrupt(f"clusters of 2^{cluster_bits} bytes, header of {length}")
    if method:
        words = {1: "AES", 2: "LUKS"}.get(method, f"method {method}")
        raise EncryptedVolumeError(
            f"QCOW image with encrypted clusters ({words})", hint="decrypt it with `qemu-img convert` and its password"
        )
    unknown = incompatible & ~(_DIRTY | _CORRUPT | _DATA_FILE | _COMPRESSION | _EXTENDED)
    method = head[104] if incompatible & _COMPRESSION and length > 104 else 0
    if unknown or method > 1:
        words = f"features {unknown:#x}" if unknown else f"compression method {method}"
        raise UnsupportedFormatError(
            f"QCOW image with {words}, which is not read", hint="convert it to raw with `qemu-img convert -O raw`"
        )
    extended = bool(incompatible & _EXTENDED)
    if extended and cluster_bits < 14:
        raise _corrupt(f"subclusters in clusters of 2^{cluster_bits} bytes")
    l2_bits = cluster_bits - (4 if extended else 3)
    needed = (size + (1 << (cluster_bits + l2_bits)) - 1) >> (cluster_bits + l2_bits)
    if l1_size * 8 > MAX_L1 or l1_size < needed:
        raise _corrupt(f"a table of {l1_size} entries for media of {size} bytes")
    extensions = _extensions(stream, length, 1 << cluster_bits)
    data_file = None
    if incompatible & _DATA_FILE:
        data_file = extensions.get(_DATA_FILE_NAME, b"").decode("utf-8", "surrogateescape")
    snapshots = _snapshots(stream, snapshot_offset, snapshot_count) if snapshot_count else ()
    return QcowHeader(
        version, size, cluster_bits, l2_bits, l1_offset, l1_size,
        backing=_backing(stream, backing_offset, backing_size),
        backing_format=extensions.get(_BACKING_FORMAT, b"").decode("latin-1").strip("\x00").lower(),
        data_file=data_file,
        zstd=method == 1,
        extended=extended,
        dirty=bool(incompatible & _DIRTY),
        corrupt=bool(incompatible & _CORRUPT),
        snapshots=snapshots,
        snapshot_count=snapshot_count,
    )  # fmt: skip


def _extensions(stream: Stream, offset: int, limit: int) -> dict[int, bytes]:
    """Header extensions by type; what does not fit the first cluster ends them."""
    found: dict[int, bytes] = {}
    area = stream.read_at(0, min(limit, 65536))
    while offset + 8 <= len(area):
        kind, length = struct.unpack_from(">II", area, offset)
        offset += 8
        if not kind or offset + length > len(area):
            break
        found.setdefault(kind, area[offset : offset + length])
        offset += (length + 7) & ~7
    return found


def _snapshots(stream: Stream, offset: int, count: int) -> tuple[str, ...]:
    """Names and dates of the first 64 internal snapshots."""
    if count > MAX_SNAPSHOTS:
        raise _corrupt(f"{count} internal snapshots")
    names = []
    for _ in range(min(count, 64)):
        entry = stream.read_at(offset, 40)
        if len(entry) < 40:
            break
        _, _, id_size, name_size, seconds, _, _, _, extra = struct.unpack(">QIHHIIQII", entry)
        if extra > 1024:
            break
        name = stream.read_at(offset + 40 + extra + id_size, name_size).decode("utf-8", "replace")
        names.append(f"{printable(name)[:200]} ({_date(seconds)})")
        offset += (40 + extra + id_size + name_size + 7) & ~7
    return tuple(names)


def _date(seconds: int) -> str:
    return str(iso_from_ns(seconds * 1_000_000_000))
