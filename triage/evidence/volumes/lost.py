"""Volumes whose partition entry is gone: found by searching what no volume owns for boot sectors and superblocks.

What is found is a guess and is told as one. A magic number alone is never enough: sizes must make sense, checksums must
fit, and what the structure points at (file table, root directory, second superblock) must be there; at last the reader
of that file system must take it. Where the beginning of a volume is overwritten it is found by a later copy, and read
with that copy in its place.

A volume that is found is not searched inside, so media full of one volume cost a few blocks; only what belongs to
nothing is read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from triage.errors import ReadFailedError
from triage.evidence.volumes.bare import Content, Prober
from triage.evidence.volumes.lost_found import Found, Pieces, patched
from triage.evidence.volumes.lost_resolve import cut, resolve
from triage.evidence.volumes.lost_signs import BOOT_MARK, GPT_MARK, SECTOR, SIGNS, Examine, marked
from triage.evidence.volumes.lost_tables import MAX_HINTS, Hint, hints_of_gpt, hints_of_record
from triage.evidence.volumes.lost_tail import free_tail
from triage.evidence.volumes.lost_volume import LostVolume, Outcome
from triage.evidence.volumes.lost_windows import examine_fat
from triage.evidence.volumes.table import Remark
from triage.model.problem import Reason
from triage.model.stream import Stream
from triage.model.volume import Volume

SYSTEM = "lost"
"""Volume system of what was found by search."""
MIN_RANGE = (1 << 20) + 1
"""Bytes that a stretch must have to be searched where there are volumes beside it: more than alignment leaves."""
PIECE = 4 << 20
MAX_READ = 1 << 30
"""Bytes read where magic numbers stand, to hold them against what they point at."""
MAX_REFUSED = 2_000
"""Volumes that made sense and that no reader took."""
MAX_FOUND = 128
MAX_REMAINS = 8
"""Remains of earlier volumes that are told one by one."""
_STEP = 65536


class LostSearch:
    """Whether and how far to search, and what an earlier opening found.

    Args:
        known: Volumes of the evidence as they were found before: those of :data:`SYSTEM` among them are taken, and
            nothing is searched. None to search.
        limit: Most bytes that are searched; None for all.
        progress: Called with bytes searched so far and in all.
    """

    def __init__(
        self,
        known: Sequence[Volume] | None = None,
        limit: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._known = None if known is None else [volume for volume in known if volume.system == SYSTEM]
        self.left = limit
        self.progress = progress

    def known(self, parent: str) -> list[Volume] | None:
        """Those found before in a volume, by offset; None where they are to be searched for."""
        if self._known is None:
            return None
        return [volume for volume in self._known if volume.parent == parent]


def search(media: Stream, ranges: Sequence[tuple[int, int]], lost: LostSearch) -> Outcome:
    """Search stretches of the media that no volume owns.

    Args:
        media: Decoded media.
        ranges: First byte and the one past the last, ascending; those that touch as one.
        lost: How far.
    """
    return _Search(media, ranges, lost).run()


class _Search:
    """One search.

    Args: see :func:`search`.
    """

    def __init__(self, media: Stream, ranges: Sequence[tuple[int, int]], lost: LostSearch) -> None:
        self._media = media
        self._pieces = Pieces(media)
        self._ranges = ranges
        self._lost = lost
        self._accepted: list[tuple[Found, Content]] = []
        self._refused: set[tuple[int, int, str]] = set()
        self._remains: set[tuple[int, int]] = set()
        self._hints: dict[int, Hint] = {}
        self._tails: dict[int, int] = {}
        self._examined = 0
        self._out = Outcome()

    def run(self) -> Outcome:
        total, before = sum(end - begin for begin, end in self._ranges), 0
        for begin, end in self._ranges:
            stopped = self._search_range(begin, end, before, total)
            before += end - begin
            if stopped < end:
                self._tell_rest(stopped - end + before, total)
                break
        for found, content in resolve(cut(self._accepted, self._tails), self._ranges, self._hints):
            stop = min(found.end, next(end for begin, end in self._ranges if begin <= found.start < end))
            hint = self._hints.get(found.start)
            words = f"{found.kind} by its {found.by} at {found.at}"
            words += f"; {hint.words} names it too" if hint else ""
            self._out.volumes.append(
                LostVolume(found.start, stop - found.start, found.end - stop, content, words, found.patches)
            )
        return self._out

    # --- reading ----------------------------------------------------------------------------------------------------
    def _search_range(self, begin: int, end: int, before: int, total: int) -> int:
        """Search one stretch; returns where it stopped."""
        position = -(-begin // SECTOR) * SECTOR
        while (position := self._data_from(position, end)) < end:
            if self._lost.left is not None and self._lost.left < SECTOR:
                return position
            length = min(PIECE, end - position)
            if self._lost.left is not None:
                length = min(length, self._lost.left // SECTOR * SECTOR)
                self._lost.left -= length
            block = self._read(position, length)
            past = position
            for sector, examine in self._marks(block, position):
                if sector < past:
                    continue
                past = max(past, self._examine(sector, examine, begin, end))
                if self._is_spent():
                    return sector
            position = max(position + length, past)
            if self._lost.progress is not None:
                self._lost.progress(min(total, before + position - begin), total)
        return end

    def _data_from(self, position: int, end: int) -> int:
        """The first sector from a place on that is no hole; ``end`` where none is."""
        parts = getattr(self._media, "data_ranges", None)
        if parts is None or position >= end:
            return position
        start, _ = next(iter(parts(position, end - position)), (end, 0))
        return max(position, int(start) // SECTOR * SECTOR)

    def _read(self, position: int, length: int) -> bytes:
        """A block; zeros stand for sectors that cannot be read."""
        try:
            return self._media.read_at(position, length)
        except ReadFailedError as error:
            if length <= _STEP:
                return error.partial[:length].ljust(length, b"\0")
            steps = range(position, position + length, _STEP)
            return b"".join(self._read(place, min(_STEP, position + length - place)) for place in steps)

    def _marks(self, block: bytes, position: int) -> Iterator[tuple[int, Examine]]:
        """Sectors to look at, ascending; parts of tables are remembered on the way."""
        hits: list[tuple[int, int, Examine]] = []
        for order, sign in enumerate(SIGNS):
            for number in marked(block, sign.offset, sign.width, sign.values):
                hits.append((position + number * SECTOR, order, sign.examine))
        for number in marked(block, GPT_MARK[0], 8, GPT_MARK[1:]):
            self._remember(hints_of_gpt(self._pieces, position + number * SECTOR))
        numbers = marked(block, BOOT_MARK[0], 2, BOOT_MARK[1:])
        for number in sorted({0, *numbers}) if position == 0 else numbers:
            place = number * SECTOR
            if block[place] in (0xEB, 0xE9):
                hits.append((position + place, len(SIGNS), examine_fat))
            self._remember(hints_of_record(block[place : place + SECTOR], position + place))
        for sector, _, examine in sorted(hits, key=lambda hit: hit[:2]):
            yield sector, examine

    def _remember(self, hints: Sequence[Hint]) -> None:
        for hint in hints:
            if len(self._hints) < MAX_HINTS:
                self._hints.setdefault(hint.start, hint)

    # --- judging ----------------------------------------------------------------------------------------------------
    def _examine(self, sector: int, examine: Examine, begin: int, end: int) -> int:
        """Look at one sector; returns from where on the search goes on."""
        self._examined += 1
        past = 0
        for found in examine(self._pieces, sector):
            if not begin <= found.start < end or found.start % SECTOR:
                continue
            if found.end > end and end < self._media.size:
                self._tell_remains(found)
            elif self._accept(found, end):
                past = max(past, self._tails.get(found.start, found.end))
        return past

    def _accept(self, found: Found, end: int) -> bool:
        """Let the readers look at it; True where it is taken."""
        key = (found.start, found.length, found.kind)
        taken = {(other.start, other.kind) for other, _ in self._accepted}
        if key in self._refused or (found.start, found.kind) in taken:
            return False
        length = min(found.end, end) - found.start if found.length else end - found.start
        content = Prober(patched(self._media, found.patches)).look(found.start, length)
        words = (content.file_system, content.encryption, content.unsupported)
        agrees = content.is_recognised and any(
            text.lower().startswith(name.lower()) for text in words if text for name in found.names
        )
        if not agrees or (content.is_damaged and found.is_backup):
            self._refused.add(key)
            return False
        self._accepted.append((found, content))
        tail = free_tail(self._media, found, content) if found.length else found.end
        if tail < found.end:
            self._tails[found.start] = tail
        return True

    def _is_spent(self) -> bool:
        """True where a bound is reached; it is told."""
        return self._pieces.taken >= MAX_READ or len(self._refused) >= MAX_REFUSED or len(self._accepted) >= MAX_FOUND

    # --- telling ----------------------------------------------------------------------------------------------------
    def _tell_remains(self, found: Found) -> None:
        key = (found.start, found.length)
        if key in self._remains:
            return
        self._remains.add(key)
        if len(self._remains) <= MAX_REMAINS:
            message = f"remains of an earlier volume ({found.kind}, {found.length} bytes at {found.start}, by its "
            message += f"{found.by} at {found.at}) reach into volumes that the table names; it is not opened"
            self._out.remarks.append(Remark(Reason.MISMATCH, message, anyway=True))

    def _tell_rest(self, done: int, total: int) -> None:
        """Not everything was searched."""
        if self._is_spent():
            message = f"the search for lost volumes was ended after {done} of {total} bytes: {self._examined} sectors "
            message += f"look like the beginning of a volume, {len(self._accepted)} are"
            hint = "the media are made up or very unusual; search them with another tool"
            self._out.remarks.append(Remark(Reason.LIMIT, message, hint))
            return
        message = f"the first {done} of {total} bytes that no volume owns were searched for lost volumes"
        self._out.remarks.append(Remark(Reason.LIMIT, message, "`triage scan` searches all of them", anyway=True))
