"""The text descriptor of a VMDK: which extents make the disk, and which image it stands on.

Source: VMware, Virtual Disk Format 5.0, "The Descriptor File".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from triage.errors import CorruptStructureError

MARK = re.compile(rb"^\s*# ?Disk Descriptor ?File", re.IGNORECASE)
MAX_TEXT = 1 << 20
"""Bytes of a descriptor; real ones have a few hundred, split ones of large disks some ten thousand."""
MAX_EXTENTS = 65536
_EXTENT = re.compile(r'^\s*(RW|RDONLY|NOACCESS)\s+(\d{1,18})\s+([A-Za-z0-9]+)\s*(?:"([^"]*)"\s*(\d{1,18})?)?', re.I)
_VALUE = re.compile(r"^\s*([A-Za-z0-9_.]+)\s*=\s*\"?([^\"]*)\"?\s*$")
NO_PARENT = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Extent:
    """One line of the extent description.

    Attributes:
        access: ``RW``, ``RDONLY`` or ``NOACCESS``.
        sectors: Sectors of the media.
        kind: ``FLAT``, ``SPARSE``, ``ZERO``, ``VMFS``, ``VMFSSPARSE``, ``SESPARSE`` ...
        name: File or device.
        start: Sector of the file where it begins, for flat ones.
    """

    access: str
    sectors: int
    kind: str
    name: str
    start: int


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor.

    Attributes:
        create_type: ``monolithicSparse`` ...
        cid: Content identifier; changes with every session that writes.
        parent_cid: That of the parent when the child was made; :data:`NO_PARENT` where there is none.
        parent_name: Path of the parent, empty where none.
        extents: In the order of the media.
    """

    create_type: str
    cid: int
    parent_cid: int
    parent_name: str
    extents: tuple[Extent, ...]


def parse_descriptor(data: bytes) -> Descriptor:
    """A descriptor from its text.

    Args:
        data: Bytes, with or without zeros behind.

    Raises:
        CorruptStructureError: It is none, or too large.
    """
    text = data[:MAX_TEXT].partition(b"\x00")[0]
    if not MARK.match(text):
        raise CorruptStructureError("damaged VMDK descriptor: it does not begin like one")
    values: dict[str, str] = {}
    extents = []
    for line in text.decode("utf-8", "surrogateescape").splitlines():
        if len(line) > 4096:
            continue
        extent = _EXTENT.match(line)
        if extent:
            access, sectors, kind, name, start = extent.groups()
            extents.append(Extent(access.upper(), int(sectors), kind.upper(), name or "", int(start or 0)))
            continue
        value = _VALUE.match(line)
        if value:
            values.setdefault(value[1].lower(), value[2].strip())
    if len(extents) > MAX_EXTENTS:
        raise CorruptStructureError(f"damaged VMDK descriptor: {len(extents)} extents")
    return Descriptor(
        values.get("createtype", ""),
        _cid(values.get("cid", "")),
        _cid(values.get("parentcid", "ffffffff")),
        values.get("parentfilenamehint", ""),
        tuple(extents),
    )


def _cid(text: str) -> int:
    try:
        return int(text, 16) & 0xFFFFFFFF
    except ValueError:
        return NO_PARENT
