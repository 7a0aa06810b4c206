"""Windows prefetch files, packed (MAM) or not: which program ran, how often, when, with which files; as ``prefetch``.

Format: as published by J. Metz, "Windows Prefetch File (PF) format", versions 17 (XP) to 31 (Windows 11). A packed one
is given unpacked, as the part ``unpacked``, which then says the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import unpack_from

from triage.content.decoders.interface import Budget, Data, Member, Yield, problem, text_part
from triage.content.formats import mam
from triage.content.formats.dates import filetime
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason
from triage.model.times import iso_from_ns

_STAGE = "prefetch"
_MAX_BYTES = 32 << 20
_LAYOUT = {17: (0x78, 1, 0x90), 23: (0x80, 1, 0x98), 26: (0x80, 8, 0xD0), 30: (0x80, 8, 0xD0), 31: (0x80, 8, 0xD0)}
"""By version: where the times of the runs lie, how many, and where the number of runs lies."""
_VOLUME_SIZE = {17: 40, 23: 104, 26: 104, 30: 96, 31: 96}


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """What the file says, or its plain form where it is packed."""
    raw = bytes(data[:_MAX_BYTES])
    if raw.startswith(b"MAM"):
        plain = _unpack(raw, budget)
        if plain is None:
            message = "the packed prefetch file does not unpack, only its raw bytes were searched"
            yield problem(address, _STAGE, Reason.CORRUPT, message, lost=len(raw))
            return
        budget.spend(len(plain))
        yield Member(b"unpacked", plain, part_of_document=True)
        return
    told = list(_lines(raw))
    if told:
        part = text_part("prefetch", "\n".join(told))
        budget.spend(len(part.data))
        yield part
    else:
        yield problem(
            address, _STAGE, Reason.UNSUPPORTED, "a prefetch file of an unknown version or cut short", anyway=True
        )


def _unpack(raw: bytes, budget: Budget) -> bytes | None:
    """Plain bytes of a packed file: pieces of 64 KiB in one stream (XPRESS with Huffman codes)."""
    if len(raw) < 12:
        return None
    size = unpack_from("<I", raw, 4)[0]
    if size > min(budget.allowance(len(raw)), _MAX_BYTES):
        return None
    start = 12 if raw[3] & 0x80 else 8
    try:
        return mam.decompress(raw[start:], size)
    except mam.MamError:
        return None


def _lines(raw: bytes) -> Iterator[str]:
    """Facts, one a line."""
    if len(raw) < 0x9C or raw[4:8] != b"SCCA":
        return
    version = unpack_from("<I", raw)[0]
    if version not in _LAYOUT:
        return
    yield f"Program: {raw[16:76].decode('utf-16-le', 'replace').partition(chr(0))[0]}"
    at, count, runs = _LAYOUT[version]
    if version == 30 and unpack_from("<I", raw, 0x54)[0] == 296:
        runs = 0xC8
    if len(raw) >= runs + 4:
        yield f"Runs: {unpack_from('<I', raw, runs)[0]}"
    for number in range(count):
        moment = filetime(unpack_from("<Q", raw, at + 8 * number)[0]) if at + 8 * number + 8 <= len(raw) else None
        text = iso_from_ns(moment) if moment is not None else None
        if text:
            yield f"Run at: {text}"
    names, length, volumes, volume_count = unpack_from("<IIII", raw, 0x64)
    yield from _volumes(raw, volumes, min(volume_count, 50), _VOLUME_SIZE[version])
    for name in raw[names : names + min(length, 4 << 20)].decode("utf-16-le", "replace").split("\0"):
        if name:
            yield f"File: {name}"


def _volumes(raw: bytes, start: int, count: int, size: int) -> Iterator[str]:
    """Volumes that the program read from."""
    for number in range(count):
        at = start + number * size
        if at + 20 > len(raw):
            return
        place, length, created, serial = unpack_from("<IIQI", raw, at)
        name = raw[start + place : start + place + 2 * min(length, 1000)].decode("utf-16-le", "replace")
        moment = filetime(created)
        text = iso_from_ns(moment) if moment is not None else ""
        yield f"Volume: {name}, serial {serial:08X}, created {text}"
