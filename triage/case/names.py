"""Under which names a content stands."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from triage.case import schema
from triage.model.address import Address
from triage.model.entry import Entry, EntryType
from triage.model.times import Times

_COLUMNS = (
    "entries.id, entries.volume, path, stream, space, span_offset, span_length, type, size, meta_address,"
    " attribute_type, attribute_id, flags, mtime, atime, ctime, crtime, dtime, owner, entries.image_offset,"
    " caveats, value, place"
)

OPENED_IMAGES = "SELECT content FROM entries JOIN images ON images.entry = entries.id WHERE images.name != ''"
"""Contents that are walked as images; they are neither unread, nor are words in them told at the file."""

PlacedEntry = tuple[int, Entry, float, str]


class Names:
    """Resolves contents to entries and members; remembers what it resolved.

    The best name of a content: an allocated entry before a deleted one, then the more valuable place, then the lowest
    address; a member of an archive only where no entry holds the content by itself.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._volumes: dict[int, tuple[str, str]] = {
            number: (evidence, name)
            for number, evidence, name in connection.execute(
                "SELECT volumes.id, evidence.name, volumes.name FROM volumes JOIN evidence ON evidence.id = evidence"
            )
        }
        self._best: dict[int, PlacedEntry | None] = {}

    def entry(self, entry_id: int) -> Entry | None:
        """One entry by number, None where there is none."""
        row = self._connection.execute(f"SELECT {_COLUMNS} FROM entries WHERE id = ?", (entry_id,)).fetchone()
        return None if row is None else self._placed(row)[1]

    def at(self, address: Address) -> list[tuple[int, Entry]]:
        """Entries at an address (the outermost one where it steps into containers)."""
        wanted = [number for number, where in self._volumes.items() if where == (address.evidence, address.volume)]
        out = []
        for number in wanted:
            for row in self._connection.execute(
                f"SELECT {_COLUMNS} FROM entries WHERE volume = ? AND path = ? AND stream = ? AND space = ?"
                " AND (space = 'slack' OR (span_offset = ? AND span_length = ?)) ORDER BY id",
                (number, address.path, address.stream, address.space, address.offset, address.length),
            ):
                entry_id, entry, _, _ = self._placed(row)
                out.append((entry_id, entry))
        return out

    def holders(self, content: int) -> list[PlacedEntry]:
        """Entries that hold a content, best first; members where no entry does."""
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM entries WHERE content = ?", (content,))
        direct = sorted(map(self._placed, rows), key=_preference)
        return direct or self._member_holders(content)

    def best(self, content: int) -> PlacedEntry | None:
        """The best name of a content, None where nothing names it."""
        if content not in self._best:
            self._best[content] = None  # ends a loop of containers that hold each other
            holders = self.holders(content)
            self._best[content] = holders[0] if holders else None
        return self._best[content]

    def best_address(self, content: int) -> Address:
        """The address of the best name."""
        found = self.best(content)
        return found[1].address if found else Address("?", "p0", b"/?")

    def parents(self, content: int) -> list[tuple[int, bytes, bool, int | None]]:
        """Containers of a content: parent content, member name, part of a document, time."""
        rows = self._connection.execute(
            "SELECT parent, member, part_of_document, mtime FROM children WHERE content = ? ORDER BY parent, position",
            (content,),
        )
        return [(parent, member, bool(part), mtime) for parent, member, part, mtime in rows]

    def _member_holders(self, content: int) -> list[PlacedEntry]:
        out = []
        for parent, member, _, mtime in self.parents(content):
            holder = self.best(parent)
            if holder is None:
                continue
            entry_id, outer, value, place = holder
            size = self._connection.execute("SELECT size FROM contents WHERE id = ?", (content,)).fetchone()[0]
            inner = replace(
                outer,
                address=outer.address.child(member),
                size=size,
                image_offset=-1,
                times=Times(mtime=mtime, zone_known=False) if mtime is not None else Times(),
            )
            out.append((entry_id, inner, value, place))
        return sorted(out, key=_preference)

    def _placed(self, row: tuple[object, ...]) -> PlacedEntry:
        entry_id, volume, path, stream, space, offset, length, kind, size, meta, *more = row
        attribute, attribute_id, flags, mtime, atime, ctime, crtime, dtime, owner, image_offset, caveats, *rank = more
        value, place = rank
        evidence, name = self._volumes[volume]  # type: ignore[index]
        bits = int(flags)  # type: ignore[call-overload]
        entry = Entry(
            address=Address(evidence, name, path, stream, (), space, offset, length),  # type: ignore[arg-type]
            entry_type=EntryType(kind),  # type: ignore[arg-type]
            size=size,  # type: ignore[arg-type]
            meta_address=meta,  # type: ignore[arg-type]
            attribute_type=attribute,  # type: ignore[arg-type]
            attribute_id=attribute_id,  # type: ignore[arg-type]
            alloc_name=bool(bits & schema.ALLOC_NAME),
            alloc_inode=bool(bits & schema.ALLOC_INODE),
            orphan=bool(bits & schema.ORPHAN),
            virtual=bool(bits & schema.VIRTUAL),
            reused=bool(bits & schema.REUSED),
            times=Times(mtime, atime, ctime, crtime, dtime, bool(bits & schema.ZONE_KNOWN)),  # type: ignore[arg-type]
            owner=owner,  # type: ignore[arg-type]
            image_offset=image_offset,  # type: ignore[arg-type]
            caveats=tuple(str(caveats).split("\n")) if caveats else (),
        )
        return entry_id, entry, value, place  # type: ignore[return-value]


def _preference(placed: PlacedEntry) -> tuple[bool, float, Address, int]:
    entry_id, entry, value, _ = placed
    return (not entry.alloc_name, -value, entry.address, entry_id)
