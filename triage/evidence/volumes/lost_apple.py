"""Lost HFS+, APFS, ISO 9660 and UFS: headers and their copies, held against what they point at.

HFS+ keeps a second header 1024 bytes before its end, APFS one superblock for each checkpoint, UFS one in each cylinder
group; each tells where the volume begins.

Sources: Apple TN1150, "Apple File System Reference"; ECMA-119; FreeBSD ``sys/ufs/ffs/fs.h``.
"""

from __future__ import annotations

from collections.abc import Iterator

from triage.errors import CorruptStructureError
from triage.evidence.filesystems.apfs.container import Superblock
from triage.evidence.filesystems.apfs.objects import NX_SUPERBLOCK, OMAP, is_sound, read_header
from triage.evidence.volumes.lost_found import Found, Patches, Pieces, big, is_power, number

SECTOR = 512
_UFS = {0x011954: 8192, 0x19540119: 65536}
"""Magic number to the place of the superblock where it does not say."""
_CYLINDER = 0x090255


def examine_hfs(media: Pieces, at: int) -> Iterator[Found]:
    """The volume that a header of HFS+ belongs to: it stands 1024 bytes behind the start, or before the end."""
    head = media.get(at, SECTOR)
    size, blocks, first = big(head, 40, 4), big(head, 44, 4), big(head, 288, 4)
    if head[:4] not in (b"H+\x00\x04", b"HX\x00\x05") or not is_power(size, 512, 1 << 26) or not 0 < first < blocks:
        return
    length = size * blocks
    # What is left behind the last whole block is at most one block: at 4 KiB eight readings.
    ends = [at + 1024 - length - rest for rest in range(0, min(size, 65536), SECTOR)]
    for start, is_backup in ((at - 1024, False), *((start, True) for start in ends)):
        node = media.get(start + first * size, 64) if start >= 0 else b""
        if node[8:9] != b"\x01" or big(node, 10, 2) != 3 or not is_power(big(node, 32, 2), 512, 32768):
            continue
        patches: Patches = ((start + 1024, head),) if is_backup else ()
        by = "second header (at its end)" if is_backup else "header"
        rest = at + 1024 - start - length if is_backup else 0
        yield Found(start, length + rest, "HFS+", ("hfs",), by, at, patches, is_backup)
        return


def examine_apfs(media: Pieces, at: int) -> Iterator[Found]:
    """The container that a superblock of APFS belongs to: block 0, or a checkpoint that tells its place in the area."""
    head = media.get(at, 4096)
    size = number(head, 36, 4)
    if head[32:36] != b"NXSB" or not is_power(size, 4096, 65536):
        return
    block = media.get(at, size)
    if not block or not is_sound(block) or read_header(block).kind != NX_SUPERBLOCK:
        return
    try:
        superblock = Superblock.parse(block)
    except CorruptStructureError:
        return
    (base, count), (index, used) = superblock.descriptors, superblock.current
    starts = [(at, False)]
    if 0 < count < 1 << 31 and used:
        starts.append((at - (base + (index + used - 1) % count) * size, True))
    for start, is_backup in starts:
        names = media.get(start + superblock.omap * size, size) if start >= 0 else b""
        if not names or not is_sound(names):
            continue
        header = read_header(names)
        if (header.kind, header.identifier) != (OMAP, superblock.omap):
            continue
        patches: Patches = ((start, block),) if is_backup else ()
        by = "superblock of a checkpoint" if is_backup else "superblock"
        length = superblock.blocks * size
        yield Found(start, length, "APFS container", ("APFS",), by, at, patches, is_backup)
        return


def examine_iso(media: Pieces, at: int) -> Iterator[Found]:
    """The ISO 9660 whose primary descriptor stands here: numbers in both orders agree, the root begins with itself."""
    block = media.get(at, 256)
    start = at - 32768
    blocks, size, place = number(block, 80, 4), number(block, 128, 2), number(block, 158, 4)
    if block[:7] != b"\x01CD001\x01" or start < 0 or not is_power(size, 512, 4096) or not blocks:
        return
    if (big(block, 84, 4), big(block, 130, 2), big(block, 162, 4)) != (blocks, size, place):
        return
    root = media.get(start + place * size, 34)
    if root[:1] >= b"\x22" and number(root, 2, 4) == place and root[32:34] == b"\x01\x00":
        yield Found(start, blocks * size, "ISO 9660", ("iso9660",), "volume descriptor", at)


def examine_ufs(media: Pieces, sector: int) -> Iterator[Found]:
    """The UFS to whose superblock this sector belongs; its magic number stands in the third sector of it."""
    at = sector - 2 * SECTOR
    block = media.get(at, 2048)
    read = number if number(block, 1372, 4) in _UFS else big
    magic = read(block, 1372, 4)
    if magic not in _UFS:
        return
    own, first, fragment, groups = (read(block, place, 4) for place in (8, 12, 52, 44))
    per_group, stated = read(block, 188, 4), read(block, 1000, 8)
    blocks = read(block, 1080, 8) if magic == 0x19540119 else read(block, 36, 4)
    if not is_power(fragment, 512, 65536) or not groups or not per_group or not blocks:
        return
    usual = stated if magic == 0x19540119 and stated in (0, 8192, 65536, 262144) else _UFS[magic]
    header = media.get(at - own * fragment + first * fragment, 16)  # of the group that this copy stands in
    group = read(header, 12, 4) if read(header, 4, 4) == _CYLINDER else 0
    starts = [(at - usual, False)] + ([(at - (own + group * per_group) * fragment, True)] if group < groups else [])
    for start, is_backup in starts:
        cylinder = media.get(start + first * fragment, 16) if start >= 0 else b""
        if read(cylinder, 4, 4) != _CYLINDER or read(cylinder, 12, 4):
            continue
        is_copy = is_backup and start + usual != at
        patches: Patches = ((start + usual, media.get(at, 2048)),) if is_copy else ()
        by = f"superblock of cylinder group {group}" if is_copy else "superblock"
        yield Found(start, blocks * fragment, "UFS", ("ufs",), by, sector, patches, is_copy)
        return
