"""Windows shortcuts (LNK): what they point to, where that lay, and on which machine.

Specification: [MS-SHLLINK]. Item lists are read as far as names go; what does not hold is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import unpack_from

from triage.content.formats.dates import filetime
from triage.model.times import iso_from_ns

MAGIC = b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F"
_HAS_LIST, _HAS_INFO, _UNICODE = 1, 2, 0x80
_STRINGS = ((4, "Name"), (8, "Relative path"), (16, "Working folder"), (32, "Arguments"), (64, "Icon"))
_TIMES = ((28, "Target created"), (36, "Target accessed"), (44, "Target written"))
_DRIVES = {1: "no root", 2: "removable", 3: "fixed", 4: "network", 5: "optical", 6: "memory"}
_TRACKER = 0xA0000003
_MAX_ITEMS = 200


def lines(data: bytes) -> Iterator[str]:
    """What a shortcut says, one fact a line."""
    if len(data) < 76 or data[:20] != MAGIC:
        return
    flags, size = unpack_from("<I", data, 20)[0], unpack_from("<I", data, 52)[0]
    position = 76
    names: list[str] = []
    if flags & _HAS_LIST and position + 2 <= len(data):
        length = unpack_from("<H", data, position)[0]
        names = list(_items(data[position + 2 : position + 2 + length]))
        position += 2 + length
    if flags & _HAS_INFO and position + 28 <= len(data):
        length = unpack_from("<I", data, position)[0]
        yield from _link_info(data[position : position + length])
        position += length
    if names:
        yield "Items: " + "\\".join(names)
    for bit, name in _STRINGS:
        if flags & bit and position + 2 <= len(data):
            count = unpack_from("<H", data, position)[0]
            width = 2 if flags & _UNICODE else 1
            raw = data[position + 2 : position + 2 + width * count]
            position += 2 + width * count
            yield f"{name}: {raw.decode('utf-16-le' if width == 2 else 'cp1252', 'replace')}"
    yield f"Target size: {size}"
    for at, name in _TIMES:
        moment = filetime(unpack_from("<Q", data, at)[0])
        text = iso_from_ns(moment) if moment is not None else None
        if text:
            yield f"{name}: {text}"
    yield from _extra(data, position)


def _text(data: bytes, at: int, wide: bool = False) -> str:
    """A text that ends in a zero."""
    if not 0 < at < len(data):
        return ""
    if not wide:
        return data[at : at + 4096].split(b"\0", 1)[0].decode("cp1252", "replace")
    return data[at : at + 8192].decode("utf-16-le", "replace").split("\0", 1)[0]


def _link_info(data: bytes) -> Iterator[str]:
    """Volume and path of the target."""
    if len(data) < 28:
        return
    header, flags, volume, base, network, suffix = unpack_from("<IIIIII", data, 4)
    wide_base, wide_suffix = unpack_from("<II", data, 28) if header >= 36 and len(data) >= 36 else (0, 0)
    end = _text(data, wide_suffix, True) or _text(data, suffix)
    if flags & 1:
        yield f"Path: {(_text(data, wide_base, True) or _text(data, base)) + end}"
        if volume > 0 and volume + 16 <= len(data):
            kind, serial, label = unpack_from("<III", data, volume + 4)
            shown = _text(data, volume + 16, True) if label == 0x14 else _text(data, volume + label)
            yield f"Drive: {_DRIVES.get(kind, 'unknown')}, serial {serial:08X}, label {shown}"
    if flags & 2 and network > 0 and network + 20 <= len(data):
        share = unpack_from("<I", data, network + 8)[0]
        yield f"Share: {_text(data, network + share)}\\{end}"


def _items(data: bytes) -> Iterator[str]:
    """Names of the items of a list: long ones where there are any."""
    position = 0
    for _ in range(_MAX_ITEMS):
        if position + 3 > len(data):
            return
        size = unpack_from("<H", data, position)[0]
        if size < 3:
            return
        item = data[position : position + size]
        kind = item[2] & 0x70
        name = ""
        if kind == 0x20:
            name = _text(item, 3)
        elif kind == 0x30 and len(item) > 14:
            name = _text(item, 14, bool(item[2] & 4))
            mark = item.find(b"\x04\0\xef\xbe")
            if mark > 0:
                version = unpack_from("<H", item, mark - 2)[0]
                behind = mark + {3: 16, 7: 34, 8: 38, 9: 42}.get(version, 42)
                name = _text(item, behind, True) or name
        if name:
            yield name.rstrip("\\")
        position += size


def _extra(data: bytes, position: int) -> Iterator[str]:
    """Blocks behind the strings: the machine on which the target lay."""
    for _ in range(50):
        if position + 8 > len(data):
            return
        size, kind = unpack_from("<II", data, position)
        if size < 8:
            return
        if kind == _TRACKER and size >= 0x60:
            yield f"Machine: {_text(data, position + 16)[:16]}"
            node = data[position + 32 + 16 + 10 : position + 32 + 32]
            if len(node) == 6:
                yield "Network card: " + ":".join(f"{byte:02x}" for byte in node)
        position += size
