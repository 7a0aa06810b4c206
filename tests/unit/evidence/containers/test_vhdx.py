"""VHDX: block states, differencing, the log; what qemu writes is compared in its own test."""

import uuid

import pytest

from tests.support.virtual_disks import MB, pattern, vhdx_header, vhdx_log_entry
from tests.support.virtual_disks import vhdx as make
from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers import vhdx
from triage.evidence.crc32c import crc32c
from triage.model.stream import MemoryStream

PARENT, CHILD, LOG = uuid.UUID(int=11), uuid.UUID(int=22), uuid.UUID(int=33)


def opened(data):
    return vhdx.open_stream(MemoryStream(bytes(data)), "e")


def test_checksum_is_castagnoli():
    assert crc32c(b"123456789") == 0xE3069283


def test_block_states():
    container = opened(
        make(
            8 * MB,
            {0: (6, pattern(MB)), 1: (2, b""), 2: (3, b"old"), 3: (1, b""), 4: (5, b""), 5: (4, b""), 6: (7, b"x")},
            PARENT,
        )
    )
    media = container.media
    assert media.read_at(0, MB) == pattern(MB)
    assert media.read_at(MB, 7 * MB) == bytes(7 * MB)
    assert [(problem.address, problem.bytes_not_examined) for problem in container.read_problems()] == [
        (f"e p0:$gap@{5 * MB}+{MB}", MB),
        (f"e p0:$gap@{6 * MB}+{MB}", MB),
    ]


def child(**values):
    bits = bytearray(MB)
    bits[0:2] = b"\x0f\xaa"
    bits[256:384] = b"\xff" * 128
    locator = {"parent_linkage": f"{{{PARENT}}}", "relative_path": "..\\x\\base.vhdx", **values}
    return make(4 * MB, {0: (7, b"C" * MB), 1: (7, b"D" * MB), 3: (2, b"")}, CHILD, locator, bytes(bits))


def test_differencing_disk_takes_the_rest_from_its_parent(tmp_path):
    parent = make(4 * MB, dict.fromkeys(range(4), (6, b"P" * MB)), PARENT)
    (tmp_path / "base.vhdx").write_bytes(parent)
    path = tmp_path / "child.vhdx"
    path.write_bytes(child())
    container = vhdx.open_container((path,), "e")
    data = container.media.read_at(0, 4 * MB)
    assert "".join(chr(data[number * 512]) for number in range(17)) == "CCCCPPPPPCPCPCPCP"
    assert data[MB : MB + MB // 2] == b"D" * (MB // 2)
    assert data[MB + MB // 2 : 3 * MB] == b"P" * (3 * MB // 2)
    assert data[3 * MB :] == bytes(MB)
    container.close()
    (tmp_path / "base.vhdx").write_bytes(make(4 * MB, {}, uuid.UUID(int=12)))
    with pytest.raises(CorruptStructureError, match="is not the parent as it was"):
        vhdx.open_container((path,), "e")
    (tmp_path / "base.vhdx").unlink()
    with pytest.raises(UnsupportedFormatError, match=r"base\.vhdx"):
        vhdx.open_container((path,), "e")


def with_log(*entries, size=8 * MB):
    """A disk whose log holds entries one behind the other."""
    data = make(size, {0: (6, b"A" * MB), 1: (6, b"B" * MB)}, PARENT, log=LOG)
    at = MB
    for entry in entries:
        data[at : at + len(entry)] = entry
        at += len(entry)
    return data


def test_log_is_replayed_in_order():
    base = make(8 * MB, {0: (6, b"A" * MB), 1: (6, b"B" * MB)}, PARENT)
    page = bytearray(base[3 * MB : 3 * MB + 4096])
    page[8:16] = page[:8]
    first = vhdx_log_entry(LOG, 5, 0, {3 * MB: bytes(page), 4 * MB: b"Z" * 4096}, len(base))
    second = vhdx_log_entry(LOG, 6, 0, {4 * MB: None, 4 * MB + 8192: b"Y" * 4096}, len(base))
    old = vhdx_log_entry(uuid.UUID(int=99), 7, 0, {4 * MB: b"X" * 4096}, len(base))
    container = opened(with_log(first, second, old))
    assert container.media.read_at(MB, 4) == bytes(4)
    assert container.media.read_at(MB + 4096, 4) == b"AAAA"
    assert container.media.read_at(8190, 6) == b"AAYYYY"
    assert container.media.read_at(0, 3) == bytes(3)
    assert "2 entries of its log are replayed" in container.problems[0].message
    # The newer sequence wins where an older one is still in the log.
    container = opened(with_log(first, vhdx_log_entry(LOG, 9, 8192 + 4096, {4 * MB: b"W" * 4096}, len(base))))
    assert container.media.read_at(0, 2) == b"WW"


@pytest.mark.parametrize("at", [0, 5, 9, 20, 40, 70, 4100, 8191])
def test_log_that_does_not_hold_is_refused(at):
    entry = bytearray(vhdx_log_entry(LOG, 5, 0, {4 * MB: b"Z" * 4096}, 0))
    entry[at] ^= 0x40
    with pytest.raises(CorruptStructureError, match="log"):
        opened(with_log(bytes(entry)))


@pytest.mark.parametrize("pages", [{4 * MB + 5: b"Z" * 4096}, {4 * MB: None}])
def test_log_descriptors_that_lie(pages):
    entry = vhdx_log_entry(LOG, 5, 0, pages, 0)
    if None in pages.values():
        raw = bytearray(entry)
        raw[72:80] = (1 << 60).to_bytes(8, "little")
        raw[4:8] = bytes(4)
        raw[4:8] = crc32c(bytes(raw)).to_bytes(4, "little")
        entry = bytes(raw)
    with pytest.raises(CorruptStructureError):
        opened(with_log(entry))


def test_the_newer_header_counts_and_one_may_be_damaged():
    data = make(2 * MB, {0: (6, b"A" * MB)}, PARENT)
    data[131072 + 100] ^= 1
    assert opened(data).media.read_at(0, 1) == b"A"
    data[65536 + 100] ^= 1
    with pytest.raises(CorruptStructureError, match="neither header"):
        opened(data)
    data[65536:69632] = vhdx_header(7, PARENT)
    data[196608 + 20] ^= 1
    assert opened(data).media.read_at(0, 1) == b"A"
    data[262144 + 20] ^= 1
    with pytest.raises(CorruptStructureError, match="region table"):
        opened(data)


@pytest.mark.parametrize(
    ("find", "value"),
    [
        ((MB).to_bytes(4, "little") + bytes(4), (5).to_bytes(4, "little") + bytes(4)),
        ((8 * MB).to_bytes(8, "little"), (1 << 62).to_bytes(8, "little")),
        ((8 * MB).to_bytes(8, "little"), (60 << 40).to_bytes(8, "little")),
        ((8 * MB).to_bytes(8, "little"), bytes(8)),
        ((512).to_bytes(4, "little"), (513).to_bytes(4, "little")),
        (b"metadata", b"metadatb"),
    ],
)
def test_metadata_that_lie(find, value):
    data = make(8 * MB, {}, PARENT)
    at = bytes(data).index(find, 2 * MB + (0 if find == b"metadata" else 65536))
    data[at : at + len(value)] = value
    with pytest.raises(CorruptStructureError):
        opened(data)


def test_unknown_region_and_item_that_must_be_known():
    data = make(8 * MB, {}, PARENT)
    data[2 * MB + 32 : 2 * MB + 48] = uuid.UUID(int=5).bytes_le
    with pytest.raises(UnsupportedFormatError, match="metadata that are not known"):
        opened(data)
