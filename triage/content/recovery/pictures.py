"""Pictures by their structure: JPEG, PNG, GIF.

Source: ITU-T T.81 annex B (JPEG markers and scans); the PNG specification, third edition, sections 5 and 11; the
GIF89a specification. JPEG: every marker segment is stepped over, so thumbnails in them belong to their picture; a scan
is followed to the next marker that may stand there. PNG: the checksum of every chunk.
"""

from __future__ import annotations

import re
import struct
import zlib

from triage.content.recovery.carved import STEP, Reader, Shape

MAX_PICTURE = 1 << 28
MAX_SEGMENTS = 100_000
_JPEG, _PNG, _GIF = ("JPEG picture", "jpg"), ("PNG picture", "png"), ("GIF picture", "gif")
_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_SEGMENTS = _FRAMES | frozenset({0xC4, 0xC8, 0xCC, *range(0xDA, 0xE0), *range(0xE0, 0xF0), 0xFE})
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_ZEROS = bytes(1 << 14)
"""More of them than picture data have; a scan that holds them was cut off."""
_CHUNK_NAME = re.compile(rb"[A-Za-z]{4}")


def jpeg(reader: Reader, start: int) -> Shape | None:
    """A JPEG: markers from SOI over all scans to EOI."""
    end = min(reader.size, start + MAX_PICTURE)
    position, frames, scans, tables = start + 2, 0, 0, 0
    checked = "markers and scans from SOI to EOI"
    for _ in range(MAX_SEGMENTS):
        head = reader.read(position, 4)
        if len(head) < 4 and head[:2] != b"\xff\xd9":
            return _broken(_JPEG, position - start, scans, "the data end")
        marker = head[1]
        if head[0] != 0xFF or (marker != 0xD9 and marker not in _SEGMENTS and marker != 0xFF):
            return _broken(_JPEG, position - start, scans, "a marker is expected and does not stand there")
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == 0xD9:
            if not scans:
                return None
            return Shape(position + 2 - start, *_JPEG, checked)
        length = int.from_bytes(head[2:4], "big")
        if length < 2 or not _is_segment(reader, position, marker, length):
            return _broken(_JPEG, position - start, scans, "a segment does not hold")
        position += 2 + length
        frames += marker in _FRAMES
        tables += marker in (0xC4, 0xDB)
        if marker == 0xDA:
            if not frames or not tables:
                return None
            scans += 1
            position, is_cut = _scan_end(reader, position, end)
            if is_cut or position >= end:
                words = "a scan breaks off into zeros" if is_cut else "the data end inside a scan"
                return _broken(_JPEG, position - start, scans, words)
    return None


def _scan_end(reader: Reader, position: int, end: int) -> tuple[int, bool]:
    """Place of the marker that ends a scan, ``end`` where there is none; and whether it breaks off into zeros there."""
    while position < end:
        wanted = min(STEP, end - position)
        data = reader.read(position, wanted)
        found = _SCAN_END.search(data)
        stop = found.start() if found is not None else len(data)
        zeros = data.find(_ZEROS, 0, stop)
        if zeros >= 0:
            return position + zeros, True
        if found is not None:
            return position + stop, False
        if len(data) < wanted or len(data) < 2 or position + len(data) >= end:
            break
        position += len(data) - 1  # the first byte of a marker may be the last here
    return end, False


def _is_segment(reader: Reader, position: int, marker: int, length: int) -> bool:
    """True where a frame header, table or scan header has a length and first fields that it can have."""
    if marker in _FRAMES:
        data = reader.read(position + 4, 6)
        return len(data) == 6 and length == 8 + 3 * data[5] and data[0] in (8, 12, 16, *range(2, 17)) and data[5] > 0
    if marker == 0xDA:
        data = reader.read(position + 4, 1)
        return len(data) == 1 and 1 <= data[0] <= 4 and length == 6 + 2 * data[0]
    if marker == 0xDD:
        return length == 4
    if marker == 0xC4:
        return length >= 19
    return marker != 0xDB or length >= 67


def _broken(kind: tuple[str, str], length: int, parts: int, reason: str) -> Shape | None:
    """What holds of a picture whose structure breaks; nothing where no picture data were met."""
    return Shape(length, *kind, "the structure up to the break", reason, solid=False) if parts else None


def png(reader: Reader, start: int) -> Shape | None:
    """A PNG: IHDR first, then chunk by chunk with its checksum to IEND."""
    position, data_chunks = start + 8, 0
    for number in range(MAX_SEGMENTS):
        head = reader.read(position, 8)
        name = head[4:8]
        length = int.from_bytes(head[:4], "big")
        if len(head) < 8 or position + 12 + length > reader.size:
            return _broken(_PNG, position - start, data_chunks, "the data end")
        if (
            not _CHUNK_NAME.fullmatch(name)
            or length > MAX_PICTURE
            or (not number and (name != b"IHDR" or length != 13))
        ):
            return _broken(_PNG, position - start, data_chunks, "a chunk is expected and does not stand there")
        if not _checks(reader, position + 4, length + 4):
            return _broken(_PNG, position - start, data_chunks, f"wrong checksum of chunk {number}")
        position += 12 + length
        data_chunks += name == b"IDAT"
        if name == b"IEND":
            return Shape(position - start, *_PNG, "every chunk with its checksum") if data_chunks else None
        if position - start > MAX_PICTURE:
            break
    return _broken(_PNG, position - start, data_chunks, "larger than is followed")


def _checks(reader: Reader, place: int, length: int) -> bool:
    value = 0
    for position in range(0, length, STEP):
        value = zlib.crc32(reader.read(place + position, min(STEP, length - position)), value)
    return value == int.from_bytes(reader.read(place + length, 4), "big")


def gif(reader: Reader, start: int) -> Shape | None:
    """A GIF: blocks and their parts to the trailer."""
    head = reader.read(start, 13)
    if len(head) < 13:
        return None
    width, height, flags = struct.unpack_from("<HHB", head, 6)
    if not width or not height:
        return None
    position = start + 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    images = 0
    for _ in range(MAX_SEGMENTS):
        kind = reader.read(position, 1)
        if kind == b"\x3b":
            return Shape(position + 1 - start, *_GIF, "every block to the trailer") if images else None
        if kind == b"\x21":
            after = _sub_blocks(reader, position + 2, start + MAX_PICTURE)
        elif kind == b"\x2c":
            packed = reader.read(position + 9, 1)
            local = 3 << (packed[0] & 7) + 1 if packed and packed[0] & 0x80 else 0
            code_size = reader.read(position + 10 + local, 1)
            valid = bool(code_size) and 2 <= code_size[0] <= 11
            after = _sub_blocks(reader, position + 11 + local, start + MAX_PICTURE) if valid else -1
            images += after > 0
        else:
            return _broken(_GIF, position - start, images, "a block is expected and does not stand there")
        if after < 0:
            return _broken(_GIF, position - start, images, "a block breaks off")
        position = after
    return _broken(_GIF, position - start, images, "more blocks than are followed")


def _sub_blocks(reader: Reader, position: int, limit: int) -> int:
    """Place behind a row of sub-blocks, -1 where it does not end."""
    while position < min(limit, reader.size):
        length = reader.read(position, 1)
        if not length:
            return -1
        position += 1 + length[0]
        if not length[0]:
            return position
    return -1
