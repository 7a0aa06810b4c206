"""Ex01 through libewf, and what is refused on the way."""

import pytest

from triage.errors import CorruptStructureError, SourceNotFoundError, UnsupportedFormatError
from triage.evidence import open_evidence
from triage.evidence.containers import libewf

pyewf = pytest.importorskip("pyewf", reason="libewf is not installed")


class Handle:
    """Stands in for a handle of the library."""

    def __init__(self, data, pieces=()):
        self._data = data
        self._pieces = list(pieces)

    def get_media_size(self):
        return len(self._data)

    def read_buffer_at_offset(self, length, offset):
        if self._pieces:
            piece = self._pieces.pop(0)
            if isinstance(piece, BaseException):
                raise piece
            length = piece
        return self._data[offset : offset + length]

    def close(self):
        raise OSError("closed already")


def test_stream_reads_on_until_all_is_there():
    """The library may return less than asked for."""
    data = bytes(range(200))
    stream = libewf.LibewfStream(Handle(data, [50, 1, 149]))
    assert stream.read_at(0, 500) == data
    assert stream.read_at(200, 1) == stream.read_at(-1, 1) == b""
    stream.close()


@pytest.mark.parametrize("piece", [OSError("pyewf_x: libewf_y: it broke.\nmore"), 0, MemoryError()])
def test_stream_that_fails_raises_our_error(piece):
    """An error or an empty answer is a failed read, not an end."""
    from triage.errors import ReadFailedError

    stream = libewf.LibewfStream(Handle(bytes(100), [piece]))
    with pytest.raises(ReadFailedError, match="libewf"):
        stream.read_at(0, 100)


def test_damaged_ex01_is_corrupt(tmp_path):
    """The library refuses it; so do we, with its words."""
    path = tmp_path / "a.Ex01"
    path.write_bytes(libewf.EX01 + bytes(5000))
    with pytest.raises(CorruptStructureError, match="libewf cannot open"):
        open_evidence([path])


def test_without_the_library(tmp_path, monkeypatch):
    """The reason and what to install."""
    monkeypatch.setitem(__import__("sys").modules, "pyewf", None)
    path = tmp_path / "a.Ex01"
    path.write_bytes(libewf.EX01 + bytes(5000))
    with pytest.raises(UnsupportedFormatError, match="not installed") as caught:
        open_evidence([path])
    assert "libewf-python" in (caught.value.hint or "")
    with pytest.raises(SourceNotFoundError):
        libewf.open_container((tmp_path / "gone.Ex01",), "x")
