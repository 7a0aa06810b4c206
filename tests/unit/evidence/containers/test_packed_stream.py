"""Files that are compressed as a whole, read in any order."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import shutil
import subprocess

import pytest

from triage.errors import ReadFailedError
from triage.evidence.containers import packed_stream
from triage.evidence.containers.packed_machines import packing
from triage.evidence.containers.packed_stream import PackedStream


class Bytes:
    """Something readable that counts what is read."""

    def __init__(self, data):
        self.data, self.taken = data, 0

    def read_at(self, offset, length):
        piece = self.data[offset : offset + length]
        self.taken += len(piece)
        return piece


def text(size):
    rng = random.Random(7)
    words = [rng.randbytes(rng.randrange(2, 9)) for _ in range(400)]
    return b"".join(rng.choice(words) for _ in range(size // 5))[:size]


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "lzma"])
def test_packed_stream_gives_the_same_in_any_order(name, monkeypatch):
    monkeypatch.setattr(packed_stream, "CHUNK", 4096)
    monkeypatch.setattr(packed_stream, "CACHED", 3)
    monkeypatch.setattr(packed_stream, "FIRST_SPACING", 10_000)
    monkeypatch.setattr(packed_stream, "MAX_POINTS", 8)
    data = text(300_000)
    packer = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}.get(name)
    if packer is None:
        packed = lzma.compress(data, lzma.FORMAT_ALONE)
    else:  # two streams, one behind the other
        packed = packer(data[:111_111]) + packer(data[111_111:])
    assert packing(packed[:16]) == name
    stream = PackedStream(Bytes(packed), len(packed), name)
    rng = random.Random(3)
    for _ in range(120):
        offset, length = rng.randrange(310_000), rng.randrange(9000)
        assert stream.read_at(offset, length) == data[offset : offset + length]
    assert len(stream._points) <= 8
    assert stream.read_at(0, 1 << 30) == data


def test_restart_points_spare_the_way_from_the_beginning(monkeypatch):
    monkeypatch.setattr(packed_stream, "FIRST_SPACING", 1 << 18)
    data = random.Random(5).randbytes(8 << 20)
    source = Bytes(gzip.compress(data, 1))
    stream = PackedStream(source, len(source.data), "gzip")
    monkeypatch.setattr(packed_stream, "CACHED", 1)
    stream.read_at(len(data) - 10, 10)
    source.taken = 0
    assert stream.read_at(5 << 20, 100) == data[5 << 20 : (5 << 20) + 100]
    assert source.taken < 2 << 20


def test_blocks_of_xz_are_restart_points(tmp_path):
    if not shutil.which("xz"):
        pytest.skip("needs xz")
    data = random.Random(5).randbytes(4 << 20)
    (tmp_path / "a").write_bytes(data)
    subprocess.run(["xz", "-0", "--block-size=500000", str(tmp_path / "a")], check=True)
    source = Bytes((tmp_path / "a.xz").read_bytes())
    stream = PackedStream(source, len(source.data), "xz")
    assert stream.restarts == "9 blocks"
    source.taken = 0
    assert stream.read_at(3 << 20, 1000) == data[3 << 20 : (3 << 20) + 1000]
    assert source.taken < 1 << 20
    assert stream.read_at(0, len(data)) == data
    broken = bytearray(source.data)
    broken[1_000_000:1_000_100] = bytes(100)  # in the second block: the others are read all the same
    stream = PackedStream(Bytes(bytes(broken)), len(broken), "xz")
    with pytest.raises(ReadFailedError):
        stream.read_at(0, len(data))
    assert stream.read_at(2 << 20, 2 << 20) == data[2 << 20 :]
    assert stream.read_at(0, 400_000) == data[:400_000]


def test_damage_is_not_decoded_again_and_again():
    data = random.Random(5).randbytes(3 << 20)
    packed = gzip.compress(data, 1)
    source = Bytes(packed[: len(packed) // 2])
    stream = PackedStream(source, len(source.data), "gzip")
    for offset in range(0, 3 << 20, 65536):
        try:
            assert stream.read_at(offset, 65536) == data[offset : offset + 65536]
        except ReadFailedError as error:
            assert data[offset:].startswith(error.partial)
    assert source.taken < 2 * len(source.data)


@pytest.mark.parametrize(("pack", "name"), [(gzip.compress, "gzip"), (lzma.compress, "xz")])
def test_what_stands_before_damage_is_given(pack, name):
    """A decoder that fails gives nothing of what it was asked for: it is asked again in small steps."""
    data = b"".join(b"line %d of many %d\n" % (number, number * 7919 % 1000) for number in range(12_000))
    packed = bytearray(pack(data))
    place = len(packed) // 2
    packed[place : place + 4] = b"\xff\x00\xff\x55"
    with pytest.raises(ReadFailedError) as caught:
        PackedStream(Bytes(bytes(packed)), len(packed), name).read_at(0, len(data))
    assert len(caught.value.partial) > len(data) // 5
    assert data.startswith(caught.value.partial[: len(data) // 5])
