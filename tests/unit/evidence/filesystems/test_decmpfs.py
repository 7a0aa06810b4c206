"""Transparent compression of HFS+ and APFS, with LZVN and LZFSE.

``SMALL`` and ``BIG`` were compressed with the reference library of LZFSE 1.0 (``lzfse_encode_buffer``) from the texts
below; it writes short inputs as LZVN.
"""

from __future__ import annotations

import base64
import random
import struct
import zlib

import pytest

from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError, UnsupportedFormatError
from triage.evidence.filesystems.decmpfs import open_compressed, parse_compression
from triage.evidence.filesystems.lzfse import decompress_lzfse
from triage.evidence.filesystems.lzvn import decompress_lzvn
from triage.model.stream import MemoryStream

SMALL = base64.b64decode(
    "YnZ4bvQBAACFAAAA4A90aGUgcXVpY2sgYnJvd24gZm94IGp1bXBzIG92ZXIgCB/qbGF6eSBkb2c7IDgt8P/wP+AwAAECAwQFBgcICQoLDA0ODx"
    "AREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+PzhA8APiHR4GAAAAAAAAAGJ2eCQ="
)
BIG = base64.b64decode(
    "YnZ4MvIrAABQBBAjAMMBcJ80gvX92wMgpQAAAD9gAAO3+y49OBAAAETgcgAAAC8B/AUCAIALrEzpPL9om7XXGhcd/4J6LgAAAAAQAABeDgAAAA"
    "AAJgAAIPAbfBvfw3vwPzwGP8FT8A58EAAAAAAAAAAAAMAz8AZ8Al/AK/AFIFAsaEEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAABiVGXjyhn1XLcIm+oOe5usvhABKPiAlwPHGBWKllW3PzACmPIJ0buyyZzevuJyWRJ1/UwOuK/tEMc1mLz9tmIyhBeXPy5sqosNaWSW5bs"
    "2udX5j/7spSQ5IfO3LLnrRVRw1EYNQZbF/A83gHLCG2KWLScURP7u4cfAlQuXxShjMoF0SxNCFdD7nVVUieVsNKcWUQkqlUtswbWWpUTqtyMW9"
    "28akHIag+WOFAgBg+H+f5EFwbKIZNantWznZ85YkfR/XFO6eXM79BcTKP4Afcg/jrRmVILS8p2GdvHQvceOr/gjNIAwDDR47buZiK8j6s0QMHH"
    "fkoQelX5fHbS5duHLt6HImWbvs+XrLo6muGq9kMO43f+oUPNdoWzsXBlZgL4gAX6t0FlZWI1PzjAX+f66AG9n109i+ao5+Kzdil22kvy/6fTWs"
    "IH4tA+7vD3VVUFeBp6Q3KW7G9u4t+jm0q1c1jad888HlbCtzP441jENsNTrl4V/VBP9KXl2Mq6KvidPxaOO0rjA1uPm5w2G4puhrFhurOnQVzb"
    "0NVdSvgdINvz/VD636T7m6Q1EotNFEqlTMexCaOdDUB99wmZPTLgyUlbQc6bcAR0Nn6T7axPsQTgzyE26vRpoYc6255DYBjnPH5A71DURTVPu5"
    "D+dQ/9QCMr8ZOXrS/H2zjF4s88pnMjD8gediNsqk+ESEKtnbjwGRiD5J6OnM/xvQy+d/xN6mD0HvauTeb9z/fO7nAAAAAAAAAAAAAA6OhIxQBk"
    "FpqT8FQzX4c4KhAP9JBoLCfB2BokzKOAFBZfPpAEFh5JP8AwV8u7kk5G9YrhKlmTK5SsHK9LhKL2RdXKV9MR6u0nGYTqkotCUzf/v0tfy9eVpx"
    "/d083bPqcvMU+FVvw/To2rVh2mrl2TCdsOpiwxTeVV+b9NvarU1aZOXVJl296lLTFERVT9P0jtqladqt8miXDqm60C6FqlafkeKgTp2RQqfGzS"
    "DdVusy6xRQWjEu1DTriBNlSE64UHmsgwuFpeQExB/D86ilNtsNlMKwLbqoQckNEmWEkUUDWm6QyOQJmRtIjGMflVs0GnNRuYnGBbpQuUWTCM7I"
    "3KCwdM5NFPkW3ERQpuA2AuoSwB0MPoVbKLyKcAMhJwW5gYIiKTfQDLW5iaZMGHBn+ujcRAeoI15uULmFJmHwhjyC0HKLpoFMkLlFsuAbqNyiKd"
    "23AzI3KA68cwMVoGcKmB2kIgEtN2gTj0/IoAgpt0jaig+QRQJabpCWafwdmVsExtvbRAEytIWg4wDKAYkKQE64MABwAPGxFgphY6w2IjVQ2J2f"
    "Bqq0kCjHRxsVWmi8hT8T1dloJmLsmonMLBRGxpeBqkw02vBkoiILjUvwY6MaA80YumIhExOFRfFhogoTjVJ4sFGBhcYv+i9QfYFm9qLrBTIvUZ"
    "ij7xJVl2g04blEvRUaF7wWqLNGM3BwsUB+FYpWI4FKswokpZ9UIhBUODWCl5dSIeB2GRWCZFeGCgV710+jGfPuNBooZ+CcaaJnEh1V9UuiufCu"
    "JBoC50miibEuEih4WB+BZsENAAg9ydBFolMiTzQaWetDoPk1LgQaRvNBoMk0XaBQMDP1pwQzS31MABLtKUHHKk8JlNI7ojnqdUaDyeeMFrb4OC"
    "O/AUGb0a4JiaJAmpHPhKZMaMeERFZOmJDCF4Ac8op0CQUmsiUErUQWEZ4CKyKqIFNEMFCgiBCuKJuIgvdXJaFd/n0kNOAjcbtkPyORoz7RvHd/"
    "NHDOB82570eL5VxntNxI4DUe1N08fBtO8Rr7x8OhlYz5B56xc/Rc6NrpzoJ0hCIUoQhFKEIRitA2QpWXiwLi0IVQlKK0jdBcyErn8NmQ/Ysk/w"
    "lpkKWxYJyA1xDoN5brg3M5Fj0d9iwHP+hBT3rQgx70IOuDhl7IcqyDHeygBz3oQQ960IMeZH1Qm5uomo7MxzjYQbYH9KJPWRywJKPrMU52soOs"
    "D3q8kK1yTOXB1AdROKhuQWbKsZIHRx8M4eC3g3o+VgfH2naszMe64FjVjqWxMNbG2li2ONTBHEpDbahiGEYFYnZ4JA=="
)
SMALL_TEXT = (b"the quick brown fox jumps over the lazy dog; " * 9 + bytes(range(64)) * 2 + b"the lazy quick dog ")[
    :500
]
BIG_TEXT = b"".join(b"%d bottles of beer on the wall, %x\n" % (i, i * i) for i in range(300))
LZVN = SMALL[12:-4]


def attribute(kind: int, size: int, payload: bytes = b"") -> bytes:
    return b"fpmc" + struct.pack("<IQ", kind, size) + payload


def opened(kind: int, size: int, payload: bytes = b"", fork: bytes | None = None) -> bytes:
    stream = open_compressed(
        parse_compression(attribute(kind, size, payload)), None if fork is None else MemoryStream(fork)
    )
    assert stream.size == size
    return stream.read_at(0, size + 10)


def test_reference_streams():
    assert SMALL[:4] == b"bvxn" and BIG[:4] == b"bvx2"
    assert decompress_lzfse(SMALL, 1 << 20) == SMALL_TEXT
    assert decompress_lzfse(BIG, 1 << 20) == BIG_TEXT
    assert decompress_lzvn(LZVN, 1 << 20) == SMALL_TEXT


@pytest.mark.parametrize("limit", [0, 1, 77, 499])
def test_limit_cuts(limit):
    assert decompress_lzfse(SMALL, limit) == SMALL_TEXT[:limit]
    assert decompress_lzvn(LZVN, limit) == SMALL_TEXT[:limit]
    assert decompress_lzfse(BIG, limit) == BIG_TEXT[:limit]


def test_plain_block_and_several_blocks():
    whole = b"bvx-" + struct.pack("<I", 5) + b"hello" + SMALL[:-4] + BIG
    assert decompress_lzfse(whole, 1 << 20) == b"hello" + SMALL_TEXT + BIG_TEXT


@pytest.mark.parametrize(
    "data", [b"", b"bvx", b"bvx3aaaa", b"bvx-\xff\xff\xff\xff", b"bvx1" + bytes(900), BIG[:40], BIG[:-20]]
)
def test_what_is_no_lzfse(data):
    with pytest.raises(CorruptStructureError):
        decompress_lzfse(data, 1 << 20)


@pytest.mark.parametrize("data", [b"\x1e", b"\x70", b"\xd0", b"\xe5ab", b"\x38\x05", b"\xf3", b"\xa0\x01"])
def test_what_is_no_lzvn(data):
    with pytest.raises(CorruptStructureError):
        decompress_lzvn(data, 100)


def test_content_within_the_attribute():
    assert opened(1, 5, b"plain") == b"plain"
    assert opened(9, 5, b"\xccplain") == b"plain"
    assert opened(3, 500, zlib.compress(SMALL_TEXT)) == SMALL_TEXT
    assert opened(3, 4, b"\xffabcd") == b"abcd"
    assert opened(7, 500, LZVN) == SMALL_TEXT
    assert opened(7, 4, b"\x06abcd") == b"abcd"
    assert opened(11, len(BIG_TEXT), BIG) == BIG_TEXT
    assert opened(3, 0, b"") == b""


def test_zlib_blocks_in_the_resource_fork():
    whole = random.Random(1).randbytes(70_000) + bytes(100_000)
    blocks = [whole[at : at + 65536] for at in range(0, len(whole), 65536)]
    packed = [b"\x0f" + blocks[0], *(zlib.compress(block) for block in blocks[1:])]
    place, table = 4 + 8 * len(packed), b""
    for block in packed:
        table += struct.pack("<II", place, len(block))
        place += len(block)
    body = struct.pack("<I", len(packed)) + table + b"".join(packed)
    fork = struct.pack(">IIII", 256, 0, len(body), 0).ljust(256, b"\0") + struct.pack(">I", len(body)) + body
    assert opened(4, len(whole), fork=fork) == whole
    stream = open_compressed(parse_compression(attribute(4, len(whole))), MemoryStream(fork))
    assert stream.read_at(65_530, 20) == whole[65_530:65_550]
    broken = bytearray(fork)
    broken[-len(packed[-1]) :] = bytes(len(packed[-1]))
    stream = open_compressed(parse_compression(attribute(4, len(whole))), MemoryStream(bytes(broken)))
    with pytest.raises(ReadFailedError) as caught:
        stream.read_at(0, len(whole))
    assert caught.value.partial == whole[: 2 * 65536]


@pytest.mark.parametrize("kind, packed", [(8, LZVN), (12, SMALL), (10, b"\xcc" + SMALL_TEXT)])
def test_blocks_behind_a_table_of_offsets(kind, packed):
    fork = struct.pack("<II", 8, 8 + len(packed)) + packed
    assert opened(kind, 500, fork=fork) == SMALL_TEXT


def test_what_cannot_be():
    for data in (b"", b"fpmc", b"cmpf" + bytes(12)):
        with pytest.raises(CorruptStructureError):
            parse_compression(data)
    with pytest.raises(CorruptStructureError, match="without the resource fork"):
        opened(4, 10)
    with pytest.raises(CorruptStructureError):
        opened(3, 1 << 60, zlib.compress(b"x"))
    with pytest.raises(CorruptStructureError, match="gives 1 of 9"):
        opened(3, 9, zlib.compress(b"x"))
    with pytest.raises(UnsupportedFormatError, match="not on the device"):
        opened(5, 9)
    with pytest.raises(UnsupportedFormatError, match="kind 77"):
        opened(77, 9)
    for kind in (4, 8, 10, 12):
        for fork in (b"", b"\xff" * 20, bytes(300)):
            with pytest.raises(EvidenceError):
                opened(kind, 70_000, fork=fork)


@pytest.mark.parametrize("seed", range(3))
def test_seeded_mutations_give_typed_errors_only(seed):
    rng = random.Random(seed)
    for _ in range(150):
        data = bytearray(rng.choice((SMALL, BIG)))
        for _ in range(rng.choice((1, 3))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        for decompress, start in ((decompress_lzfse, 0), (decompress_lzvn, 12)):
            try:
                assert len(decompress(bytes(data[start:]), 20_000)) <= 20_000
            except EvidenceError:
                continue
