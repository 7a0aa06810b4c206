"""Headers of LUKS version 1.

Source: LUKS1 On-Disk Format Specification 1.2.3. Numbers are big-endian, offsets count sectors of 512 bytes.
"""

from __future__ import annotations

import hashlib
import struct

from triage.evidence.volumes.luks_header import MAX_KEY, SECTOR, LuksDigest, LuksHeader, LuksSlot, corrupt, printable
from triage.model.stream import Stream

MAGIC = b"LUKS\xba\xbe\x00\x01"
LENGTH = 592
_HEAD = struct.Struct(">6sH32s32s32sII20s32sI40s")
_SLOT = struct.Struct(">II32sII")
_ENABLED = 0x00AC71F3
_DISABLED = 0x0000DEAD


def read_luks1(stream: Stream) -> LuksHeader:
    """The header at the beginning of a stream.

    Raises:
        CorruptStructureError: It does not hold.
        ReadFailedError: It cannot be read.
    """
    data = stream.read_at(0, LENGTH)
    if len(data) < LENGTH or data[:8] != MAGIC:
        raise corrupt(1, f"only {len(data)} bytes of it are there" if data[:8] == MAGIC else "no signature")
    fields = _HEAD.unpack_from(data)
    spec = f"{_text(fields[2])}-{_text(fields[3])}"
    name = _text(fields[4])
    payload, key_size = fields[5], fields[6]
    if not 0 < key_size <= MAX_KEY:
        raise corrupt(1, f"impossible length of the key: {key_size} bytes")
    slots, remarks = _read_slots(data, spec, key_size, name)
    return LuksHeader(
        version=1,
        uuid=printable(_text(fields[10])),
        label="",
        spec=spec,
        key_size=key_size,
        digest=LuksDigest(name, fields[8], fields[9], fields[7]),
        slots=slots,
        data_offset=payload * SECTOR,
        data_size=0,
        sector_size=SECTOR,
        first=0,
        identity=hashlib.sha256(data).digest(),
        remarks=remarks,
    )


def _read_slots(data: bytes, spec: str, key_size: int, name: str) -> tuple[tuple[LuksSlot, ...], tuple[str, ...]]:
    slots: list[LuksSlot] = []
    remarks: list[str] = []
    for number in range(8):
        active, iterations, salt, offset, stripes = _SLOT.unpack_from(data, _HEAD.size + number * _SLOT.size)
        if active == _DISABLED:
            continue
        if active != _ENABLED:
            remarks.append(f"keyslot {number} is neither enabled nor disabled")
            continue
        place = offset * SECTOR
        slot = LuksSlot(
            *(number, key_size, "pbkdf2", name, salt, iterations, 0, 1, place, spec, key_size, stripes, name)
        )
        if slot.is_possible:
            slots.append(slot)
        else:
            remarks.append(f"keyslot {number} has impossible numbers")
    return tuple(slots), tuple(remarks)


def _text(field: bytes) -> str:
    """The text of a field that ends at its first zero."""
    return field.split(b"\0", 1)[0].decode("ascii", "replace")
