"""LZFSE, Apple's compression, through libmodi.

libmodi decodes LZFSE only as a part of a disk image, and refuses images that mix several kinds of chunks. So each chunk
is handed to it as an image of its own, made here in memory; no more than that chunk ever reaches the library.
"""

from __future__ import annotations

import importlib.util
import struct
from base64 import b64encode

from triage.evidence.containers.library_file import LibraryFile
from triage.model.stream import MemoryStream

_KIND = 0x80000007
_LIST = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0"><dict><key>resource-fork</key><dict><key>blkx</key>'
    b"<array><dict><key>Attributes</key><string>0x0050</string><key>Data</key><data>%s</data><key>ID</key>"
    b"<string>0</string><key>Name</key><string>x</string></dict></array></dict></dict></plist>\n"
)


def is_available() -> bool:
    """True where libmodi is installed."""
    return importlib.util.find_spec("pymodi") is not None


def unpack_lzfse(data: bytes, length: int) -> bytes:
    """Decoded bytes of one chunk.

    Args:
        data: LZFSE data, ``bvx`` blocks.
        length: Bytes that it decodes to, whole sectors.

    Raises:
        ValueError: It does not decode.
    """
    import pymodi

    handle = pymodi.handle()
    try:
        handle.open_file_object(LibraryFile(MemoryStream(_image(data, length // 512))))
        return bytes(handle.read_buffer_at_offset(length, 0))
    except (OSError, MemoryError, TypeError, OverflowError) as error:
        raise ValueError("LZFSE data are damaged") from error


def _image(data: bytes, sectors: int) -> bytes:
    """A disk image of one chunk."""
    table = struct.pack(">4sIQQQII", b"mish", 1, 0, sectors, 0, 0, 0).ljust(200, b"\x00") + struct.pack(">I", 2)
    table += struct.pack(">IIQQQQ", _KIND, 0, 0, sectors, 0, len(data))
    table += struct.pack(">IIQQQQ", 0xFFFFFFFF, 0, sectors, 0, len(data), 0)
    text = _LIST % b64encode(table)
    trailer = struct.pack(">4sIIIQQQQQII", b"koly", 4, 512, 1, 0, 0, len(data), 0, 0, 1, 1).ljust(216, b"\x00")
    trailer += struct.pack(">QQ", len(data), len(text))
    return data + text + trailer.ljust(488, b"\x00") + struct.pack(">IQ", 1, sectors).ljust(24, b"\x00")
