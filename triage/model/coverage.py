"""Every byte of an evidence source by what it is, and how much of that was examined."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from triage.model.volume import Allocation, Volume


class Part(StrEnum):
    """What bytes of an evidence source are. Each byte is of one part; ``docs/guide.md`` defines them for users.

    The first that claims a byte has it: contents of live files, then those of deleted files, then slack, then free
    space; what is left inside a file system is metadata.
    """

    ALLOCATED = "allocated"
    """Contents of files that are there, blocks that several files share once."""
    DELETED = "deleted"
    """Contents of deleted and orphan files, as far as no file that is there has the bytes by now."""
    SLACK = "slack"
    """Behind the end of a content in its last data unit, allocated ahead, and behind the end of a file system."""
    UNALLOCATED = "unallocated"
    """Free space that no deleted file claims."""
    GAP = "gaps"
    """Outside every partition, the tables included."""
    METADATA = "metadata"
    """What is left inside a file system: its structures, its directories, and its own files such as ``$MFT``."""
    ENCRYPTED = "encrypted"
    """Volumes for which no key was given."""
    UNKNOWN = "unknown"
    """Volumes in which no file system is known or that could not be listed whole."""
    UNREADABLE = "unreadable"
    """Bytes that the image does not have or that could not be read; they read as zeros."""
    OPENED = "opened"
    """Volumes that stand in another: what is inside is told in a table of its own."""


PARTS: tuple[Part, ...] = tuple(Part)


class Unexamined(StrEnum):
    """Why bytes were not examined."""

    WAITING = "waiting"
    """The scan has not come to them yet."""
    SCOPE = "out_of_scope"
    WITHHELD = "withheld"
    """A privileged term stands in them."""
    SPACE_OFF = "space_off"
    """The search of space was not asked for."""
    ENCRYPTED = "encrypted"
    UNREADABLE = "unreadable"
    FAILED = "failed"
    """Damaged, cut short, not supported, or lost with a worker that crashed."""
    TIMEOUT = "timeout"
    LIMIT = "limit"
    STRUCTURE = "structure"
    """Read to list the volume; its bytes were not searched."""
    UNLISTED = "unlisted"
    """The same in a volume of which a part could not be listed, so that contents may be among them."""
    UNSEARCHED = "unsearched"
    """Slack behind files that are empty or were not examined themselves, and free space in no piece."""


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """Bytes of one part.

    Attributes:
        part: What they are.
        bytes: How many; the sum of the next three.
        examined: Read and searched for keywords, identical contents counted under each name that has bytes of its own.
        not_examined: Bytes by reason.
        told_below: Bytes that tables of their own tell of.
    """

    part: Part
    bytes: int
    examined: int
    not_examined: dict[Unexamined, int] = field(default_factory=dict)
    told_below: int = 0


@dataclass(frozen=True, slots=True)
class CoverageTable:
    """Every byte of a source, or of a volume that was opened inside it, once.

    Attributes:
        volume: Name of the volume, empty for the source.
        description: What the volume is.
        basis: ``media`` (the decoded media), ``volume``, ``pool`` (blocks that a volume has in a space that it shares
            with others) or ``files`` (sizes of files, where the evidence has no disk).
        size: Bytes; the sum of the rows.
        rows: Those with bytes, in the order of :class:`Part`.
        copies: Of the examined bytes, those of contents that were examined under another name.
    """

    volume: str
    description: str
    basis: str
    size: int
    rows: tuple[CoverageRow, ...]
    copies: int = 0

    @property
    def examined(self) -> int:
        """Bytes examined."""
        return sum(row.examined for row in self.rows)

    @property
    def not_examined(self) -> int:
        """Bytes not examined, those told below not among them."""
        return sum(sum(row.not_examined.values()) for row in self.rows)


def table_of(volume: Volume) -> str | None:
    """Name of the volume whose partition table has this one, or in which it was found by search.

    Returns:
        Empty for the source; None where a layer opened it.
    """
    table, _, last = volume.name.rpartition(".")
    is_part = last.rstrip("0123456789") in ("p", "lost") and last[-1:].isdecimal()
    return table if volume.parent == table and is_part else None


def shared_beginnings(volumes: Iterable[tuple[int, Volume]]) -> dict[int, int]:
    """By number of a volume, bytes at its beginning that also belong to one in front of it and are accounted there.

    Only the volumes of one table can overlap; what a layer opens has bytes of its own.

    Args:
        volumes: Of one source, each with its number.
    """
    out: dict[int, int] = {}
    reached: dict[str, int] = {}
    placed = [(number, volume) for number, volume in volumes if volume.allocation is Allocation.ALLOCATED]
    for number, volume in sorted(placed, key=lambda item: (item[1].image_offset, -item[1].length, item[0])):
        table = table_of(volume)
        if table is None:
            continue
        end = volume.image_offset + volume.length
        out[number] = min(volume.length, max(0, reached.get(table, 0) - volume.image_offset))
        reached[table] = max(reached.get(table, 0), end)
    return out
