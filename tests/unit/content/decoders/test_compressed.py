"""bzip2, xz, LZMA, zlib: one content; bounded; told where it breaks."""

from __future__ import annotations

import bz2
import lzma
import random
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.archives import HERE, open_once
from triage.content.decoders import Budget, Member, decode
from triage.content.identify import identify
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason

MIB = 1 << 20
NOTE = b"".join(b"line %d of the ledger, paid %d\n" % (n, n * 7 % 1000) for n in range(30_000))
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "application/x-bzip2": bz2.compress,
    "application/x-xz": lzma.compress,
    "application/x-lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "application/zlib": zlib.compress,
}


@pytest.mark.parametrize("mime", PACKERS)
def test_content_comes_out(mime: str) -> None:
    members, problems = open_once(PACKERS[mime](NOTE), mime=mime)
    assert [item.data for item in members] == [NOTE] and problems == []


@pytest.mark.parametrize("mime", ["application/x-bzip2", "application/x-xz"])
def test_streams_are_joined_and_padding_is_stepped_over(mime: str) -> None:
    pack = PACKERS[mime]
    members, problems = open_once(pack(b"one ") + bytes(8) + pack(b"two") + bytes(64))
    assert members[0].data == b"one two" and problems == []


@pytest.mark.parametrize("mime", PACKERS)
def test_trailing_data_is_told(mime: str) -> None:
    members, problems = open_once(PACKERS[mime](NOTE) + b"behind")
    assert members[0].data == NOTE
    assert [item.reason for item in problems] == [Reason.CORRUPT] and "6 bytes behind" in problems[0].message


@pytest.mark.parametrize("mime", PACKERS)
def test_truncated_and_broken_keep_what_came_before(mime: str) -> None:
    noise = random.Random(2).randbytes(1_200_000)
    packed = PACKERS[mime](NOTE + noise + NOTE)
    members, problems = open_once(packed[: len(packed) * 9 // 10])
    assert problems[0].reason is Reason.TRUNCATED
    assert (
        members[0].data.startswith(NOTE[:800_000]) if mime != "application/x-bzip2" else len(members[0].data) > 700_000
    )
    broken = bytearray(packed)
    at = len(packed) * 9 // 10
    broken[at : at + 200] = bytes(200)
    members, problems = open_once(bytes(broken))
    assert problems and (NOTE + noise + NOTE).startswith(members[0].data[:700_000])
    assert len(members[0].data) >= 700_000


@pytest.mark.parametrize("mime", PACKERS)
def test_a01_bomb_stops_with_the_ratio_and_flat_memory(mime: str) -> None:
    packed = PACKERS[mime](bytes(40 * MIB))
    tracemalloc.start()
    members, problems = open_once(packed, Budget(free_bytes=2 * MIB, max_ratio=5.0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(members[0].data) <= 2 * MIB
    assert problems[0].reason is Reason.LIMIT and "ratio" in problems[0].message
    assert peak < 6 * MIB + 17 * MIB  # the decompressors' own tables


def test_a01_giant_window_is_refused() -> None:
    huge = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30, "preset": 0}]
    packed = lzma.compress(b"x" * 100, lzma.FORMAT_XZ, filters=huge)
    members, problems = open_once(packed)
    assert members[0].data == b"" and problems[0].reason is Reason.LIMIT
    assert "memory" in problems[0].message


def test_names() -> None:
    for name, inner in ((b"a.txt.xz", b"a.txt"), (b"a.txz", b"a.tar"), (b"odd", b"odd")):
        members, _ = open_once(lzma.compress(b"x"), address=Address("i", "p1", b"/" + name))
        assert members[0].name == inner


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(PACKERS)),
    st.binary(max_size=300),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6),
)
def test_any_bytes_give_members_or_problems(mime: str, noise: bytes, changes: list[tuple[int, int]]) -> None:
    data = bytearray(PACKERS[mime](noise) + noise[:20])
    for place, value in changes:
        data[place % len(data)] = value
    for case in (bytes(data), noise, b""):
        for item in decode(ContentType(mime, "x", "signature"), case, HERE, Budget(free_bytes=MIB)) or ():
            assert isinstance(item, Member) or item.message


def test_libmagic_does_not_steer_decoding() -> None:
    kind = identify(bz2.compress(NOTE)[:100], 100, b"x")
    said = ContentType(kind.mime, kind.name, "libmagic")
    assert decode(said, bz2.compress(NOTE), HERE, Budget()) is None
