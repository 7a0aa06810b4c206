"""Bitmaps that say which sectors of a block an image holds itself; runs of one state are found at once."""

from __future__ import annotations

from triage.model.stream import Stream

MAX_KEPT = 32
"""Bitmaps kept."""


class SectorBits:
    """Bitmaps in a file.

    Args:
        stream: The file.
        low_first: The first sector is the lowest bit of a byte; else the highest.
    """

    def __init__(self, stream: Stream, *, low_first: bool) -> None:
        self._stream = stream
        self._low_first = low_first
        self._kept: dict[tuple[int, int], str] = {}

    def run(self, place: int, length: int, number: int) -> tuple[bool, int] | None:
        """State of a sector, and how many from it on have the same.

        Args:
            place: Where the bitmap begins in the file, bytes.
            length: Bytes of it.
            number: The sector, below ``length * 8``.

        Returns:
            Whether the bit is set, and the sectors of the run up to the end of the bitmap; None where the bitmap lies
            behind the end of the file.

        Raises:
            ReadFailedError: The file cannot be read.
        """
        bits = self._kept.get((place, length))
        if bits is None:
            data = self._stream.read_at(place, length)
            if len(data) < length:
                return None
            if self._low_first:
                bits = format(int.from_bytes(data, "little"), f"0{length * 8}b")[::-1]
            else:
                bits = format(int.from_bytes(data, "big"), f"0{length * 8}b")
            if len(self._kept) >= MAX_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[place, length] = bits
        state = bits[number]
        end = bits.find("0" if state == "1" else "1", number)
        return state == "1", (len(bits) if end < 0 else end) - number
