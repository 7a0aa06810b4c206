"""What a volume holds that is not read here: encryption, volume managers, other file systems, by their signatures.

The first table stands before the file systems that are read, the second behind them: its signatures are short, or
stand beside a file system that is read (UDF beside ISO 9660, RAID metadata behind a mirrored file system).

Sources: util-linux ``libblkid/src/superblocks``, cryptsetup ``docs/on-disk-format``, libbde and libfvde documentation.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import log2
from typing import Literal

from triage.errors import ReadFailedError
from triage.model.stream import Stream

HEAD = 0x11000
"""Bytes of the beginning of a volume that are looked at at once."""

_UNREAD = "not read by this version; mount it read-only elsewhere and hand in an image made of its files"
_UNLOCK = "give its password, recovery key or key file, for instance with --password-file"
_REPAIR = "try another tool on a copy; the signature is there, the structure behind it is not sound"
_ASSEMBLE = "assemble the array or volume group elsewhere and hand in an image of it"


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a signature says.

    Attributes:
        name: In words.
        encrypted: The content needs a key.
        offset: Where the signature stands in the volume.
        hint: What to try.
        keep_file_system: A file system at the same place is to be read as well.
    """

    name: str
    encrypted: bool
    offset: int
    hint: str
    keep_file_system: bool = False


@dataclass(frozen=True, slots=True)
class _Signature:
    offset: int
    magic: bytes
    name: str
    encrypted: bool = False
    hint: str = _UNREAD


_FIRST = (
    _Signature(3, b"-FVE-FS-", "BitLocker", True, _UNLOCK),
    _Signature(0, b"LUKS\xba\xbe\x00\x01", "LUKS1", True, _UNLOCK),
    _Signature(0, b"LUKS\xba\xbe\x00\x02", "LUKS2", True, _UNLOCK),
    _Signature(0x4000, b"SKUL\xba\xbe", "LUKS2 (second header)", True, _UNLOCK),
    _Signature(0x8000, b"SKUL\xba\xbe", "LUKS2 (second header)", True, _UNLOCK),
    _Signature(0x10000, b"SKUL\xba\xbe", "LUKS2 (second header)", True, _UNLOCK),
    _Signature(32, b"NXSB", "APFS container"),
    _Signature(3, b"ReFS\x00\x00\x00\x00", "ReFS"),
    _Signature(0, b"sqsh", "squashfs, big-endian"),
    _Signature(0x8000, b"JFS1", "JFS"),
    _Signature(0x10034, b"ReIsErFs", "ReiserFS"),
    _Signature(0x10034, b"ReIsEr2Fs", "ReiserFS"),
    _Signature(0x10034, b"ReIsEr3Fs", "ReiserFS"),
    _Signature(0x2034, b"ReIsErFs", "ReiserFS"),
    _Signature(0x10000, b"ReIsEr4\x00", "Reiser4"),
    _Signature(4086, b"SWAPSPACE2", "Linux swap", hint="search it as raw bytes with another tool"),
    _Signature(4086, b"SWAP-SPACE", "Linux swap", hint="search it as raw bytes with another tool"),
    _Signature(4086, b"S1SUSPEND\x00", "Linux swap with a hibernated system"),
    _Signature(4086, b"S2SUSPEND\x00", "Linux swap with a hibernated system"),
    _Signature(4096, b"\xfc\x4e\x2b\xa9", "Linux software RAID member", hint=_ASSEMBLE),
    _Signature(0, b"\xfc\x4e\x2b\xa9", "Linux software RAID member", hint=_ASSEMBLE),
    _Signature(0x200018, b"LVM2 001", "LVM2 physical volume", hint=_ASSEMBLE),
    _Signature(24, b"bcacheX", "bcache"),
    _Signature(4096 + 24, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", "bcache"),
)

_SECOND = (
    _Signature(512 + 32, b"BFS1", "BeFS"),
    _Signature(512 + 32, b"1SFB", "BeFS"),
    _Signature(32, b"BFS1", "BeFS"),
    _Signature(32, b"1SFB", "BeFS"),
)
_MINIX = (0x137F, 0x138F, 0x2468, 0x2478)

_READ = (
    _Signature(0, b"XFSB", "XFS", hint=_REPAIR),
    _Signature(0x10040, b"_BHRfS_M", "btrfs", hint=_REPAIR),
    _Signature(1024, b"\x10\x20\xf5\xf2", "F2FS", hint=_REPAIR),
    _Signature(1024, b"\xe2\xe1\xf5\xe0", "EROFS", hint=_REPAIR),
    _Signature(0, b"hsqs", "squashfs", hint=_REPAIR),
    _Signature(0, b"\x45\x3d\xcd\x28", "cramfs", hint=_REPAIR),
    _Signature(0, b"\x28\xcd\x3d\x45", "cramfs", hint=_REPAIR),
    _Signature(0x200, b"\x45\x3d\xcd\x28", "cramfs", hint=_REPAIR),
    _Signature(0, b"-rom1fs-", "romfs", hint=_REPAIR),
    _Signature(3, b"NTFS    ", "NTFS", hint=_REPAIR),
    _Signature(3, b"EXFAT   ", "exFAT", hint=_REPAIR),
    _Signature(1024 + 56, b"\x53\xef", "ext2, ext3 or ext4", hint=_REPAIR),
    _Signature(1024, b"H+\x00\x04", "HFS+", hint=_REPAIR),
    _Signature(1024, b"HX\x00\x05", "HFS+", hint=_REPAIR),
    _Signature(0x8001, b"CD001", "ISO 9660", hint=_REPAIR),
    _Signature(8192 + 1372, b"\x54\x19\x01\x00", "UFS", hint=_REPAIR),
    _Signature(8192 + 1372, b"\x00\x01\x19\x54", "UFS", hint=_REPAIR),
    _Signature(65536 + 1372, b"\x19\x01\x54\x19", "UFS", hint=_REPAIR),
    _Signature(65536 + 1372, b"\x19\x54\x01\x19", "UFS", hint=_REPAIR),
)
"""File systems that are read; where the reader refuses one all the same, it is damaged."""

_SAME = {"ext2, ext3 or ext4": "ext", "HFS+": "hfs", "ISO 9660": "iso9660"}
"""Beginning of our name of a file system, where it is not the signature's in small letters."""

_TO_GO = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
_TO_GO_EOW = bytes.fromhex("3b4da89280dd0e4d9e4eb1e3284eaed8")


class _Window:
    """A volume as the signatures see it: its beginning read once, anything else when asked for.

    A place that cannot be read has no signature; one bad sector does not hide the others.
    """

    def __init__(self, media: Stream, image_offset: int, length: int) -> None:
        self._media = media
        self._start = image_offset
        self.length = max(0, min(length, media.size - image_offset))
        self._head = b""
        self._head = self.get(0, HEAD)

    def get(self, offset: int, length: int) -> bytes:
        """Bytes of the volume, fewer at its end, none where they cannot be read."""
        if offset >= 0 and offset + length <= len(self._head):
            return self._head[offset : offset + length]
        if offset < 0 or offset >= self.length:
            return b""
        try:
            return self._media.read_at(self._start + offset, min(length, self.length - offset))
        except ReadFailedError:
            return b""

    def has(self, offset: int, magic: bytes) -> bool:
        """True where ``magic`` stands at ``offset``."""
        return self.get(offset, len(magic)) == magic


def recognise(media: Stream, image_offset: int, length: int) -> Recognition | None:
    """What stands in a volume before any file system that is read is considered.

    Args:
        media: Decoded media.
        image_offset: Byte of the media where the volume begins.
        length: Bytes of the volume; what lies beyond the media counts as absent.
    """
    window = _Window(media, image_offset, length)
    found = _bitlocker_to_go(window) or _lvm(window) or _core_storage(window)
    if found is None:
        found = _match(window, _FIRST) or _zfs(window) or _vmfs(window)
    return found


def recognise_readable(media: Stream, image_offset: int, length: int) -> Recognition | None:
    """The signature of a file system that is read; arguments as :func:`recognise`."""
    window = _Window(media, image_offset, length)
    return _match(window, _READ) or _fat(window)


def signed_besides(media: Stream, image_offset: int, length: int, file_system: str) -> list[str]:
    """Signatures of other file systems that are read, beside the one that was found; arguments as :func:`recognise`.

    Args:
        media: Decoded media.
        image_offset: Byte of the media where the volume begins.
        length: Bytes of the volume.
        file_system: The one that was found.
    """
    window = _Window(media, image_offset, length)
    found = [f"the signature of {one.name}" for one in _READ if window.has(one.offset, one.magic)
             and not file_system.startswith(_SAME.get(one.name, one.name.lower()))]  # fmt: skip
    return list(dict.fromkeys(found))


def recognise_late(media: Stream, image_offset: int, length: int) -> Recognition | None:
    """What stands in a volume where no file system that is read was found; arguments as :func:`recognise`."""
    window = _Window(media, image_offset, length)
    found = _match(window, _SECOND) or _short(window) or _udf(window)
    return found or recognise_end(media, image_offset, length)


def recognise_end(media: Stream, image_offset: int, length: int) -> Recognition | None:
    """RAID metadata at the end of a volume or disk; arguments as :func:`recognise`."""
    window = _Window(media, image_offset, length)
    end = window.length
    if window.has(end - 1024, b"Intel Raid ISM Cfg Sig. "):
        return Recognition("Intel RAID member", False, end - 1024, _ASSEMBLE)
    if window.has(end - 512, b"\xde\x11\xde\x11"):
        return Recognition("DDF RAID member", False, end - 512, _ASSEMBLE)
    old = (end & ~0xFFFF) - 0x10000
    new = ((end // 512 - 16) & ~7) * 512
    for offset in (old, new):
        if offset > 0 and window.has(offset, b"\xfc\x4e\x2b\xa9"):
            return Recognition("Linux software RAID member", False, offset, _ASSEMBLE)
    for magic in (b"\x83\x74\x02\x67", b"\x83\x74\x02\x6b", b"\x83\x74\x02\x6d"):
        for offset in {end - 4096, (end & ~0xFFF) - 4096}:
            if window.has(offset + 60, magic):
                return Recognition("DRBD", False, offset, _ASSEMBLE)
    return None


def _match(window: _Window, table: tuple[_Signature, ...]) -> Recognition | None:
    for signature in table:
        if window.has(signature.offset, signature.magic):
            return Recognition(signature.name, signature.encrypted, signature.offset, signature.hint)
    return None


def _bitlocker_to_go(window: _Window) -> Recognition | None:
    """BitLocker To Go hides behind a FAT32 volume with its reader program; that one is read as well."""
    if window.has(3, b"MSWIN4.1") and window.get(424, 16) in (_TO_GO, _TO_GO_EOW):
        return Recognition("BitLocker To Go", True, 0, _UNLOCK, keep_file_system=True)
    return None


def _lvm(window: _Window) -> Recognition | None:
    for sector in range(4):
        if window.has(sector * 512, b"LABELONE") and window.has(sector * 512 + 24, b"LVM2 001"):
            return Recognition("LVM2 physical volume", False, sector * 512, _ASSEMBLE)
    return None


def _core_storage(window: _Window) -> Recognition | None:
    """CoreStorage: FileVault 2, or a Fusion drive, which is not told apart here."""
    if window.has(88, b"CS") and window.get(8, 2) == b"\x01\x00" and window.get(10, 2) == b"\x10\x00":
        return Recognition("FileVault 2 (CoreStorage)", True, 88, _UNLOCK)
    return None


def _zfs(window: _Window) -> Recognition | None:
    """ZFS: several uberblocks in the first label, in either byte order."""
    if window.length < 256 << 10:
        return None
    ring = window.get(128 << 10, 128 << 10)
    magics = (b"\x0c\xb1\xba\x00\x00\x00\x00\x00", b"\x00\x00\x00\x00\x00\xba\xb1\x0c")
    seen = sum(ring[at : at + 8] in magics for at in range(0, len(ring), 1024))
    return Recognition("ZFS", False, 128 << 10, _UNREAD) if seen >= 2 else None


def _vmfs(window: _Window) -> Recognition | None:
    if window.has(0x100000, b"\x0d\xd0\x01\xc0") or window.has(0x200000, b"\x5e\xf1\xab\x2f"):
        return Recognition("VMFS", False, 0x100000, _UNREAD)
    return None


def _fat(window: _Window) -> Recognition | None:
    """FAT has no magic; its boot sector must make sense."""
    boot = window.get(0, 512)
    if boot[510:512] != b"\x55\xaa" or boot[:1] not in (b"\xeb", b"\xe9"):
        return None
    sector_size, cluster = int.from_bytes(boot[11:13], "little"), boot[13]
    reserved, fats, media_byte = int.from_bytes(boot[14:16], "little"), boot[16], boot[21]
    sound = sector_size in (512, 1024, 2048, 4096) and cluster.bit_count() == 1 and reserved and fats in (1, 2)
    return Recognition("FAT", False, 0, _REPAIR) if sound and media_byte >= 0xF0 else None


def _short(window: _Window) -> Recognition | None:
    """File systems whose magic has two bytes only: a few of their fields must make sense as well."""
    block = window.get(1024, 64)
    if len(block) < 64:
        return None
    if block[6:8] == b"\x34\x34" and block[:4] in (b"\x02\x00\x00\x00", b"\x01\x00\x00\x00"):
        return Recognition("NILFS2", False, 1024, _UNREAD)
    blocks, block_size = int.from_bytes(block[18:20], "big"), int.from_bytes(block[20:24], "big")
    if block[:2] == b"BD" and blocks and block_size and block_size % 512 == 0:
        return Recognition("HFS (classic)", False, 1024, _UNREAD)
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    for order in orders:
        inode_map, zone_map = int.from_bytes(block[4:6], order), int.from_bytes(block[6:8], order)
        if int.from_bytes(block[16:18], order) in _MINIX and 0 < inode_map < 4096 and 0 < zone_map < 4096:
            return Recognition("MINIX file system", False, 1024, _UNREAD)
        if int.from_bytes(block[24:26], order) == 0x4D5A and 0 < int.from_bytes(block[6:8], order) < 4096:
            return Recognition("MINIX file system", False, 1024, _UNREAD)
    return None


def _udf(window: _Window) -> Recognition | None:
    """UDF without ISO 9660: the extended area that begins at sector 16."""
    for sector in range(16, 32):
        if window.get(sector * 2048 + 1, 4) == b"NSR0":
            return Recognition("UDF", False, sector * 2048, _UNREAD)
    return None


def entropy(media: Stream, image_offset: int, length: int) -> tuple[float, bool]:
    """Entropy of samples spread over a volume, and whether all of them are zero.

    A measure, no statement: compressed data look like encrypted ones.

    Args:
        media: Decoded media.
        image_offset: Byte of the media where the volume begins.
        length: Bytes of the volume.

    Returns:
        Bits for each byte over all samples, or over those of the beginning where these have more; 0 to 8. And True
        where every sample is zeros.

    Raises:
        ReadFailedError: The media cannot be read there.
    """
    counts: Counter[int] = Counter()
    step = max(4096, length // 32)
    for offset in range(0, length, step):
        counts.update(media.read_at(image_offset + offset, min(4096, length - offset)))
    head = Counter(media.read_at(image_offset, min(0x10000, length)))
    return max(_bits(counts), _bits(head)), not counts.total() - counts[0] and not head.total() - head[0]


def _bits(counts: Counter[int]) -> float:
    total = counts.total()
    return abs(sum(count / total * log2(count / total) for count in counts.values() if count))
