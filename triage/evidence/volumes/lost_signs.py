"""Magic numbers of what the search for lost volumes looks for, found in whole blocks at a time.

Everything that is looked for stands at a fixed place in a sector of 512 bytes. So one column of a block (the same bytes
of all its sectors) is compared in one go; no Python runs for a sector in which nothing stands: noise costs what zeros
cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from triage.evidence.volumes import lost_apple, lost_blocks, lost_linux, lost_windows
from triage.evidence.volumes.lost_found import Found, Pieces

SECTOR = 512
Examine = Callable[[Pieces, int], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Sign:
    """One magic number.

    Attributes:
        offset: Where it stands in a sector.
        values: Its readings as a little-endian number of 2, 4 or 8 bytes.
        width: Bytes of it.
        examine: Says which volumes the sector may belong to.
    """

    offset: int
    values: tuple[int, ...]
    width: int
    examine: Examine


def _sign(offset: int, examine: Examine, *magics: bytes) -> Sign:
    return Sign(offset, tuple(int.from_bytes(magic, "little") for magic in magics), len(magics[0]), examine)


BOOT_MARK = (510, 0xAA55)
"""Offset and number that end a boot sector; FAT has no other magic number, and boot records have none either."""
GPT_MARK = (0, int.from_bytes(b"EFI PART", "little"))

SIGNS: tuple[Sign, ...] = (
    _sign(3, lost_windows.examine_ntfs, b"NTFS    "),
    _sign(3, lost_windows.examine_exfat, b"EXFAT   "),
    _sign(3, lost_windows.examine_bitlocker, b"-FVE-FS-"),
    _sign(0, lost_blocks.examine_luks, b"LUKS"),
    _sign(0, lost_blocks.examine_lvm, b"LABELONE"),
    _sign(0, lost_blocks.examine_md, b"\xfc\x4e\x2b\xa9\x01\0\0\0"),
    _sign(0, lost_linux.examine_xfs, b"XFSB"),
    _sign(0, lost_linux.examine_f2fs, b"\x10\x20\xf5\xf2"),
    _sign(0, lost_blocks.examine_squashfs, b"hsqs"),
    _sign(0, lost_blocks.examine_erofs, b"\xe2\xe1\xf5\xe0"),
    _sign(0, lost_blocks.examine_vmfs, b"\x0d\xd0\x01\xc0", b"\x5e\xf1\xab\x2f"),
    _sign(0, lost_blocks.examine_cramfs, b"\x45\x3d\xcd\x28", b"\x28\xcd\x3d\x45"),
    _sign(8, lost_blocks.examine_core_storage, b"\x01\0\x10\0"),
    _sign(0, lost_apple.examine_hfs, b"H+\x00\x04", b"HX\x00\x05"),
    _sign(0, lost_apple.examine_iso, b"\x01CD0"),
    _sign(32, lost_apple.examine_apfs, b"NXSB"),
    _sign(56, lost_linux.examine_ext, b"\x53\xef"),
    _sign(64, lost_linux.examine_btrfs, b"_BHRfS_M"),
    _sign(348, lost_apple.examine_ufs, *(magic.to_bytes(4, order) for magic in (0x011954, 0x19540119)
                                         for order in ("little", "big"))),
    _sign(502, lost_blocks.examine_swap, b"SWAPSPAC"),
)  # fmt: skip


def marked(block: bytes, offset: int, width: int, values: tuple[int, ...]) -> list[int]:
    """Sectors of a block in which one of the numbers stands, ascending.

    Args:
        block: Bytes from the beginning of a sector; a last sector that is not whole is left out.
        offset: Where in a sector.
        width: Bytes of the number: 2, 4 or 8.
        values: The numbers.
    """
    import numpy

    count = len(block) // SECTOR
    if not count:
        return []
    column: Any = numpy.ndarray((count,), f"<u{width}", block, offset, (SECTOR,))
    hits: Any = column == values[0]
    for value in values[1:]:
        hits |= column == value
    return [int(number) for number in numpy.flatnonzero(hits)]
