"""ZIP archives, and the packages made of them (Office, OpenDocument, EPUB, JAR, APK).

Own reader (APPNOTE 6.3.10), because the library's reads a member whole, stops at the claimed size, cuts names at NUL
and knows one directory only. Here every member that some directory or some local header tells of is given: sizes are
claims, a wrong checksum is told and the bytes are given, what inflates before a break is given. Methods: stored,
deflate, bzip2, LZMA, xz. Deflate64, Zstandard, PPMd and older ones are told as unsupported. Encrypted members are told
one by one, with their names.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from triage.content.decoders.interface import (
    Budget,
    Data,
    Member,
    Unpacked,
    Yield,
    problem,
    shown,
    unpack,
)
from triage.content.decoders.zip_methods import METHODS, find_engine
from triage.content.decoders.zip_structure import (
    ENCRYPTED_FLAG,
    SIZES_BEHIND_FLAG,
    Directory,
    Header,
    count_overlaps,
    find_directories,
    find_local,
    find_next_mark,
    read_central,
    read_local,
)
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Problem, Reason

_STAGE = "zip"
_DOCUMENTS = (
    "application/vnd.openxmlformats",
    "application/vnd.oasis.opendocument",
    "application/epub+zip",
    "application/vnd.ms-visio.drawing",
    "application/vnd.ms-xpsdocument",
)
_LIST_MARK = b"[Content_Types].xml"
_STRONG_FLAGS = ENCRYPTED_FLAG | 0x40


@dataclass(slots=True)
class _Archive:
    """One archive while it is read."""

    data: Data
    address: Address
    budget: Budget
    is_document: bool
    ranges: list[tuple[int, int]] = field(default_factory=list)
    seen: set[tuple[int, bytes]] = field(default_factory=set)
    given: int = 0
    read: int = 0


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """Members of an archive in the order of its directory, then those that only their local header tells of.

    Names are the bytes of the directory, in whatever encoding. Directories without data are left out. Members share
    the ``budget``; where it ends, a last problem tells what was not examined.
    """
    directories = find_directories(data)
    is_document = content_type.mime.startswith(_DOCUMENTS) or (
        content_type.mime == "application/zip" and _lists_content_types(data, directories)
    )
    archive = _Archive(data, address, budget, is_document)
    for directory in directories:
        if budget.refuses is not None and any(low <= directory.start < high for low, high in archive.ranges):
            continue  # of an archive inside this one: opened as that member, if that is wanted
        yield from _from_directory(archive, directory)
        if budget.is_spent:
            break
    if not budget.is_spent:
        yield from _without_directory(archive, directories)
    if budget.is_spent:
        lost = len(data) - archive.read
        yield problem(address, _STAGE, Reason.LIMIT, f"{budget.spent_words} after {archive.given} members", lost=lost)


def _lists_content_types(data: Data, directories: list[Directory]) -> bool:
    """Whether the directory begins like that of an Office document whose parts the head did not show."""
    return any(
        place.start >= 0 and _LIST_MARK in bytes(data[place.start : place.start + 65536]) for place in directories
    )


def _from_directory(archive: _Archive, directory: Directory) -> Yield:
    """The members that one central directory lists."""
    listed, first = 0, len(archive.ranges)
    for central in read_central(archive.data, directory):
        if archive.budget.is_spent:
            break
        listed += 1
        local = read_local(archive.data, central.offset + directory.shift) or read_local(archive.data, central.offset)
        if local is None:
            where = archive.address.child(central.name)
            at = central.offset + directory.shift
            message = f"no member where the directory says, at byte {at}: {shown(central.name)}"
            yield problem(where, _STAGE, Reason.CORRUPT, message, lost=min(central.packed, len(archive.data)))
        elif (local.offset, central.name) not in archive.seen:
            archive.seen.add((local.offset, central.name))
            yield from _member(archive, central, local)
    overlapping = count_overlaps(archive.ranges[first:])
    if overlapping:
        message = f"{overlapping} of {listed} members overlap others, as in an archive made to exhaust its reader"
        yield problem(archive.address, _STAGE, Reason.LIMIT, message, anyway=True)
    if directory.start < 0 and directory.count:
        message = f"no directory where the end record says; {directory.count} members claimed"
        yield problem(archive.address, _STAGE, Reason.CORRUPT, message)
    elif listed < directory.count and not archive.budget.is_spent:
        message = f"the directory breaks off after {listed} of {directory.count} members"
        yield problem(archive.address, _STAGE, Reason.CORRUPT, message)


def _without_directory(archive: _Archive, directories: list[Directory]) -> Yield:
    """Members that no directory lists, found by their local headers in what no other member covers."""
    found = 0
    for start, stop in _gaps(archive, directories):
        position = start
        while not archive.budget.is_spent:
            at = find_local(archive.data, position, stop)
            if at < 0:
                break
            local = read_local(archive.data, at, listed=at == 0)
            position = at + 4
            if local is None:
                continue
            found += 1
            before = len(archive.ranges)
            yield from _member(archive, local, local)
            end = max((end for _, end in archive.ranges[before:]), default=position)
            if end <= stop and at + 30 + local.packed <= stop:
                position = max(position, end)
    if found and directories:
        message = f"{found} members are not in the directory"
        yield problem(archive.address, _STAGE, Reason.MISMATCH, message, anyway=True)
    elif not directories:
        message = f"no end record; {found} members found by their headers"
        yield problem(archive.address, _STAGE, Reason.TRUNCATED, message)


def _gaps(archive: _Archive, directories: list[Directory]) -> Iterator[tuple[int, int]]:
    """The ranges of the content that no listed member and no directory covers, ascending."""
    covered = archive.ranges + [(place.start, place.end) for place in directories if place.start >= 0]
    position = 0
    for start, end in sorted(covered):
        if start - position >= 30:
            yield position, start
        position = max(position, end)
    if len(archive.data) - position >= 30:
        yield position, len(archive.data)


def _member(archive: _Archive, stated: Header, local: Header) -> Yield:
    """One member, by what the directory and its local header say; where they differ, both readings."""
    if _is_refused(archive, stated, local):
        end = max(local.start, min(local.start + stated.packed, len(archive.data)))
        archive.ranges.append((local.offset, end))
        archive.read += end - local.offset
        archive.budget.spend(0)
        return
    differences = _differences(stated, local)
    if differences:
        message = f"directory and local header differ in {', '.join(differences)}: {shown(stated.name)}"
        if "name" in differences:
            message += f", locally {shown(local.name)}"
        yield problem(archive.address.child(stated.name), _STAGE, Reason.MISMATCH, message, anyway=True)
    end = local.start
    for method in dict.fromkeys((stated.method, local.method)):
        if (_looks_encrypted(stated, local) and stated.packed != stated.size and method == 0) or method == 99:
            result = None
        else:
            result = _unpack(archive, stated, local.start, method)
        claimed_end = min(local.start + stated.packed, len(archive.data))
        end = max(end, claimed_end if result is None else result.end)
        yield from _reading(archive, stated, local, method, result)
    archive.ranges.append((local.offset, end))
    archive.read += end - local.offset


def _is_refused(archive: _Archive, stated: Header, local: Header) -> bool:
    """Whether a member is not wanted, under either of its names."""
    refuses = archive.budget.refuses
    if refuses is None or archive.is_document:
        return False
    names = dict.fromkeys((stated.name, local.name))
    return any(refuses(archive.address.child(name), stated.size, stated.times) for name in names)


def _looks_encrypted(stated: Header, local: Header) -> bool:
    return bool((stated.flags | local.flags) & _STRONG_FLAGS)


def _differences(stated: Header, local: Header) -> list[str]:
    found = []
    if stated.name != local.name:
        found.append("name")
    if stated.method != local.method:
        found.append("method")
    if (stated.flags ^ local.flags) & ENCRYPTED_FLAG:
        found.append("encryption")
    if not local.flags & SIZES_BEHIND_FLAG and not stated.flags & 0x2000:
        if (stated.packed, stated.size) != (local.packed, local.size):
            found.append("size")
        if stated.crc != local.crc:
            found.append("checksum")
    return found


def _reading(archive: _Archive, stated: Header, local: Header, method: int, result: Unpacked | None) -> Yield:
    """One member under one method; ``result`` is None where its bytes cannot be had."""
    name, budget = stated.name, archive.budget
    where = archive.address.child(name)
    claimed_end = min(local.start + stated.packed, len(archive.data))
    good_checksum = result is not None and result.reason is None and zlib.crc32(result.data) == stated.crc
    # The flag alone is no proof: programs that want to be overlooked set it on members that are not encrypted.
    encrypted = (_looks_encrypted(stated, local) or method == 99) and not good_checksum
    if result is None or encrypted:
        budget.spend(len(result.data) if result else 0)
        method_name = METHODS.get(method, f"number {method}")
        what = "the member is encrypted" if encrypted else f"compression method is not supported: {method_name}"
        reason = Reason.ENCRYPTED if encrypted else Reason.UNSUPPORTED
        yield problem(where, _STAGE, reason, f"{what}: {shown(name)}", lost=claimed_end - local.start)
        return
    if name.endswith(b"/") and not result.data and result.reason is None:
        budget.spend(0)
        return
    budget.spend(max(len(result.data), result.end - local.offset if result.reason else 0))
    archive.given += 1
    yield Member(name, result.data, stated.times, archive.is_document and b"embeddings/" not in name)
    yield from _complaint(where, stated, local, result, good_checksum, claimed_end)
    if archive.is_document and name == b"META-INF/manifest.xml" and b"encryption-data" in result.data:
        yield problem(archive.address, _STAGE, Reason.ENCRYPTED, "parts of the document are encrypted")


def _complaint(
    where: Address, stated: Header, local: Header, result: Unpacked, good_checksum: bool, claimed_end: int
) -> Iterator[Problem]:
    """What is wrong with a member that was given."""
    name = shown(stated.name)
    sizes_known = not (stated is local and stated.flags & SIZES_BEHIND_FLAG)
    if result.reason is Reason.LIMIT:
        lost = max(stated.size - len(result.data), 0)
        yield problem(where, _STAGE, Reason.LIMIT, f"{result.detail}, the rest was not examined: {name}", lost=lost)
    elif result.reason is not None:
        lost = max(claimed_end - result.end, 0)
        yield problem(where, _STAGE, result.reason, f"{result.detail}: {name}", lost=lost)
    elif sizes_known and not good_checksum:
        yield problem(
            where, _STAGE, Reason.CORRUPT, f"the checksum is wrong, the bytes are examined as they are: {name}"
        )
    elif sizes_known and len(result.data) != stated.size:
        message = f"{len(result.data)} bytes come out of it where {stated.size} are claimed: {name}"
        yield problem(where, _STAGE, Reason.MISMATCH, message, anyway=True)


def _unpack(archive: _Archive, stated: Header, start: int, method: int) -> Unpacked | None:
    """The bytes of a member, None where its method is not supported."""
    data, budget = archive.data, archive.budget
    length = len(data)
    unknown_size = stated.flags & SIZES_BEHIND_FLAG and not stated.packed
    claimed = length if unknown_size else start + stated.packed
    if method == 0:
        end = find_next_mark(data, start) if unknown_size else claimed
        kept = min(end, length, start + budget.allowance(length))
        reason = Reason.TRUNCATED if end > length else Reason.LIMIT if kept < end else None
        detail = "the content ends before the member does" if end > length else "the member is longer than the limit"
        return Unpacked(bytes(data[start:kept]), min(end, length), reason, detail if reason else "")
    make = find_engine(data, start, method, budget)
    if make is None:
        return None
    begin = start + (9 if method == 14 else 0)
    found = unpack(make, data, begin, min(claimed, length), budget.allowance)
    if found.reason is Reason.TRUNCATED and claimed < length:
        # The claimed packed size may be a lie: the stream knows where it ends.
        further = unpack(make, data, begin, length, budget.allowance)
        if further.reason is None:
            return further
    if method == 14 and found.reason is Reason.TRUNCATED and len(found.data) == stated.size:
        return Unpacked(found.data, found.end)
    return found
