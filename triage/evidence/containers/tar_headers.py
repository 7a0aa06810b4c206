"""The headers of a tar archive: v7, ustar, GNU and pax, with the maps of sparse members.

A member is a chain of blocks of 512 bytes: extensions (long names, pax records), the header, a map, the data. The
chain is found again by its first block alone.

Specifications: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar
Format" and "Storing Sparse Files" (0.0, 0.1, 1.0 and the old GNU format).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from triage.evidence.containers.logical_stream import Readable
from triage.model.times import Times

BLOCK = 512
MAX_EXTENSION = 8 << 20
"""Bytes of one pax header that are looked at; attributes of files stand in it."""
MAX_CHAIN = 64
"""Extension headers in front of one member."""
MAX_MAP = 1 << 18
"""Parts of a sparse member."""
LIMIT = (1 << 63) - 1
_PAX_RECORD = re.compile(rb"(\d{1,10}) ([^=\n]{1,1000})=")
_PAX_TIME = re.compile(rb"(-?\d{1,11})(?:\.(\d{1,9})\d*)?")
_PAX_TIMES = ((b"mtime", "mtime"), (b"atime", "atime"), (b"ctime", "ctime"), (b"LIBARCHIVE.creationtime", "crtime"))
_EXTENSIONS = b"xgXLKVMN"


@dataclass(slots=True)
class Header:
    """One member as its chain of headers tells it.

    Attributes:
        kind: Type flag.
        name: As stored.
        link: Target of a link, as stored.
        mode: Permission bits.
        stored: Bytes of data in the archive.
        size: Bytes of the content: more than stored where it is sparse.
        start: Where the data begin.
        end: Behind the data, a whole block.
        times: As stored.
        owner: Number and name.
        device: ``major,minor``.
        sparse: Parts that are stored, ``(offset, length)``; None where the member is not sparse.
        xattrs: Extended attributes ``user.*`` by name.
        troubles: What did not hold.
    """

    kind: bytes = b"0"
    name: bytes = b""
    link: bytes = b""
    mode: int = 0
    stored: int = 0
    size: int = 0
    start: int = 0
    end: int = 0
    times: Times = field(default_factory=Times)
    owner: str = ""
    device: str = ""
    sparse: list[tuple[int, int]] | None = None
    xattrs: dict[bytes, bytes] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Chain:
    """What extension headers say of the member that follows."""

    name: bytes | None = None
    link: bytes | None = None
    records: dict[bytes, bytes] = field(default_factory=dict)
    sparse: list[bytes] = field(default_factory=list)


def has_checksum(block: bytes) -> bool:
    """Whether a block is a tar header by its checksum, as signed or unsigned sum.

    The checksum must be written in digits: an empty field counts as 0 elsewhere, and any block may add up to that.
    """
    field = block[148:156].strip(b" \0")
    if len(block) < BLOCK or not block[0] or not field.isdigit():
        return False
    stated = number(block[148:156])
    if not stated:
        return False
    rest = block[:148] + b" " * 8 + block[156:BLOCK]
    unsigned = sum(rest)
    return stated == unsigned or stated == unsigned - 256 * sum(byte > 127 for byte in rest)


def number(raw: bytes) -> int | None:
    """Octal digits or, with the top bit set, base 256 (GNU); None where it is neither."""
    if raw[0] & 0x80:
        value = int.from_bytes(raw, "big")
        bits = 8 * len(raw)
        return value - (1 << bits) if raw[0] == 0xFF else value & ~(1 << (bits - 1))
    digits = raw.split(b"\0", 1)[0].strip()
    if not digits:
        return 0
    return int(digits, 8) if digits.isdigit() and not set(digits) & {0x38, 0x39} else None


def padded(size: int) -> int:
    """Bytes that a content takes in whole blocks."""
    return (size + BLOCK - 1) // BLOCK * BLOCK


def read_header(source: Readable, position: int) -> Header | None:
    """The member whose chain begins at a place; None where no header holds there.

    Args:
        source: The archive.
        position: A multiple of 512.
    """
    chain = _Chain()
    for _ in range(MAX_CHAIN):
        block = source.read_at(position, BLOCK)
        size = number(block[124:136]) if len(block) == BLOCK else None
        if size is None or size < 0 or size > LIMIT or not has_checksum(block):
            return None
        if block[156] not in _EXTENSIONS:
            return _member(source, block, position, size, chain)
        _extend(chain, block[156:157], source.read_at(position + BLOCK, min(size, MAX_EXTENSION)))
        position += BLOCK + padded(size)
    return None


def _extend(chain: _Chain, kind: bytes, body: bytes) -> None:
    if kind == b"L":
        chain.name = body.split(b"\0", 1)[0]
    elif kind == b"K":
        chain.link = body.split(b"\0", 1)[0]
    elif kind in b"xX":
        for key, value in _pax_records(body):
            if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
                chain.sparse.append(value)
            elif len(chain.records) < 4096:
                chain.records[key] = value


def _pax_records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Records ``length key=value``; ends at the first that does not hold."""
    position = 0
    while match := _PAX_RECORD.match(body, position):
        end = position + int(match[1])
        if end <= match.end() or end > len(body):
            return
        yield match[2], body[match.end() : end - 1]
        position = end


def _member(source: Readable, block: bytes, position: int, size: int, chain: _Chain) -> Header:
    records = chain.records
    header = Header(block[156:157], start=position + BLOCK, mode=number(block[100:108]) or 0)
    header.name = _name(block, chain)
    header.link = records.get(b"linkpath", chain.link if chain.link is not None else block[157:257].split(b"\0", 1)[0])
    stored = _decimal(records.get(b"size", b""))
    header.stored = size if stored < 0 else stored
    if header.stored and (header.kind in b"123456" or header.name.endswith(b"/")) and not _has_data(source, header):
        header.stored = 0
    header.size = header.stored
    header.times = _times(block, records)
    header.owner = _owner(block, records)
    if header.kind in b"34":
        header.device = f"{number(block[329:337]) or 0},{number(block[337:345]) or 0}"
    for key, value in records.items():
        name = key.removeprefix(b"SCHILY.xattr.")
        if name != key and name.startswith(b"user."):
            header.xattrs[name] = value
    if header.kind == b"S":
        _old_gnu_map(source, block, header)
    elif any(key.startswith(b"GNU.sparse.") for key in records) or chain.sparse:
        _pax_map(source, header, chain)
    if header.sparse is not None and not _map_holds(header):
        header.troubles.append("the map of a sparse member does not hold")
        header.sparse, header.size = None, header.stored
    header.end = header.start + padded(header.stored)
    return header


def _has_data(source: Readable, header: Header) -> bool:
    """Whether a link or folder that states a size has bytes: old writers state one and store none."""
    first = source.read_at(header.start, BLOCK)
    if len(first) < BLOCK or not any(first) or has_checksum(first):
        return False
    behind = source.read_at(header.start + padded(header.stored), BLOCK)
    return len(behind) < BLOCK or not any(behind) or has_checksum(behind)


def _name(block: bytes, chain: _Chain) -> bytes:
    """Name of the last header that states one: GNU sparse, pax, GNU long name, ustar with its prefix, v7."""
    for stated in (chain.records.get(b"GNU.sparse.name"), chain.records.get(b"path"), chain.name):
        if stated is not None:
            return stated
    name = block[:100].split(b"\0", 1)[0]
    if block[257:263] == b"ustar\0" and block[345]:
        return block[345:500].split(b"\0", 1)[0] + b"/" + name
    return name


def _decimal(value: bytes) -> int:
    return int(value) if value.isdigit() and len(value) <= 18 else -1


def _seconds(raw: bytes) -> int | None:
    value = number(raw)
    return value * 1_000_000_000 if value is not None and abs(value) < 1 << 33 else None


def _times(block: bytes, records: dict[bytes, bytes]) -> Times:
    found: dict[str, int | None] = {"mtime": _seconds(block[136:148])}
    if block[257:265] == b"ustar  \0":  # old GNU
        found["atime"] = _seconds(block[345:357]) or None
        found["ctime"] = _seconds(block[357:369]) or None
    for key, field_name in _PAX_TIMES:
        match = _PAX_TIME.fullmatch(records.get(key, b""))
        if match and abs(int(match[1])) < 1 << 33:
            fraction = int((match[2] or b"0").ljust(9, b"0"))
            sign = -1 if match[1][:1] == b"-" else 1
            found[field_name] = int(match[1]) * 1_000_000_000 + sign * fraction
    return Times(**found)  # type: ignore[arg-type]


def _owner(block: bytes, records: dict[bytes, bytes]) -> str:
    """``501 (mobile)``: number and name of the user."""
    user = _decimal(records.get(b"uid", b""))
    if user < 0:
        user = number(block[108:116]) or 0
    raw = records.get(b"uname", block[265:297].split(b"\0", 1)[0] if block[257:262] == b"ustar" else b"")
    text = raw[:64].decode("utf-8", "replace")
    return f"{user} ({text})" if text and text.isprintable() else str(user)


def _old_gnu_map(source: Readable, block: bytes, header: Header) -> None:
    """Four parts in the header, then 21 in each extension block."""
    header.size = max(0, number(block[483:495]) or 0)
    header.sparse = _triples(block[386:482])
    more = block[482]
    while more:
        extension = source.read_at(header.start, BLOCK)
        if len(extension) < BLOCK or len(header.sparse) > MAX_MAP:
            header.troubles.append("the map of a sparse member breaks off")
            break
        header.sparse += _triples(extension[:504])
        header.start += BLOCK
        more = extension[504]


def _triples(raw: bytes) -> list[tuple[int, int]]:
    found = []
    for at in range(0, len(raw) - 23, 24):
        if raw[at] == 0 or raw[at + 12] == 0:
            break
        found.append((number(raw[at : at + 12]) or 0, number(raw[at + 12 : at + 24]) or 0))
    return found


def _pax_map(source: Readable, header: Header, chain: _Chain) -> None:
    records = chain.records
    real = max(_decimal(records.get(b"GNU.sparse.size", b"")), _decimal(records.get(b"GNU.sparse.realsize", b"")))
    if records.get(b"GNU.sparse.major") == b"1":
        numbers, used = _map_in_data(source, header)
        header.start += used
        header.stored = max(0, header.stored - used)
    elif b"GNU.sparse.map" in records:
        numbers = [_decimal(part) for part in records[b"GNU.sparse.map"].split(b",")[: 2 * MAX_MAP]]
    else:
        numbers = [_decimal(part) for part in chain.sparse[: 2 * MAX_MAP]]
    header.sparse = list(zip(numbers[::2], numbers[1::2], strict=False))
    header.size = real if real >= 0 else header.stored


def _map_in_data(source: Readable, header: Header) -> tuple[list[int], int]:
    """The map in front of the data (format 1.0): a count, then offset and length, each a line, in whole blocks."""
    text = b""
    limit = min(header.stored, MAX_MAP * 40)
    while len(text) < limit:
        piece = source.read_at(header.start + len(text), BLOCK)
        text += piece
        lines = text.split(b"\n", 1)
        count = _decimal(lines[0]) if len(lines) > 1 else 0
        if len(piece) < BLOCK or count < 0 or count > MAX_MAP:
            break
        if len(lines) > 1 and text.count(b"\n") > 2 * count:
            return [_decimal(part) for part in text.split(b"\n")[1 : 2 * count + 1]], len(text)
    header.troubles.append("the map of a sparse member breaks off")
    return [-1, -1], 0


def _map_holds(header: Header) -> bool:
    position = stored = 0
    for offset, length in header.sparse or ():
        if offset < position or length < 0:
            return False
        position = offset + length
        stored += length
    return position <= header.size <= LIMIT and stored <= header.stored
