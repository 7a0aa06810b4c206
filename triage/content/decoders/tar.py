"""tar archives: v7, ustar, GNU and pax, by blocks of 512 bytes.

Specification: POSIX.1-2017, pax, ustar interchange format; GNU tar manual, "Basic Tar Format". Links, devices and
directories hold no bytes and are left out. Sparse members are given as stored, without their holes, which is told.
Where a header does not hold, the next one is looked for; archives one after the other are all read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from triage.content.decoders.interface import Budget, Data, Member, Yield, problem, shown
from triage.content.identify import has_tar_checksum
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason
from triage.model.times import Times

_STAGE = "tar"
_BLOCK = 512
_MAX_PAX = 1 << 20
_USTAR = re.compile(rb"ustar")
_NOT_ZERO = re.compile(rb"[^\0]")
_NO_DATA = b"123456"
_SKIPPED = b"DVMNx"
_PAX_RECORD = re.compile(rb"(\d{1,10}) ([^=\n]{1,1000})=")
_MAX_ERRORS = 100


@dataclass(slots=True)
class _State:
    """What headers in front of a member say of it."""

    name: bytes | None = None
    size: int | None = None
    mtime: int | None = None
    sparse: bool = False


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """Members in stored order; names as stored, of the last header that states one (pax, GNU, ustar)."""
    position, errors, given = 0, 0, 0
    state = _State()
    length = len(data)
    while position + _BLOCK <= length:
        block = bytes(data[position : position + _BLOCK])
        if not any(block):
            position = _next_header(data, position, is_zero_run=True)
            continue
        size = _number(block[124:136])
        if not has_tar_checksum(block) or size is None or size < 0:
            following = _next_header(data, position + _BLOCK)
            errors += 1
            if errors <= _MAX_ERRORS:
                what = "negative size" if size is not None and size < 0 else "the header does not hold"
                message = f"{what} at byte {position}"
                yield problem(address, _STAGE, Reason.CORRUPT, message, lost=following - position)
            position, state = following, _State()
            continue
        if budget.is_spent:
            message = f"{budget.spent_words} after {given} members"
            yield problem(address, _STAGE, Reason.LIMIT, message, lost=length - position)
            return
        kind = block[156:157]
        start = position + _BLOCK
        if kind in (b"x", b"g", b"L", b"K", b"X"):
            _read_extension(kind, bytes(data[start : start + min(size, _MAX_PAX)]), state)
            position = start + _padded(size)
            continue
        stored = size if state.size is None else state.size
        start = _skip_sparse_maps(data, block, start)
        if kind in _NO_DATA and not _has_data(data, start, stored):
            stored = 0
        elif kind not in _SKIPPED:
            given += 1
            yield from _member(data, block, (start, stored), state, address, budget)
        position = start + _padded(stored)
        state = _State()
    if not given and not errors and position >= length and length % _BLOCK and length < _BLOCK:
        yield problem(address, _STAGE, Reason.TRUNCATED, "the content ends inside a header", lost=length)


def _member(data: Data, block: bytes, place: tuple[int, int], state: _State, address: Address, budget: Budget) -> Yield:
    """One member with the bytes that the archive holds of it."""
    start, size = place
    name = state.name if state.name is not None else _name(block)
    where = address.child(name)
    mtime = state.mtime if state.mtime is not None else _number(block[136:148])
    if mtime is not None and state.mtime is None:
        mtime *= 1_000_000_000
    times = Times(mtime=mtime if mtime is not None and abs(mtime) < 1 << 63 else None)
    if budget.refuses is not None and budget.refuses(where, max(0, size), times):
        budget.spend(0)
        return
    allowed = budget.allowance(len(data))
    kept = bytes(data[start : start + min(size, allowed)])
    budget.spend(len(kept))
    yield Member(name, kept, times)
    if start + size > len(data):
        message = f"the content ends before the member does: {shown(name)}"
        yield problem(where, _STAGE, Reason.TRUNCATED, message, lost=start + size - len(data))
    elif len(kept) < size:
        message = f"the member is longer than the limit, the rest was not examined: {shown(name)}"
        yield problem(where, _STAGE, Reason.LIMIT, message, lost=size - len(kept))
    if state.sparse or block[156:157] == b"S":
        message = f"sparse member, given as stored without its holes: {shown(name)}"
        yield problem(where, _STAGE, Reason.UNSUPPORTED, message, anyway=True)


def _name(block: bytes) -> bytes:
    """Name from a header, with the prefix that only ustar has."""
    name = block[:100].split(b"\0", 1)[0]
    if block[257:263] == b"ustar\0" and block[345]:
        return block[345:500].split(b"\0", 1)[0] + b"/" + name
    return name


def _number(raw: bytes) -> int | None:
    """Octal digits or, with the top bit set, base 256 (GNU); None where it is neither."""
    if raw[0] & 0x80:
        value = int.from_bytes(raw, "big")
        bits = 8 * len(raw)
        return value - (1 << bits) if raw[0] == 0xFF else value & ~(1 << (bits - 1))
    digits = raw.split(b"\0", 1)[0].strip()
    try:
        return int(digits, 8) if digits else 0
    except ValueError:
        return None


def _padded(size: int) -> int:
    return (size + _BLOCK - 1) // _BLOCK * _BLOCK


def _read_extension(kind: bytes, body: bytes, state: _State) -> None:
    """Take in a long name (``L``) or pax records (``x`` for the next member, ``g`` for all that follow)."""
    if kind == b"L":
        state.name = body.split(b"\0", 1)[0]
    if kind not in b"xgX":
        return
    for key, value in _pax_records(body):
        if key == b"path":
            state.name = value
        elif key == b"size" and re.fullmatch(rb"\d{1,19}", value):
            state.size = int(value)
        elif key == b"mtime" and (match := re.fullmatch(rb"(-?\d{1,10})(?:\.(\d{1,9})\d*)?", value)):
            fraction = int((match[2] or b"0").ljust(9, b"0"))
            state.mtime = int(match[1]) * 1_000_000_000 + (fraction if match[1][:1] != b"-" else -fraction)
        elif key in (b"GNU.sparse.name", b"SUN.holesdata", b"SCHILY.realsize") or key.startswith(b"GNU.sparse."):
            state.sparse = True
            state.name = value if key == b"GNU.sparse.name" else state.name


def _pax_records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Records ``length key=value``; ends at the first that does not hold."""
    position = 0
    while match := _PAX_RECORD.match(body, position):
        end = position + int(match[1])
        if end <= match.end() or end > len(body):
            return
        yield match[2], body[match.end() : end - 1]
        position = end


def _skip_sparse_maps(data: Data, block: bytes, start: int) -> int:
    """Offset behind the extension blocks of an old GNU sparse header."""
    if block[156:157] != b"S" or not block[482]:
        return start
    while start + _BLOCK <= len(data):
        start += _BLOCK
        if not data[start - _BLOCK + 504]:
            break
    return start


def _has_data(data: Data, start: int, size: int) -> bool:
    """Whether a link or directory that states a size has bytes: old writers state one and store none."""
    if not size or start + size > len(data):
        return False
    behind = start + _padded(size)
    return not has_tar_checksum(bytes(data[start : start + _BLOCK])) and (
        behind >= len(data) or has_tar_checksum(bytes(data[behind : behind + _BLOCK]))
    )


def _next_header(data: Data, position: int, *, is_zero_run: bool = False) -> int:
    """Offset of the next block that looks like a header, else the end of the content.

    Args:
        data: The archive.
        position: Where to begin, a multiple of 512.
        is_zero_run: Blocks of zeros are stepped over, and any other block is taken.
    """
    if is_zero_run:
        match = _NOT_ZERO.search(data, position)
        if match is None:
            return len(data)
        return match.start() // _BLOCK * _BLOCK
    for match in _USTAR.finditer(data, position):
        block = match.start() - 257
        if block >= position and block % _BLOCK == 0 and has_tar_checksum(bytes(data[block : block + _BLOCK])):
            return block
    return len(data)
