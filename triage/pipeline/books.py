"""Keeping books of a volume while it is listed: which entry answers for which of its bytes."""

from __future__ import annotations

from triage.errors import TriageError
from triage.evidence.accounting import Accountant, Accounting, FileAccountant
from triage.evidence.free_runs import FreeRuns
from triage.evidence.interface import Extents
from triage.evidence.unowned import VolumeReader
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem
from triage.model.volume import Allocation, Volume

_NONE = Extents()


class Books:
    """Takes everything that is listed of a volume, in order.

    Args:
        volume: The volume, or the gap.
        shared: Bytes at its beginning that another volume accounts for.

    Attributes:
        reader: Reads it; to be set before entries come, not needed for a gap.
    """

    def __init__(self, volume: Volume, shared: int) -> None:
        self.reader: VolumeReader | None = None
        self._is_gap = volume.allocation is not Allocation.ALLOCATED
        self._is_whole = True
        self._accountant: Accountant | FileAccountant
        if volume.system == "logical":
            self._accountant = FileAccountant()
            return
        begin = volume.image_offset if self._is_gap else 0
        window = (begin + min(shared, volume.length), begin + volume.length)
        self._accountant = Accountant(window, volume.file_system, is_gap=self._is_gap)

    def note(self, item: Entry | Problem) -> None:
        """The next thing that was listed."""
        if isinstance(item, Problem):
            self._is_whole &= item.examined_anyway
            return
        found = self._extents(item)
        self._accountant.add(item, found.content, found.slack)

    def close(self, *, stopped: bool = False) -> Accounting | None:
        """What each byte is; None where the volume could not be opened.

        Args:
            stopped: Listing broke off.
        """
        if isinstance(self._accountant, FileAccountant):
            return self._accountant.finish(is_whole=self._is_whole and not stopped)
        if self.reader is None and not self._is_gap:
            return None
        free, used, is_known, is_pool = FreeRuns(), 0, self._is_gap, False
        if self.reader is not None and not stopped:
            free, used = self.reader.space.free()
            is_known = self.reader.space.error is None
            is_pool = used == 0 and self.reader.file_system is not None
        return self._accountant.finish(
            free, used, is_free_known=is_known, is_whole=self._is_whole and not stopped, is_pool=is_pool
        )

    def _extents(self, entry: Entry) -> Extents:
        is_file = entry.entry_type is EntryType.FILE and not (entry.virtual or entry.reused)
        if not is_file or entry.address.space or self.reader is None or self.reader.file_system is None:
            return _NONE
        if isinstance(self._accountant, FileAccountant):
            return _NONE
        try:
            return self.reader.file_system.extents(entry)
        except TriageError:
            self._is_whole = False
            return _NONE
