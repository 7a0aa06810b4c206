"""Headers of LUKS version 2: the two copies, which one holds, and what its JSON says.

Source: LUKS2 On-Disk Format Specification 1.1.2. The binary part is big-endian and followed by JSON; a checksum covers
both. The copy with the greater sequence number counts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from triage.errors import CorruptStructureError, ReadFailedError, UnsupportedFormatError
from triage.evidence.volumes.key_derivation import DerivationRefusedError, hash_name
from triage.evidence.volumes.luks_header import MAX_KEY, LuksDigest, LuksHeader, LuksSlot, corrupt, printable
from triage.model.stream import Stream

MAGIC = b"LUKS\xba\xbe\x00\x02"
SECOND_MAGIC = b"SKUL\xba\xbe\x00\x02"
SECOND_PLACES = tuple(0x4000 << power for power in range(9))
"""Where the second copy may stand: as far in as a copy is long."""
_BINARY = struct.Struct(">6sHQQ48s32s64s40s48sQ184s64s")
_BINARY_SIZE = 4096
_SUM_OFFSET = _BINARY.size - 64
_SIZES = frozenset(SECOND_PLACES)
_MAX_ITEMS = 64
"""Keyslots, segments, digests or tokens in a header; the format allows 32."""
_SECTOR_SIZES = (512, 1024, 2048, 4096)


@dataclass(frozen=True, slots=True)
class _Copy:
    sequence: int
    holds: bool
    place: int
    label: str
    uuid: str
    table: dict[str, Any]
    identity: bytes


def read_luks2(stream: Stream) -> LuksHeader:
    """The header at the beginning of a stream, or its second copy where the first is lost.

    Raises:
        CorruptStructureError: Neither copy can be read.
        UnsupportedFormatError: What it describes is not read: integrity, reencryption, hardware encryption.
        ReadFailedError: It cannot be read.
    """
    copies = list(_copies(stream))
    if not copies:
        raise corrupt(2, "neither copy of it can be made sense of")
    best = max(copies, key=lambda copy: (copy.holds, copy.sequence, -copy.place))
    remarks: list[str] = []
    if not best.holds:
        remarks.append("no copy of the header has the right checksum")
    elif best.place:
        remarks.append("the first copy of the header does not hold; the second one is used")
    return _interpret(best, remarks)


def has_second_header(stream: Stream) -> bool:
    """True where a second copy stands that says so itself and whose checksum holds."""
    return any(copy.holds for place in SECOND_PLACES if (copy := _read_copy(stream, place)) is not None)


def _copies(stream: Stream) -> Iterator[_Copy]:
    for place in (0, *SECOND_PLACES):
        copy = _read_copy(stream, place)
        if copy is not None:
            yield copy


def _read_copy(stream: Stream, place: int) -> _Copy | None:
    """A copy of the header, None where none stands or it cannot be made sense of."""
    try:
        binary = stream.read_at(place, _BINARY_SIZE)
        if len(binary) < _BINARY_SIZE or binary[:8] != (SECOND_MAGIC if place else MAGIC):
            return None
        _, _, size, sequence, label, name, _, uuid, _, offset, _, stored = _BINARY.unpack_from(binary)
        if size not in _SIZES or (place and offset != place):
            return None
        data = binary + stream.read_at(place + _BINARY_SIZE, size - _BINARY_SIZE)
    except ReadFailedError:
        return None
    text = data[_BINARY_SIZE:].split(b"\0", 1)[0]
    try:
        table = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(table, dict):
        return None
    holds = len(data) == size and _sum_holds(data, _text(name), stored)
    return _Copy(sequence, holds, place, _text(label), _text(uuid), table, hashlib.sha256(data).digest())


def _sum_holds(data: bytes, name: str, stored: bytes) -> bool:
    try:
        digest = hashlib.new(hash_name(name), usedforsecurity=False)
    except DerivationRefusedError:
        return False
    digest.update(data[:_SUM_OFFSET] + bytes(64) + data[_SUM_OFFSET + 64 :])
    return digest.digest() == stored[: digest.digest_size]


def _interpret(copy: _Copy, remarks: list[str]) -> LuksHeader:
    segment_name, segment = _data_segment(copy.table)
    digest_table = next(
        (item for _, item in _items(copy.table, "digests") if segment_name in _names(item.get("segments"))), None
    )
    if digest_table is None:
        raise corrupt(2, "no digest for the volume key")
    members = _names(digest_table.get("keyslots"))
    slots: list[LuksSlot] = []
    for number, item in _items(copy.table, "keyslots"):
        if number not in members or item.get("type") != "luks2":
            continue
        slot = _slot(number, item)
        if slot is None or not slot.is_possible:
            remarks.append(f"keyslot {printable(number)} has impossible numbers or is not of a known kind")
        else:
            slots.append(slot)
    size = segment.get("size")
    sector_size = segment.get("sector_size")
    if sector_size not in _SECTOR_SIZES:
        raise corrupt(2, "impossible size of a sector")
    slots.sort(key=lambda slot: (-slot.priority, slot.number))
    return LuksHeader(
        version=2,
        uuid=printable(copy.uuid),
        label=printable(copy.label),
        spec=_string(segment.get("encryption")),
        key_size=next((slot.key_size for slot in slots), 0),
        digest=_digest(digest_table),
        slots=tuple(slots),
        data_offset=_number(segment.get("offset")),
        data_size=0 if size == "dynamic" else _number(size),
        sector_size=int(sector_size),
        first=_number(segment.get("iv_tweak")),
        identity=copy.identity,
        remarks=tuple(remarks),
        tokens=tuple(printable(_string(item.get("type"))) for _, item in _items(copy.table, "tokens")),
    )


def _data_segment(table: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The segment that holds the data.

    Raises:
        UnsupportedFormatError: It is of a kind that is not read.
        CorruptStructureError: There is none.
    """
    config = table.get("config")
    requirements = config.get("requirements") if isinstance(config, dict) else None
    mandatory = _names(requirements.get("mandatory")) if isinstance(requirements, dict) else ()
    segments = _items(table, "segments")
    flags = {flag for _, item in segments for flag in _names(item.get("flags"))}
    kinds = {_string(item.get("type")) for _, item in segments}
    if any("reencrypt" in word for word in (*mandatory, *flags)) or any(flag.startswith("backup-") for flag in flags):
        raise _unread("a reencryption that is not finished")
    if any("hw-opal" in kind for kind in kinds):
        raise _unread("encryption by the drive itself (OPAL)")
    if any("integrity" in item for _, item in segments):
        raise _unread("integrity protection (dm-integrity)")
    if mandatory:
        raise _unread("a requirement that is not known: " + printable(", ".join(mandatory)))
    if len(segments) != 1:
        raise corrupt(2, f"{len(segments)} segments of data instead of one")
    if kinds != {"crypt"}:
        raise _unread("a segment that is not of a known kind")
    return segments[0]


def _unread(words: str) -> UnsupportedFormatError:
    return UnsupportedFormatError(
        f"LUKS2 with {words}, not read", hint="unlock it elsewhere and hand in an image of the plain volume"
    )


def _slot(number: str, item: dict[str, Any]) -> LuksSlot | None:
    kdf, area, split = item.get("kdf"), item.get("area"), item.get("af")
    if not (isinstance(kdf, dict) and isinstance(area, dict) and isinstance(split, dict)) or not number.isdecimal():
        return None
    if area.get("type") != "raw" or split.get("type") != "luks1":
        return None
    try:
        return LuksSlot(
            number=int(number[:4]),
            key_size=_number(item.get("key_size")),
            kdf=printable(_string(kdf.get("type"))),
            kdf_hash=_string(kdf.get("hash")),
            salt=_bytes(kdf.get("salt")),
            cost=_number(kdf.get("iterations", kdf.get("time"))),
            memory=_number(kdf.get("memory", 0)),
            lanes=_number(kdf.get("cpus", 1)),
            area_offset=_number(area.get("offset")),
            area_spec=_string(area.get("encryption")),
            area_key_size=_number(area.get("key_size")),
            stripes=_number(split.get("stripes")),
            split_hash=_string(split.get("hash")),
            priority=_number(item.get("priority", 1)),
        )
    except CorruptStructureError:
        return None


def _digest(item: dict[str, Any]) -> LuksDigest:
    if item.get("type") != "pbkdf2":
        raise corrupt(2, "the digest of the volume key is of an unknown kind")
    value = _bytes(item.get("digest"))
    if not 16 <= len(value) <= MAX_KEY:
        raise corrupt(2, "impossible digest of the volume key")
    return LuksDigest(_string(item.get("hash")), _bytes(item.get("salt")), _number(item.get("iterations")), value)


def _items(table: dict[str, Any], name: str) -> list[tuple[str, dict[str, Any]]]:
    """The objects of a table by name."""
    found = table.get(name)
    if not isinstance(found, dict):
        return []
    return [(key, value) for key, value in list(found.items())[:_MAX_ITEMS] if isinstance(value, dict)]


def _names(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _string(value: object) -> str:
    return value[:128] if isinstance(value, str) else ""


def _number(value: object) -> int:
    """A count; large ones are texts in the format.

    Raises:
        CorruptStructureError: It is none.
    """
    if isinstance(value, str) and len(value) <= 20 and value.isascii() and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 64:
        raise corrupt(2, "a number is missing or impossible")
    return value


def _bytes(value: object) -> bytes:
    """Bytes from Base64.

    Raises:
        CorruptStructureError: It is none.
    """
    try:
        return base64.b64decode(_string_of(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise corrupt(2, "a field is no Base64") from error


def _string_of(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= 4096 else "?"


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")
