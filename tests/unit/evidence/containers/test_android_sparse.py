"""Android sparse images: every kind of chunk, what is missing, headers that lie."""

import struct

import pytest

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers import android_sparse
from triage.model.stream import MemoryStream

RAW, FILL, SKIP, CRC = 0xCAC1, 0xCAC2, 0xCAC3, 0xCAC4


def image(*chunks, blocks=None, block=4096, count=None, major=1, header=28, chunk_header=12):
    """Chunks of ``(kind, blocks, bytes)``."""
    total = sum(chunk[1] for chunk in chunks) if blocks is None else blocks
    raw = struct.pack(
        "<IHHHHIIII",
        0xED26FF3A,
        major,
        0,
        header,
        chunk_header,
        block,
        total,
        len(chunks) if count is None else count,
        0,
    ).ljust(header, b"\x00")
    for kind, length, data in chunks:
        raw += struct.pack("<HHII", kind, 0, length, chunk_header + len(data)).ljust(chunk_header, b"\x00") + data
    return raw


def opened(data):
    return android_sparse.open_stream(MemoryStream(data), "e")


@pytest.mark.parametrize(("header", "chunk_header"), [(28, 12), (32, 16)])
def test_every_kind_of_chunk(header, chunk_header):
    word = b"\x01\x02\x03\x04"
    data = image(
        (RAW, 2, b"R" * 8192), (FILL, 40, word), (CRC, 0, b"crc!"), (SKIP, 3, b""), (FILL, 1, bytes(4)), (RAW, 1, b"E" * 4096),
        header=header, chunk_header=chunk_header,
    )  # fmt: skip
    container = opened(data)
    wanted = b"R" * 8192 + word * 40960 + bytes(4 * 4096) + b"E" * 4096
    media = container.media
    assert media.size == len(wanted)
    assert media.read_at(0, len(wanted)) == wanted
    for offset in (8191, 8193, 8192 + 65535, 8192 + 65537, 8192 + 163840 - 1):
        assert media.read_at(offset, 70_001) == wanted[offset : offset + 70_001]
    assert container.problems == container.read_problems() == ()
    assert container.details["bytes_not_stored"] == "12288"


def test_what_is_missing_is_told():
    whole = image((RAW, 1, b"A" * 4096), (RAW, 1, b"B" * 4096), (RAW, 2, b"C" * 8192))
    for cut, missing in ((28 + 5, 16384), (28 + 12 + 4096 + 3, 12288), (28 + 2 * 4108, 8192)):
        container = opened(whole[:cut])
        (problem,) = container.problems
        assert problem.bytes_not_examined == missing
    container = opened(whole[:-100])
    assert container.problems == ()
    assert container.media.read_at(0, 16384) == b"A" * 4096 + b"B" * 4096 + b"C" * 8092 + bytes(100)
    assert container.read_problems()[0].bytes_not_examined == 100
    (problem,) = opened(image((RAW, 1, b"A" * 4096), blocks=5)).problems
    assert problem.bytes_not_examined == 4 * 4096
    (problem,) = opened(image((RAW, 1, b"A" * 4096), count=500)).problems
    assert "the file ends before chunk 1 of 500" in problem.message


@pytest.mark.parametrize(
    "chunk", [(RAW, 2, b"A" * 4096), (FILL, 1, b"12345"), (SKIP, 1, b"x"), (0xCAC9, 1, b""), (SKIP, 1 << 31, b"")]
)
def test_chunks_that_lie_end_the_index(chunk):
    container = opened(image((RAW, 1, b"A" * 4096), chunk, (RAW, 1, b"Z" * 4096), blocks=9))
    assert "chunk 1" in container.problems[0].message
    assert container.media.read_at(0, 4096) == b"A" * 4096
    assert len(container.media.read_at(0, 1 << 20)) == 9 * 4096


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"major": 2}, UnsupportedFormatError),
        ({"block": 0}, CorruptStructureError),
        ({"block": 4095}, CorruptStructureError),
        ({"block": 0xFFFFFFFC, "blocks": 0xFFFFFFFF}, CorruptStructureError),
        ({"count": 0xFFFFFFFF}, CorruptStructureError),
        ({"header": 12, "count": 1}, CorruptStructureError),
        ({"chunk_header": 4}, CorruptStructureError),
        ({"blocks": 0}, CorruptStructureError),
    ],
)
def test_headers_that_lie(values, error):
    with pytest.raises(error):
        opened(image((RAW, 1, b"A" * 4096), **values))
    with pytest.raises(CorruptStructureError):
        opened(image()[:27])
