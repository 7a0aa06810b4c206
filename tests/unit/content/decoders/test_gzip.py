"""gzip: one content of joined members; what inflates is given, the rest is told."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.archives import HERE, open_once
from triage.content.decoders import Budget, Member, decode
from triage.content.identify import identify
from triage.model.address import Address
from triage.model.problem import Reason

MIB = 1 << 20
NOTE = b"".join(b"line %d of the ledger\n" % number for number in range(5000))


def pack(data: bytes, name: bytes = b"", mtime: int = 0, flags: int = 0, fields: bytes = b"") -> bytes:
    """One gzip member with any header."""
    flags |= 8 if name else 0
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(data) + packer.flush()
    head = (
        b"\x1f\x8b\x08" + bytes((flags,)) + struct.pack("<IBB", mtime, 0, 3) + fields + (name + b"\0" if name else b"")
    )
    return head + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def test_name_and_time_come_from_the_header_else_the_file_name() -> None:
    members, problems = open_once(pack(NOTE, b"ledger.txt", 1_700_000_000))
    assert problems == []
    assert (members[0].name, members[0].data, members[0].times.mtime) == (b"ledger.txt", NOTE, 1_700_000_000 * 10**9)
    for name, inner in (
        (b"a.txt.gz", b"a.txt"),
        (b"a.tgz", b"a.tar"),
        (b"a.TGZ", b"a.tar"),
        (b"odd", b"odd"),
        (b".gz", b".gz"),
    ):
        members, _ = open_once(pack(NOTE), address=Address("i", "p1", b"/" + name))
        assert members[0].name == inner
        assert members[0].times.mtime is None


def test_all_optional_fields_of_the_header() -> None:
    fields = struct.pack("<H", 5) + b"extra"
    data = pack(NOTE, b"", 0, 4, fields)
    assert open_once(data)[0][0].data == NOTE
    with_comment = b"\x1f\x8b\x08\x12" + bytes(6) + b"comment\0" + b"\0\0" + pack(NOTE)[10:]
    assert open_once(with_comment)[0][0].data == NOTE


def test_members_are_joined_and_zeros_behind_them_are_padding() -> None:
    members, problems = open_once(gzip.compress(b"one ") + gzip.compress(b"two") + bytes(1000))
    assert [item.data for item in members] == [b"one two"] and problems == []


def test_trailing_data_is_told() -> None:
    members, problems = open_once(gzip.compress(NOTE) + b"garbage behind")
    assert members[0].data == NOTE
    assert (
        problems[0].reason is Reason.CORRUPT
        and "14 bytes behind" in problems[0].message
        and problems[0].examined_anyway
    )


def test_truncated_keeps_what_inflates() -> None:
    packed = gzip.compress(NOTE)
    for cut in (len(packed) - 1, len(packed) - 8, len(packed) - 9, len(packed) // 2, 30, 12):
        members, problems = open_once(packed[:cut])
        assert NOTE.startswith(members[0].data)
        assert [item.reason for item in problems] == [Reason.TRUNCATED], cut
        assert len(members[0].data) > len(NOTE) * (cut - 400) // len(packed)


def test_wrong_checksum_and_length_are_told_and_the_bytes_given() -> None:
    packed = bytearray(gzip.compress(NOTE))
    packed[-8] ^= 1
    members, problems = open_once(bytes(packed))
    assert members[0].data == NOTE and problems[0].reason is Reason.CORRUPT and not problems[0].examined_anyway
    packed = bytearray(gzip.compress(NOTE))
    packed[-1] ^= 1
    members, problems = open_once(bytes(packed))
    assert members[0].data == NOTE and problems[0].reason is Reason.MISMATCH


def test_broken_stream_keeps_what_inflates_before_the_break() -> None:
    packed = bytearray(gzip.compress(NOTE))
    middle = len(packed) // 2
    packed[middle : middle + 100] = b"\xff" * 100
    members, problems = open_once(bytes(packed))
    same = next(n for n, (a, b) in enumerate(zip(members[0].data + b"\0", NOTE, strict=False)) if a != b)
    assert same > len(NOTE) * 4 // 10
    assert problems[0].reason in (Reason.CORRUPT, Reason.TRUNCATED)


def test_header_that_does_not_hold_is_told() -> None:
    members, problems = open_once(b"\x1f\x8b\x08\xff" + bytes(50))
    assert members == [] and problems[0].reason is Reason.CORRUPT and problems[0].bytes_not_examined == 54
    members, problems = open_once(b"\x1f\x8b\x08")
    assert members == [] and problems[0].reason is Reason.CORRUPT


def test_a01_gigabytes_of_zeros_stop_with_the_ratio_and_flat_memory() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = bytes(4 * MIB)
    packed = b"".join([*(packer.compress(piece) for _ in range(64)), packer.flush()])
    tracemalloc.start()
    members, problems = open_once(packed, Budget(free_bytes=2 * MIB, max_ratio=5.0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(members[0].data) == 2 * MIB
    assert problems[0].reason is Reason.LIMIT and "ratio" in problems[0].message
    assert peak < 6 * MIB


def test_a01_quine_ends_by_depth() -> None:
    """A chain of files each of which claims to hold the next, like r.gz, ends at the limit of depth."""
    data, address, budget = gzip.compress(b"\x1f\x8b\x08 not really"), HERE, Budget(max_depth=4)
    for _ in range(4):
        assert any(
            isinstance(item, Member) for item in decode(identify(data, len(data), b"r.gz"), data, address, budget) or ()
        )
        address = address.child(b"r.gz")
    last = list(decode(identify(data, len(data), b"r.gz"), data, address, budget) or ())
    assert [item.reason for item in last] == [Reason.LIMIT]


def test_a01_many_small_members_share_one_allowance() -> None:
    packed = gzip.compress(bytes(MIB)) * 40
    members, problems = open_once(packed, Budget(free_bytes=3 * MIB, max_ratio=1.0))
    assert len(members[0].data) == 3 * MIB and problems[0].reason is Reason.LIMIT


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8))
def test_any_bytes_give_members_or_problems(noise: bytes, changes: list[tuple[int, int]]) -> None:
    data = bytearray(pack(noise, b"n") + pack(NOTE[:300]))
    for place, value in changes:
        data[place % len(data)] = value
    for case in (bytes(data), b"\x1f\x8b\x08" + noise):
        for item in decode(identify(b"\x1f\x8b\x08", 3, b"x"), case, HERE, Budget(free_bytes=MIB)) or ():
            assert isinstance(item, Member) or item.message
