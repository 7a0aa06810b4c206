"""Apple disk images (UDIF, ``.dmg``): raw, ADC, zlib, bzip2, LZMA and LZFSE chunks.

LZFSE is decoded by libmodi; everything else here. Encrypted images are opened by ``encrypted_dmg``, which hands on what
it decrypts to. A ``.dmg`` without a trailer is a raw disk and not claimed.

Source: see ``udif_table``; for ADC the description in the same papers.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from bisect import bisect_right
from pathlib import Path

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers.beside import Beside
from triage.evidence.containers.lzfse import is_available, unpack_lzfse
from triage.evidence.containers.mapped_container import DiskContainer, claims, mapped, open_by_path
from triage.evidence.containers.mapped_stream import MAX_CHUNK, Kind, Piece, damaged, zeros
from triage.evidence.containers.udif_table import ADC, BZIP2, LZFSE, LZMA, RAW, ZLIB, Trailer, read_chunks, read_trailer
from triage.evidence.whole_streams import decompress_whole
from triage.model.stream import Stream

_NAMES = {RAW: "raw", ADC: "adc", ZLIB: "zlib", BZIP2: "bzip2", LZFSE: "lzfse", LZMA: "lzma"}
_LZMA_MEMORY = 256 << 20


class UdifMap:
    """The chunks of an image; see :class:`~triage.evidence.containers.mapped_stream.BlockMap`.

    Args:
        stream: The file.
        trailer: Its trailer.

    Raises:
        EvidenceError: See :func:`~triage.evidence.containers.udif_table.read_chunks`.
    """

    def __init__(self, stream: Stream, trailer: Trailer) -> None:
        self._chunks = read_chunks(stream, trailer)
        self._starts = [chunk[0] for chunk in self._chunks]
        end = max(start + length for start, length, _, _, _ in self._chunks)
        self.size = max(trailer.sectors * 512, end)
        self.parent: Stream | None = None
        self._stream = stream

    @property
    def methods(self) -> tuple[str, ...]:
        """How the chunks are stored, sorted."""
        return tuple(sorted({_NAMES[chunk[2]] for chunk in self._chunks}))

    def piece(self, offset: int) -> Piece:
        """What lies at an offset; what no chunk covers is zeros."""
        index = bisect_right(self._starts, offset) - 1
        end = self._starts[index + 1] if index + 1 < len(self._starts) else self.size
        if index < 0:
            return zeros(end - offset)
        start, length, kind, place, stored = self._chunks[index]
        if offset >= start + length:
            return zeros(end - offset)
        left = min(end, start + length) - offset
        if kind == RAW:
            if offset - start >= stored:
                return damaged(left, "a raw chunk stores less than it stands for")
            return Piece(Kind.STORED, min(left, stored - (offset - start)), self._stream, place + offset - start)
        if length > MAX_CHUNK or stored > MAX_CHUNK:
            return damaged(left, f"a compressed chunk claims {stored} bytes for {length}")
        return Piece(Kind.PACKED, left, place=index, skip=offset - start)

    def unpack(self, key: int) -> bytes:
        """A decompressed chunk."""
        _, length, kind, place, stored = self._chunks[key]
        data = self._stream.read_at(place, stored)
        try:
            if kind == ZLIB:
                return decompress_whole(zlib.decompressobj(), data, length)
            if kind == BZIP2:
                return decompress_whole(bz2.BZ2Decompressor(), data, length)
            if kind == LZMA:
                return decompress_whole(lzma.LZMADecompressor(memlimit=_LZMA_MEMORY), data, length)
            return unpack_lzfse(data, length) if kind == LZFSE else unpack_adc(data, length)
        except (zlib.error, OSError, EOFError, lzma.LZMAError, MemoryError, IndexError, ValueError) as error:
            raise ValueError(f"a compressed chunk ({_NAMES[kind]}) is damaged") from error


def unpack_adc(data: bytes, length: int) -> bytes:
    """Apple Data Compression: literal runs and copies from what was unpacked before.

    Args:
        data: Packed bytes.
        length: Most bytes to unpack.

    Raises:
        IndexError: A copy begins before the start, or the bytes end within a code.
    """
    out = bytearray()
    at = 0
    while at < len(data) and len(out) < length:
        code = data[at]
        if code & 0x80:
            count = (code & 0x7F) + 1
            out += data[at + 1 : at + 1 + count]
            at += count + 1
            continue
        if code & 0x40:
            count, distance = (code & 0x3F) + 4, (data[at + 1] << 8 | data[at + 2]) + 1
            at += 3
        else:
            count, distance = (code >> 2) + 3, ((code & 3) << 8 | data[at + 1]) + 1
            at += 2
        source = len(out) - distance
        if source < 0:
            raise IndexError("a copy from before the start")
        if distance >= count:
            out += out[source : source + count]
        else:
            pattern = bytes(out[source:])
            out += (pattern * (count // distance + 1))[:count]
    return bytes(out[:length])


def is_image(head: bytes, stream: Stream) -> bool:
    """True for the trailer at the end."""
    del head
    return read_trailer(stream) is not None


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for the trailer at the end."""
    return claims(paths, lambda stream: is_image(head, stream))


def open_container(paths: tuple[Path, ...], evidence_name: str) -> DiskContainer:
    """An Apple disk image.

    Raises:
        SourceNotFoundError: The file cannot be read.
        UnsupportedFormatError: An image in several files, an unknown kind of chunk, or LZFSE without libmodi.
        CorruptStructureError: A structure does not hold.
    """
    return open_by_path(paths, evidence_name, open_stream)


def open_stream(stream: Stream, name: str, beside: Beside | None = None) -> DiskContainer:
    """An Apple disk image in a stream.

    Args:
        stream: The image; stays the caller's to close.
        name: Name of the evidence, for Problems.
        beside: Not needed.

    Raises:
        EvidenceError: See :func:`open_container`.
    """
    del beside
    trailer = read_trailer(stream)
    if trailer is None:
        raise CorruptStructureError("damaged Apple disk image: no trailer at the end")
    if trailer.segments > 1:
        raise UnsupportedFormatError(
            f"an Apple disk image in {trailer.segments} files (.dmgpart), which is not read",
            hint="join them with `hdiutil convert` and hand that in",
        )
    block_map = UdifMap(stream, trailer)
    if "lzfse" in block_map.methods and not is_available():
        raise UnsupportedFormatError(
            "an Apple disk image with LZFSE compression needs libmodi, which is not installed",
            hint="install libmodi-python, or convert the image to raw",
        )
    details = {"format": "UDIF", "compression": ", ".join(block_map.methods), "crc32": trailer.checksum}
    return mapped("udif", block_map, name, details)
