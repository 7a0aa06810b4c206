"""Volume shadow copies: order, what cannot be opened, reading around damage; a stand-in for the library, and itself."""

from __future__ import annotations

import random
import struct
import sys
import uuid
from types import ModuleType

import pytest

from triage.errors import CorruptStructureError, ReadFailedError, UnsupportedFormatError
from triage.evidence.keychain import Keychain
from triage.evidence.volumes import shadow_copies
from triage.evidence.volumes.stream_file import StreamFile
from triage.model.problem import Reason
from triage.model.stream import MemoryStream

EPOCH = 116_444_736_000_000_000
SIZE = 1 << 20
NOT_ON_VOLUME = "its data is not on this volume"


class FakeStore:
    def __init__(
        self, number: int, seconds: int, *, size: int = SIZE, here: bool = True, bad: tuple[int, ...] = ()
    ) -> None:
        self.data = random.Random(number).randbytes(size) if size <= SIZE else b""
        self.number, self.seconds, self.size, self.here, self.bad = number, seconds, size, here, bad
        self.reads = 0

    def get_identifier(self) -> str:
        return str(uuid.UUID(int=self.number))

    def get_copy_identifier(self) -> str:
        return str(uuid.UUID(int=1000 + self.number))

    def has_in_volume_data(self) -> bool:
        return self.here

    def get_volume_size(self) -> int:
        return self.size

    def get_creation_time_as_integer(self) -> int:
        return EPOCH + self.seconds * 10_000_000

    def read_buffer_at_offset(self, length: int, offset: int) -> bytes:
        self.reads += 1
        if any(offset <= place < offset + length for place in self.bad):
            raise OSError("pyvshadow_store_read_buffer_at_offset: unable to read data.\nmore")
        return self.data[offset : offset + length]


class FakeVolume:
    stores: tuple[FakeStore, ...] = ()
    refuses: Exception | None = None
    closed = 0

    def open_file_object(self, file: StreamFile) -> None:
        if self.refuses is not None:
            raise self.refuses

    def get_number_of_stores(self) -> int:
        return len(self.stores)

    def get_store(self, number: int) -> FakeStore:
        if self.stores[number].number < 0:
            raise OSError("pyvshadow_volume_get_store: unable to read store header.")
        return self.stores[number]

    def close(self) -> None:
        FakeVolume.closed += 1


@pytest.fixture
def library(monkeypatch):
    module = ModuleType("pyvshadow")
    module.volume = type("Volume", (FakeVolume,), {"stores": [], "refuses": None})
    monkeypatch.setitem(sys.modules, "pyvshadow", module)
    return module.volume


def opened(stream=None) -> shadow_copies.ShadowLayer:
    return shadow_copies.open_layer(stream or MemoryStream(bytes(SIZE)), "x p1:/", Keychain(), [])


def header(catalog: int = 0x4000, identifier: bytes = shadow_copies.IDENTIFIER) -> bytes:
    head = identifier + struct.pack("<IIQQQQ", 1, 1, 0x1E00, 0x1E00, 0, catalog)
    return bytes(7680) + head.ljust(512, b"\0")


def test_header_is_detected():
    assert shadow_copies.detect(MemoryStream(header()))
    for data in (b"", bytes(9000), header(catalog=0), header(identifier=bytes(16)), header()[: 7680 + 20]):
        assert not shadow_copies.detect(MemoryStream(data))


def test_oldest_first_whatever_the_order_of_the_catalog(library):
    library.stores = [FakeStore(1, 300), FakeStore(2, 100), FakeStore(3, 200)]
    layer = opened()
    assert not layer.replaces
    assert [volume.name for volume in layer.volumes] == ["vss1", "vss2", "vss3"]
    assert [volume.stream.read_at(5, 9) for volume in layer.volumes] == [
        library.stores[n].data[5:14] for n in (1, 2, 0)
    ]
    first = layer.volumes[0].description
    assert "1970-01-01T00:01:40Z" in first and str(uuid.UUID(int=2)) in first and str(uuid.UUID(int=1002)) in first


def test_store_that_cannot_be_opened_costs_only_itself(library):
    library.stores = [FakeStore(1, 1), FakeStore(-1, 2), FakeStore(3, 3, here=False), FakeStore(4, 4, size=1 << 60),
                      FakeStore(5, 5)]  # fmt: skip
    layer = opened()
    assert [volume.name for volume in layer.volumes] == ["vss1", "vss2"]
    assert [problem.reason for problem in layer.problems] == [Reason.CORRUPT] * 3
    words = [problem.message for problem in layer.problems]
    assert words[0] == "snapshot 2 of 5 cannot be opened: unable to read store header."
    assert NOT_ON_VOLUME in words[1] and "states a volume of" in words[2]


def test_damaged_block_costs_only_itself_and_small_reads_are_cached(library):
    place = 600_000
    library.stores = [FakeStore(1, 1, bad=(place,))]
    store, stream = library.stores[0], opened().volumes[0].stream
    for offset in range(0, 200_000, 1000):
        assert stream.read_at(offset, 1000) == store.data[offset : offset + 1000]
    assert store.reads == 1
    with pytest.raises(ReadFailedError, match="unable to read data") as caught:
        stream.read_at(500_000, 200_000)
    bad = place // 16384 * 16384
    assert caught.value.partial == store.data[500_000:bad]
    assert stream.read_at(bad + 16384, 300_000) == store.data[bad + 16384 : bad + 16384 + 300_000]
    assert stream.read_at(SIZE - 3, 9) == store.data[-3:]
    assert stream.read_at(SIZE, 1) == stream.read_at(-1, 5) == b""


def test_library_that_refuses_or_is_absent(library, monkeypatch):
    library.refuses = OSError("pyvshadow_volume_open: unable to read catalog: bad block.")
    with pytest.raises(CorruptStructureError, match="libvshadow cannot open the shadow copies: bad block"):
        opened()
    monkeypatch.setitem(sys.modules, "pyvshadow", None)
    with pytest.raises(UnsupportedFormatError, match="libvshadow"):
        opened()


def test_close_is_idempotent(library):
    library.stores = [FakeStore(1, 1)]
    FakeVolume.closed = 0
    layer = opened()
    layer.close()
    layer.close()
    assert FakeVolume.closed == 1


@pytest.mark.parametrize("catalog", [0x4000, 1 << 40, 1, (1 << 63) + 5])
def test_the_library_itself_on_a_header_without_a_catalog(catalog):
    pytest.importorskip("pyvshadow", reason="libvshadow is not installed")
    data = header(catalog).ljust(1 << 18, b"\0")
    try:
        assert opened(MemoryStream(data)).volumes == ()
    except CorruptStructureError as error:
        assert "libvshadow" in error.message


def test_stream_as_a_file():
    file = StreamFile(MemoryStream(b"0123456789"))
    assert file.read(3) == b"012" and file.tell() == 3
    assert file.seek(-2, 2) == 8 and file.read() == b"89" and file.read(5) == b""
    assert file.seek(-8, 1) == 2 and file.get_size() == 10 and file.readable() and file.seekable()
    with pytest.raises(OSError, match="before the beginning"):
        file.seek(-1)
