"""Files that are one compressed stream: bzip2, xz, LZMA, zlib.

Several streams one after the other are joined; zeros behind them are padding. A dictionary that needs more memory
than ``MAX_MEMORY`` is refused, whatever the header claims.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable

from triage.content.decoders.gzip import name_without_ending
from triage.content.decoders.interface import Budget, Data, Decompressor, Member, Yield, problem, unpack
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason

MAX_MEMORY = 160 << 20
"""Bytes that a decompressor may ask for."""

_ENGINES: dict[str, tuple[str, Callable[[], Decompressor], bytes]] = {
    "application/x-bzip2": ("bzip2", bz2.BZ2Decompressor, b"BZh"),
    "application/x-xz": ("xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_MEMORY), b"\xfd7zXZ\0"),
    "application/x-lzma": ("lzma", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=MAX_MEMORY), b""),
    "application/zlib": ("zlib", zlib.decompressobj, b""),
}
_ENDINGS = {b"tbz": b".tar", b"tbz2": b".tar", b"txz": b".tar", b"tlz": b".tar"}


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """The one member of a compressed file, named like the file without its ending."""
    stage, make, mark = _ENGINES[content_type.mime]
    parts: list[bytes] = []
    position = made = 0
    reason, message, lost, anyway = None, "", 0, False
    while True:
        found = unpack(make, data, position, len(data), budget.further(position, made))
        parts.append(found.data)
        made += len(found.data)
        position = found.end
        if found.reason is not None:
            reason, message, lost = found.reason, found.detail, len(data) - found.end
            break
        rest = bytes(data[position : position + 65536])
        if not rest.strip(b"\0"):
            break
        padding = len(rest) - len(rest.lstrip(b"\0"))
        if not mark or not rest.startswith(mark, padding):
            reason, anyway = Reason.CORRUPT, True
            message = f"{len(data) - position} bytes behind the end of the stream, searched only as raw bytes"
            break
        position += padding
    content = parts[0] if len(parts) == 1 else b"".join(parts)
    budget.spend(len(content))
    name = address.name
    ending = name.rpartition(b".")[2].lower()
    yield Member(name_without_ending(name) + _ENDINGS.get(ending, b""), content)
    if reason is not None:
        yield problem(address, stage, reason, message, lost=lost, anyway=anyway)
