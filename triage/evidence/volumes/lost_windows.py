"""Lost NTFS, FAT, exFAT and BitLocker volumes: what a boot sector says, held against what it points at.

NTFS keeps a second boot sector behind its last one, FAT32 in sector 6, exFAT in sector 12, so a boot sector alone does
not say where its volume begins: every reading is tried, and the one whose file table stands where it should is it.

Sources: Microsoft fatgen103, exFAT specification 3.1; libfsntfs and libbde format documentation.
"""

from __future__ import annotations

from collections.abc import Iterator

from triage.evidence.volumes.bitlocker_metadata import ENCRYPTED, NORMAL, ON_WRITE
from triage.evidence.volumes.lost_found import Found, Patches, Pieces, is_power, number

SECTOR = 512
_MFT_NAME = "$MFT".encode("utf-16-le")
_MAX_RECORD = 65536
_FVE = b"-FVE-FS-"


def examine_ntfs(media: Pieces, at: int) -> Iterator[Found]:
    """Volumes that a sector of NTFS may belong to."""
    boot = media.get(at, SECTOR)
    sector, exponent = number(boot, 11, 2), number(boot, 13, 1)
    per_cluster = exponent if exponent <= 128 else 1 << min(256 - exponent, 31)
    cluster = sector * per_cluster
    total, first, second = number(boot, 40, 8), number(boot, 48, 8), number(boot, 56, 8)
    if boot[3:11] != b"NTFS    " or boot[510:] != b"\x55\xaa" or not is_power(sector, 256, 4096):
        return
    if not is_power(cluster, 256, 2 << 20) or not 0 < total < 1 << 54 or first * per_cluster >= total:
        return
    size = number(boot, 64, 1)
    record = size * cluster if size < 128 else 1 << (256 - size)
    if not is_power(record, 512, _MAX_RECORD):
        return
    for start, is_backup in ((at, False), (at - total * sector, True)):
        if start < 0 or not any(_is_mft(media.get(start + lcn * cluster, record)) for lcn in (first, second)):
            continue
        behind = media.get(start + total * sector, SECTOR)
        length = (total + 1) * sector if is_backup or behind[3:11] == b"NTFS    " else total * sector
        patches: Patches = ((start, media.get(at, sector)),) if is_backup else ()
        by = "second boot sector (at its end)" if is_backup else "boot sector"
        yield Found(start, length, "NTFS", ("ntfs",), by, at, patches, is_backup)
        return


def _is_mft(record: bytes) -> bool:
    """True for the first record of a file table: its own name is in it and its sectors fit together."""
    places, count = number(record, 4, 2), number(record, 6, 2)
    if record[:4] != b"FILE" or not 40 <= places < 512 or _MFT_NAME not in record:
        return False
    mark = record[places : places + 2]
    ends = range(510, min(len(record), (count - 1) * 512), 512)
    return all(record[end : end + 2] == mark for end in ends)


def examine_fat(media: Pieces, at: int) -> Iterator[Found]:
    """Volumes that a boot sector of FAT may belong to."""
    boot = media.get(at, SECTOR)
    if boot[:1] not in (b"\xeb", b"\xe9") or boot[510:] != b"\x55\xaa" or boot[3:11] in (b"NTFS    ", b"EXFAT   "):
        return
    sector, per_cluster, reserved, fats = number(boot, 11, 2), boot[13], number(boot, 14, 2), boot[16]
    root_size, media_byte = number(boot, 17, 2) * 32, boot[21]
    total = number(boot, 19, 2) or number(boot, 32, 4)
    fat = number(boot, 22, 2) or number(boot, 36, 4)
    if not (is_power(sector, 512, 4096) and is_power(per_cluster, 1, 128) and reserved and 1 <= fats <= 2 and fat):
        return
    first_data = reserved + fats * fat + -(-root_size // sector)
    clusters = (total - first_data) // per_cluster
    if media_byte < 0xF0 or clusters < 1 or clusters > 0x0FFFFFF5:
        return
    is_32 = not root_size and not number(boot, 22, 2)
    bits = 32 if is_32 else 12 if clusters < 4085 else 16
    if fat * sector * 8 // bits < clusters or (not is_32 and (not root_size or clusters > 65525)):
        return
    root = first_data + (number(boot, 44, 4) - 2) * per_cluster if is_32 else reserved + fats * fat
    if not reserved <= root < total:
        return
    copy = number(boot, 50, 2) if is_32 else 0
    starts = [(at, False)] + ([(at - copy * sector, True)] if 0 < copy < reserved else [])
    for start, is_backup in starts:
        tables = [media.get(start + (reserved + index * fat) * sector, 8) for index in range(fats)]
        if not _is_table(tables, bits) or not _is_directory(media.get(start + root * sector, SECTOR)):
            continue
        patches: Patches = ((start, media.get(at, 3 * sector)),) if is_backup else ()
        by = f"second boot sector (sector {copy})" if is_backup else "boot sector"
        yield Found(start, total * sector, f"FAT{bits}", ("fat",), by, at, patches, is_backup)
        return


def _is_table(tables: list[bytes], bits: int) -> bool:
    """True where every FAT begins as one does: the media byte, then bits that are set."""
    for table in tables:
        if len(table) < 8 or table[0] < 0xF0 or table[1] != 0xFF:
            return False
        if (table[3] & 0x0F != 0x0F) if bits == 32 else (table[2] != 0xFF):
            return False
    return all(table[0] == tables[0][0] for table in tables)


def _is_directory(sector: bytes) -> bool:
    """True where the slots of a sector could be those of a root directory."""
    if not sector:
        return False
    for place in range(0, SECTOR, 32):
        slot = sector[place : place + 32]
        if not slot[0]:
            return True
        if slot[11] & 0xC0 or (slot[0] < 0x20 and slot[11] != 0x0F and slot[0] != 5):
            return False
    return True


def examine_exfat(media: Pieces, at: int) -> Iterator[Found]:
    """Volumes that a boot sector of exFAT may belong to."""
    boot = media.get(at, SECTOR)
    if boot[3:11] != b"EXFAT   " or any(boot[11:64]) or boot[510:] != b"\x55\xaa":
        return
    shift, cluster_shift = boot[108], boot[109]
    if not 9 <= shift <= 12 or cluster_shift > 25 - shift:
        return
    sector, total = 1 << shift, number(boot, 72, 8)
    fat, heap, clusters, root = (number(boot, place, 4) for place in (80, 88, 92, 96))
    if not 0 < total < 1 << 54 or heap + (clusters << cluster_shift) > total or not 2 <= root < clusters + 2:
        return
    for start, is_backup in ((at, False), (at - 12 * sector, True)):
        table = media.get(start + fat * sector, 8)
        directory = media.get(start + (heap + (root - 2 << cluster_shift)) * sector, SECTOR)
        kinds = {directory[place] for place in range(0, len(directory), 32)}
        if table[1:8] != b"\xff" * 7 or table[0] < 0xF0 or not {0x81, 0x82} <= kinds:
            continue
        region = media.get(at, 12 * sector)
        if is_backup and not _is_summed(region, sector):
            continue
        patches: Patches = ((start, region),) if is_backup else ()
        by = "second boot sector (sector 12)" if is_backup else "boot sector"
        yield Found(start, total * sector, "exFAT", ("exfat",), by, at, patches, is_backup)
        return


def _is_summed(region: bytes, sector: int) -> bool:
    """True where the checksum of eleven sectors stands in the twelfth."""
    total = 0
    for place, byte in enumerate(region[: 11 * sector]):
        if place not in (106, 107, 112):
            total = ((total & 1) << 31) + (total >> 1) + byte & 0xFFFFFFFF
    return bool(region) and number(region, 11 * sector, 4) == total


def examine_bitlocker(media: Pieces, at: int) -> Iterator[Found]:
    """The volume that a boot sector of BitLocker belongs to: its metadata must stand where it says."""
    boot = media.get(at, SECTOR)
    if boot[3:11] != _FVE or boot[510:] != b"\x55\xaa":
        return
    sector = number(boot, 11, 2)
    places = [number(boot, place, 8) for place in (176, 184, 192)]
    if boot[160:176] not in (NORMAL, ON_WRITE):  # Windows Vista: one place, in clusters
        places = [number(boot, 56, 8) * boot[13] * sector]
    blocks = [media.get(at + place, 64) for place in places if place]
    sound = [block for block in blocks if block[:8] == _FVE]
    if not sound or not is_power(sector, 512, 4096):
        return
    length = number(boot, 40, 8) * sector
    if number(sound[0], 10, 2) == 2:  # while it is being encrypted, the length is that of what is done
        length = number(sound[0], 16, 8) if number(sound[0], 12, 2) == ENCRYPTED else 0
    yield Found(at, length, "BitLocker", ("BitLocker",), "boot sector", at)
