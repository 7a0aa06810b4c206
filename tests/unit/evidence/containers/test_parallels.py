"""Parallels: both forms, the descriptor beside the image, chains."""

import struct

import pytest

from tests.support.virtual_disks import parallels as make
from tests.support.virtual_disks import pattern
from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers import parallels
from triage.model.stream import MemoryStream

BLOCK = 65536
ROOT = "{00000000-0000-0000-0000-000000000000}"


def descriptor(*shots, storages=1, more=""):
    """``(guid, parent, file)`` for each image."""
    images = "".join(
        f"<Image><GUID>{guid}</GUID><Type>Compressed</Type><File>{file}</File></Image>" for guid, _, file in shots
    )
    chain = "".join(f"<Shot><GUID>{guid}</GUID><ParentGUID>{parent}</ParentGUID></Shot>" for guid, parent, _ in shots)
    storage = f"<Storage><Start>0</Start>{images}</Storage>" * storages
    text = f"<?xml version='1.0'?>{more}<Parallels_disk_image><StorageData>{storage}</StorageData>"
    return f"{text}<Snapshots>{chain}</Snapshots></Parallels_disk_image>".encode()


@pytest.fixture
def place(tmp_path):
    def write(text, **files):
        for name, data in files.items():
            (tmp_path / f"{name}.hds").write_bytes(data)
        if text:
            (tmp_path / "DiskDescriptor.xml").write_bytes(text)
        return parallels.open_container((tmp_path / "top.hds",), "e")

    return write


@pytest.mark.parametrize("extended", [True, False])
def test_both_forms(place, extended):
    container = place(b"", top=make(1 << 20, {1: pattern(BLOCK), 3: b"D" * BLOCK}, extended))
    wanted = bytes(BLOCK) + pattern(BLOCK) + bytes(BLOCK) + b"D" * BLOCK
    assert container.media.read_at(0, 1 << 20) == wanted.ljust(1 << 20, b"\x00")
    (problem,) = container.problems
    assert problem.examined_anyway
    assert "may be a snapshot" in problem.message
    container.close()


def test_chain_of_the_descriptor(place):
    text = descriptor(("{C}", "{B}", "C:\\x\\top.hds"), ("{B}", "{A}", "mid.hds"), ("{A}", ROOT, "base.hds"))
    container = place(
        text,
        top=make(1 << 20, {2: b"T" * BLOCK}),
        mid=make(1 << 20, {1: b"M" * BLOCK}, False),
        base=b"R" * (1 << 20),
    )
    wanted = b"R" * BLOCK + b"M" * BLOCK + b"T" * BLOCK
    assert container.media.read_at(0, 1 << 20) == wanted.ljust(1 << 20, b"R")
    assert container.problems == ()
    assert container.details["below"] == "mid.hds; base.hds"
    container.close()


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (descriptor(("{C}", "{B}", "top.hds"), ("{B}", ROOT, "gone.hds")), UnsupportedFormatError, "gone.hds"),
        (
            descriptor(("{C}", "{B}", "top.hds"), ("{B}", ROOT, "../../etc/gone.hds")),
            UnsupportedFormatError,
            "gone.hds",
        ),
        (descriptor(("{C}", "{B}", "top.hds")), CorruptStructureError, "names no file"),
        (descriptor(("{C}", "{B}", "top.hds"), ("{B}", "{C}", "x.hds")), CorruptStructureError, "loop"),
        (descriptor(("{C}", "{C}", "top.hds")), CorruptStructureError, "loop"),
        (descriptor(("{C}", ROOT, "top.hds"), storages=2), UnsupportedFormatError, "2 parts"),
        (b"<a>" * 100, CorruptStructureError, "nested"),
        (b"<a>", CorruptStructureError, "descriptor|Descriptor"),
        (descriptor(more="<!DOCTYPE a [<!ENTITY x 'y'>]>"), CorruptStructureError, "entities"),
    ],
)
def test_descriptors_that_lie(place, text, error, words):
    with pytest.raises(error, match=words):
        place(text, top=make(1 << 20, {}))


@pytest.mark.parametrize(
    ("at", "code", "value", "error"),
    [
        (16, "<I", 3, UnsupportedFormatError),
        (28, "<I", 0, CorruptStructureError),
        (28, "<I", 0xFFFFFFFF, CorruptStructureError),
        (32, "<I", 1, CorruptStructureError),
        (36, "<Q", 1 << 60, CorruptStructureError),
        (36, "<Q", 0, CorruptStructureError),
    ],
)
def test_headers_that_lie(at, code, value, error):
    data = bytearray(make(1 << 20, {}))
    struct.pack_into(code, data, at, value)
    with pytest.raises(error):
        parallels.open_stream(MemoryStream(bytes(data)), "e")


def test_open_image_and_blocks_behind_the_end_are_told():
    data = bytearray(make(1 << 20, {0: b"A" * BLOCK}))
    struct.pack_into("<I", data, 44, 0x746F6E59)
    struct.pack_into("<I", data, 64, 0xFFFFFFFF)
    container = parallels.open_stream(MemoryStream(bytes(data)), "e")
    assert "not closed properly" in container.problems[-1].message
    assert container.media.read_at(0, BLOCK) == bytes(BLOCK)
    assert container.read_problems()[0].bytes_not_examined == BLOCK
