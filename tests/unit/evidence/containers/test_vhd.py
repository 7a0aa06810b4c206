"""VHD: dynamic, differencing, fixed; when raw wins; footers that lie."""

import uuid

import pytest

from tests.support.virtual_disks import pattern, vhd_footer
from tests.support.virtual_disks import vhd as make
from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers import vhd
from triage.model.problem import Reason
from triage.model.stream import MemoryStream

PARENT, CHILD = uuid.UUID(int=1), uuid.UUID(int=2)
BLOCK = 65536
ALL = b"\xff" * 16


def opened(data):
    return vhd.open_stream(MemoryStream(bytes(data)), "e")


def test_sectors_that_were_never_written_are_zeros():
    bits = bytes([0xF0, 0x0F, 0x00, 0x01]).ljust(16, b"\x00")
    media = opened(make(1 << 20, {2: (bits, pattern(BLOCK))}, PARENT)).media
    seen = media.read_at(2 * BLOCK, BLOCK)
    for number in range(128):
        wanted = (
            pattern(BLOCK)[number * 512 : number * 512 + 512] if bits[number // 8] >> 7 - number % 8 & 1 else bytes(512)
        )
        assert seen[number * 512 : number * 512 + 512] == wanted
    assert list(media.data_ranges(0, 1 << 20)) == [
        (2 * BLOCK, 2048),
        (2 * BLOCK + 6144, 2048),
        (2 * BLOCK + 15872, 512),
    ]


def test_differencing_disk_takes_the_rest_from_its_parent(tmp_path):
    bits = bytes([0xAA, 0x55] + [0] * 14)
    (tmp_path / "Base.vhd").write_bytes(make(1 << 20, {0: (ALL, b"P" * BLOCK), 3: (ALL, b"Q" * BLOCK)}, PARENT))
    child = tmp_path / "child.vhd"
    child.write_bytes(make(1 << 20, {0: (bits, b"C" * BLOCK)}, CHILD, PARENT, "..\\base\\base.vhd"))
    container = vhd.open_container((child,), "e")
    seen = container.media.read_at(0, BLOCK)
    assert "".join(chr(seen[number * 512]) for number in range(18)) == "CPCPCPCPPCPCPCPCPP"
    assert container.media.read_at(3 * BLOCK, 5) == b"QQQQQ"
    assert [path.name for path in container.paths] == ["child.vhd", "Base.vhd"]
    container.close()


def test_missing_wrong_and_own_parent(tmp_path):
    child = tmp_path / "child.vhd"
    child.write_bytes(make(1 << 20, {}, CHILD, PARENT, "C:\\disks\\base.vhd"))
    with pytest.raises(UnsupportedFormatError, match=r"parent.*base\.vhd"):
        vhd.open_container((child,), "e")
    (tmp_path / "base.vhd").write_bytes(make(1 << 20, {}, uuid.UUID(int=9)))
    with pytest.raises(CorruptStructureError, match="is not the parent"):
        vhd.open_container((child,), "e")
    child.write_bytes(make(1 << 20, {}, CHILD, CHILD, "child.vhd"))
    with pytest.raises(CorruptStructureError, match="comes back"):
        vhd.open_container((child,), "e")


def test_fixed_disk_is_one_only_where_the_footer_fits(tmp_path):
    path = tmp_path / "x.vhd"
    media = pattern(BLOCK)
    for footer, is_one in (
        (vhd_footer(BLOCK, 2, PARENT), True),
        (vhd_footer(BLOCK, 2, PARENT)[:511], True),
        (vhd_footer(BLOCK + 512, 2, PARENT), False),
        (vhd_footer(BLOCK - 512, 2, PARENT), False),
        (vhd_footer(BLOCK, 2, PARENT)[:300] + b"x" + vhd_footer(BLOCK, 2, PARENT)[301:], False),
        (vhd_footer(BLOCK, 3, PARENT), False),
    ):
        path.write_bytes(media + footer)
        assert vhd.detect(media[:4096], (path,)) is is_one
    path.write_bytes(media + vhd_footer(BLOCK, 2, PARENT))
    container = vhd.open_container((path,), "e")
    assert container.media.read_at(0, 1 << 20) == media
    container.close()


def test_footer_at_the_end_is_missing():
    data = make(1 << 20, {0: (ALL, pattern(BLOCK))}, PARENT)
    container = opened(data[:-512])
    assert container.media.read_at(0, BLOCK) == pattern(BLOCK)
    (problem,) = container.problems
    assert problem.reason is Reason.TRUNCATED
    with pytest.raises(CorruptStructureError, match="neither"):
        opened(b"conectix" + bytes(600))


def test_two_sizes_are_told_and_the_later_counts():
    data = bytearray(make(1 << 20, {}, PARENT))
    data[:512] = data[-512:] = vhd_footer(1 << 20, 3, PARENT, first_size=1 << 19)
    container = opened(data)
    assert container.media.size == 1 << 20
    assert "made with 524288 bytes, now 1048576" in container.problems[0].message


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [(512, b"x", "no dynamic header"), (540, b"\xff", "checksum"), (16, None, "neither")],
)
def test_headers_that_lie(at, value, words):
    data = bytearray(make(1 << 20, {}, PARENT))
    if value is None:
        data[at] ^= 1
        del data[-512:]
    else:
        data[at : at + 1] = value
    with pytest.raises(CorruptStructureError, match=words):
        opened(data)


def test_media_larger_than_the_table_and_blocks_behind_the_end():
    with pytest.raises(CorruptStructureError, match="a table of"):
        data = bytearray(make(1 << 20, {}, PARENT))
        data[-512:] = vhd_footer(1 << 40, 3, PARENT)
        opened(data)
    data = bytearray(make(1 << 20, {}, PARENT))
    data[2048:2052] = (0x7FFFFFFF).to_bytes(4, "big")
    container = opened(data)
    assert container.media.read_at(0, BLOCK) == bytes(BLOCK)
    assert container.read_problems()[0].bytes_not_examined == BLOCK
