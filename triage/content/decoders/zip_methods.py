"""Compression methods of ZIP: what decompresses them, and the names of those that nothing here does.

Specification: PKWARE APPNOTE.TXT 6.3.10, sections 4.4.5 and 5.8.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable

from triage.content.decoders.interface import Budget, Data, Decompressor

METHODS = {
    1: "shrink", 2: "reduce", 3: "reduce", 4: "reduce", 5: "reduce", 6: "implode", 9: "deflate64", 10: "DCL implode",
    18: "TERSE", 19: "LZ77", 93: "zstandard", 94: "MP3", 96: "JPEG", 97: "WavPack", 98: "PPMd", 99: "AES",
}  # fmt: skip
"""Names of the methods that are told as unsupported."""

_MAX_LZMA_MEMORY = 160 << 20


def find_engine(data: Data, start: int, method: int, budget: Budget) -> Callable[[], Decompressor] | None:
    """What makes a decompressor for a method, None where there is none."""
    if method == 8:
        return lambda: zlib.decompressobj(-15)
    if method == 12:
        return bz2.BZ2Decompressor
    if method == 95:
        return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_LZMA_MEMORY)
    if method == 14:
        return _lzma_engine(bytes(data[start : start + 9]), budget)
    return None


def _lzma_engine(head: bytes, budget: Budget) -> Callable[[], Decompressor] | None:
    """LZMA in ZIP (APPNOTE 5.8.8): version, length of the properties, properties; then a raw stream."""
    if len(head) < 9 or head[2:4] != b"\x05\0" or head[4] >= 225:
        return None
    rest, lc = divmod(head[4], 9)
    pb, lp = divmod(rest, 5)
    if lc + lp > 4:
        return None
    # A dictionary larger than what may come out is never needed, whatever the header claims.
    dictionary = max(4096, min(int.from_bytes(head[5:9], "little"), budget.max_member_bytes))
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": lc, "lp": lp, "pb": pb}]
    return lambda: lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
