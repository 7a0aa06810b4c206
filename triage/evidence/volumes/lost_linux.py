"""Lost ext2/3/4, XFS, Btrfs and F2FS: a superblock or a copy of it, held against what it points at.

Each of these keeps copies far into the volume and says in some way where a copy stands: ext by the number of its block
group, XFS by the number in the header behind it, Btrfs by its own address, F2FS has two next to each other. So a volume
whose beginning is overwritten is found too, and is read with the copy in place of what is gone.

Sources: kernel ``Documentation/filesystems`` (ext4, f2fs), "XFS Algorithms & Data Structures", Btrfs "On-disk format".
"""

from __future__ import annotations

from collections.abc import Iterator

from triage.evidence.filesystems.btrfs.checksum import crc32c, digest, holds, is_known
from triage.evidence.filesystems.f2fs.layout import f2fs_crc
from triage.evidence.volumes.lost_found import Found, Patches, Pieces, big, is_power, number

_MAX_DESCRIPTORS = 16 << 20
"""Bytes of group descriptors that are read from a copy."""
_GROUP_FLAGS, _UNUSED_LOW, _UNUSED_HIGH = 0x12, 0x1C, 0x32
_INCOMPAT_EXTENTS, _INCOMPAT_META_BG, _INCOMPAT_64BIT = 0x40, 0x10, 0x80
_COMPAT_CHECKSUM = 0x400
_EXTENTS, _INLINE = 0x80000, 0x10000000
_BTRFS_PLACES = (0x10000, 0x4000000, 0x4000000000)
_BTRFS_SIZE = 4096


def examine_ext(media: Pieces, at: int) -> Iterator[Found]:
    """The volume that a superblock of ext2, ext3 or ext4 belongs to."""
    block = media.get(at, 1024)
    shift, first, per_group, inodes = (number(block, place, 4) for place in (24, 20, 32, 40))
    incompatible, revision, group = number(block, 96, 4), number(block, 76, 4), number(block, 90, 2)
    size = 1024 << min(shift, 7)
    blocks = number(block, 4, 4) | (number(block, 336, 4) << 32 if incompatible & _INCOMPAT_64BIT else 0)
    inode = number(block, 88, 2) if revision else 128
    if block[56:58] != b"\x53\xef" or shift > 6 or first > 1 or revision > 1 or not is_power(inode, 128, size):
        return
    if not blocks or not 8 <= per_group <= 65536 * 8 or not inodes or number(block, 0, 4) < inodes:
        return
    descriptor = number(block, 254, 2) if incompatible & _INCOMPAT_64BIT else 32
    if not is_power(descriptor, 32, 1024) or group * per_group >= blocks:
        return
    start = at - (group * per_group + first) * size if group else at - 1024
    own = start + (first + 1) * size
    here = at - (0 if group else (1024 if size > 1024 else 0)) + size
    for table in dict.fromkeys((own, here)):
        is_root = _is_ext_root(media, start, media.get(table, descriptor), size, inode)
        if start < 0 or not (is_root or (group and table == here and _is_proven_copy(block))):
            continue
        patches: Patches = ()
        if group:
            patches = ((start + 1024, block[:90] + bytes(2) + block[92:]),)
            count = -(-(blocks - first) // per_group)
            if table != own and not incompatible & _INCOMPAT_META_BG and count * descriptor <= _MAX_DESCRIPTORS:
                patches += ((own, _fresh(media.get(table, count * descriptor), descriptor)),)
        kind = "ext4" if incompatible & _INCOMPAT_EXTENTS else "ext3" if number(block, 92, 4) & 4 else "ext2"
        by = f"superblock of block group {group}" if group else "superblock"
        yield Found(start, blocks * size, kind, ("ext",), by, at, patches, bool(group))
        return


def _is_proven_copy(block: bytes) -> bool:
    """True where the checksum of a superblock fits: then a copy is enough even if the root directory is gone."""
    has_checksum = number(block, 100, 4) & _COMPAT_CHECKSUM
    return bool(has_checksum) and crc32c(block[:1020]) ^ 0xFFFFFFFF == number(block, 1020, 4)


def _is_ext_root(media: Pieces, start: int, descriptor: bytes, size: int, inode: int) -> bool:
    """True where the inode of the root directory stands where the first group descriptor says."""
    table = number(descriptor, 8, 4) | (number(descriptor, 40, 4) << 32 if len(descriptor) >= 64 else 0)
    if not table:
        return False
    root = media.get(start + table * size + inode, 128)
    if number(root, 0, 2) & 0xF000 != 0x4000 or number(root, 26, 2) < 2 or number(root, 20, 4):
        return False
    flags = number(root, 32, 4)
    if flags & _INLINE:
        return True
    if flags & _EXTENTS:
        if root[40:42] != b"\x0a\xf3":
            return False
        if number(root, 46, 2):
            return True
        place = number(root, 60, 4) | number(root, 58, 2) << 32
    else:
        place = number(root, 40, 4)
    names = media.get(start + place * size, 12)
    return number(names, 0, 4) == 2 and names[6:7] == b"\x01" and names[8:9] == b"."


def _fresh(table: bytes, descriptor: int) -> bytes:
    """Group descriptors of a copy without their marks of groups not in use, which are as old as the file system."""
    out = bytearray(table)
    for place in range(0, len(table), descriptor):
        out[place + _GROUP_FLAGS : place + _GROUP_FLAGS + 2] = bytes(2)
        out[place + _UNUSED_LOW : place + _UNUSED_LOW + 2] = bytes(2)
        if descriptor >= 64:
            out[place + _UNUSED_HIGH : place + _UNUSED_HIGH + 2] = bytes(2)
    return bytes(out)


def examine_xfs(media: Pieces, at: int) -> Iterator[Found]:
    """The volume that a superblock of XFS belongs to: of its first allocation group, or of a later one."""
    block = media.get(at, 512)
    size, blocks, root = big(block, 4, 4), big(block, 8, 8), big(block, 56, 8)
    per_group, groups, sector, inode = big(block, 84, 4), big(block, 88, 4), big(block, 102, 2), big(block, 104, 2)
    if block[:4] != b"XFSB" or not is_power(size, 512, 65536) or not is_power(sector, 512, 32768):
        return
    if not is_power(inode, 256, 2048) or not groups or not (groups - 1) * per_group < blocks <= groups * per_group:
        return
    space, inodes = media.get(at + sector, 64), media.get(at + 2 * sector, 64)
    group = big(space, 8, 4)
    if space[:4] != b"XAGF" or inodes[:4] != b"XAGI" or big(inodes, 8, 4) != group or group >= groups:
        return
    start = at - group * per_group * size
    in_block, in_group = block[123], block[124]
    if start < 0 or in_block > 8 or in_group > 40:
        return
    owner, rest = root >> (in_block + in_group), root & ((1 << (in_block + in_group)) - 1)
    place = (owner * per_group + (rest >> in_block)) * size + (rest & ((1 << in_block) - 1)) * inode
    record = media.get(start + place, 16)
    if record[:2] != b"IN" or big(record, 2, 2) & 0xF000 != 0x4000:
        return
    patches: Patches = ((start, _first_xfs(media.get(at, sector), root)),) if group else ()
    by = f"superblock of allocation group {group}" if group else "superblock"
    yield Found(start, blocks * size, "XFS", ("xfs",), by, at, patches, bool(group))


def _first_xfs(sector: bytes, root: int) -> bytes:
    """The first superblock as a later one, written before the file system was whole, would have become."""
    out = bytearray(sector)
    out[126] = 0
    if out[64:80] == b"\xff" * 16:  # the inodes behind the root directory are those of the real-time part
        out[64:80] = (root + 1).to_bytes(8, "big") + (root + 2).to_bytes(8, "big")
    if big(out, 100, 2) & 0xF == 5:
        out[224:228] = bytes(4)
        out[224:228] = crc32c(bytes(out)).to_bytes(4, "little")
    return bytes(out)


def examine_btrfs(media: Pieces, at: int) -> Iterator[Found]:
    """The volume that a superblock of Btrfs belongs to; it says where it stands."""
    block = media.get(at, _BTRFS_SIZE)
    place, kind, length = number(block, 48, 8), number(block, 196, 2), number(block, 209, 8)
    if block[64:72] != b"_BHRfS_M" or place not in _BTRFS_PLACES or at < place or not is_known(kind):
        return
    if not length or not holds(kind, block[:32], block[32:]):
        return
    start = at - place
    patches: Patches = ()
    if place != _BTRFS_PLACES[0]:
        body = block[32:48] + _BTRFS_PLACES[0].to_bytes(8, "little") + block[56:]
        patches = ((start + _BTRFS_PLACES[0], digest(kind, body).ljust(32, b"\0") + body),)
    by = f"superblock at {place}" if patches else "superblock"
    yield Found(start, length, "Btrfs", ("btrfs",), by, at, patches, bool(patches))


def examine_f2fs(media: Pieces, at: int) -> Iterator[Found]:
    """The volume that a superblock of F2FS belongs to: the first one, or the one a block behind it."""
    block = media.get(at, 3072)
    size, blocks, checkpoint = 1 << min(number(block, 16, 4), 31), number(block, 36, 8), number(block, 76, 4)
    if block[:4] != b"\x10\x20\xf5\xf2" or size not in (4096, 16384) or number(block, 20, 4) != 9:
        return
    if not 0 < checkpoint < blocks or not number(block, 92, 4) < blocks:
        return
    for start, is_backup in ((at - 1024, False), (at - 1024 - size, True)):
        packs = [media.get(start + (checkpoint + pack * 512) * size, size) for pack in (0, 1)]
        if start < 0 or not any(_is_checkpoint(pack, blocks) for pack in packs):
            continue
        patches: Patches = ((start + 1024, block),) if is_backup else ()
        by = "second superblock" if is_backup else "superblock"
        yield Found(start, blocks * size, "F2FS", ("f2fs",), by, at, patches, is_backup)
        return


def _is_checkpoint(pack: bytes, blocks: int) -> bool:
    """True where the checksum of a checkpoint fits and its count of blocks makes sense."""
    place = number(pack, 164, 4)
    if not 192 <= place <= len(pack) - 4 or number(pack, 16, 8) > blocks:
        return False
    return f2fs_crc(pack[:place]) == number(pack, place, 4)
