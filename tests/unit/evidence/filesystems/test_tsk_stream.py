"""Reading: bounded requests, checked answers."""

import hashlib

import pytest

from triage.errors import ReadFailedError
from triage.evidence.filesystems.tsk_stream import MAX_READ, TskStream, ZeroStream
from triage.evidence.tsk_image import TskImage
from triage.model.address import Address
from triage.model.entry import Entry, EntryType
from triage.model.stream import MemoryStream


class File:
    """A file of the library that fails from a place on, and notes what it was asked."""

    def __init__(self, data: bytes, *, good: int | None = None, short: bool = False) -> None:
        self.data = data
        self.good = len(data) if good is None else good
        self.short = short
        self.asked: list[tuple[int, int, int, int]] = []

    def read_random(self, offset: int, length: int, kind: int = 1, identity: int = -1) -> bytes:
        self.asked.append((offset, length, kind, identity))
        if offset >= len(self.data):
            raise OSError("File_read_random: (tsk3.cpp:731) Read error: Invalid file offset")
        if offset + length > self.good and not self.short:
            raise OSError("File_read_random: (tsk3.cpp:731) Read error: Error reading image file")
        return self.data[offset : min(self.good, offset + length)]


def stream(file: File, size: int, kind: int = 128, identity: int = 3) -> TskStream:
    entry = Entry(Address("x.dd", "p1", b"/x"), EntryType.FILE, size, 30, kind, identity)
    return TskStream(file, TskImage(MemoryStream(bytes(512))), entry)


def test_f10_requests_are_split_and_carry_the_attribute() -> None:
    """F10: at most 1 MiB, never beyond the size, always with an identifier."""
    data = hashlib.shake_128(b"x").digest(3 * MAX_READ + 17)
    file = File(data)
    assert stream(file, len(data)).read_at(5, 2**40) == data[5:]
    assert max(length for _, length, _, _ in file.asked) == MAX_READ
    assert all(offset + length <= len(data) for offset, length, _, _ in file.asked)
    assert {(kind, identity) for _, _, kind, identity in file.asked} == {(128, 3)}


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [(0, 0, b""), (8, 1, b""), (2**63, 5, b""), (-1, 5, b""), (5, 2**32 + 10, b"fgh"), (0, 2**31, b"abcdefgh")],
)
def test_f10_edges(offset: int, length: int, expected: bytes) -> None:
    """F10: outside there is nothing, and lengths may be any number."""
    assert stream(File(b"abcdefgh"), 8).read_at(offset, length) == expected


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("good", [0, 512, 700, MAX_READ + 1024])
def test_f10_a_short_answer_is_an_error_that_has_what_could_be_read(short: bool, good: int) -> None:
    """F10: not an end; the bytes before the failure are not lost."""
    data = hashlib.shake_128(b"y").digest(2 * MAX_READ)
    with pytest.raises(ReadFailedError) as caught:
        stream(File(data, good=good, short=short), len(data)).read_at(0, len(data))
    readable = good if short else good // 512 * 512
    assert caught.value.partial == data[:readable]
    assert caught.value.message.startswith(f"cannot read at offset {readable} of {len(data)} bytes: ")
    assert caught.value.address == "x.dd p1:/x"


def test_the_reason_is_that_of_the_image_where_it_failed() -> None:
    """The library only sees a short read."""

    class Broken:
        size = 4096

        def read_at(self, offset: int, length: int) -> bytes:
            raise ReadFailedError("chunk 7 is damaged")

        def close(self) -> None: ...

    image = TskImage(Broken())

    class Asking(File):
        def read_random(self, offset: int, length: int, kind: int = 1, identity: int = -1) -> bytes:
            image.read(0, 512)
            raise OSError("Read error")

    entry = Entry(Address("x.dd", "p1", b"/x"), EntryType.FILE, 9, 30, 128, 3)
    with pytest.raises(ReadFailedError, match="chunk 7 is damaged"):
        TskStream(Asking(b""), image, entry).read_at(0, 9)


def test_bytes_never_written_are_zeros() -> None:
    """Declared, but nothing of it is stored."""
    zeros = ZeroStream(10)
    assert zeros.size == 10
    assert zeros.read_at(0, 99) == bytes(10)
    assert zeros.read_at(8, 99) == bytes(2)
    assert zeros.read_at(11, 5) == zeros.read_at(-1, 5) == b""
    zeros.close()
