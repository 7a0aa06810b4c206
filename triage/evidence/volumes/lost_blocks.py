"""Lost LUKS, LVM2, RAID, swap, VMFS, CoreStorage, SquashFS, EROFS, cramfs: headers that say where they stand, or begin.

Sources: cryptsetup ``docs/on-disk-format``, ``lvm_disk`` and ``md_superblock`` of this package, kernel ``swap.h``,
SquashFS 4.0 and EROFS of the kernel's documentation.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator

from triage.evidence.filesystems.btrfs.checksum import crc32c
from triage.evidence.volumes import lvm_disk, md_superblock
from triage.evidence.volumes.lost_found import Found, Pieces, big, is_power, number

SECTOR = 512
MAX_CRAMFS = 272 << 20
"""Bytes that the format can hold, all of which its checksum is over."""
_HASHES = ("sha1", "sha256", "sha384", "sha512", "ripemd160", "whirlpool")
_NONE = 0xFFFFFFFFFFFFFFFF
_VMFS = {b"\x0d\xd0\x01\xc0": 0x100000, b"\x5e\xf1\xab\x2f": 0x200000}
"""Magic number of volume and file system to its place in a volume."""


def examine_luks(media: Pieces, at: int) -> Iterator[Found]:
    """The volume that a LUKS header begins; neither version states its length."""
    head = media.get(at, 4096)
    if head[:6] != b"LUKS\xba\xbe":
        return
    version = big(head, 6, 2)
    if version == 1:
        words = [head[8:40], head[40:72], head[72:104]]
        slots = [big(head, 208 + 48 * slot, 4) for slot in range(8)]
        sound = all(_is_text(word) for word in words) and all(slot in (0x0000DEAD, 0x00AC71F3) for slot in slots)
        name = head[72:104].rstrip(b"\0").decode("ascii", "replace")
        if not sound or name not in _HASHES or not 16 <= big(head, 108, 4) <= 512:
            return
    elif version == 2:
        size = big(head, 8, 8)
        if not is_power(size, 16384, 4 << 20) or number(head, 256, 8):
            return
        whole, algorithm = media.get(at, size), head[72:104].rstrip(b"\0").decode("ascii", "replace")
        if algorithm not in hashlib.algorithms_available or algorithm.startswith("shake"):
            return
        digest = hashlib.new(algorithm, whole[:448] + bytes(64) + whole[512:]).digest()
        if not whole or head[448 : 448 + len(digest)] != digest:
            return
    else:
        return
    yield Found(at, 0, f"LUKS{version}", ("LUKS",), "header", at)


def _is_text(field: bytes) -> bool:
    """True for printable words filled up with zeros."""
    text = field.rstrip(b"\0")
    return bool(text) and all(0x20 < byte < 0x7F for byte in text)


def examine_lvm(media: Pieces, at: int) -> Iterator[Found]:
    """The physical volume that a label of LVM2 belongs to; it has the number of its sector and a checksum."""
    label = media.get(at, SECTOR)
    sector, place = number(label, 8, 8), number(label, 20, 4)
    if label[:8] != lvm_disk.LABEL or label[24:32] != lvm_disk.TYPE or sector > 3:
        return
    if number(label, 16, 4) != lvm_disk.checksum(label[20:]) or not 32 <= place <= SECTOR - 40:
        return
    start = at - sector * SECTOR
    if start >= 0:
        words = ("LVM2",)
        yield Found(start, number(label, place + 32, 8), "LVM2 physical volume", words, "label", at)


def examine_md(media: Pieces, at: int) -> Iterator[Found]:
    """The member that a superblock of Linux RAID, version 1, belongs to; it says in which sector it stands."""
    head = media.get(at, 4096)
    if number(head, 0, 4) != md_superblock.MAGIC or number(head, 4, 4) != 1:
        return
    data, size, own = (number(head, place, 8) * SECTOR for place in (128, 136, 144))
    found = md_superblock.find_superblock(_Member(head, own)) if own < 1 << 60 else None
    if found is None or not found.sound or not size or own > at:
        return
    length = max(data + size, own + 4096)
    # Version 1.0 stands 8 KiB before the end of the member, whose data may stop before it.
    length = own + 8192 if own > data else length
    words = ("Linux software RAID", "")
    yield Found(at - own, length, "Linux RAID member", words, "superblock", at, spans_others=True)


class _Member:
    """A member of which only the superblock is looked at, so that the reader of superblocks finds it in its place."""

    def __init__(self, head: bytes, place: int) -> None:
        self._head = head
        self._place = place

    @property
    def size(self) -> int:
        """Bytes, so that each version looks where this superblock stands."""
        return self._place + 8192

    def read_at(self, offset: int, length: int) -> bytes:
        """The superblock where it stands, nothing elsewhere."""
        return self._head[:length] if offset == self._place else b""

    def close(self) -> None:
        """Nothing to release."""


def examine_swap(media: Pieces, at: int) -> Iterator[Found]:
    """The swap space whose first page ends in this sector."""
    start = at - 7 * SECTOR
    head = media.get(start, 4096)
    version, last = number(head, 1024, 4), number(head, 1028, 4)
    if head[4086:] == b"SWAPSPACE2" and version == 1 and last > 8:
        yield Found(start, (last + 1) * 4096, "Linux swap", ("Linux swap",), "signature", at)


def examine_vmfs(media: Pieces, at: int) -> Iterator[Found]:
    """The volume of VMFS whose header stands here; only named, for it is not read."""
    head = media.get(at, SECTOR)
    start = at - _VMFS.get(head[:4], at + 1)
    if start >= 0 and 0 < number(head, 4, 4) < 32:
        yield Found(start, 0, "VMFS", ("VMFS",), "volume header", at)


def examine_cramfs(media: Pieces, at: int) -> Iterator[Found]:
    """The cramfs that begins here: its checksum over the whole must fit."""
    head = media.get(at, 64)
    read = number if head[:4] == b"\x45\x3d\xcd\x28" else big
    size = read(head, 4, 4)
    if head[16:32] != b"Compressed ROMFS" or not 76 <= size <= MAX_CRAMFS or not read(head, 8, 4) & 1:
        return
    whole = media.get(at, size)
    if whole and zlib.crc32(whole[:32] + bytes(4) + whole[36:]) == read(head, 32, 4):
        yield Found(at, size, "cramfs", ("cramfs",), "superblock", at)


def examine_core_storage(media: Pieces, at: int) -> Iterator[Found]:
    """The physical volume of CoreStorage that begins here; its header has a checksum."""
    head = media.get(at, SECTOR)
    if head[88:90] != b"CS" or head[8:12] != b"\x01\x00\x10\x00":
        return
    if crc32c(head[8:]) ^ 0xFFFFFFFF == number(head, 0, 4):
        yield Found(at, 0, "FileVault 2 (CoreStorage)", ("FileVault 2",), "header", at)


def examine_squashfs(media: Pieces, at: int) -> Iterator[Found]:
    """The SquashFS that begins here: its tables lie in order, and the table of owners points into it."""
    head = media.get(at, 96)
    block, log, major = number(head, 12, 4), number(head, 22, 2), number(head, 28, 2)
    used, ids, inodes, folders = (number(head, place, 8) for place in (40, 48, 64, 72))
    if head[:4] != b"hsqs" or major != 4 or not 12 <= log <= 20 or block != 1 << log or not number(head, 4, 4):
        return
    if not 96 <= inodes < folders <= ids < used < 1 << 56 or not 1 <= number(head, 20, 2) <= 6:
        return
    first = number(media.get(at + ids, 8), 0, 8)
    if folders <= first <= ids:
        yield Found(at, -(-used // 4096) * 4096, "SquashFS", ("squashfs",), "superblock", at)


def examine_erofs(media: Pieces, at: int) -> Iterator[Found]:
    """The EROFS whose superblock stands here: the inode of its root must be one of a directory."""
    block = media.get(at, 128)
    bits, root, blocks, inodes = block[12:13], number(block, 14, 2), number(block, 36, 4), number(block, 40, 4)
    if block[:4] != b"\xe2\xe1\xf5\xe0" or at < 1024 or not 9 <= bits[0] <= 16 or inodes > blocks or not blocks:
        return
    start = at - 1024
    inode = media.get(start + (inodes << bits[0]) + root * 32, 32)
    if number(inode, 4, 2) & 0xF000 == 0x4000:
        yield Found(start, blocks << bits[0], "EROFS", ("erofs",), "superblock", at)
