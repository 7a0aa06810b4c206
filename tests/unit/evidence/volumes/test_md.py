"""Linux software RAID: levels and layouts against an array that the test lays out itself, missing and stale members."""

from __future__ import annotations

import os
import random
import struct

import pytest

from triage.errors import EvidenceError, ReadFailedError, UnsupportedFormatError
from triage.evidence.keychain import Keychain
from triage.evidence.volumes import md
from triage.evidence.volumes.md_superblock import find_superblock
from triage.model.problem import Reason
from triage.model.stream import MemoryStream

CHUNK = 1024
SIZE = 32 * CHUNK
"""Bytes that each member gives."""


def checksum_1(head: bytes) -> int:
    total = sum(struct.unpack(f"<{len(head) // 4}I", head))
    return (total & 0xFFFFFFFF) + (total >> 32) & 0xFFFFFFFF


def member(role: int, data: bytes, *, level: int, disks: int, layout: int = 0, version: str = "1.2", chunk: int = CHUNK,
           size: int = SIZE, events: int = 7, features: int = 0, array: bytes = b"array-identifier") -> bytes:  # fmt: skip
    """A member with its superblock."""
    start = {"1.2": 16, "1.1": 16, "1.0": 0}[version] * 512
    whole = bytearray(start + len(data) + (24 * 512 if version == "1.0" else 0))
    whole[start : start + len(data)] = data
    place = {"1.2": 4096, "1.1": 0, "1.0": (len(whole) // 512 - 16 & ~7) * 512}[version]
    head = struct.pack("<IIII", 0xA92B4EFC, 1, features, 0) + array + b"host:data".ljust(32, b"\0")
    head += struct.pack("<QiIQII", 0, level, layout, size // 512, chunk // 512, disks)
    head = head.ljust(128, b"\0") + struct.pack("<QQQQI", start // 512, len(data) // 512, place // 512, 0, role)
    head = head.ljust(192, b"\0") + struct.pack("<QQQII", 0, events, 0, 0, disks)
    head = head.ljust(256, b"\0") + struct.pack(f"<{disks}H", *range(disks))
    head += bytes(-len(head) % 4)
    total = sum(struct.unpack(f"<{(256 + 2 * disks) // 4}I", head[: (256 + 2 * disks) // 4 * 4]))
    if disks % 2:
        total += struct.unpack_from("<H", head, 256 + 2 * disks - 2)[0]
    head = head[:216] + struct.pack("<I", (total & 0xFFFFFFFF) + (total >> 32) & 0xFFFFFFFF) + head[220:]
    whole[place : place + len(head)] = head
    return bytes(whole)


def member_0(role: int, data: bytes, *, level: int, disks: int, layout: int = 0, order: str = "<") -> bytes:
    """A member of version 0.90."""
    words = [0] * 1024
    words[0:3] = [0xA92B4EFC, 0, 90]
    words[5], words[7], words[8], words[10] = 0x11, level, SIZE // 1024, disks
    words[13:16] = [0x22, 0x33, 0x44]
    words[64:66] = [layout, CHUNK]
    words[992:997] = [role, 8, 1, role, 6]
    total = sum(words)
    words[38] = (total & 0xFFFFFFFF) + (total >> 32) & 0xFFFFFFFF
    return data.ljust(65536, b"\0") + struct.pack(f"{order}1024I", *words).ljust(65536, b"\0")


def content(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


def xor(*parts: bytes) -> bytes:
    total = 0
    for part in parts:
        total ^= int.from_bytes(part, "little")
    return total.to_bytes(len(parts[0]), "little")


def opened(members: list[bytes], own: int = 0) -> md.MdLayer:
    streams = [MemoryStream(data) for data in members]
    return md.open_layer(streams[own], "x p1:/", Keychain(), [s for s in streams if s is not streams[own]])


def read(layer: md.MdLayer) -> bytes:
    (volume,) = layer.volumes
    assert volume.stream is not None
    return volume.stream.read_at(0, volume.stream.size)


# Rows as the kernel's documentation draws them: numbers are chunks, P and Q parities.
DRAWN = {
    ("5 left-symmetric", 5, 2): ["0 1 2 P", "4 5 P 3", "8 P 6 7", "P 9 10 11"],
    ("5 left-asymmetric", 5, 0): ["0 1 2 P", "3 4 P 5", "6 P 7 8", "P 9 10 11"],
    ("5 right-asymmetric", 5, 1): ["P 0 1 2", "3 P 4 5", "6 7 P 8", "9 10 11 P"],
    ("5 right-symmetric", 5, 3): ["P 0 1 2", "5 P 3 4", "7 8 P 6", "9 10 11 P"],
    ("5 parity first", 5, 4): ["P 0 1 2", "P 3 4 5"],
    ("5 parity last", 5, 5): ["0 1 2 P", "3 4 5 P"],
    ("4", 4, 0): ["0 1 2 P", "3 4 5 P"],
    ("6 left-symmetric", 6, 2): ["Q 0 1 P", "2 3 P Q", "5 P Q 4", "P Q 6 7"],
    ("6 left-asymmetric", 6, 0): ["Q 0 1 P", "2 3 P Q", "4 P Q 5", "P Q 6 7"],
    ("6 right-asymmetric", 6, 1): ["P Q 0 1", "2 P Q 3", "4 5 P Q", "Q 6 7 P"],
    ("6 parity last", 6, 5): ["0 1 P Q", "2 3 P Q"],
    ("6 n-continue", 6, 10): ["0 1 Q P", "3 Q P 2", "Q P 4 5", "P 6 7 Q"],
    ("6 n-restart", 6, 9): ["0 1 P Q", "2 P Q 3", "P Q 4 5", "Q 6 7 P"],
    ("6 zero-restart", 6, 8): ["P Q 0 1", "2 P Q 3", "4 5 P Q", "Q 6 7 P"],
    ("6 left-symmetric, Q last", 6, 18): ["0 1 P Q", "3 P 2 Q", "P 4 5 Q"],
    ("10 near 2", 10, 0x102): ["0 0 1 1", "2 2 3 3"],
    ("10 near 3", 10, 0x103): ["0 0 0 1", "1 1 2 2", "2 3 3 3"],
    ("10 offset 2", 10, 0x10201): ["0 1 2 3", "3 0 1 2", "4 5 6 7", "7 4 5 6"],
    ("0", 0, 0): ["0 1 2 3", "4 5 6 7"],
}


def drawn(rows: list[str], level: int, layout: int) -> tuple[bytes, list[bytes]]:
    """Content of an array and its members, by a drawing."""
    table = [row.split() for row in rows]
    count = max(int(cell) for row in table for cell in row if cell.isdigit()) + 1
    whole = content(count * CHUNK)
    legs = [bytearray() for _ in table[0]]
    for row in table:
        chunks = {cell: whole[int(cell) * CHUNK : int(cell) * CHUNK + CHUNK] for cell in row if cell.isdigit()}
        for leg, cell in zip(legs, row, strict=True):
            leg += xor(*chunks.values()) if cell == "P" else chunks.get(cell, b"Q" * CHUNK)
    size = len(legs[0])
    return whole, [member(role, bytes(leg), level=level, disks=len(legs), layout=layout, size=size)
                   for role, leg in enumerate(legs)]  # fmt: skip


@pytest.mark.parametrize("title, level, layout", list(DRAWN), ids=[key[0] for key in DRAWN])
def test_layouts_as_they_are_drawn(title, level, layout):
    whole, members = drawn(DRAWN[title, level, layout], level, layout)
    layer = opened(members)
    assert read(layer) == whole
    assert layer.problems == ()
    stream = layer.volumes[0].stream
    for start, length in ((0, 1), (CHUNK - 1, 2), (CHUNK + 5, 3 * CHUNK), (len(whole) - 1, 9)):
        assert stream.read_at(start, length) == whole[start : start + length]


@pytest.mark.parametrize(
    "title, level, layout", [key for key in DRAWN if key[1]], ids=[key[0] for key in DRAWN if key[1]]
)
@pytest.mark.parametrize("gone", range(4))
def test_one_missing_member_is_made_up_for(title, level, layout, gone):
    whole, members = drawn(DRAWN[title, level, layout], level, layout)
    layer = opened(members[:gone] + members[gone + 1 :])
    assert read(layer) == whole
    (problem,) = layer.problems
    assert (problem.reason, problem.bytes_not_examined, problem.examined_anyway) == (Reason.TRUNCATED, 0, True)
    assert f"number {gone + 1}" in problem.message


def test_stripes_with_a_missing_member_raise_where_it_is():
    whole, members = drawn(DRAWN["0", 0, 0], 0, 0)
    layer = opened(members[:2] + members[3:])
    stream = layer.volumes[0].stream
    assert stream.read_at(0, 2 * CHUNK) == whole[: 2 * CHUNK]
    with pytest.raises(ReadFailedError, match="disk 3 of 4") as caught:
        stream.read_at(0, len(whole))
    assert caught.value.partial == whole[: 2 * CHUNK]
    assert layer.problems[0].bytes_not_examined == 2 * CHUNK
    assert not layer.problems[0].examined_anyway


def test_far_copies():
    whole = content(8 * CHUNK)
    chunks = [whole[at : at + CHUNK] for at in range(0, len(whole), CHUNK)]
    first = [chunks[0] + chunks[4], chunks[1] + chunks[5], chunks[2] + chunks[6], chunks[3] + chunks[7]]
    legs = [first[role] + first[role - 1] for role in range(4)]
    members = [member(role, leg, level=10, disks=4, layout=0x201, size=4 * CHUNK) for role, leg in enumerate(legs)]
    assert read(opened(members)) == whole
    assert read(opened(members[:1] + members[2:])) == whole


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_mirror_of_every_version(version):
    whole = content(SIZE)
    members = [member(role, whole, level=1, disks=2, version=version, chunk=0) for role in range(2)]
    found = find_superblock(MemoryStream(members[0]))
    assert found is not None and (found.version, found.sound, found.name) == (version, True, "host:data")
    assert read(opened(members)) == whole
    assert read(opened(members[1:])) == whole


@pytest.mark.parametrize("order", "<>")
def test_version_0_in_both_byte_orders(order):
    whole = content(3 * SIZE)
    chunks = [whole[at : at + CHUNK] for at in range(0, len(whole), CHUNK)]
    members = [member_0(role, b"".join(chunks[role::3]), level=0, disks=3, order=order) for role in range(3)]
    layer = opened(members)
    assert layer.details["version"] == "0.90"
    assert layer.problems == ()
    assert read(layer)[: len(whole)] != b"" and find_superblock(MemoryStream(members[0])).sound
    assert read(layer)[: len(whole)] == whole


def test_linear_members_one_after_the_other():
    whole = content(3 * SIZE)
    members = [member(0, whole[:SIZE], level=-1, disks=2, size=0, chunk=0),
               member(1, whole[SIZE:], level=-1, disks=2, size=0, chunk=0)]  # fmt: skip
    assert read(opened(members)) == whole


def test_stripes_over_members_of_different_sizes():
    whole = content(6 * CHUNK)
    chunks = [whole[at : at + CHUNK] for at in range(0, len(whole), CHUNK)]
    members = [member(0, chunks[0] + chunks[2], level=0, disks=2, size=0, layout=2),
               member(1, chunks[1] + b"".join(chunks[3:]), level=0, disks=2, size=0, layout=2)]  # fmt: skip
    assert read(opened(members)) == whole


def test_array_is_listed_once_and_others_stay_apart():
    whole = content(SIZE)
    members = [member(role, whole, level=1, disks=2) for role in range(2)]
    foreign = member(0, b"f" * SIZE, level=1, disks=2, array=b"another-array---")
    assert opened(members, own=1).volumes == ()
    assert read(opened([*members, foreign])) == whole
    assert read(opened([*members, foreign], own=2)) == b"f" * SIZE


def test_member_that_is_out_of_date_is_not_used():
    new, old = content(SIZE, 1), content(SIZE, 2)
    members = [member(0, old, level=1, disks=2, events=3), member(1, new, level=1, disks=2, events=9)]
    assert read(opened(members)) == new
    twice = [member(0, old, level=1, disks=1, events=3), member(0, new, level=1, disks=1, events=9)]
    assert "out of date" in opened(twice).details["member"]
    assert read(opened(twice, own=1)) == new


@pytest.mark.parametrize(
    "level, layout, features", [(5, 99, 0), (6, 11, 0), (10, 0, 0), (10, 1 << 17, 0), (7, 0, 0), (5, 2, 4)]
)
def test_what_is_not_read_is_refused(level, layout, features):
    with pytest.raises(UnsupportedFormatError):
        opened([member(role, bytes(SIZE), level=level, disks=3, layout=layout, features=features) for role in range(3)])


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"\0" * 70_000, b"\xfc\x4e\x2b\xa9" * 5000])
def test_what_is_no_member(data):
    assert not md.detect(MemoryStream(data))


@pytest.mark.parametrize("seed", range(3))
def test_seeded_mutations_give_typed_errors_only(seed):
    rng = random.Random(seed)
    sets = [drawn(rows, level, layout)[1] for (_, level, layout), rows in DRAWN.items()]
    sets.append([member_0(role, content(SIZE), level=5, disks=3, layout=2) for role in range(3)])
    for _ in range(int(os.environ.get("TRIAGE_FUZZ", "200"))):
        members = [bytearray(data) for data in rng.choice(sets)]
        for data in members if rng.random() < 0.6 else members[:1]:
            base = 4096 if len(data) < 65536 else 65536
            for place in rng.sample(range(300), 2):
                data[base + place] = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256)))
        try:
            for volume in opened([bytes(data) for data in members]).volumes:
                assert volume.stream is not None
                volume.stream.read_at(0, 1 << 16)
                volume.stream.read_at(max(0, volume.stream.size - 100), 200)
        except EvidenceError:
            continue
