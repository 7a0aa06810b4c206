"""tar: members as stored; bounded and told where headers do not hold."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.archives import HERE, open_all, open_once
from triage.content.decoders import Budget, Member, decode
from triage.content.identify import identify
from triage.model.address import Address
from triage.model.problem import Reason

NOTE = b"the debt is 3000 and she pays it off\n" * 30
MIB = 1 << 20


def header(name: bytes, size: int = 0, kind: bytes = b"0", *, size_field: bytes = b"", link: bytes = b"",
           prefix: bytes = b"", magic: bytes = b"ustar\x0000", mtime: bytes = b"14575650000\0") -> bytes:  # fmt: skip
    """One header block with a right checksum."""
    block = bytearray(512)
    block[: len(name[:100])] = name[:100]
    block[100:108] = b"0000644\0"
    block[124:136] = size_field or b"%011o\0" % size
    block[136 : 136 + len(mtime)] = mtime
    block[156:157] = kind
    block[157 : 157 + len(link)] = link
    block[257 : 257 + len(magic)] = magic
    block[345 : 345 + len(prefix)] = prefix
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def member(name: bytes, data: bytes = b"", kind: bytes = b"0", **more: bytes) -> bytes:
    return header(name, len(data), kind, **more) + data + bytes(-len(data) % 512)


def pax(**records: str) -> bytes:
    out = b""
    for key, value in records.items():
        body = f" {key.replace('_', '.')}={value}\n".encode()
        length = len(body) + 1
        length = len(body) + len(str(len(body) + len(str(length))))
        out += str(length).encode() + body
    return out


END = bytes(1024)


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_the_standard_library_writes(style: int) -> None:
    out = io.BytesIO()
    names = ["a.txt", "dir/" + "n" * 90 + "/b.txt", "empty"]
    if style != tarfile.USTAR_FORMAT:
        names.append("x" * 200 + "/" + "y" * 120 + "/ледгер.txt")
    with tarfile.open(fileobj=out, mode="w", format=style) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 0 if name == "empty" else len(NOTE)
            info.mtime = 1_710_936_000
            archive.addfile(info, io.BytesIO(NOTE))
        folder = tarfile.TarInfo("dir")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    members, problems = open_once(out.getvalue(), mime="application/x-tar")
    assert [item.name.decode() for item in members] == names
    assert [item.data for item in members] == [b"" if name == "empty" else NOTE for name in names]
    assert members[0].times.mtime == 1_710_936_000 * 10**9
    assert problems == []


def test_prefix_pax_name_and_time() -> None:
    data = member(b"short", NOTE, prefix=b"a/b") + member(b"x", pax(path="from/pax", mtime="1710936000.25"), b"x")
    members, problems = open_once(data + member(b"cut", NOTE) + member(b"next", b"1") + END)
    assert [item.name for item in members] == [b"a/b/short", b"from/pax", b"next"]
    assert members[1].times.mtime == 1_710_936_000_250_000_000 and problems == []


def test_tgz_is_a_chain_of_two() -> None:
    members, problems = open_all(
        gzip.compress(member(b"list.txt", NOTE) + END), Budget(), Address("i", "p1", b"/a.tgz")
    )
    assert [str(place) for place, _ in members] == ["i p1:/a.tgz!/a.tar", "i p1:/a.tgz!/a.tar!/list.txt"]
    assert problems == []


def test_a03_links_devices_and_outward_names_are_data() -> None:
    data = (member(b"../../etc/passwd", NOTE) + header(b"link", 0, b"2", link=b"/etc/shadow") + header(b"hard", 5, b"1", link=b"x")
            + header(b"tty", 0, b"3") + header(b"pipe", 0, b"6") + header(b"dir/", 0, b"5") + member(b"/abs", b"y")
            + member(b"same", b"1") + member(b"same", b"2"))  # fmt: skip
    members, problems = open_once(data + END)
    assert [(item.name, len(item.data)) for item in members] == [
        (b"../../etc/passwd", len(NOTE)), (b"/abs", 1), (b"same", 1), (b"same", 1)]  # fmt: skip
    assert problems == []


def test_a05_negative_size_is_told_and_the_next_header_is_found() -> None:
    bad = header(b"bad", size_field=b"\xff" * 11 + b"\x01")
    members, problems = open_once(member(b"a", NOTE) + bad + bytes(512) + b"x" * 512 + member(b"b", NOTE) + END)
    assert [item.name for item in members] == [b"a", b"b"]
    assert [item.reason for item in problems] == [Reason.CORRUPT] and "negative size" in problems[0].message


def test_a05_giant_size_is_only_a_claim() -> None:
    giant = header(b"big", size_field=b"\x80" + b"\x7f" * 11) + NOTE
    members, problems = open_once(giant)
    assert members[0].data == NOTE
    assert problems[0].reason is Reason.TRUNCATED and problems[0].bytes_not_examined < 1 << 60


def test_a05_truncated_keeps_what_came_before() -> None:
    data = member(b"a", NOTE) + member(b"b", NOTE)
    for cut in range(len(data), 512, -100):
        members, problems = open_once(data[:cut])
        for item in members:
            assert NOTE.startswith(item.data)
        if cut >= 512 + len(NOTE):
            assert members[0].data == NOTE
        elif cut > 512:
            assert problems[0].reason is Reason.TRUNCATED


def test_a05_hundred_thousand_pax_headers_cost_their_length() -> None:
    data = member(b"x", pax(path="p"), b"x") * 2000 + member(b"a", NOTE) + END
    members, problems = open_once(data)
    assert [item.name for item in members] == [b"p"] and problems == []


def test_a05_sparse_members_are_told() -> None:
    sparse = member(b"x", pax(GNU_sparse_name="real", GNU_sparse_major="1"), b"x") + member(b"GNUSparseFile/real", NOTE)
    members, problems = open_once(sparse + member(b"b", b"1") + END)
    assert [(item.name, item.data) for item in members] == [(b"real", NOTE), (b"b", b"1")]
    assert problems[0].reason is Reason.UNSUPPORTED and "sparse" in problems[0].message


def test_a05_broken_header_in_the_middle() -> None:
    data = bytearray(member(b"a", NOTE) + member(b"b", NOTE) + member(b"c", NOTE) + END)
    second = len(member(b"a", NOTE))
    data[second + 3] ^= 0xFF
    members, problems = open_once(bytes(data))
    assert [item.name for item in members] == [b"a", b"c"]
    assert problems[0].reason is Reason.CORRUPT and problems[0].bytes_not_examined == len(member(b"b", NOTE))


def test_archives_one_behind_the_other() -> None:
    members, problems = open_once(member(b"a", NOTE) + END + bytes(8192) + member(b"b", NOTE) + END)
    assert [item.name for item in members] == [b"a", b"b"] and problems == []


def test_times_that_no_64_bits_hold_are_absent() -> None:
    wild = (
        member(b"a", b"1", mtime=b"\x80" + b"\x7f" * 11)
        + member(b"x", pax(mtime="9999999999"), b"x")
        + member(b"b", b"1")
    )
    members, _ = open_once(wild + END)
    assert [item.times.mtime for item in members] == [None, None]


def test_a01_members_end_at_the_limit() -> None:
    members, problems = open_once(member(b"a", b"1") * 50 + END, Budget(remaining_members=10))
    assert len(members) == 10 and problems[0].reason is Reason.LIMIT and problems[0].bytes_not_examined > 0
    members, problems = open_once(member(b"a", bytes(3 * MIB)) + END, Budget(max_member_bytes=MIB))
    assert len(members[0].data) == MIB and problems[0].reason is Reason.LIMIT


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=10),
    st.integers(0, 10**6),
    st.binary(max_size=700),
)
def test_any_bytes_give_members_or_problems(changes: list[tuple[int, int]], cut: int, noise: bytes) -> None:
    data = bytearray(
        member(b"L", b"long name\0", b"L")
        + member(b"a", NOTE)
        + member(b"x", pax(size="77"), b"x")
        + member(b"S", NOTE, b"S")
        + noise
    )
    for place, value in changes:
        data[place % len(data)] = value
    kind = identify(member(b"a") + END, 1536, b"a.tar")
    for case in (bytes(data), bytes(data[: cut % len(data)]), memoryview(bytes(data))):
        for item in decode(kind, case, HERE, Budget()) or ():
            assert isinstance(item, Member) or item.message
