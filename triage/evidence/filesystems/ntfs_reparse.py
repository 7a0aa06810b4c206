"""Reparse points of NTFS: what a file or directory says of where its content really is.

The attribute has a tag that names who understands it, then data of that one's. Links are read for their target, the
Windows Overlay Filter for how it compressed (``wof``); of the others the tag tells what to expect. A tag says nothing
sure of the content: a file with one may still have all its bytes, so who reads looks at these first.

Source: [MS-FSCC] 2.1.2, reparse tags and reparse data buffers; ``ntifs.h`` of the Windows SDK for further tags.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum

from triage.evidence.filesystems.wof import REPARSE_WOF, Overlay, parse_overlay
from triage.model.address import escape_name

SYMLINK, MOUNT_POINT, LX_SYMLINK, DEDUP = 0xA000000C, 0xA0000003, 0xA000001D, 0x80000013
MAX_DATA = 16384
"""Bytes that a reparse point has at most."""
MAX_TARGET = 1024
"""Bytes of a link's target that are shown."""
_CLOUD, _CLOUD_MASK = 0x9000001A, 0xFFFF0FFF


class Kind(Enum):
    """What a reparse point means for who reads the file."""

    LINK = "link"
    OVERLAY = "overlay"
    CLOUD = "cloud"
    ELSEWHERE = "elsewhere"
    OTHER = "other"


_ELSEWHERE = {
    DEDUP: "deduplicated: its content is in the chunk store, /System Volume Information/Dedup, which is not read",
    0x80000007: "single instance storage: its content is in /SIS Common Store, which is not read",
    0x80000006: "hierarchical storage: its content was moved to another store",
    0xC0000004: "hierarchical storage: its content was moved to another store",
    0x80000008: "mounted WIM image: its content is in the image",
    0x80000018: "file of a container: its content may be in the layer below",
    0x8000001E: "Azure file sync: its content may be in the cloud only",
    0x9000001C: "projected file: its content may be with the program that provides it",
    0xA0000027: "file of a container: its content may be in the layer below",
    0xA0000028: "composite image: its content is in the image",
}
_OTHER = {
    0x8000001B: "alias of a packaged program",
    0x80000014: "NFS link or device",
    0x80000023: "Unix socket",
    0x80000024: "Unix pipe",
    0x80000025: "Unix character device",
    0x80000026: "Unix block device",
}


@dataclass(frozen=True, slots=True)
class ReparsePoint:
    """What the attribute says.

    Attributes:
        tag: Number.
        kind: What it means.
        text: For a reader of a result; empty where there is nothing to say.
        overlay: Where the Windows Overlay Filter made it.
    """

    tag: int
    kind: Kind
    text: str = ""
    overlay: Overlay | None = None


def parse_reparse(data: bytes) -> ReparsePoint | None:
    """What the data of the attribute say, None where they are too short for a tag.

    Args:
        data: From the tag on, as much as there is.
    """
    if len(data) < 4:
        return None
    tag = int.from_bytes(data[:4], "little")
    if tag in (SYMLINK, MOUNT_POINT, LX_SYMLINK):
        target = _target(tag, data)
        return ReparsePoint(tag, Kind.LINK, f"link to {target}" if target else "")
    if tag == REPARSE_WOF:
        overlay = parse_overlay(data)
        text = overlay.description if overlay else "reparse point of the Windows Overlay Filter that says nothing"
        return ReparsePoint(tag, Kind.OVERLAY, text, overlay)
    if tag & _CLOUD_MASK == _CLOUD or tag == 0x80000021:
        return ReparsePoint(tag, Kind.CLOUD, "file of a cloud store (such as OneDrive)")
    if tag in _ELSEWHERE:
        return ReparsePoint(tag, Kind.ELSEWHERE, _ELSEWHERE[tag])
    if tag in _OTHER:
        return ReparsePoint(tag, Kind.OTHER, _OTHER[tag])
    text = f"reparse point with tag 0x{tag:08x}: its content may be kept elsewhere or in another form"
    return ReparsePoint(tag, Kind.ELSEWHERE, text)


def _target(tag: int, data: bytes) -> str:
    """Where a link leads, as it is shown to a user, else as the system uses it; empty where that cannot be told."""
    if tag == LX_SYMLINK:
        return escape_name(data[12 : 12 + MAX_TARGET], syntax=False)
    if len(data) < 16:
        return ""
    buffer = 20 if tag == SYMLINK else 16
    for offset, length in (struct.unpack_from("<HH", data, 12), struct.unpack_from("<HH", data, 8)):
        raw = data[buffer + offset : buffer + offset + min(length, MAX_TARGET)]
        if raw:
            text = raw.decode("utf-16-le", "replace").replace("\\", "/")
            return escape_name(text.encode("utf-8", "replace"), syntax=False)
    return ""
