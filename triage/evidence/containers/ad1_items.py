"""The items of an AD1 image: a tree linked by offsets, with lists of attributes.

Source: see ``ad1.py``. Times 7, 8 and 9 are access, creation and modification; 0xC003 and 0xA002 are the change of the
metadata of ext and NTFS.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.containers.ad1_stream import ChunkStream, SegmentedStream
from triage.evidence.containers.logical import IMPLIED, Complaint, Member, Tell
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.problem import Reason
from triage.model.stream import MemoryStream, Stream
from triage.model.times import Times

MAX_NAME = 65536
MAX_ATTRIBUTES = 256
MAX_VALUE = 65536
MAX_ITEMS = 50_000_000
MAX_DEPTH = 4096
_ITEM = struct.Struct("<QQQQQII")
_ATTRIBUTE = struct.Struct("<QIII")
_TIME = re.compile(rb"^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(?:\.(\d{1,9}))?")
_WINDOWS_EPOCH = 116_444_736_000_000_000
_TIMES = ((7, "atime"), (8, "crtime"), (9, "mtime"), (0xA002, "ctime"), (0xC003, "ctime"))
_FOLDER, _DELETED = 5, 2


@dataclass(frozen=True, slots=True)
class _Item:
    next: int
    child: int
    attributes: int
    table: int
    size: int
    kind: int
    name: bytes


def parse_time(value: bytes) -> int | None:
    """Nanoseconds since 1970 of ``20170331T180231.189682`` in UTC, or of 100 ns since 1601 in 8 bytes."""
    if len(value) == 8:
        nanoseconds = (int.from_bytes(value, "little") - _WINDOWS_EPOCH) * 100
        return nanoseconds if abs(nanoseconds) < 1 << 63 else None
    match = _TIME.match(value)
    if match is None:
        return None
    try:
        moment = datetime(*(int(match[group]) for group in range(1, 7)), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return None
    whole = moment - datetime(1970, 1, 1, tzinfo=UTC)
    nanoseconds = (whole.days * 86400 + whole.seconds) * 1_000_000_000 + int((match[7] or b"0").ljust(9, b"0"))
    return nanoseconds if abs(nanoseconds) < 1 << 63 else None


class Ad1Reader:
    """The items of an image; see :class:`~triage.evidence.containers.logical.ArchiveReader`.

    Args:
        stream: The segments.
        first: Place of the first item.
        chunk_size: Decoded bytes in a chunk.
        prefix: Folder that all items lie in, of the name of the source; empty where it is none.

    Attributes:
        details: What the image says of itself.
    """

    def __init__(self, stream: SegmentedStream, first: int, chunk_size: int, prefix: bytes) -> None:
        self._stream = stream
        self._first = first
        self._chunk_size = chunk_size
        self._prefix = prefix
        self.details: dict[str, str] = {}

    # --- listing ------------------------------------------------------------------------------------------------
    def members(self) -> Iterator[Member | Complaint]:
        """All items, depth-first in stored order; each place once."""
        seen: set[int] = set()
        stack: list[tuple[int, bytes, int]] = [(self._first, self._prefix, 0)] if self._first else []
        while stack:
            place, path, depth = stack.pop()
            if place in seen or len(seen) >= MAX_ITEMS:
                yield Complaint(Reason.LOOP, f"the item at {place} is reached again, or there are too many", path)
                continue
            seen.add(place)
            try:
                item = self._item(place)
            except EvidenceError as error:
                yield Complaint(Reason.CORRUPT, error.message, path, "what is listed before it is examined")
                continue
            below = path + b"/" + _component(item.name)
            member, trouble = self._member(place, item, below)
            yield member
            if trouble:
                yield Complaint(Reason.CORRUPT, trouble, below)
            if item.next:
                stack.append((item.next, path, depth))
            if item.child and depth < MAX_DEPTH:
                stack.append((item.child, below, depth + 1))
            elif item.child:
                yield Complaint(Reason.LIMIT, f"more than {MAX_DEPTH} folders deep, not listed", path[:256])

    def _item(self, place: int) -> _Item:
        head = self._stream.read_at(place, _ITEM.size) if place < IMPLIED else b""
        if len(head) < _ITEM.size:
            raise CorruptStructureError(f"an item lies beyond the end of the image, at {place}")
        following, child, attributes, table, size, kind, length = _ITEM.unpack(head)
        name = self._stream.read_at(place + _ITEM.size, length) if length <= MAX_NAME else b""
        if len(name) < length or size >= 1 << 62:
            raise CorruptStructureError(f"the item at {place} does not hold")
        return _Item(following, child, attributes, table, size, kind, name)

    def _attributes(self, place: int) -> tuple[dict[int, bytes], str]:
        """Values by key, and what does not hold."""
        found: dict[int, bytes] = {}
        seen: set[int] = set()
        while place:
            if place in seen or len(seen) >= MAX_ATTRIBUTES:
                return found, "the list of attributes does not end"
            seen.add(place)
            try:
                head = self._stream.read_at(place, _ATTRIBUTE.size) if place < IMPLIED else b""
                if len(head) < _ATTRIBUTE.size:
                    return found, "the list of attributes leads beyond the end of the image"
                following, _, key, length = _ATTRIBUTE.unpack(head)
                value = self._stream.read_at(place + _ATTRIBUTE.size, min(length, MAX_VALUE))
            except EvidenceError as error:
                return found, error.message
            found.setdefault(key, value)
            place = following
        return found, ""

    def _member(self, place: int, item: _Item, path: bytes) -> tuple[Member, str]:
        attributes, trouble = self._attributes(item.attributes)
        times = {field: parse_time(attributes[key]) for key, field in _TIMES if key in attributes}
        mode, shape = attributes.get(0x2001, b""), attributes.get(2, b"")
        kind = EntryType.FILE
        caveats: list[str] = []
        if item.kind == _FOLDER or mode[:1] == b"d" or (shape == b"3" and not item.table):
            kind = EntryType.DIRECTORY
        elif mode[:1] == b"l":
            kind = EntryType.SYMLINK
        elif mode[:1] in (b"b", b"c", b"p", b"s"):
            kind = EntryType.OTHER
        if shape == b"6":
            caveats.append("slack behind a file, taken by the imaging program")
        if b"/" in item.name.strip(b"/"):
            caveats.append("its stored name has a slash, shown as an underscore")
        size = item.size if kind in (EntryType.FILE, EntryType.SYMLINK) else 0
        owner = attributes.get(0x2002, b"").decode("ascii", "replace")[:64]
        digest = _digest(attributes) if size else None
        stamps = Times(times.get("mtime"), times.get("atime"), times.get("ctime"), times.get("crtime"))
        member = Member(place + 2, path, kind, size, stamps, owner if owner.isprintable() else "", (),
                        tuple(caveats), item.kind != _DELETED, digest=digest, place=item)  # fmt: skip
        return member, trouble

    # --- content ------------------------------------------------------------------------------------------------
    def member(self, number: int) -> Member:
        """The item at a place."""
        return self._member(number - 2, self._item(number - 2), b"")[0]

    def content(self, member: Member, attribute: int, tell: Tell) -> Stream | tuple[ByteRun, ...]:
        """The bytes of a file."""
        del tell
        if attribute or not isinstance(member.place, _Item):
            raise CorruptStructureError("no such content")
        if not member.size:
            return MemoryStream(b"")
        return ChunkStream(self._stream, member.place.table, member.size, self._chunk_size)


def _component(name: bytes) -> bytes:
    """A name as one component of a path."""
    stripped = name.strip(b"\0")
    return stripped.replace(b"/", b"_") if stripped.strip(b"/") else b""


def _digest(attributes: dict[int, bytes]) -> tuple[str, str] | None:
    """The digest that the imaging program stored, as text or bytes."""
    for key, name, length in ((0x5002, "sha1", 20), (0x5001, "md5", 16)):
        value = attributes.get(key, b"")
        if len(value) == length:
            return name, value.hex()
        if len(value) == 2 * length and re.fullmatch(rb"[0-9a-fA-F]+", value):
            return name, value.decode("ascii").lower()
    return None
