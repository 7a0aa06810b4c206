"""Units: what gets ranked, put together from contents, names and hits."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field

from triage.case.names import OPENED_IMAGES, Names
from triage.model.content import ContentType
from triage.model.hit import Hit, HitCount
from triage.model.unit import UnitFacts, UnitPart

ALSO_AT_LIMIT = 50


@dataclass(slots=True)
class _Found:
    """Hits of one content, with those that belong to one of its names."""

    hits: list[Hit] = field(default_factory=list)
    counts: list[HitCount] = field(default_factory=list)


def units(connection: sqlite3.Connection) -> Iterator[UnitFacts]:
    """Units with at least one hit, by address.

    A content is a unit; parts of a document (the XML files of a DOCX) are ranked with the document.
    """
    names = Names(connection)
    found = _hits_by_content(connection)
    _drop_what_members_tell(names, found)
    tops: dict[int, set[int]] = {}
    for content in found:
        for top in _tops(names, content, 0):
            tops.setdefault(top, set()).add(content)
    made = [unit for top, parts in tops.items() if (unit := _unit(connection, names, found, top, parts)) is not None]
    yield from sorted(made, key=lambda unit: (unit.entry.address, unit.kind))


def _tops(names: Names, content: int, depth: int) -> list[int]:
    """The contents whose unit a content belongs to: itself, or the documents that it is a part of."""
    if depth > 32:
        return [content]
    documents = [parent for parent, _, part, _ in names.parents(content) if part]
    if not documents:
        return [content]
    return sorted({top for parent in documents for top in _tops(names, parent, depth + 1)})


def _hits_by_content(connection: sqlite3.Connection) -> dict[int, _Found]:
    found: dict[int, _Found] = {}
    images = {content for (content,) in connection.execute(OPENED_IMAGES)}
    told_inside: set[tuple[int, str]] = set()
    for content, rule, *rest in connection.execute(
        "SELECT DISTINCT content, rule, file_offset, length, encoding, matched, before, after, string_id FROM hits"
    ):
        hit = Hit(rule, *rest)
        if hit.encoding and content in images:  # words are told where they stand in the image
            told_inside.add((content, rule))
        else:
            found.setdefault(content, _Found()).hits.append(hit)
    for content, rule, count, at_least in connection.execute(
        "SELECT content, rule, MAX(count), MAX(at_least) FROM counts GROUP BY content, rule"
    ):
        if (content, rule) in told_inside:
            continue
        found.setdefault(content, _Found()).counts.append(HitCount(rule, count, bool(at_least)))
    return found


def _drop_what_members_tell(names: Names, found: dict[int, _Found]) -> None:
    """Words that stand in the bytes of a container and in a member are told at the member alone.

    A member that is not packed, a row of a database: the bytes are the same.
    """
    told: dict[int, set[str]] = {}
    for content, of in found.items():
        rules = {hit.rule for hit in of.hits if hit.encoding}
        level, seen = {content}, {content}
        while level and rules:
            level = {parent for inner in level for parent, _, part, _ in names.parents(inner) if not part} - seen
            seen |= level
            for parent in level:
                told.setdefault(parent, set()).update(rules)
    for content, rules in told.items():
        if content in found:
            of = found[content]
            dropped = {hit.rule for hit in of.hits if hit.encoding and hit.rule in rules}
            of.hits = [hit for hit in of.hits if hit.rule not in dropped]
            of.counts = [count for count in of.counts if count.rule not in dropped]
            if not of.hits and not of.counts:
                del found[content]


def _unit(
    connection: sqlite3.Connection, names: Names, found: dict[int, _Found], top: int, contents: set[int]
) -> UnitFacts | None:
    holders = names.holders(top)
    if not holders:
        return None
    _, entry, value, place = holders[0]
    size, md5, sha1, sha256, mime, type_name, source, agrees = connection.execute(
        "SELECT size, md5, sha1, sha256, mime, type_name, type_source, extension_agrees FROM contents WHERE id = ?",
        (top,),
    ).fetchone()
    kind = "member" if entry.address.members else "file"
    parts = []
    if top in contents:
        parts.append(_part(str(entry.address), found[top], size))
    for content in sorted(contents - {top}, key=lambda number: _part_address(names, number, top, entry.address)):
        kind = "document"
        part_size = connection.execute("SELECT size FROM contents WHERE id = ?", (content,)).fetchone()[0]
        parts.append(_part(_part_address(names, content, top, entry.address), found[content], part_size))
    notes = ("the extension does not fit the content",) if agrees == 0 else ()
    return UnitFacts(
        entry=entry,
        kind=kind,
        content_type=ContentType(mime, type_name, source, None if agrees is None else bool(agrees)),
        hashes={name: value for name, value in (("md5", md5), ("sha1", sha1), ("sha256", sha256)) if value},
        parts=tuple(parts),
        also_at=tuple(str(other[1].address) for other in holders[1 : 1 + ALSO_AT_LIMIT]),
        value=value,
        place=place,
        notes=notes,
    )


def _part_address(names: Names, content: int, top: int, base: object) -> str:
    """Text form of a part's address below its document."""
    for parent, member, part, _ in names.parents(content):
        if part and parent == top:
            return str(base.child(member))  # type: ignore[attr-defined]
    return str(names.best_address(content))


def _part(address: str, found: _Found, size: int) -> UnitPart:
    hits = tuple(sorted(found.hits, key=lambda hit: (hit.file_offset, hit.rule, hit.length)))
    return UnitPart(address, hits, tuple(sorted(found.counts)), size)
