"""Apple sparse images, sparse bundles and ASIF."""

import struct

import pytest

from tests.support import apple_disks as apple
from tests.support.virtual_disks import pattern
from triage.errors import CorruptStructureError, EncryptedVolumeError, SourceNotFoundError, UnsupportedFormatError
from triage.evidence.containers import apple_sparse, asif, sparse_bundle
from triage.model.stream import MemoryStream

BAND = 4096


def test_bands_in_the_order_written():
    data = apple.sparse_image(5 * BAND + 512, [(3, b"D" * BAND), (0, b"A" * BAND), (5, b"F" * 512)], BAND)
    container = apple_sparse.open_stream(MemoryStream(data), "e")
    wanted = b"A" * BAND + bytes(2 * BAND) + b"D" * BAND + bytes(BAND) + b"F" * 512
    assert container.media.read_at(0, 1 << 20) == wanted
    assert container.problems == ()
    assert list(container.media.data_ranges(0, 1 << 20)) == [(0, BAND), (3 * BAND, BAND), (5 * BAND, 512)]


def test_further_nodes_are_followed():
    bands = [(number, bytes([number % 250 + 1]) * BAND) for number in reversed(range(1500))]
    container = apple_sparse.open_stream(MemoryStream(apple.sparse_image(1500 * BAND, bands, BAND)), "e")
    assert container.problems == ()
    for number in (0, 1, 491, 492, 1499):
        assert container.media.read_at(number * BAND, BAND) == bytes([number % 250 + 1]) * BAND


@pytest.mark.parametrize(
    ("at", "code", "value", "words"),
    [
        (64, ">I", 9999, "names band 9999"),
        (68, ">I", 4, "names band 4"),
        (20, ">Q", 5, "no index node at 5"),
        (20, ">Q", 1 << 60, "no index node at"),
    ],
)
def test_index_that_lies_is_told(at, code, value, words):
    data = bytearray(apple.sparse_image(5 * BAND, [(3, b"D" * BAND), (0, b"A" * BAND)], BAND))
    struct.pack_into(code, data, at, value)
    container = apple_sparse.open_stream(MemoryStream(bytes(data)), "e")
    assert words in container.problems[0].message
    assert len(container.media.read_at(0, 1 << 20)) == 5 * BAND


def test_a_loop_of_nodes_ends():
    data = bytearray(apple.sparse_image(1500 * BAND, [(number, b"x") for number in range(1100)], BAND))
    node = 4096 + 0x3F0 * BAND
    struct.pack_into(">Q", data, node + 12, node)
    container = apple_sparse.open_stream(MemoryStream(bytes(data)), "e")
    assert "no index node" in container.problems[0].message


@pytest.mark.parametrize(
    ("at", "code", "value", "error"),
    [
        (4, ">I", 9, UnsupportedFormatError),
        (8, ">I", 0, CorruptStructureError),
        (8, ">I", 0xFFFFFFFF, CorruptStructureError),
        (16, ">I", 0, CorruptStructureError),
        (16, ">I", 0xFFFFFFFF, CorruptStructureError),
    ],
)
def test_sparse_headers_that_lie(at, code, value, error):
    data = bytearray(apple.sparse_image(5 * BAND, [], BAND))
    struct.pack_into(">Q", data, 28, 0)
    struct.pack_into(code, data, at, value)
    with pytest.raises(error):
        apple_sparse.open_stream(MemoryStream(bytes(data)), "e")


def test_bundle(tmp_path):
    folder = apple.sparse_bundle(
        tmp_path / "x.sparsebundle", 20 * BAND, {0: b"A" * BAND, 0xA: b"K" * 100, 3: b""}, BAND
    )
    assert sparse_bundle.detect(b"", (folder,))
    container = sparse_bundle.open_container((folder,), "e")
    wanted = b"A" * BAND + bytes(9 * BAND) + b"K" * 100
    assert container.media.read_at(0, 1 << 20) == wanted.ljust(20 * BAND, b"\x00")
    assert container.problems == container.read_problems() == ()
    assert list(container.media.data_ranges(0, 1 << 20))[-1][0] >= 10 * BAND
    container.close()


def test_bundle_damage(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret" * 1000)
    folder = apple.sparse_bundle(tmp_path / "x", 4 * BAND, {0: b"A" * BAND}, BAND)
    (folder / "bands" / "1").symlink_to(tmp_path / "secret")
    (folder / "bands" / "2").mkdir()
    (folder / "Info.plist").write_bytes(b"damaged")
    container = sparse_bundle.open_container((folder,), "e")
    assert container.media.read_at(0, 1 << 20) == b"A" * BAND + bytes(3 * BAND)
    assert [problem.bytes_not_examined for problem in container.read_problems()] == [BAND, BAND]
    container.close()
    (folder / "Info.bckup").write_bytes(b"<plist><dict><key>size</key><integer>9</integer></dict></plist>")
    with pytest.raises(UnsupportedFormatError, match="no sparse bundle"):
        sparse_bundle.open_container((folder,), "e")
    (folder / "Info.bckup").unlink()
    with pytest.raises(CorruptStructureError):
        sparse_bundle.open_container((folder,), "e")
    with pytest.raises(SourceNotFoundError):
        sparse_bundle.open_container((tmp_path / "gone",), "e")
    encrypted = apple.sparse_bundle(tmp_path / "y", BAND, {}, BAND, b"encrcdsa" + bytes(100))
    with pytest.raises(EncryptedVolumeError):
        sparse_bundle.open_container((encrypted,), "e")
    assert not sparse_bundle.detect(b"", (tmp_path / "secret",))


@pytest.mark.parametrize(
    ("size", "band"), [(1 << 60, BAND), (-5, BAND), (BAND, 0), (BAND, -512), (BAND, 1 << 50), (BAND, "x")]
)
def test_bundle_lists_that_lie(tmp_path, size, band):
    folder = apple.sparse_bundle(tmp_path / "x", size, {}, band)
    with pytest.raises(CorruptStructureError):
        sparse_bundle.open_container((folder,), "e")


CHUNK = 65536


def test_asif_chunks_and_sector_states():
    states = bytes([0b00000101, 0b01010000]).ljust(CHUNK // 512 // 4, b"\x00") + b"\x00" * 32
    data = apple.asif(6 * CHUNK, {0: (3, pattern(CHUNK)), 2: (1, b"W" * CHUNK), 4: (2, b"?")}, states)
    container = asif.open_stream(MemoryStream(bytes(data)), "e")
    seen = container.media.read_at(0, 1 << 20)
    wanted = bytearray(6 * CHUNK)
    wanted[:1024] = pattern(CHUNK)[:1024]
    wanted[6 * 512 : 8 * 512] = pattern(CHUNK)[6 * 512 : 8 * 512]
    wanted[2 * CHUNK : 3 * CHUNK] = b"W" * CHUNK
    assert seen == bytes(wanted)
    assert [problem.bytes_not_examined for problem in container.read_problems()] == [CHUNK]
    assert container.media.read_at(1000, 3000) == bytes(wanted[1000:4000])


def test_asif_state_that_is_not_known_and_bitmap_that_is_missing():
    data = apple.asif(2 * CHUNK, {0: (3, b"x" * CHUNK)}, b"\x0a")
    container = asif.open_stream(MemoryStream(bytes(data)), "e")
    container.media.read_at(0, CHUNK)
    assert container.read_problems()[0].bytes_not_examined == 1024
    struct.pack_into(">Q", data, CHUNK + 8 * 2048, 1 << 50)
    container = asif.open_stream(MemoryStream(bytes(data)), "e")
    container.media.read_at(0, CHUNK)
    assert sum(problem.bytes_not_examined for problem in container.read_problems()) == CHUNK


@pytest.mark.parametrize(
    ("at", "code", "value", "error"),
    [
        (4, ">I", 2, UnsupportedFormatError),
        (12, ">I", 1, UnsupportedFormatError),
        (48, ">Q", 0, CorruptStructureError),
        (48, ">Q", 1 << 60, CorruptStructureError),
        (64, ">I", 0, CorruptStructureError),
        (64, ">I", 0x80000000, CorruptStructureError),
        (64, ">I", 16384, CorruptStructureError),
        (64, ">I", 65535, CorruptStructureError),
        (68, ">H", 513, CorruptStructureError),
    ],
)
def test_asif_headers_that_lie(at, code, value, error):
    data = apple.asif(2 * CHUNK, {})
    struct.pack_into(code, data, at, value)
    with pytest.raises(error):
        asif.open_stream(MemoryStream(bytes(data)), "e")


def test_asif_directories_behind_the_end():
    data = apple.asif(2 * CHUNK, {})
    struct.pack_into(">QQ", data, 16, 1 << 50, 1 << 50)
    with pytest.raises(CorruptStructureError, match="directories"):
        asif.open_stream(MemoryStream(bytes(data)), "e")
