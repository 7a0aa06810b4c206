"""Where a chunk of an array lies: RAID 0, 1, 4, 5, 6 and 10, with the layouts of the Linux kernel.

Written after the layouts that ``md(4)`` describes and the numbers that its superblocks hold. Device-mapper RAID
(LVM) uses the same layouts under names of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

LEFT_ASYMMETRIC, RIGHT_ASYMMETRIC, LEFT_SYMMETRIC, RIGHT_SYMMETRIC, PARITY_FIRST, PARITY_LAST = range(6)
ZERO_RESTART, N_RESTART, N_CONTINUE = 8, 9, 10
_RAID5_WITH_Q_LAST = 16
"""Layouts 16 to 20: those of RAID 5 over all disks but the last, which holds the second parity."""


@dataclass(frozen=True, slots=True)
class Place:
    """One copy of a chunk.

    Attributes:
        disk: Number of the member, from 0.
        row: Chunks from the start of its data.
    """

    disk: int
    row: int


class RaidLayout(Protocol):
    """Where chunks lie."""

    def places(self, index: int) -> tuple[Place, ...]:
        """Copies of a chunk, the one to read first in front."""
        ...

    def parity_group(self, index: int) -> tuple[tuple[int, ...], int]:
        """Members that give the chunk when combined by exclusive or, and their row; empty where there are none."""
        ...


@dataclass(frozen=True, slots=True)
class Stripes:
    """RAID 0 over members of equal size.

    Attributes:
        disks: Members.
    """

    disks: int

    def places(self, index: int) -> tuple[Place, ...]:
        """The one place of a chunk."""
        return (Place(index % self.disks, index // self.disks),)

    def parity_group(self, index: int) -> tuple[tuple[int, ...], int]:
        """None."""
        del index
        return (), 0


@dataclass(frozen=True, slots=True)
class Mirrors:
    """RAID 1: every member holds everything.

    Attributes:
        disks: Members, in the order to ask.
    """

    disks: tuple[int, ...]

    def places(self, index: int) -> tuple[Place, ...]:
        """One for each member."""
        return tuple(Place(disk, index) for disk in self.disks)

    def parity_group(self, index: int) -> tuple[tuple[int, ...], int]:
        """None."""
        del index
        return (), 0


@dataclass(frozen=True, slots=True)
class Near:
    """RAID 10.

    Attributes:
        disks: Members.
        near: Copies side by side.
        far: Copies in other sections of the members.
        stride: Chunks from a copy to the next far one; 1 where they stand in the row below (``offset``).
        offset: Far copies stand in the row below.
    """

    disks: int
    near: int
    far: int = 1
    stride: int = 0
    offset: bool = False

    def places(self, index: int) -> tuple[Place, ...]:
        """All copies of a chunk, the nearest first."""
        row, disk = divmod(index * self.near, self.disks)
        if self.offset:
            row *= self.far
        found: list[Place] = []
        for _ in range(self.near):
            found += [
                Place((disk + further * self.near) % self.disks, row + further * self.stride)
                for further in range(self.far)
            ]
            disk += 1
            if disk >= self.disks:
                disk, row = 0, row + 1
        return tuple(found)

    def parity_group(self, index: int) -> tuple[tuple[int, ...], int]:
        """None."""
        del index
        return (), 0


@dataclass(frozen=True, slots=True)
class Parity:
    """RAID 4, 5 and 6.

    Attributes:
        disks: Members, those for parity included.
        parities: 1, or 2 for RAID 6.
        algorithm: Number of the layout.
    """

    disks: int
    parities: int
    algorithm: int

    def places(self, index: int) -> tuple[Place, ...]:
        """The one place of a chunk."""
        row, column = divmod(index, self.disks - self.parities)
        return (Place(self._placed(row, column)[0], row),)

    def parity_group(self, index: int) -> tuple[tuple[int, ...], int]:
        """The other data of the row and its first parity."""
        row, column = divmod(index, self.disks - self.parities)
        disk, first, second = self._placed(row, column)
        del first
        return tuple(other for other in range(self.disks) if other not in (disk, second)), row

    def _placed(self, row: int, column: int) -> tuple[int, int, int]:
        """Disk of a chunk, of the first and of the second parity of its row (-1 where there is none)."""
        if self.parities == 1:
            return (*_single(self.algorithm, self.disks, row, column), -1)
        if self.algorithm >= _RAID5_WITH_Q_LAST:
            inner = _single(self.algorithm - _RAID5_WITH_Q_LAST, self.disks - 1, row, column)
            return (*inner, self.disks - 1)
        return _double(self.algorithm, self.disks, row, column)


def _single(algorithm: int, disks: int, row: int, column: int) -> tuple[int, int]:
    if algorithm == PARITY_FIRST:
        return column + 1, 0
    if algorithm == PARITY_LAST:
        return column, disks - 1
    left = algorithm in (LEFT_ASYMMETRIC, LEFT_SYMMETRIC)
    parity = disks - 1 - row % disks if left else row % disks
    if algorithm in (LEFT_SYMMETRIC, RIGHT_SYMMETRIC):
        return (parity + 1 + column) % disks, parity
    return column + (column >= parity), parity


def _double(algorithm: int, disks: int, row: int, column: int) -> tuple[int, int, int]:
    last = disks - 1
    if algorithm == PARITY_FIRST:
        return column + 2, 0, 1
    if algorithm == PARITY_LAST:
        return column, disks - 2, last
    if algorithm == N_CONTINUE:
        parity = last - row % disks
        return (parity + 1 + column) % disks, parity, (parity + last) % disks
    if algorithm == N_RESTART:
        row += 1
    right = algorithm in (RIGHT_ASYMMETRIC, RIGHT_SYMMETRIC, ZERO_RESTART)
    parity = row % disks if right else last - row % disks
    if algorithm in (LEFT_SYMMETRIC, RIGHT_SYMMETRIC):
        return (parity + 2 + column) % disks, parity, (parity + 1) % disks
    if parity == last:
        return column + 1, parity, 0
    return column + 2 * (column >= parity), parity, parity + 1


def is_known(parities: int, algorithm: int) -> bool:
    """True where the layout is one of those above."""
    if parities == 1:
        return 0 <= algorithm <= PARITY_LAST
    return (
        0 <= algorithm <= PARITY_LAST
        or algorithm in (ZERO_RESTART, N_RESTART, N_CONTINUE)
        or _RAID5_WITH_Q_LAST <= algorithm <= _RAID5_WITH_Q_LAST + PARITY_FIRST
    )
