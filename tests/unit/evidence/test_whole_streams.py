"""Compressed blocks whose damage makes them longer than a block: the checksum at their end is looked at all the same."""

from __future__ import annotations

import bz2
import lzma
import random
import zlib

import pytest

from triage.errors import CorruptStructureError
from triage.evidence.filesystems.block_codecs import decompress_xz, decompress_zlib
from triage.evidence.whole_streams import decompress_whole

DATA = b"".join(b"content of a block, line %06d\n" % number for number in range(3000))[:65536]
KINDS = {
    "zlib": (zlib.compress(DATA), zlib.decompressobj),
    "bzip2": (bz2.compress(DATA), bz2.BZ2Decompressor),
    "xz": (lzma.compress(DATA, check=lzma.CHECK_CRC32), lzma.LZMADecompressor),
}
ERRORS = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_stream_and_what_follows_it(kind: str) -> None:
    packed, make = KINDS[kind]
    assert decompress_whole(make(), packed, len(DATA)) == DATA
    assert decompress_whole(make(), packed + b"behind it", len(DATA)) == DATA
    assert decompress_whole(make(), packed, len(DATA) + 1000) == DATA
    assert decompress_whole(make(), packed, 0) == decompress_whole(make(), packed, -1) == b""


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_that_gives_more_or_breaks_off(kind: str) -> None:
    packed, make = KINDS[kind]
    for limit in (1, len(DATA) - 1):
        with pytest.raises(EOFError):
            decompress_whole(make(), packed, limit)
    for cut in (0, len(packed) // 2, len(packed) - 1):
        with pytest.raises(ERRORS):
            decompress_whole(make(), packed[:cut], len(DATA))


@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_goes_unseen(kind: str) -> None:
    packed, make = KINDS[kind]
    rng = random.Random(kind)
    for _ in range(300):
        damaged = bytearray(packed)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        try:
            assert decompress_whole(make(), bytes(damaged), len(DATA)) == DATA
        except ERRORS:
            continue


@pytest.mark.parametrize(
    ("decompress", "packed"), [(decompress_zlib, KINDS["zlib"][0]), (decompress_xz, KINDS["xz"][0])]
)
def test_blocks_of_file_systems(decompress, packed: bytes) -> None:
    assert decompress(packed, len(DATA)) == DATA
    with pytest.raises(CorruptStructureError, match="does not hold"):
        decompress(packed, len(DATA) - 1)
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    cut = raw.compress(DATA) + raw.flush()
    assert decompress_zlib(cut, 100, raw=True) == DATA[:100]  # an extent may use a part of it
