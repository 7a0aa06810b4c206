"""The layers of an evidence source: container, volumes, file systems."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Allocation(StrEnum):
    """What a volume of a volume system is."""

    ALLOCATED = "allocated"
    UNALLOCATED = "unallocated"
    METADATA = "metadata"


@dataclass(frozen=True, slots=True)
class EvidenceSource:
    """The file set handed in.

    Attributes:
        name: File name of the first segment, made distinct where two sources share one.
        paths: All segments in order.
        container: ``raw``, ``split``, ``ewf`` ...
        size: Bytes of the decoded media.
        stored_hashes: Digests that the container itself states, lower-case hex by algorithm (``md5``, ``sha1``).
        details: What the container says of itself (examiner, date, sectors), text by name.
    """

    name: str
    paths: tuple[Path, ...]
    container: str
    size: int
    stored_hashes: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume of an evidence source.

    Attributes:
        name: ``p1``, ``p2`` ... for allocated volumes in table order; ``p0`` for parts outside them; ``lost1`` ... for
            volumes found by search that no table names, by offset; ``p2.lv1``,
            ``p3.luks1.lv2`` ... for what a layer opens inside a volume.
        image_offset: Bytes from the start of the decoded media; 0 in a volume that a layer opens, whose bytes have no
            fixed place there.
        length: Bytes.
        allocation: Allocated, unallocated or metadata.
        system: Volume system: ``mbr``, ``gpt``, ``apm``, ``bsd``, ``sun`` or ``bare``; ``lost`` for a guess.
        description: The table's own words, for instance ``NTFS / exFAT (0x07)``.
        file_system: ``ntfs``, ``fat16``, ``ext4`` ...; empty where none was recognised.
        block_size: Bytes in a data unit, 0 where unknown.
        encryption: Method seen (``BitLocker``, ``LUKS`` ...), empty where none.
        unsupported: What was recognised but cannot be read, in words; empty where all is well.
        parent: Name of the volume that a layer opened to get this one; empty for those of a volume system.
        is_opened: A layer or table opened it, so it holds nothing to read for itself.
    """

    name: str
    image_offset: int
    length: int
    allocation: Allocation
    system: str
    description: str = ""
    file_system: str = ""
    block_size: int = 0
    encryption: str = ""
    unsupported: str = ""
    parent: str = ""
    is_opened: bool = False
