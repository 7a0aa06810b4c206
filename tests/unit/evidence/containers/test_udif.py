"""UDIF: every kind of chunk, lists and forks, damage; a raw disk with the name of one stays raw."""

import plistlib
import struct
import zlib

import pytest

from tests.support import apple_disks as apple
from tests.support.virtual_disks import pattern
from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers import lzfse, udif
from triage.model.stream import MemoryStream

MEDIA = pattern(65536 * 2, 3) + bytes(65536) + (b"abcabcabd" * 9000)[: 65536 + 512] + b"end".ljust(512, b"!")


def opened(data):
    return udif.open_stream(MemoryStream(data), "e")


@pytest.mark.parametrize(
    "kinds",
    [
        [apple.RAW],
        [apple.ADC],
        [apple.ZLIB],
        [apple.BZIP2],
        [apple.LZMA],
        [apple.RAW, apple.LZMA, apple.ADC, apple.ZLIB, apple.BZIP2],
    ],
)
@pytest.mark.parametrize("old", [False, True])
def test_kinds_of_chunks(kinds, old):
    container = opened(apple.udif(MEDIA, kinds, 16384, old=old))
    assert container.media.read_at(0, 1 << 20) == MEDIA
    for offset in (1, 16383, 16385, 100_000, len(MEDIA) - 3):
        assert container.media.read_at(offset, 20_000) == MEDIA[offset : offset + 20_000]
    assert container.read_problems() == ()


def test_zero_chunks_are_holes():
    container = opened(apple.udif(MEDIA, [apple.ZERO, apple.RAW], 65536))
    assert container.media.read_at(0, 65536) == bytes(65536)
    assert container.media.read_at(65536, 65536) == MEDIA[65536:131072]
    assert list(container.media.data_ranges(0, 65536)) == []


def test_trailer_without_tables_means_raw():
    container = opened(MEDIA + apple.koly(len(MEDIA), (0, 0), (0, 0), len(MEDIA) // 512))
    assert container.media.read_at(0, 1 << 20) == MEDIA


def lzvn(length):
    """LZFSE data of one LZVN block: 16 letters, then copies of them."""
    payload = bytes([0xE0, 0]) + bytes(range(65, 81))
    left = length - 16
    while left:
        count = min(10, left) if left not in (11, 12) else left - 3
        payload += bytes([count - 3 << 3, 16])
        left -= count
    payload += b"\x06" + bytes(7)
    return b"bvxn" + struct.pack("<II", length, len(payload)) + payload + b"bvx$"


def test_lzfse_beside_other_kinds(monkeypatch):
    pytest.importorskip("pymodi", reason="libmodi is not installed")
    plain = (bytes(range(65, 81)) * 1024)[:16384]
    monkeypatch.setitem(apple.PACK, apple.LZFSE, lambda part: lzvn(len(part)))
    data = apple.udif(plain * 4, [apple.LZFSE, apple.LZMA, apple.RAW], 16384)
    container = opened(data)
    assert container.media.read_at(0, 1 << 20) == plain * 4
    at = data.index(b"bvxn") + 40
    container = opened(data[:at] + b"\xff" * 30 + data[at + 30 :])
    assert container.media.read_at(16384, 1 << 20) == plain * 3
    assert len(container.media.read_at(0, 16384)) == 16384
    for damage in (b"", b"bvx", b"bvx2" + bytes(40), b"bvxn\xff\xff\xff\xff\xff\xff\xff\xff"):
        with pytest.raises(ValueError, match="LZFSE"):
            lzfse.unpack_lzfse(damage, 16384)


def test_lzfse_without_the_library_is_refused(monkeypatch):
    monkeypatch.setitem(apple.PACK, apple.LZFSE, lambda part: lzvn(len(part)))
    monkeypatch.setattr(udif, "is_available", lambda: False)
    with pytest.raises(UnsupportedFormatError, match="needs libmodi"):
        opened(apple.udif(MEDIA, [apple.LZFSE]))


@pytest.mark.parametrize(
    ("packed", "plain"),
    [
        (b"\x82abc", b"abc"),
        (b"\x80a\x40\x00\x00", b"aaaaa"),
        (b"\x81ab\x43\x00\x01", b"ababababa"),
        (b"\x81ab\x00\x00", b"abbbb"),
        (b"\x81ab\x04\x01", b"ababab"),
    ],
)
def test_adc_codes(packed, plain):
    assert udif.unpack_adc(packed, 99) == plain
    assert udif.unpack_adc(packed, 2) == plain[:2]


@pytest.mark.parametrize("packed", [b"\x40\x00\x00", b"\x80a\x40\x00\x01", b"\x80a\x40\x00", b"\x80a\x40", b"\x00"])
def test_adc_that_lies(packed):
    with pytest.raises(IndexError):
        udif.unpack_adc(packed, 99)


@pytest.mark.parametrize("kind", [apple.ADC, apple.ZLIB, apple.BZIP2, apple.LZMA])
def test_damaged_chunk_costs_only_itself(kind):
    data = bytearray(apple.udif(MEDIA, [kind], 16384))
    data[0:30] = b"\x40" * 30
    container = opened(bytes(data))
    assert container.media.read_at(16384, 1 << 20) == MEDIA[16384:]
    assert container.read_problems() == ()
    assert container.media.read_at(0, 16384) == bytes(16384)
    (problem,) = container.read_problems()
    assert problem.bytes_not_examined == 16384


def custom(chunks, sectors=128, first=0, body=b"", total=128):
    text = plistlib.dumps({"resource-fork": {"blkx": [{"Data": apple.table(chunks, first, sectors)}]}})
    return body + text + apple.koly(len(body), (len(body), len(text)), (0, 0), total)


def test_a_bomb_does_not_grow():
    body = zlib.compress(bytes(200 << 20), 9)
    container = opened(custom([(apple.ZLIB, 0, 128, 0, len(body))], body=body))
    assert container.media.read_at(0, 1 << 20) == bytes(65536)


@pytest.mark.parametrize(
    "chunk",
    [
        (apple.ZLIB, 0, 1 << 30, 0, 100),
        (apple.ZLIB, 0, 128, 0, 1 << 40),
        (apple.ZLIB, 0, 128, 1 << 60, 100),
        (apple.RAW, 0, 128, 0, 100),
        (apple.RAW, 0, 128, 1 << 60, 65536),
    ],
)
def test_chunks_that_lie_are_told(chunk):
    container = opened(custom([chunk], body=b"x" * 200))
    assert len(container.media.read_at(0, 65536)) == 65536
    assert container.read_problems()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (custom([(apple.ZLIB, 1 << 60, 128, 0, 9)]), CorruptStructureError),
        (custom([(apple.ZLIB, 0, 128, 0, 9)], first=1 << 62), CorruptStructureError),
        (custom([(0x80000099, 0, 128, 0, 9)]), UnsupportedFormatError),
        (custom([]), CorruptStructureError),
        (custom([(apple.RAW, 0, 1, 0, 512)], total=1 << 60), CorruptStructureError),
        (b"<plist/>" + apple.koly(0, (0, 8), (0, 0), 9), CorruptStructureError),
        (apple.koly(0, (0, 1 << 60), (0, 0), 9), CorruptStructureError),
        (apple.koly(0, (1 << 60, 100), (0, 0), 9), CorruptStructureError),
        (apple.koly(0, (0, 0), (0, 100), 9), CorruptStructureError),
        (apple.koly(0, (0, 0), (0, 1 << 60), 9), CorruptStructureError),
        (MEDIA + apple.koly(len(MEDIA), (0, 0), (0, 0), 9, segments=3), UnsupportedFormatError),
        (b"\x00" * 512, CorruptStructureError),
    ],
)
def test_structures_that_lie(data, error):
    with pytest.raises(error):
        opened(data)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not xml",
        b"<plist><dict><key>resource-fork</key><array/></dict></plist>",
        b"<plist><dict><key>resource-fork</key><dict><key>blkx</key><array><integer>5</integer></array></dict></dict></plist>",
        b"<plist>" + b"<array>" * 50_000,
        b"<!DOCTYPE p [<!ENTITY a 'b'>]><plist><dict><key>resource-fork</key><string>&a;</string></dict></plist>",
    ],
)
def test_lists_that_lie(text):
    with pytest.raises(CorruptStructureError):
        opened(text + b" " + apple.koly(0, (0, len(text) + 1), (0, 0), 9))


def test_raw_disk_with_the_name_of_one_is_not_claimed(tmp_path):
    path = tmp_path / "disk.dmg"
    path.write_bytes(MEDIA)
    assert not udif.detect(MEDIA[:4096], (path,))
    path.write_bytes(apple.udif(MEDIA, [apple.ZLIB]))
    assert udif.detect(b"", (path,))
    assert not udif.detect(b"", (path, path))
    assert not udif.detect(b"", (tmp_path / "gone",))
