"""Every byte of each image by what it is, and how much of that was examined: tables that add up exactly.

What the bytes are was kept when each volume was listed. What was examined follows from the entries that answer for
them. Where it is not certain that a byte was examined, it counts as not examined.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from triage.case import Case
from triage.case.accounted import Share, VolumeBooks
from triage.case.schema import CLOSED, EXAMINED, NOT_APPLICABLE, PENDING, WITHHELD
from triage.model.coverage import PARTS, CoverageRow, CoverageTable, Part, Unexamined, shared_beginnings, table_of
from triage.model.problem import Reason
from triage.model.volume import Allocation, EvidenceSource, Volume

_CLOSED_FOR = {
    str(Reason.ENCRYPTED): Unexamined.ENCRYPTED,
    str(Reason.LIMIT): Unexamined.LIMIT,
    str(Reason.TIMEOUT): Unexamined.TIMEOUT,
    str(Reason.UNREADABLE): Unexamined.UNREADABLE,
}


@dataclass(slots=True)
class _Row:
    """A row in the making."""

    bytes: int = 0
    examined: int = 0
    below: int = 0
    missed: dict[Unexamined, int] = field(default_factory=dict)

    def miss(self, reason: Unexamined, count: int) -> None:
        if count > 0:
            self.missed[reason] = self.missed.get(reason, 0) + count

    def add(self, other: _Row) -> None:
        self.bytes += other.bytes
        self.examined += other.examined
        self.below += other.below
        for reason, count in other.missed.items():
            self.miss(reason, count)

    def take(self, count: int) -> None:
        """Take bytes away: from those examined first, so that none stands as examined that was not."""
        self.bytes -= count
        part = min(count, self.examined)
        self.examined -= part
        count -= part
        for reason in sorted(self.missed, key=lambda reason: (-self.missed[reason], reason)):
            part = min(count, self.missed[reason])
            self.missed[reason] -= part
            count -= part
        self.below -= min(count, self.below)


_Rows = dict[Part, _Row]


def coverage_tables(case: Case, number: int, source: EvidenceSource) -> tuple[CoverageTable, ...]:
    """The table of a source, then one for each volume that a layer opened in it.

    Args:
        case: Where the facts are.
        number: Of the source.
        source: The source.
    """
    options = case.meta("options")
    has_space = not isinstance(options, dict) or options.get("space") != "false"
    scope = case.meta("scope")
    has_slack = not isinstance(scope, dict) or bool(scope.get("has_slack", True))
    left_out = case.volumes_left_out()
    books = case.books(number)
    shared = shared_beginnings((each.id, each.volume) for each in books)
    damage = case.damaged_ranges(source.name)
    tables: dict[str, list[tuple[VolumeBooks, _Rows]]] = {"": []}
    for each in books:
        if each.volume.allocation is Allocation.METADATA:  # lies in a gap
            continue
        rows, unread = _rows(each, shared.get(each.id, 0), has_space=has_space, has_slack=has_slack)
        if (source.name, each.volume.name) in left_out and each.totals is None:
            for row in rows.values():
                row.missed = {Unexamined.SCOPE: sum(row.missed.values())} if row.missed else {}
        table = table_of(each.volume)
        lost = {}
        if table == "" and damage and each.volume.system != "logical":
            lost = _damaged(case, each, rows, shared.get(each.id, 0), damage)
        _without_lost(rows, lost, unread)
        tables.setdefault(each.volume.name if table is None else table, []).append((each, rows))
    names = {each.volume.name: each.volume for each in books if each.volume.allocation is Allocation.ALLOCATED}
    return tuple(_table(name, names.get(name), members) for name, members in tables.items() if members)


def _table(name: str, volume: Volume | None, members: list[tuple[VolumeBooks, _Rows]]) -> CoverageTable:
    """The sum of volumes. A volume with a table of its own is told by what is in it."""
    inside = [item for item in members if item[0].volume.name != name]
    basis = "volume" if name else "media"
    if any(each.is_pool for each, _ in members):
        basis = "pool"
    if any(each.volume.system == "logical" for each, _ in members):
        basis = "files"
    total: _Rows = {}
    for _, found in inside or members:
        for part, row in found.items():
            total.setdefault(part, _Row()).add(row)
    rows = tuple(
        CoverageRow(
            part,
            total[part].bytes,
            total[part].examined,
            {reason: total[part].missed[reason] for reason in Unexamined if total[part].missed.get(reason)},
            total[part].below,
        )
        for part in PARTS
        if part in total and total[part].bytes
    )
    words = ", ".join(word for word in (volume.file_system, volume.description) if word) if volume and name else ""
    size = sum(row.bytes for row in rows)
    return CoverageTable(name, words, basis, size, rows, sum(each.copies for each, _ in inside or members))


# --- one volume -------------------------------------------------------------------------------------------------------
def _rows(books: VolumeBooks, shared: int, *, has_space: bool, has_slack: bool) -> tuple[_Rows, dict[Part, int]]:
    """The rows of a volume, and bytes of each that could not be read though their entry was examined."""
    off = Unexamined.UNSEARCHED if has_space else Unexamined.SPACE_OFF
    if books.totals is None:
        part, reason = _unaccounted(books, has_space=has_space)
        count = max(0, books.volume.length - shared)
        if part is Part.OPENED:
            return {part: _Row(count, below=count)}, {}
        return {part: _Row(count, missed={reason: count} if count else {})}, {}
    rows = {part: _Row(count) for part, count in books.totals.items()}
    unread: dict[Part, int] = {}
    for share in books.shares:
        if share.part in rows:
            _add_share(rows[share.part], share, share.disk)
            if share.status == EXAMINED:
                unread[share.part] = unread.get(share.part, 0) + share.unread
        if share.slack and Part.SLACK in rows:
            _add_slack(rows[Part.SLACK], share, has_space=has_space, has_slack=has_slack)
    structure = Unexamined.STRUCTURE if books.is_whole else Unexamined.UNLISTED
    rest = {Part.METADATA: structure, Part.UNKNOWN: Unexamined.FAILED if books.volume.file_system else off}
    for part, row in rows.items():
        row.miss(rest.get(part, off), row.bytes - row.examined - sum(row.missed.values()))
    return rows, unread


def _unaccounted(books: VolumeBooks, *, has_space: bool) -> tuple[Part, Unexamined]:
    """What a volume is that was not listed, and why it was not examined."""
    volume = books.volume
    reason = Unexamined.FAILED if books.is_listed else Unexamined.WAITING
    if not volume.file_system and not has_space:
        reason = Unexamined.SPACE_OFF
    if volume.allocation is not Allocation.ALLOCATED:
        return Part.GAP, reason
    if volume.is_opened:
        return Part.OPENED, reason
    if volume.encryption and not volume.file_system:
        return Part.ENCRYPTED, Unexamined.ENCRYPTED
    return Part.UNKNOWN, reason


def _add_share(row: _Row, share: Share, count: int) -> None:
    if share.status == EXAMINED:
        row.examined += count
    else:
        row.miss(_reason(share), count)


def _add_slack(row: _Row, share: Share, *, has_space: bool, has_slack: bool) -> None:
    """Slack is searched together with what it lies behind, as far as a limit."""
    if share.status != EXAMINED:
        row.miss(_reason(share), share.slack)
    elif not has_slack:
        row.miss(Unexamined.SCOPE, share.slack)
    elif not has_space:
        row.miss(Unexamined.SPACE_OFF, share.slack)
    else:
        row.examined += share.near_slack
        row.miss(Unexamined.LIMIT, share.slack - share.near_slack)


def _reason(share: Share) -> Unexamined:
    if share.status == PENDING:
        return Unexamined.WAITING
    if share.status == WITHHELD:
        return Unexamined.WITHHELD
    if share.status == CLOSED:
        return _CLOSED_FOR.get(share.why, Unexamined.FAILED)
    return Unexamined.UNSEARCHED if share.status == NOT_APPLICABLE else Unexamined.SCOPE


# --- what could not be read -------------------------------------------------------------------------------------------
def _damaged(
    case: Case, books: VolumeBooks, rows: _Rows, shared: int, damage: Iterable[tuple[int, int]]
) -> dict[Part, int]:
    """Bytes of each part of a volume that the image does not have."""
    begin, end = books.volume.image_offset, books.volume.image_offset + books.volume.length
    cut = [(max(low, begin + shared), min(high, end)) for low, high in damage]
    cut = [(low, high) for low, high in cut if low < high]
    if not cut or not rows:
        return {}
    from triage.evidence.part_map import bytes_by_part  # numpy, which most reports do not need

    if len(rows) == 1:
        return bytes_by_part(b"", next(iter(rows)), cut)
    kept = case.kept_map(books.id)
    base = 0 if books.volume.allocation is not Allocation.ALLOCATED else begin
    return bytes_by_part(kept, None, [(low - base, high - base) for low, high in cut]) if kept else {}


def _without_lost(rows: _Rows, lost: dict[Part, int], unread: dict[Part, int]) -> None:
    """Make a row of its own of what the image does not have, and count what could not be read as not examined."""
    total = 0
    for part, row in rows.items():
        gone = min(lost.get(part, 0), row.bytes)
        row.take(gone)
        total += gone
        more = min(row.examined, max(0, unread.get(part, 0) - gone))
        row.examined -= more
        row.miss(Unexamined.UNREADABLE, more)
    if total:
        rows[Part.UNREADABLE] = _Row(total, missed={Unexamined.UNREADABLE: total})
