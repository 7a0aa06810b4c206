"""Apple Sparse Image Format (ASIF), the virtual disks of macOS 26: a directory, tables, chunks and sector states.

Source: the collected findings in "ASIF binary specification" (huven/asif-format, header version 1). States that nobody
has characterised are damage here, not guesses.
"""

from __future__ import annotations

import struct
import uuid
from pathlib import Path

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers.beside import Beside
from triage.evidence.containers.entry_table import EntryTable
from triage.evidence.containers.mapped_container import DiskContainer, mapped, open_by_path
from triage.evidence.containers.mapped_stream import Kind, Piece, damaged, zeros
from triage.model.stream import Stream

SIGNATURE = b"shdw"
_INDEX = (1 << 55) - 1
_MAX_CHUNK = 64 << 20
_PIECE = 4096
"""Bytes of a bitmap that are looked at together, 16,384 sectors."""


class AsifMap:
    """The chunks of an image; see :class:`~triage.evidence.containers.mapped_stream.BlockMap`.

    Args:
        stream: The file.

    Raises:
        UnsupportedFormatError: Another version, or flags that are not known.
        CorruptStructureError: The header does not hold.
    """

    def __init__(self, stream: Stream) -> None:
        head = stream.read_at(0, 512)
        if len(head) < 512:
            raise CorruptStructureError("damaged ASIF image: the header is cut short")
        version, _, flags, first, second = struct.unpack_from(">IIIQQ", head, 4)
        sectors, _, chunk, sector = struct.unpack_from(">QQIH", head, 48)
        if version != 1 or flags:
            raise UnsupportedFormatError(
                f"ASIF image version {version} with flags {flags:#x}, which is not read",
                hint="convert it with `diskutil image` on macOS",
            )
        if sector not in (512, 4096) or not sector * 64 <= chunk <= _MAX_CHUNK or chunk & (chunk - 1):
            raise CorruptStructureError(f"damaged ASIF image: chunks of {chunk} and sectors of {sector} bytes")
        self.size = sectors * sector
        self.parent: Stream | None = None
        self.sector = sector
        self.identity = uuid.UUID(bytes=head[32:48])
        self._chunk = chunk
        self._group = 4 * sector
        self._span = self._group * chunk
        self._groups = chunk // (8 * (self._group + 1))
        self._stream = stream
        self._table = EntryTable(stream, ">Q")
        if not self._groups:
            raise CorruptStructureError(f"damaged ASIF image: chunks of {chunk} bytes hold no table")
        self._directory = self._newest(first, second)

    def _newest(self, first: int, second: int) -> int:
        numbered = [(self._table.get(offset, 0), offset) for offset in (first, second) if 0 < offset < 1 << 62]
        best = max(numbered, default=(-1, 0))
        if best[0] < 0:
            raise CorruptStructureError("damaged ASIF image: both directories lie behind the end of the file")
        return best[1]

    def piece(self, offset: int) -> Piece:
        """What lies at an offset."""
        span = self._groups * self._span
        table = self._table.get(self._directory, 1 + offset // span)
        left = span - offset % span
        if table < 0:
            return damaged(left, "the directory lies behind the end of the file")
        if not table:
            return zeros(left)
        place = (table & _INDEX) * self._chunk
        group, inside = divmod(offset % span, self._span)
        group *= self._group + 1
        number, inside = divmod(inside, self._chunk)
        entry = self._table.get(place, group + number)
        left = self._chunk - inside
        state = entry >> 62
        if not entry:
            return zeros(left)
        if entry > 0 and state == 1:
            return Piece(Kind.STORED, left, self._stream, (entry & _INDEX) * self._chunk + inside)
        if entry > 0 and state == 3:
            bitmap = self._table.get(place, group + self._group)
            return self._partial(bitmap, number, inside, (entry & _INDEX) * self._chunk)
        return damaged(left, f"a table holds an entry that is not known: {entry:#x}")

    def _partial(self, bitmap: int, number: int, inside: int, place: int) -> Piece:
        """A run of sectors of one state; two bits each, the first sector lowest."""
        sector = self._chunk * number // self.sector + inside // self.sector
        window = sector // (_PIECE * 4)
        states = self._stream.read_at((bitmap & _INDEX) * self._chunk + window * _PIECE, _PIECE) if bitmap > 0 else b""
        first = sector % (_PIECE * 4)
        left = self.sector - inside % self.sector
        if len(states) * 4 <= first:
            return damaged(left, "a chunk that is partly written has no bitmap")
        state = states[first // 4] >> first % 4 * 2 & 3
        at = first + 1
        limit = first + (self._chunk - inside - left) // self.sector + 1
        while at < min(limit, len(states) * 4) and states[at // 4] >> at % 4 * 2 & 3 == state:
            at += 1
        left += (at - first - 1) * self.sector
        if state > 1:
            return damaged(left, f"a bitmap holds a state that is not known: {state}")
        return Piece(Kind.STORED, left, self._stream, place + inside) if state else zeros(left)

    def unpack(self, key: int) -> bytes:
        """Never asked for: nothing is compressed."""
        raise ValueError(f"no compressed chunk {key}")


def is_image(head: bytes, stream: Stream) -> bool:
    """True for the signature of ASIF."""
    del stream
    return head.startswith(SIGNATURE)


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for the signature of ASIF."""
    return len(paths) == 1 and head.startswith(SIGNATURE)


def open_container(paths: tuple[Path, ...], evidence_name: str) -> DiskContainer:
    """An ASIF image.

    Raises:
        SourceNotFoundError: The file cannot be read.
        UnsupportedFormatError: Another version.
        CorruptStructureError: The header does not hold.
    """
    return open_by_path(paths, evidence_name, open_stream)


def open_stream(stream: Stream, name: str, beside: Beside | None = None) -> DiskContainer:
    """An ASIF image in a stream.

    Args:
        stream: The image; stays the caller's to close.
        name: Name of the evidence, for Problems.
        beside: Not needed.

    Raises:
        EvidenceError: See :func:`open_container`.
    """
    del beside
    block_map = AsifMap(stream)
    details = {"format": "ASIF", "identifier": str(block_map.identity)}
    return mapped("asif", block_map, name, details, sector_size=block_map.sector)
