"""ZIP: every member some header tells of, whatever the headers claim; bounded on any bytes."""

from __future__ import annotations

import bz2
import io
import lzma
import random
import struct
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.archives import HERE, Part, deflate, make_zip, open_all, open_once
from triage.content.decoders import Budget, Member, decode
from triage.content.identify import identify
from triage.model.problem import Reason
from triage.model.times import Times

MIB = 1 << 20
NOTE = b"the debt is 3000 and she pays it off\n" * 20


def reasons(problems: list) -> list[Reason]:
    return [item.reason for item in problems]


def test_members_times_and_order() -> None:
    members, problems = open_once(make_zip([Part(b"b.txt", NOTE), Part(b"dir/"), Part(b"dir/a.txt", b"x", method=0)]))
    assert [(item.name, item.data) for item in members] == [(b"b.txt", NOTE), (b"dir/a.txt", b"x")]
    assert members[0].times == Times(mtime=1_710_936_000 * 10**9, zone_known=False)
    assert not members[0].part_of_document
    assert problems == []


def test_memoryview_gives_the_same() -> None:
    data = make_zip([Part(b"b.txt", NOTE), Part(b"c", NOTE, method=0)])
    assert open_once(memoryview(data)) == open_once(data)


def test_methods_of_the_standard_library() -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            archive.writestr("a.txt", NOTE)
            archive.writestr("empty", b"")
        members, problems = open_once(out.getvalue())
        assert [item.data for item in members] == [NOTE, b""], method
        assert problems == []
    members, problems = open_once(make_zip([Part(b"x", NOTE, 95, lzma.compress(NOTE, lzma.FORMAT_XZ))]))
    assert members[0].data == NOTE and problems == []


@pytest.mark.parametrize(
    ("method", "word"), [(9, "deflate64"), (93, "zstandard"), (98, "PPMd"), (6, "implode"), (77, "77")]
)
def test_other_methods_are_told_and_the_rest_goes_on(method: int, word: str) -> None:
    members, problems = open_once(make_zip([Part(b"odd", NOTE, method), Part(b"good", NOTE)]))
    assert [item.name for item in members] == [b"good"]
    assert reasons(problems) == [Reason.UNSUPPORTED]
    assert word in problems[0].message and problems[0].bytes_not_examined == len(NOTE)
    assert problems[0].address == str(HERE.child(b"odd"))


def test_extra_times_are_utc() -> None:
    unix = struct.pack("<HHBi", 0x5455, 5, 1, 1_700_000_000)
    windows = struct.pack("<HHIHHQQQ", 10, 32, 0, 1, 24, *(132_000_000_000_000_000 + n for n in range(3)))
    absurd = struct.pack("<HHIHHQQQ", 10, 32, 0, 1, 24, *([2**64 - 1] * 3))
    members, _ = open_once(make_zip([Part(b"a", extra=unix), Part(b"b", extra=windows), Part(b"c", extra=absurd),
                                     Part(b"d", extra=unix[:6]), Part(b"e", extra=b"\x0a\0\xff\xff")]))  # fmt: skip
    assert members[0].times == Times(mtime=1_700_000_000 * 10**9)
    assert members[1].times.zone_known and members[1].times.crtime == members[1].times.mtime + 200
    assert members[2].times == Times()
    assert [item.name for item in members[3:]] == [b"d", b"e"]


# A01: bombs


def test_a01_bomb_stops_and_the_members_around_it_are_examined() -> None:
    bomb = deflate(bytes(300 * MIB), 1)
    data = make_zip([Part(b"first", NOTE), Part(b"bomb", b"", 8, bomb, claimed_size=10), Part(b"last", NOTE)])
    budget = Budget(max_ratio=20.0, free_bytes=8 * MIB, max_member_bytes=16 * MIB)
    members, problems = open_once(data, budget)
    assert [item.name for item in members] == [b"first", b"bomb", b"last"]
    assert len(members[1].data) == 2 * MIB
    told = [item for item in problems if item.reason is Reason.LIMIT]
    assert "ratio" in told[0].message and told[0].address == str(HERE.child(b"bomb"))


def test_a01_bomb_leaves_memory_flat() -> None:
    data = make_zip([Part(b"bomb", b"", 8, deflate(bytes(200 * MIB), 1), claimed_size=2**31)])
    tracemalloc.start()
    members, problems = open_once(data, Budget(free_bytes=MIB, max_ratio=1.0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reasons(problems)[0] is Reason.LIMIT
    assert len(members[0].data) <= len(data)
    assert peak < 4 * MIB


def test_a01_nested_bomb_of_the_42_kind_ends_by_the_shared_budget() -> None:
    level = make_zip([Part(b"0.dat", bytes(4 * MIB))])
    for _ in range(4):
        level = make_zip([Part(b"%d.zip" % number, level) for number in range(12)])
    budget = Budget(free_bytes=16 * MIB)
    members, problems = open_all(level, budget)
    assert sum(size for _, size in members) <= 16 * MIB + len(level)
    assert Reason.LIMIT in reasons(problems)
    assert len(members) < 500 and len(problems) < 500


def test_a01_overlapping_members_are_told_and_bounded() -> None:
    """Many entries of the directory point at the same long stream, as in Fifield's archive."""
    packed = deflate(bytes(8 * MIB))
    kernel = Part(b"0", packed=packed, claimed_size=8 * MIB)
    parts = [kernel, *(Part(b"%d" % n, packed=packed, offset=0, stored=False) for n in range(1, 400))]
    data = make_zip(parts)
    members, problems = open_once(data, Budget(free_bytes=64 * MIB, max_ratio=10.0))
    assert sum(len(item.data) for item in members) <= 72 * MIB
    assert any(item.reason is Reason.LIMIT and "overlap" in item.message for item in problems)
    assert any("limit of bytes" in item.message for item in problems)


def test_a01_millions_of_empty_members_end_at_the_limit() -> None:
    parts = [Part(b"%d" % number, method=0) for number in range(3000)]
    members, problems = open_once(make_zip(parts), Budget(remaining_members=1000))
    assert len(members) == 1000
    assert reasons(problems) == [Reason.LIMIT] and "members" in problems[0].message
    assert problems[0].bytes_not_examined > 0


def test_a01_quine_ends_by_depth() -> None:
    """An archive whose member is the archive itself, as far as the loop can tell."""
    data = make_zip([Part(b"r.zip", b"x")])
    address, budget = HERE, Budget(max_depth=5)
    seen = 0
    while True:
        items = list(decode(identify(data, len(data), b"r.zip"), data, address, budget) or ())
        if not any(isinstance(item, Member) for item in items):
            break
        seen += 1
        address = address.child(b"r.zip")
    assert seen == 5
    assert [item.reason for item in items] == [Reason.LIMIT] and "deeper" in items[0].message


def test_a01_lzma_with_a_giant_dictionary_asks_for_no_memory() -> None:
    packed = lzma.compress(NOTE, lzma.FORMAT_ALONE)
    body = b"\x10\x02\x05\0" + packed[:1] + b"\xff\xff\xff\xff" + packed[13:]
    tracemalloc.start()
    members, _ = open_once(make_zip([Part(b"x", NOTE, 14, body)]), Budget(max_member_bytes=MIB))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert members[0].data == NOTE and peak < 8 * MIB


# A02: claims


def test_a02_claimed_size_is_only_a_claim() -> None:
    data = bytes(3 * MIB) + NOTE
    members, problems = open_once(
        make_zip([Part(b"x", data, claimed_size=10), Part(b"y", NOTE, claimed_size=2**32 - 2)])
    )
    assert members[0].data == data and members[1].data == NOTE
    assert reasons(problems) == [Reason.MISMATCH, Reason.MISMATCH]
    assert all(item.examined_anyway for item in problems)


def test_a02_claimed_packed_size_is_only_a_claim() -> None:
    noise = random.Random(3).randbytes(5000)
    for claim in (5, 2**31):
        members, problems = open_once(make_zip([Part(b"x", noise, claimed_packed=claim), Part(b"y", NOTE)]))
        assert (b"x", noise) in [(item.name, item.data) for item in members], claim
        assert (b"y", NOTE) in [(item.name, item.data) for item in members], claim


def test_a02_wrong_checksum_is_told_and_the_bytes_are_given() -> None:
    members, problems = open_once(make_zip([Part(b"x", NOTE, crc=1), Part(b"y", NOTE, 0, crc=1)]))
    assert [item.data for item in members] == [NOTE, NOTE]
    assert reasons(problems) == [Reason.CORRUPT, Reason.CORRUPT]


def test_a02_what_inflates_before_the_break_is_given() -> None:
    data = b"".join(b"line %d of the ledger\n" % number for number in range(20_000))
    packed = bytearray(deflate(data))
    middle = len(packed) // 2
    packed[middle : middle + 64] = b"\xff" * 64
    members, problems = open_once(make_zip([Part(b"x", data, packed=bytes(packed)), Part(b"y", NOTE)]))
    kept = members[0].data
    common = next((n for n, (a, b) in enumerate(zip(kept, data, strict=False)) if a != b), len(kept))
    assert common > len(data) * 4 // 10
    assert members[1].data == NOTE
    assert Reason.CORRUPT in reasons(problems)


def test_a02_every_byte_before_a_sure_break_is_given() -> None:
    """The break lies in the first piece that goes into the decompressor, with output still inside it."""
    for before in (NOTE, NOTE * 500, random.Random(9).randbytes(100_000)):
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = packer.compress(before) + packer.flush(zlib.Z_FULL_FLUSH) + b"\x07 no such block"
        members, problems = open_once(make_zip([Part(b"x", before, packed=packed), Part(b"y", NOTE)]))
        assert [item.data for item in members] == [before, NOTE]
        assert reasons(problems) == [Reason.CORRUPT] and not problems[0].examined_anyway


def test_lengths_around_the_size_of_a_piece_come_out_whole() -> None:
    """The decompressor may hold output back when all input has gone in."""
    for length in [*range(65_536 - 300, 65_536 + 300, 7), *range(131_072 - 270, 131_072 + 30, 3)]:
        members, problems = open_once(make_zip([Part(b"x", bytes(length))]))
        assert len(members[0].data) == length and problems == []


def test_a02_directory_and_local_header_disagree_both_readings_are_members() -> None:
    packed = deflate(NOTE)
    data = make_zip([Part(b"shown.txt", packed, 0, local_name=b"real.txt", local_method=8)])
    members, problems = open_once(data)
    assert {item.data for item in members} == {packed, NOTE}
    assert problems[0].reason is Reason.MISMATCH
    assert "name" in problems[0].message and "method" in problems[0].message and "real.txt" in problems[0].message


def test_a02_member_outside_the_directory_is_found() -> None:
    data = make_zip([Part(b"a", NOTE), Part(b"hidden", NOTE + b"!", listed=False), Part(b"b", NOTE)])
    members, problems = open_once(data)
    assert sorted(item.name for item in members) == [b"a", b"b", b"hidden"]
    assert reasons(problems) == [Reason.MISMATCH] and "not in the directory" in problems[0].message


def test_a02_data_before_the_archive_and_between_members() -> None:
    members, problems = open_once(make_zip([Part(b"a", NOTE), Part(b"b", NOTE)], prefix=b"MZ" + bytes(5000)))
    assert [item.name for item in members] == [b"a", b"b"] and problems == []
    members, problems = open_once(make_zip([Part(b"a", NOTE), Part(b"b", NOTE)], between=b"PK\3\4 no header " * 9))
    assert [item.name for item in members] == [b"a", b"b"]


def test_a02_two_archives_one_behind_the_other() -> None:
    data = make_zip([Part(b"first", NOTE)]) + make_zip([Part(b"second", NOTE)])
    members, _ = open_once(data)
    assert sorted(item.name for item in members) == [b"first", b"second"]


def test_a02_two_end_records_over_one_body() -> None:
    one = make_zip([Part(b"a", NOTE), Part(b"b", NOTE + b"b", listed=False)])
    at = one.index(b"b" * 0 + b"PK\3\4", 4)
    other = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0, 8, 0, 0, zlib.crc32(NOTE + b"b"),
                        len(deflate(NOTE + b"b")), len(NOTE) + 1, 1, 0, 0, 0, 0, 0, at) + b"c"  # fmt: skip
    two = one + other + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(other), len(one), 0)
    members, _ = open_once(two)
    assert {(item.name, item.data) for item in members} == {(b"a", NOTE), (b"c", NOTE + b"b")}


@pytest.mark.parametrize("flags", [0, 8])
def test_a02_truncated_archive_keeps_what_came_before(flags: int) -> None:
    data = make_zip([Part(b"%d" % number, NOTE * (number + 1), flags=flags) for number in range(8)], end=False)
    for cut in range(len(data), 40, -97):
        members, problems = open_once(data[:cut])
        whole = [item for item in members if item.data == NOTE * (int(item.name) + 1)]
        assert len(whole) >= data[:cut].count(b"PK\3\4") - 1
        assert Reason.TRUNCATED in reasons(problems)
    members, _ = open_once(data)
    assert [item.name for item in members] == [b"%d" % number for number in range(8)]


def test_a02_broken_directory_falls_back_to_local_headers() -> None:
    data = bytearray(make_zip([Part(b"%d" % number, NOTE) for number in range(6)]))
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    data[second : second + 4] = b"XXXX"
    members, problems = open_once(bytes(data))
    assert [item.name for item in members] == [b"%d" % number for number in range(6)]
    assert Reason.CORRUPT in reasons(problems) and "breaks off after 1 of 6" in problems[0].message


def test_a02_directory_pointing_at_nothing() -> None:
    members, problems = open_once(make_zip([Part(b"ghost", NOTE, offset=2**31, stored=False), Part(b"a", NOTE)]))
    assert [item.name for item in members] == [b"a"]
    assert reasons(problems) == [Reason.CORRUPT]


def test_a02_zip64_sizes_and_end_record() -> None:
    big = struct.pack("<HHQQ", 1, 16, len(NOTE), len(deflate(NOTE)))
    part = Part(b"a", NOTE, claimed_size=2**32 - 1, claimed_packed=2**32 - 1, extra=big, local_extra=big)
    members, problems = open_once(make_zip([part]))
    assert members[0].data == NOTE and problems == []
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("b", "w", force_zip64=True) as member:
        member.write(NOTE)
    assert open_once(out.getvalue())[0][0].data == NOTE


def test_zip64_end_record() -> None:
    data = make_zip([Part(b"a", NOTE)])
    start, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    wide = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, end - start, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    tail = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    members, problems = open_once(data[:end] + wide + locator + tail)
    assert [item.name for item in members] == [b"a"] and problems == []


# A03: names


def test_a03_names_are_data() -> None:
    names = [
        b"/etc/passwd",
        b"../../x",
        b"C:\\x\\y",
        b"a\0b.txt",
        b"\xff\xfe",
        b"con",
        b"NUL.txt",
        b" ",
        b".",
        b"..",
        b"a" * 60_000,
    ]
    members, problems = open_once(make_zip([Part(name, NOTE) for name in names]))
    assert [item.name for item in members] == names
    assert problems == []
    for name in names:
        address = HERE.child(name)
        assert type(address).parse(str(address)) == address


def test_a03_same_name_twice_and_a_folder_with_data_are_kept() -> None:
    members, _ = open_once(make_zip([Part(b"a", b"1"), Part(b"a", b"2"), Part(b"dir/", b"hidden")]))
    assert [(item.name, item.data) for item in members] == [(b"a", b"1"), (b"a", b"2"), (b"dir/", b"hidden")]


# A04: encryption


def test_a04_encrypted_members_are_told_one_by_one_with_their_names() -> None:
    noise = random.Random(5).randbytes(len(deflate(NOTE)) + 12)
    parts = [Part(b"open.txt", NOTE), Part(b"secret.txt", NOTE, packed=noise, flags=1),
             Part(b"aes.txt", NOTE, 99, noise, flags=1), Part(b"kept.txt", NOTE, 0, noise, flags=1),
             Part(b"streamed.txt", NOTE, packed=noise, flags=9), Part(b"last.txt", NOTE)]  # fmt: skip
    members, problems = open_once(make_zip(parts))
    assert [item.name for item in members] == [b"open.txt", b"last.txt"]
    assert reasons(problems) == [Reason.ENCRYPTED] * 4
    for item, name in zip(problems, ("secret.txt", "aes.txt", "kept.txt", "streamed.txt"), strict=True):
        assert name in item.message and item.address.endswith(name) and item.bytes_not_examined == len(noise)


def test_a04_flag_without_encryption_hides_nothing() -> None:
    members, problems = open_once(make_zip([Part(b"a", NOTE, flags=1), Part(b"b", NOTE, 0, flags=1)]))
    assert [item.data for item in members] == [NOTE, NOTE] and problems == []


def test_a04_encrypted_parts_of_an_opendocument_are_told() -> None:
    manifest = b"<manifest><file-entry><encryption-data checksum='x'/></file-entry></manifest>"
    data = make_zip(
        [Part(b"mimetype", b"application/vnd.oasis.opendocument.text", 0), Part(b"META-INF/manifest.xml", manifest)]
    )
    _, problems = open_once(data, mime="application/vnd.oasis.opendocument.text")
    assert reasons(problems) == [Reason.ENCRYPTED]


def test_parts_of_a_document_are_marked_embedded_files_are_not() -> None:
    data = make_zip(
        [
            Part(b"[Content_Types].xml", b"<Types/>"),
            Part(b"word/document.xml", NOTE),
            Part(b"word/embeddings/a.xlsx", NOTE),
        ]
    )
    members, _ = open_once(data)
    assert [item.part_of_document for item in members] == [True, True, False]
    filler = Part(b"media/big.png", random.Random(1).randbytes(70_000), 0)
    members, _ = open_once(make_zip([filler, Part(b"[Content_Types].xml", b"<Types/>")]), mime="application/zip")
    assert all(item.part_of_document for item in members)
    members, _ = open_once(make_zip([Part(b"META-INF/MANIFEST.MF", b"x"), Part(b"A.class", b"y")]))
    assert not any(item.part_of_document for item in members)


def test_archive_behind_other_data_is_opened() -> None:
    data = b"\x89PNG\r\n\x1a\n" + bytes(300) + make_zip([Part(b"hidden.txt", NOTE)])
    members, problems = open_once(data, mime="image/png")
    assert [item.data for item in members] == [NOTE] and problems == []


def test_multi_stream_bzip2_member_is_bounded() -> None:
    packed = bz2.compress(bytes(4 * MIB))
    members, problems = open_once(make_zip([Part(b"x", b"", 12, packed)]), Budget(free_bytes=MIB, max_ratio=1.0))
    assert len(members[0].data) <= MIB and Reason.LIMIT in reasons(problems)


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=400),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=12),
    st.integers(0, 10**6),
)
def test_any_bytes_give_members_or_problems(noise: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(make_zip([Part(b"a.txt", NOTE), Part(b"b", noise, 0), Part(b"c", NOTE, flags=8)]) + noise[:50])
    for place, value in changes:
        data[place % len(data)] = value
    for case in (bytes(data), bytes(data[: cut % len(data)])):
        budget = Budget(free_bytes=MIB)
        for item in decode(identify(b"PK\3\4", 4, b"x"), case, HERE, budget) or ():
            assert item.data is not None if isinstance(item, Member) else item.message
        assert budget.remaining_bytes >= 0
