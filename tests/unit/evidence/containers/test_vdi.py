"""VDI: blocks, chains by identifier, headers that lie."""

import struct
import uuid

import pytest

from tests.support.virtual_disks import pattern
from tests.support.virtual_disks import vdi as make
from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers import vdi
from triage.model.stream import MemoryStream

BASE, MIDDLE, TOP = (uuid.UUID(int=number) for number in (1, 2, 3))
BLOCK = 65536


def test_chain_is_found_by_identifier(tmp_path):
    (tmp_path / "disk.vdi").write_bytes(make(1 << 20, {0: b"A" * BLOCK, 1: b"A" * BLOCK, 2: b"A" * BLOCK}, BASE))
    (tmp_path / "{uuid}.VDI").write_bytes(make(1 << 20, {1: b"B" * BLOCK, 2: None}, MIDDLE, BASE))
    (tmp_path / "other.vdi").write_bytes(make(1 << 20, {0: b"X" * BLOCK}, uuid.UUID(int=8)))
    (tmp_path / "broken.vdi").write_bytes(b"x" * 600)
    top = tmp_path / "top.vdi"
    top.write_bytes(make(1 << 20, {3: pattern(BLOCK)}, TOP, MIDDLE))
    container = vdi.open_container((top,), "e")
    wanted = b"A" * BLOCK + b"B" * BLOCK + bytes(BLOCK) + pattern(BLOCK)
    assert container.media.read_at(0, 1 << 20) == wanted.ljust(1 << 20, b"\x00")
    assert container.details["parent"] == str(MIDDLE)
    container.close()
    (tmp_path / "disk.vdi").unlink()
    with pytest.raises(UnsupportedFormatError, match=str(BASE)):
        vdi.open_container((top,), "e")
    with pytest.raises(UnsupportedFormatError, match=str(MIDDLE)):
        vdi.open_stream(MemoryStream(top.read_bytes()), "e")


def test_loops_end(tmp_path):
    one, two = tmp_path / "one.vdi", tmp_path / "two.vdi"
    one.write_bytes(make(1 << 20, {}, BASE, MIDDLE))
    two.write_bytes(make(1 << 20, {}, MIDDLE, BASE))
    with pytest.raises((CorruptStructureError, UnsupportedFormatError)):
        vdi.open_container((one,), "e")
    one.write_bytes(make(1 << 20, {}, BASE, BASE))
    with pytest.raises(CorruptStructureError, match="comes back"):
        vdi.open_container((one,), "e")


@pytest.mark.parametrize(
    ("at", "code", "value", "error"),
    [
        (0x44, "<I", 0x20000, UnsupportedFormatError),
        (0x4C, "<I", 9, UnsupportedFormatError),
        (0x170, "<Q", 0, CorruptStructureError),
        (0x170, "<Q", 1 << 62, CorruptStructureError),
        (0x178, "<I", 0, CorruptStructureError),
        (0x178, "<I", 0xFFFFFE00, CorruptStructureError),
        (0x178, "<I", 513, CorruptStructureError),
        (0x17C, "<I", 0xFFFFFFFF, CorruptStructureError),
        (0x180, "<I", 1, CorruptStructureError),
    ],
)
def test_headers_that_lie(at, code, value, error):
    data = bytearray(make(1 << 20, {}, BASE))
    struct.pack_into(code, data, at, value)
    with pytest.raises(error):
        vdi.open_stream(MemoryStream(bytes(data)), "e")


def test_blocks_that_cannot_be():
    data = bytearray(make(1 << 20, {0: b"A" * BLOCK}, BASE))
    struct.pack_into("<III", data, 512, 15, 16, 0x80000000)
    container = vdi.open_stream(MemoryStream(bytes(data)), "e")
    assert container.media.read_at(0, 1 << 20) == bytes(1 << 20)
    assert [problem.bytes_not_examined for problem in container.read_problems()] == [BLOCK] * 3
    container = vdi.open_stream(MemoryStream(bytes(data[:515])), "e")
    container.media.read_at(0, 1 << 20)
    assert sum(problem.bytes_not_examined for problem in container.read_problems()) == 1 << 20
