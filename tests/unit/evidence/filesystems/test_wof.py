"""The Windows Overlay Filter: its two decoders, its stream over chunks, and what hostile bytes do to them."""

import random
import struct
import zlib

import pytest

from tests.support.ntfs_corners import PACKED, content, image, words
from tests.support.packed_images import opened, walked
from triage.errors import CorruptStructureError, ReadFailedError
from triage.evidence.filesystems import tsk
from triage.evidence.filesystems.huffman_codes import HOLE, LONG, canonical_codes
from triage.evidence.filesystems.lzx import decompress_lzx
from triage.evidence.filesystems.wof import Overlay, OverlayStream, parse_overlay
from triage.evidence.filesystems.xpress_huffman import decompress_xpress
from triage.model.stream import MemoryStream

ALGORITHMS = {"xpress4k.txt": 0, "lzx.bin": 1, "lzx32k": 1, "xpress8k.txt": 2, "xpress16k.bin": 3}
CHUNKS = {0: 4096, 1: 32768, 2: 8192, 3: 16384}


def packed() -> dict[str, bytes]:
    """Compressed streams of the image, as another's compressor made them."""
    file_system = opened(tsk, image())
    entries, _ = walked(file_system)
    return {name: file_system.read_whole(entries[f"/{name}:WofCompressedData".encode()], 1 << 20) for name in PACKED}


def chunks(name: str, stream: bytes) -> list[tuple[bytes, bytes]]:
    """Compressed and plain bytes of each chunk."""
    plain, step = content(name), CHUNKS[ALGORITHMS[name]]
    count = -(-len(plain) // step)
    table = 4 * (count - 1)
    places = [0, *struct.unpack_from(f"<{count - 1}I", stream), len(stream) - table]
    return [
        (stream[table + places[index] : table + places[index + 1]], plain[index * step : (index + 1) * step])
        for index in range(count)
    ]


class Bits:
    """Writes what the decoders read: words of 16 bits from the top bit down, bytes between them for XPRESS."""

    def __init__(self) -> None:
        self.out = bytearray(4)
        self.slots = [0, 2]  # words that a decoder has in hand before it reads on
        self.word, self.free = 0, 16

    def put(self, value: int, count: int) -> None:
        """Bits; a slot for the next word is taken when a word is begun, as the reader does."""
        for shift in range(count - 1, -1, -1):
            if not self.free:
                struct.pack_into("<H", self.out, self.slots.pop(0), self.word)
                self.word, self.free = 0, 16
            if self.free == 16 and len(self.slots) < 2:
                self.slots.append(len(self.out))
                self.out += b"\0\0"
            self.free -= 1
            self.word |= (value >> shift & 1) << self.free

    def byte(self, data: bytes) -> None:
        """Bytes where the next word would be."""
        self.out += data

    def done(self) -> bytes:
        """All of it."""
        struct.pack_into("<H", self.out, self.slots[0], self.word)
        return bytes(self.out)


def flat_xpress(symbols: list[tuple[int, int, bytes, int]]) -> bytes:
    """XPRESS with codes of nine bits for all symbols: symbol, offset bits, bytes of the length, count of offset bits."""
    bits = Bits()
    for symbol, offset, extra, count in symbols:
        bits.put(symbol, 9)
        loaded = extra
        if loaded:
            bits.byte(loaded)
        if count:
            bits.put(offset, count)
    return b"\x99" * 256 + bits.done()


def literals(data: bytes) -> list[tuple[int, int, bytes, int]]:
    return [(byte, 0, b"", 0) for byte in data]


def match(length: int, distance: int) -> tuple[int, int, bytes, int]:
    bits = distance.bit_length() - 1
    short = min(15, length - 3)
    extra = b""
    if short == 15:
        extra = bytes((length - 18,)) if length - 18 < 255 else b"\xff" + struct.pack("<H", length - 3)
    return 256 + (bits << 4 | short), distance - (1 << bits), extra, bits


# --- Huffman --------------------------------------------------------------------------------------------------------
def test_codes_ascend_by_length_and_symbol() -> None:
    """The example of the specification: 2, 1, 3, 3 bits."""
    codes = canonical_codes(bytes((2, 1, 3, 3)), 15)
    assert codes.width == 3
    assert [symbol for _, symbol in codes.table] == [1, 1, 1, 1, 0, 0, 2, 3]
    assert [bits for bits, _ in codes.table] == [1, 1, 1, 1, 2, 2, 3, 3]


def test_codes_longer_than_the_table() -> None:
    """A chain of lengths 1, 2, ... 15, 15: each is found in the table or behind it."""
    lengths = bytes((*range(1, 16), 15))
    codes = canonical_codes(lengths, 15)
    code = 0
    for symbol, length in enumerate(lengths):
        value = code << (15 - length)
        bits, found = codes.table[value >> (15 - codes.width)]
        if found >= LONG:
            rest, table = codes.further[found - LONG]
            bits, found = table[value >> (15 - codes.width - rest) & ((1 << rest) - 1)]
        assert (bits, found) == (length, symbol)
        code += 1
        if symbol + 1 < len(lengths):
            code <<= lengths[symbol + 1] - length


@pytest.mark.parametrize(
    "lengths", [bytes((1, 1, 1)), bytes((1, 1, 15)), bytes([15] * 512) + b"\x01\x01", bytes((1, 2, 2, 12))]
)
def test_too_many_codes_are_refused(lengths: bytes) -> None:
    """Also where only the long ones are too many."""
    with pytest.raises(CorruptStructureError):
        canonical_codes(lengths, 15)


def test_missing_codes_are_holes() -> None:
    """Bits that no code begins with are told when they come, not before."""
    assert canonical_codes(bytes(8), 15).table == [(0, HOLE), (0, HOLE)]
    assert [symbol for _, symbol in canonical_codes(bytes((2, 0, 2)), 15).table] == [0, 2, HOLE, HOLE]
    assert canonical_codes(bytes((1, 13)), 15).further[0][1][-1] == (0, HOLE)


# --- XPRESS ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("length", [3, 17, 18, 19, 272, 273, 274, 3000])
@pytest.mark.parametrize("before", [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33])
def test_xpress_matches_of_every_form(length: int, before: int) -> None:
    """Lengths in the code, in a byte, in three bytes; at every place within a word, and words of the other alignment."""
    head = words(before, "head") if before > 20 else bytes(range(65, 65 + before))
    distance = max(1, before - 1)
    data = flat_xpress([*literals(head), match(length, distance), *literals(b"tail"), match(20, 4), *literals(b"end")])
    plain = bytearray(head)
    for _ in range(length):
        plain.append(plain[-distance])
    plain += b"tail"
    plain += b"tail" * 5
    plain += b"end"
    assert decompress_xpress(data, len(plain)) == bytes(plain)
    assert decompress_xpress(data, len(plain) - 2) == bytes(plain[:-2])


def test_xpress_refuses_what_does_not_hold() -> None:
    """Matches before the beginning, data that end, no codes at all."""
    with pytest.raises(CorruptStructureError, match="do not hold"):
        decompress_xpress(flat_xpress([*literals(b"ab"), match(5, 3)]), 100)
    good = flat_xpress(literals(b"abcdefgh"))
    with pytest.raises(CorruptStructureError, match="end too early"):
        decompress_xpress(good, 100)
    for length in (0, 1, 255, 256, 259):
        with pytest.raises(CorruptStructureError):
            decompress_xpress(good[:length], 8)
    with pytest.raises(CorruptStructureError):
        decompress_xpress(bytes(400), 8)
    with pytest.raises(CorruptStructureError):
        decompress_xpress(b"\x11" * 256 + bytes(40), 8)


# --- LZX ------------------------------------------------------------------------------------------------------------
def plain_lzx(*blocks: bytes) -> bytes:
    """LZX of blocks that are not compressed."""
    out = b""
    for block in blocks:
        head = 3 << 13 | (len(block) >> 4 & 0xFFF) if len(block) != 32768 else 3 << 13 | 1 << 12
        second = (len(block) & 15) << 12 if len(block) != 32768 else None
        out += struct.pack("<H", head) + (struct.pack("<H", second) if second is not None else b"")
        out += struct.pack("<III", 1, 1, 1) + block + b"\0" * (len(block) & 1)
    return out


def test_lzx_blocks_that_are_not_compressed() -> None:
    """Their bytes begin on a word of their own, odd ones are padded; calls are translated all the same."""
    assert decompress_lzx(plain_lzx(b"first", b"second block"), 17) == b"firstsecond block"
    whole = words(32768, "whole").replace(b"\xe8", b"x")
    assert decompress_lzx(plain_lzx(whole), 32768) == whole


def test_lzx_calls() -> None:
    """Absolute addresses become relative again; what is no address of the file stays; the last ten bytes stay."""

    def call(address: int) -> bytes:
        return b"\xe8" + address.to_bytes(4, "little", signed=True)

    raw = call(100) + call(-5) + call(-6) + call(12_000_000) + call(11_999_999) + call(7) + b"z" * 5
    expected = call(100) + call(-5 + 12_000_000) + call(-6 + 12_000_000) + call(12_000_000) + call(11_999_999 - 20)
    assert decompress_lzx(plain_lzx(raw), len(raw)) == expected + call(7) + b"z" * 5


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11])
def test_lzx_short_chunks(size: int) -> None:
    """No call is looked for in ten bytes."""
    raw = b"\xe8" * size
    assert len(decompress_lzx(plain_lzx(raw) if size else b"", size)) == size


def test_lzx_refuses_what_does_not_hold() -> None:
    """Blocks of no bytes or too many, unknown kinds, data that end."""
    for data, size in (
        (plain_lzx(b"123456"), 5),
        (plain_lzx(b"123456"), 7),
        (plain_lzx(b"123456")[:-1], 6),
        (struct.pack("<HH", 3 << 13, 0) + bytes(20), 6),
        (b"\0\0\0\0" * 9, 6),
        (b"\xff\xff" * 9, 6),
        (b"", 6),
        (b"\x01", 6),
    ):
        with pytest.raises(CorruptStructureError):
            decompress_lzx(data, size)
    with pytest.raises(CorruptStructureError):
        decompress_lzx(b"", 32769)


# --- both, on what another's compressor made --------------------------------------------------------------------------
@pytest.mark.parametrize("name", PACKED)
def test_chunks_of_another_compressor(name: str) -> None:
    """Each chunk gives its bytes."""
    decompress = decompress_lzx if ALGORITHMS[name] == 1 else decompress_xpress
    for data, plain in chunks(name, packed()[name]):
        assert (data if len(data) == len(plain) else decompress(data, len(plain))) == plain


@pytest.mark.parametrize("seed", range(4))
def test_changed_chunks_are_wrong_or_refused_and_never_more(seed: int) -> None:
    """Two thousand changes: the declared bytes or a typed error."""
    rng = random.Random(seed)
    pool = [(ALGORITHMS[name], *pair) for name, stream in packed().items() for pair in chunks(name, stream)]
    for _ in range(500):
        algorithm, data, plain = rng.choice(pool)
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            place = rng.randrange(len(changed))
            kind = rng.random()
            if kind < 0.6:
                changed[place] ^= 1 << rng.randrange(8)
            elif kind < 0.8:
                changed[place : place + 8] = bytes((rng.choice((0, 255, 17)),)) * 8
            elif place > 4:
                del changed[place:]
        try:
            got = (decompress_lzx if algorithm == 1 else decompress_xpress)(bytes(changed), len(plain))
        except CorruptStructureError:
            continue
        assert len(got) == len(plain)


# --- the stream -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PACKED)
def test_random_access(name: str) -> None:
    """Any part, in any order, also past the end."""
    plain = content(name)
    stream = OverlayStream(MemoryStream(packed()[name]), Overlay(2, ALGORITHMS[name]), len(plain))
    assert stream.size == len(plain)
    rng = random.Random(name)
    for _ in range(60):
        start, length = rng.randrange(len(plain) + 100), rng.choice((1, 100, 5000, 1 << 20))
        assert stream.read_at(start, length) == plain[start : start + length]
    assert stream.read_at(-1, 5) == stream.read_at(0, 0) == stream.read_at(len(plain), 1) == b""
    stream.close()
    stream.close()
    assert stream.read_at(0, 1 << 20) == plain


def stored(plain: bytes, *, wide: bool = False, step: int = 4096) -> bytes:
    """A stream whose chunks are kept as they are."""
    ends = range(step, len(plain), step)
    return struct.pack(f"<{len(ends)}{'Q' if wide else 'I'}", *ends) + plain


def test_chunks_that_are_stored_as_they_are() -> None:
    """Random bytes do not compress."""
    plain = random.Random(1).randbytes(10_000)
    assert OverlayStream(MemoryStream(stored(plain)), Overlay(2, 0), 10_000).read_at(0, 20_000) == plain


def test_a_damaged_chunk_costs_only_itself() -> None:
    """What comes before it is given with the error; the others are read."""
    plain = random.Random(1).randbytes(20_000)
    data = bytearray(stored(plain))
    struct.pack_into("<I", data, 4, 4000)  # the second chunk ends before it begins
    stream = OverlayStream(MemoryStream(bytes(data)), Overlay(2, 0), 20_000)
    with pytest.raises(ReadFailedError, match="chunk 1") as caught:
        stream.read_at(100, 19_000)
    assert caught.value.partial == plain[100:4096]
    assert stream.read_at(12_288, 100) == plain[12_288:12_388]


def test_a_bad_sector_behind_a_chunk_does_not_take_it_along() -> None:
    """The next chunks are fetched with it, as far as that goes."""
    plain = random.Random(1).randbytes(20_000)

    class Broken(MemoryStream):
        def read_at(self, offset: int, length: int) -> bytes:
            if offset + length > 10_000:
                raise ReadFailedError("bad sector", partial=super().read_at(offset, 10_000 - offset))
            return super().read_at(offset, length)

    stream = OverlayStream(Broken(stored(plain)), Overlay(2, 0), 20_000)
    with pytest.raises(ReadFailedError, match="bad sector") as caught:
        stream.read_at(0, 20_000)
    assert caught.value.partial == plain[:8192]


@pytest.mark.parametrize("size", [4096 * 5000, 1 << 32, 1 << 40, 1 << 62])
def test_f04_sizes_that_the_stream_cannot_have(size: int) -> None:
    """Refused before anything of that size is made."""
    with pytest.raises(CorruptStructureError, match="less than its table"):
        OverlayStream(MemoryStream(bytes(10_000)), Overlay(2, 0), size)


def test_a_table_that_points_anywhere() -> None:
    """Outside, backwards, all ones: an error for that chunk."""
    for value in (0xFFFFFFFF, 10**6, 0, 5):
        stream = OverlayStream(MemoryStream(struct.pack("<I", value) + bytes(100)), Overlay(2, 0), 8000)
        with pytest.raises(ReadFailedError):
            stream.read_at(0, 8000)


def test_a_large_file_has_a_wide_table() -> None:
    """Eight bytes an entry from 4 GiB on; only the part of the table that is needed is read."""

    class Sparse:
        """Entries that ascend by 4096, and chunks of zeros kept as they are."""

        size = (1 << 32) + 8 * ((1 << 20) - 1)
        largest = 0

        def read_at(self, offset: int, length: int) -> bytes:
            self.largest = max(self.largest, length)
            if offset < 8 * ((1 << 20) - 1):
                return struct.pack(
                    f"<{length // 8}Q", *((offset // 8 + 1 + index) * 4096 for index in range(length // 8))
                )
            return bytes(length)

        def close(self) -> None: ...

    packed_stream = Sparse()
    stream = OverlayStream(packed_stream, Overlay(2, 0), 1 << 32)
    assert stream.read_at((1 << 32) - 10_000, 99_999) == bytes(10_000)
    assert stream.read_at(1 << 31, 10) == bytes(10)
    assert packed_stream.largest <= 1 << 20


# --- the reparse point ------------------------------------------------------------------------------------------------
def reparse(*values: int, tag: int = 0x80000017) -> bytes:
    data = struct.pack(f"<{len(values)}I", *values)
    return struct.pack("<IHH", tag, len(data), 0) + data


def test_who_provides_the_content() -> None:
    """The file itself in one of four forms, an image, or somebody unknown."""
    assert parse_overlay(reparse(1, 2, 1, 3, 0)) == Overlay(2, 3)
    assert parse_overlay(reparse(1, 2, 1, 1, 0)).is_read  # type: ignore[union-attr]
    assert parse_overlay(reparse(1, 2, 1, 4, 0)) == Overlay(2, 4)
    assert not Overlay(2, 4).is_read and "algorithm 4" in Overlay(2, 4).description
    assert parse_overlay(reparse(1, 1, 2, 0, 0, 0)) == Overlay(1)
    assert "WIM image" in Overlay(1).description
    assert "provider 9" in Overlay(9).description
    assert parse_overlay(reparse(1, 2)) == Overlay(2)
    assert not Overlay(2).is_read
    for data in (b"", reparse(1), reparse(1, 2, 1, 3, tag=0x80000013)):
        assert parse_overlay(data) is None


def test_the_image_is_what_it_was() -> None:
    """Its contents are made by a seed: a change of the recipe would make these tests say nothing."""
    assert zlib.crc32(b"".join(content(name) for name in PACKED)) == 0xAC979D71
