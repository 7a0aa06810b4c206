"""Media on which volumes lie at places, zeros between them; beginnings can be wiped. Only what is there takes memory."""

from __future__ import annotations

from collections.abc import Mapping

from triage.model.stream import MemoryStream, Stream

MIB = 1 << 20


class LaidMedia:
    """A stream.

    Args:
        size: Bytes of the media.
        volumes: Bytes or a stream by place; a later one lies over an earlier one.
        wiped: Bytes from a place on that are zeros whatever lies there.
    """

    def __init__(
        self, size: int, volumes: Mapping[int, bytes | Stream], wiped: Mapping[int, int] | None = None
    ) -> None:
        self.size = size
        self.bytes_read = 0
        self._volumes = {
            place: MemoryStream(bytes(volume)) if isinstance(volume, bytes | bytearray) else volume
            for place, volume in volumes.items()
        }
        self._wiped = dict(wiped or {})

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`."""
        length = max(0, min(length, self.size - offset))
        self.bytes_read += length
        out = bytearray(length)
        for place, volume in self._volumes.items():
            begin, end = max(place, offset), min(place + volume.size, offset + length)
            if begin < end:
                out[begin - offset : end - offset] = volume.read_at(begin - place, end - begin)
        for place, count in self._wiped.items():
            begin, end = max(place, offset), min(place + count, offset + length)
            if begin < end:
                out[begin - offset : end - offset] = bytes(end - begin)
        return bytes(out)

    def close(self) -> None:
        """Nothing to release."""
