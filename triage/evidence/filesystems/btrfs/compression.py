"""Extents of Btrfs that are compressed: zlib, LZO, zstd.

Source: "Compression" and "On-disk format" of the Btrfs documentation; for the frame around LZO the description in the
kernel's ``fs/btrfs/lzo.c``: total length, then segments of one sector each, whose headers do not cross a sector.
"""

from __future__ import annotations

import io
import zlib

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.filesystems.lzo import decompress_lzo1x
from triage.evidence.whole_streams import decompress_whole

ZLIB, LZO, ZSTD = 1, 2, 3
MAX_DECODED = 1 << 20
"""Bytes of a compressed extent when decoded; the format has 128 KiB."""
_MAX_WINDOW = 1 << 23


def decode(method: int, data: bytes, size: int, sector_size: int) -> bytes:
    """The decoded extent.

    Args:
        method: Its number.
        data: Stored bytes; what follows the stream is ignored.
        size: Bytes of it when decoded; less than a sector may be missing and counts as zeros.
        sector_size: Of the file system.

    Raises:
        CorruptStructureError: The stream does not hold.
        UnsupportedFormatError: Another method, or its library is not installed.
    """
    if size > MAX_DECODED:
        raise CorruptStructureError(f"a compressed extent says that it decodes to {size} bytes")
    if method == ZLIB:
        out = _zlib(data, size)
    elif method == LZO:
        out = _lzo(data, size, sector_size)
    elif method == ZSTD:
        out = _zstd(data, size)
    else:
        raise UnsupportedFormatError(f"compression method {method} is not known")
    if len(out) + sector_size <= size:
        raise CorruptStructureError(f"a compressed extent gives {len(out)} of {size} bytes")
    return out if len(out) == size else out + bytes(size - len(out))


def _zlib(data: bytes, size: int) -> bytes:
    try:
        return decompress_whole(zlib.decompressobj(), data, size)
    except (zlib.error, EOFError) as error:
        raise CorruptStructureError(f"a compressed extent does not hold: {error}") from None


def _zstd(data: bytes, size: int) -> bytes:
    try:
        import zstandard
    except ImportError:
        raise UnsupportedFormatError("an extent compressed with zstd needs zstandard", hint="install it") from None
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    try:
        with decompressor.stream_reader(io.BytesIO(data), read_across_frames=False) as reader:
            return bytes(reader.read(size))
    except (zstandard.ZstdError, MemoryError) as error:
        raise CorruptStructureError(f"a compressed extent does not hold: {error}") from None


def _lzo(data: bytes, size: int, sector_size: int) -> bytes:
    total = int.from_bytes(data[:4], "little")
    if not 8 <= total <= len(data):
        raise CorruptStructureError(f"a compressed extent says that it has {total} of {len(data)} bytes")
    parts: list[bytes] = []
    position, left = 4, size
    while left > 0 and position + 4 <= total:
        in_sector = sector_size - position % sector_size
        if in_sector < 4:
            position += in_sector
            continue
        length = int.from_bytes(data[position : position + 4], "little")
        position += 4
        if not length or position + length > total:
            raise CorruptStructureError(f"a segment of a compressed extent has {length} bytes")
        part = decompress_lzo1x(data[position : position + length], sector_size)
        position += length
        parts.append(part[:left])
        left -= len(parts[-1])
        if len(part) < sector_size:
            break
    return b"".join(parts)
