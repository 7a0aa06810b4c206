"""What The Sleuth Kit does not tell of an exFAT file: times with their zone, and how much of it was ever written.

The library gives what lies behind the valid length as content; for the system these bytes are zeros.

Source: Microsoft's exFAT file system specification, sections 3.1 (boot sector), 7.4 (file directory entry), 7.4.10
(UTC offsets) and 7.6 (stream extension: valid data length); TSK ``tsk/fs/tsk_fatfs.h`` for how a metadata address
counts the 32-byte slots of the cluster heap.
"""

from __future__ import annotations

import calendar
import struct

from triage.errors import EvidenceError
from triage.model.stream import Stream
from triage.model.times import Times

_FIRST_ADDRESS = 3  # 0 and 1 are unused, 2 is the root directory
_SLOT = struct.Struct("<B7xIII5B")


class ExfatFacts:
    """Reads directory slots of one file system.

    Args:
        media: Decoded media.
        image_offset: Byte of the media where the volume begins.
    """

    def __init__(self, media: Stream, image_offset: int) -> None:
        self._media = media
        self._heap = 0
        try:
            boot = media.read_at(image_offset, 512)
            (heap,) = struct.unpack_from("<I", boot, 88)
            if 9 <= boot[108] <= 12:
                self._heap = image_offset + (heap << boot[108])
        except (EvidenceError, struct.error, IndexError):
            self._heap = 0

    def times(self, meta_address: int) -> Times | None:
        """Times in UTC, None where the slot has no valid zone for all of them or cannot be read.

        Args:
            meta_address: As the library counts slots.
        """
        if not self._heap or meta_address < _FIRST_ADDRESS:
            return None
        try:
            slot = self._media.read_at(self._heap + (meta_address - _FIRST_ADDRESS) * 32, 32)
        except EvidenceError:
            return None
        if len(slot) < 32 or slot[0] & 0x7F != 0x05:
            return None
        _, created, modified, accessed, created_10ms, modified_10ms, zone_c, zone_m, zone_a = _SLOT.unpack_from(slot)
        try:
            return Times(
                _utc(modified, modified_10ms, zone_m),
                _utc(accessed, 0, zone_a),
                None,
                _utc(created, created_10ms, zone_c),
            )
        except ValueError:
            return None

    def valid_size(self, meta_address: int) -> int | None:
        """Bytes of a file that were ever written, None where that cannot be told.

        Args:
            meta_address: As the library counts slots; the stream extension stands behind the slot.
        """
        if not self._heap or meta_address < _FIRST_ADDRESS:
            return None
        try:
            slots = self._media.read_at(self._heap + (meta_address - _FIRST_ADDRESS) * 32, 64)
        except EvidenceError:
            return None
        if len(slots) < 64 or slots[0] & 0x7F != 0x05 or slots[32] & 0x7F != 0x40:
            return None
        return int.from_bytes(slots[40:48], "little")


def _utc(stamp: int, hundredths: int, zone: int) -> int | None:
    """Nanoseconds since 1970, None where the stamp is not set.

    Raises:
        ValueError: The zone is not given, or the stamp is no time.
    """
    if not stamp:
        return None
    if not zone & 0x80:
        raise ValueError("no zone")
    quarters = zone & 0x7F
    if quarters >= 64:
        quarters -= 128
    date, time = stamp >> 16, stamp & 0xFFFF
    day, month, year = date & 31, date >> 5 & 15, 1980 + (date >> 9)
    second, minute, hour = (time & 31) * 2, time >> 5 & 63, time >> 11
    if not (1 <= day <= 31 and 1 <= month <= 12 and second < 60 and minute < 60 and hour < 24 and hundredths < 200):
        raise ValueError("no time")
    seconds = calendar.timegm((year, month, day, hour, minute, second)) - quarters * 900
    return seconds * 1_000_000_000 + hundredths * 10_000_000
