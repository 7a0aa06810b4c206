"""Decompression of single blocks as file systems store them: LZ4, zstd, zlib, deflate, xz, LZMA, LZO.

Every function takes the most bytes it may give, and turns whatever its library raises into one error. LZ4 blocks
follow the "LZ4 Block Format Description"; a decoder of our own reads those that end before their input does.
"""

from __future__ import annotations

import lzma
import zlib
from typing import Any

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.whole_streams import decompress_whole

LZMA_MEMORY = 128 << 20
"""Bytes that an xz or LZMA decoder may take."""
ZSTD_WINDOW = 1 << 27


def decompress_zlib(data: bytes, limit: int, *, raw: bool = False) -> bytes:
    """Bytes of a zlib stream, at most ``limit``; what follows it is left alone.

    Args:
        data: The stream.
        limit: Most bytes it may give.
        raw: It is deflate without a checksum, and may be cut at ``limit``.

    Raises:
        CorruptStructureError: The stream does not hold, or gives more.
    """
    try:
        if raw:
            return zlib.decompressobj(-15).decompress(data, limit) if limit > 0 else b""
        return decompress_whole(zlib.decompressobj(), data, limit)
    except (zlib.error, EOFError) as error:
        raise CorruptStructureError(f"a compressed block does not hold: {error}") from None


def decompress_xz(data: bytes, limit: int) -> bytes:
    """Bytes of an xz stream or an old ``.lzma`` stream, at most ``limit``.

    Raises:
        CorruptStructureError: The stream does not hold, or asks for too much memory.
    """
    try:
        return decompress_whole(lzma.LZMADecompressor(memlimit=LZMA_MEMORY), data, limit)
    except (lzma.LZMAError, EOFError, ValueError, MemoryError) as error:
        raise CorruptStructureError(f"a compressed block does not hold: {error}") from None


def decompress_micro_lzma(data: bytes, limit: int, dictionary: int) -> bytes:
    """Bytes of a MicroLZMA stream: LZMA 1 whose first byte is the inverted properties.

    Args:
        data: The stream.
        limit: Bytes it gives.
        dictionary: Bytes of its dictionary.

    Raises:
        CorruptStructureError: The stream does not hold.
    """
    properties = ~data[0] & 0xFF if data else 255
    if properties >= 225:
        raise CorruptStructureError("the properties of an LZMA block do not hold")
    rest, lc = divmod(properties, 9)
    pb, lp = divmod(rest, 5)
    size = min(max(dictionary, 4096), 8 << 20)
    options = {"id": lzma.FILTER_LZMA1, "dict_size": size, "lc": lc, "lp": lp, "pb": pb}
    try:
        decoder = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=[options])
        return decoder.decompress(b"\0" + data[1:], limit)
    except (lzma.LZMAError, EOFError, ValueError, MemoryError) as error:
        raise CorruptStructureError(f"a compressed block does not hold: {error}") from None


def decompress_zstd(data: bytes, limit: int) -> bytes:
    """Bytes of a zstd frame, at most ``limit``.

    Raises:
        CorruptStructureError: The frame does not hold.
        UnsupportedFormatError: No zstd library is installed.
    """
    try:
        import zstandard
    except ImportError:
        raise UnsupportedFormatError("zstd blocks are not read", hint="install zstandard") from None
    library: Any = zstandard
    try:
        reader = library.ZstdDecompressor(max_window_size=ZSTD_WINDOW).stream_reader(data, read_across_frames=False)
        parts: list[bytes] = []
        while limit > 0:
            piece: bytes = reader.read(min(limit, 1 << 20))
            if not piece:
                break
            parts.append(piece)
            limit -= len(piece)
        return b"".join(parts)
    except (library.ZstdError, ValueError, MemoryError) as error:
        raise CorruptStructureError(f"a compressed block does not hold: {error}") from None


def decompress_lz4(data: bytes, limit: int, *, cut: bool = False) -> bytes:
    """Bytes of an LZ4 block.

    Args:
        data: The block; all of it, unless ``cut``.
        limit: Most bytes it may give.
        cut: Stop at ``limit`` bytes, whatever is left of the input.

    Raises:
        CorruptStructureError: The block does not hold.
    """
    if not cut and data:
        try:
            import cramjam

            out = bytearray(limit)
            return bytes(out[: cramjam.lz4.decompress_block_into(data, out)])
        except ImportError:
            pass
        except Exception:  # the library's own errors differ by version; our decoder below has the last word
            pass
    return _lz4(data, limit, cut)


def _lz4(data: bytes, limit: int, cut: bool) -> bytes:
    out = bytearray()
    try:
        _lz4_sequences(data, limit, cut, out)
    except IndexError:
        raise CorruptStructureError(f"an LZ4 block ends early, after {len(out)} bytes") from None
    return bytes(out)


def _lz4_length(data: bytes, at: int, nibble: int) -> tuple[int, int]:
    """A length that goes on in further bytes while they are 255: value and next place."""
    if nibble < 15:
        return nibble, at
    while data[at] == 255:
        nibble += 255
        at += 1
    return nibble + data[at], at + 1


def _lz4_sequences(data: bytes, limit: int, cut: bool, out: bytearray) -> None:
    at, end = 0, len(data)
    while at < end and not (cut and len(out) >= limit):
        token = data[at]
        count, at = _lz4_length(data, at + 1, token >> 4)
        room = limit - len(out)
        if (count > room and not cut) or (at + min(count, room) > end):
            raise CorruptStructureError(f"an LZ4 block does not hold after {len(out)} bytes")
        out += data[at : at + min(count, room)]
        at += count
        if at >= end or (cut and len(out) >= limit):
            return
        distance = data[at] | data[at + 1] << 8
        length, at = _lz4_length(data, at + 2, token & 15)
        length += 4
        room = limit - len(out)
        if not 0 < distance <= len(out) or (length > room and not cut):
            raise CorruptStructureError(f"an LZ4 block refers to what is not there, after {len(out)} bytes")
        length = min(length, room)
        start = len(out) - distance
        piece = bytes(out[start : start + length])
        out += (piece * (length // len(piece) + 1))[:length] if len(piece) < length else piece
