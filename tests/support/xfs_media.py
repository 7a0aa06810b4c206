"""Small XFS images for tests: the sectors that are not zero, and changes on top of them.

``tests/data/xfs-v5.xz`` and ``xfs-v4.xz`` hold the size of the image (8 bytes), then place (8 bytes, big-endian) and
content of each sector of 512 bytes that is not zero, packed by xz.

The first was made by Linux 6.18 on a loop device of 300 MiB: ``mkfs.xfs -m reflink=1 -d agcount=2 -i nrext64=1``
(xfsprogs 6.1), directories of all forms, hard links, 70 files in ``tree``, a file of which every other block was
punched out, attributes; then mounted again, ``tree`` removed as a whole, ``short-form/gone``, ``block/deleted.doc`` and
``fragmented-deleted`` removed, ``block/renamed`` moved to ``moved``. The log of the new file system was put back over
the used one, to keep it small. The second was filled by ``mkfs.xfs -m crc=0 -n ftype=0 -b size=512 -i size=256 -p``.
"""

from __future__ import annotations

import lzma
from functools import cache
from pathlib import Path

from triage.evidence.filesystems import xfs
from triage.evidence.filesystems.xfs import XfsFileSystem
from triage.model.entry import Entry
from triage.model.problem import Problem
from triage.model.volume import Allocation, Volume

SECTOR = 512
_DATA = Path(__file__).parent.parent / "data"


@cache
def _sectors(name: str) -> tuple[int, dict[int, bytes]]:
    data = lzma.decompress((_DATA / f"{name}.xz").read_bytes())
    records = (data[at : at + 8 + SECTOR] for at in range(8, len(data), 8 + SECTOR))
    return int.from_bytes(data[:8], "big"), {int.from_bytes(one[:8], "big"): one[8:] for one in records}


class XfsMedia:
    """A stream over one of the images.

    Args:
        name: ``xfs-v5`` or ``xfs-v4``.
        size: Bytes, where it is to be cut short.
    """

    def __init__(self, name: str, size: int = 0) -> None:
        whole, sectors = _sectors(name)
        self.size = size or whole
        self.sectors = dict(sectors)
        self.bytes_read = 0

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`."""
        end = min(self.size, offset + length)
        if offset < 0 or end <= offset:
            return b""
        self.bytes_read += end - offset
        out = bytearray(end - offset)
        first, last = offset // SECTOR * SECTOR, end
        places = range(first, last, SECTOR)
        if len(places) > len(self.sectors):
            places = [place for place in self.sectors if first <= place < last]  # type: ignore[assignment]
        for place in places:
            stored = self.sectors.get(place)
            if stored is not None:
                start, stop = max(place, offset), min(place + SECTOR, end)
                out[start - offset : stop - offset] = stored[start - place : stop - place]
        return bytes(out)

    def write(self, offset: int, data: bytes) -> None:
        """Change bytes."""
        for at, value in enumerate(data):
            place = (offset + at) // SECTOR * SECTOR
            sector = bytearray(self.sectors.get(place, bytes(SECTOR)))
            sector[offset + at - place] = value
            self.sectors[place] = bytes(sector)

    def close(self) -> None:
        """Nothing to release."""


def open_xfs(media: XfsMedia) -> XfsFileSystem:
    """The file system of an image."""
    volume = Volume("p1", 0, media.size, Allocation.ALLOCATED, "bare", file_system="xfs")
    opened = xfs.open_file_system(media, volume, "x.img")
    assert isinstance(opened, XfsFileSystem)
    return opened


def listing(file_system: XfsFileSystem) -> tuple[dict[str, Entry], list[Problem]]:
    """Entries by path and attribute, and problems."""
    entries: dict[str, Entry] = {}
    problems = []
    for item in file_system.walk():
        if isinstance(item, Problem):
            problems.append(item)
        else:
            path = item.address.path.decode("utf-8", "backslashreplace")
            key = path + (":" + item.address.stream.decode() if item.address.stream else "")
            assert key not in entries, key
            entries[key] = item
    return entries, problems
