"""One walk for every file system that we read ourselves.

A reader gives a :class:`Tree`: nodes by number, the names in a directory, where a content lies. This module makes of
it what every file system promises: each directory descended once, without recursion, entries in stored order, deleted
nodes under ``$OrphanFiles``, and a Problem wherever something does not hold, with the rest going on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from triage.errors import (
    EncryptedVolumeError,
    EvidenceError,
    LimitExceededError,
    ReadFailedError,
    UnsupportedFormatError,
)
from triage.evidence.filesystems.cut_stream import Placed
from triage.evidence.filesystems.run_stream import RunStream
from triage.evidence.interface import NO_FREE_SPACE, Extents
from triage.model.address import Address
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.model.stream import MemoryStream, Stream
from triage.model.times import Times
from triage.model.volume import Volume

MAX_PATH = 131_072
"""Bytes of a path; deeper directories are not listed."""
MAX_REPEATS = 1000
"""Directories reached again, and damaged records, that become Problems one by one."""
ORPHANS = b"/$OrphanFiles"
_REASONS = (
    (LimitExceededError, Reason.LIMIT),
    (ReadFailedError, Reason.UNREADABLE),
    (UnsupportedFormatError, Reason.UNSUPPORTED),
    (EncryptedVolumeError, Reason.ENCRYPTED),
)


@dataclass(frozen=True, slots=True)
class Attribute:
    """One data attribute of a node beside its default data.

    Attributes:
        name: As stored: name of a resource fork, alternate stream or extended attribute.
        size: Bytes.
        number: Tells the attributes of a node apart; 0 is the default data.
    """

    name: bytes
    size: int
    number: int


@dataclass(frozen=True, slots=True)
class Node:
    """One metadata record.

    Attributes:
        number: Inode or object number.
        entry_type: File, directory, symbolic link, other.
        size: Bytes of the default data, as declared.
        times: As stored.
        owner: User number as text, empty where there is none.
        attributes: Data attributes beside the default one.
        allocated: The record is in use.
        caveats: What a reader of a result must know.
        damage: What of the record does not hold though it is used; each a Problem, and a caveat as well.
    """

    number: int
    entry_type: EntryType
    size: int
    times: Times = field(default_factory=Times)
    owner: str = ""
    attributes: tuple[Attribute, ...] = ()
    allocated: bool = True
    caveats: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Name:
    """One name in a directory.

    Attributes:
        name: As stored, without ``.`` and ``..``.
        number: The node it leads to.
        allocated: False for a name that was deleted and still stands there.
        reused: The node belongs to another file by now, so its content is not this name's.
    """

    name: bytes
    number: int
    allocated: bool = True
    reused: bool = False


class Tree(Protocol):
    """What a reader of a file system provides.

    Attributes:
        name: ``xfs``, ``btrfs`` ...
        block_size: Bytes in a data unit.
        root: Number of the root directory.
        is_mapped: ``fs_offset`` of runs are places in the volume.

    A tree that knows where the file system ends in the volume has ``size`` too, bytes; what lies behind is slack.
    """

    name: str
    block_size: int
    root: int

    def node(self, number: int) -> Node:
        """The record of a number.

        Raises:
            EvidenceError: It does not hold or cannot be read.
        """
        ...

    def names(self, number: int) -> Iterable[Name | EvidenceError]:
        """Names in a directory, in stored order; an error for each part of it that does not hold.

        Raises:
            EvidenceError: The directory cannot be read.
        """
        ...

    def content(self, node: Node, attribute: int) -> Stream | tuple[ByteRun, ...]:
        """A content: its runs in the volume where these are its bytes, else a stream (inline, compressed).

        Raises:
            EncryptedVolumeError: It is encrypted.
            EvidenceError: It cannot be read.
        """
        ...

    def unlinked(self) -> Iterable[Node | EvidenceError]:
        """Records that no name leads to and that still say where their content was."""
        ...

    def free_runs(self) -> Iterable[tuple[int, int]]:
        """Space that no file owns: offset in the volume and length, bytes, ascending.

        Raises:
            EvidenceError: It cannot be told.
        """
        ...


class TreeFileSystem:
    """A file system over a tree; see :class:`~triage.evidence.interface.FileSystem`.

    Args:
        tree: The reader.
        stream: Bytes of the volume, from its beginning.
        volume: Where it lies.
        evidence_name: For the addresses of entries.

    Attributes:
        stream: As handed in; places of runs count in it.
    """

    def __init__(self, tree: Tree, stream: Stream, volume: Volume, evidence_name: str) -> None:
        self.name = tree.name
        self.block_size = tree.block_size
        self.size = min(max(0, int(getattr(tree, "size", 0))), stream.size)
        self._tree = tree
        self.stream = stream
        self._volume = volume
        self._evidence = evidence_name
        self._base = -1 if volume.parent else volume.image_offset
        self._last: tuple[int, Node | None] = (-1, None)
        self._damages = 0

    # --- listing ------------------------------------------------------------------------------------------------
    def walk(
        self, *, skip: frozenset[int] = frozenset(), entering: Callable[[int, bytes], None] | None = None
    ) -> Iterator[Entry | Problem]:
        """All entries: names depth-first in stored order, then nodes without a name."""
        seen: set[int] = set()
        stack: list[tuple[int, bytes]] = [(self._tree.root, b"")]
        listed: dict[int, bytes] = {}
        repeats = 0
        while stack:
            number, path = stack.pop()
            if number in listed:
                repeats += 1
                if repeats <= MAX_REPEATS:
                    words = f"the directory stands in {(len(listed[number]) and 'another') or 'the root'} path as well"
                    yield self._problem(path, Reason.LOOP, f"{words}: inode {number}", anyway=True)
                continue
            listed[number] = path
            if number in skip:
                yield self._problem(path, Reason.LOOP, f"the directory with inode {number} was left out")
                continue
            if entering is not None:
                entering(number, path or b"/")
            inner: list[tuple[int, bytes]] = []
            yield from self._directory(number, path, seen, inner)
            stack += reversed(inner)
        if repeats > MAX_REPEATS:
            yield self._problem(b"", Reason.LOOP, f"{repeats} directories were reached again", anyway=True)
        if NO_FREE_SPACE not in skip:
            yield from self._unlinked(seen, entering)

    def _directory(
        self, number: int, path: bytes, seen: set[int], inner: list[tuple[int, bytes]]
    ) -> Iterator[Entry | Problem]:
        try:
            for name in self._tree.names(number):
                if isinstance(name, EvidenceError):
                    yield self._failed(path, name)
                    continue
                below = path + b"/" + name.name
                try:
                    node = self._tree.node(name.number)
                except EvidenceError as error:
                    yield self._failed(below, error)
                    yield Entry(self._address(below), EntryType.OTHER, 0, name.number, alloc_name=name.allocated,
                                alloc_inode=False, caveats=("its metadata record cannot be read",))  # fmt: skip
                    continue
                if name.reused:
                    yield replace(self._entry(below, node, b"", 0, 0, False, False, node.entry_type), reused=True)
                    continue
                if name.number not in seen:
                    yield from self._damaged(below, node)
                seen.add(name.number)
                yield from self._entries(below, node, name.allocated)
                if node.entry_type is not EntryType.DIRECTORY:
                    continue
                if len(below) > MAX_PATH:
                    yield self._problem(below[:256], Reason.LIMIT, f"path longer than {MAX_PATH} bytes, not listed")
                else:
                    inner.append((name.number, below))
        except (EvidenceError, LimitExceededError) as error:
            yield self._failed(path, error)

    def _unlinked(self, seen: set[int], entering: Callable[[int, bytes], None] | None) -> Iterator[Entry | Problem]:
        if entering is not None:
            entering(0, ORPHANS)
        try:
            for node in self._tree.unlinked():
                if isinstance(node, EvidenceError):
                    yield self._failed(ORPHANS, node)
                elif node.number not in seen:
                    yield from self._damaged(ORPHANS, node)
                    yield from self._entries(ORPHANS + b"/OrphanFile-%d" % node.number, node, False, orphan=True)
        except (EvidenceError, LimitExceededError) as error:
            yield self._failed(ORPHANS, error)

    def _damaged(self, path: bytes, node: Node) -> Iterator[Problem]:
        """What does not hold of a node, up to a number of nodes; then once that there are more."""
        for words in node.damage:
            self._damages += 1
            if self._damages <= MAX_REPEATS:
                yield self._problem(path, Reason.CORRUPT, f"{words}: inode {node.number}")
            elif self._damages == MAX_REPEATS + 1:
                yield self._problem(b"", Reason.CORRUPT, f"more than {MAX_REPEATS} damaged records: the rest untold")

    def _entries(self, path: bytes, node: Node, allocated: bool, *, orphan: bool = False) -> Iterator[Entry]:
        """An entry for the default data, and one for each further attribute."""
        yield self._entry(path, node, b"", node.size, 0, allocated, orphan, node.entry_type)
        for attribute in node.attributes:
            yield self._entry(path, node, attribute.name, attribute.size, attribute.number, allocated, orphan,
                              EntryType.FILE)  # fmt: skip

    def _entry(
        self, path: bytes, node: Node, name: bytes, size: int, number: int, allocated: bool, orphan: bool,
        entry_type: EntryType,
    ) -> Entry:  # fmt: skip
        return Entry(
            address=self._address(path, name),
            entry_type=entry_type,
            size=size,
            meta_address=node.number,
            attribute_id=number,
            alloc_name=allocated,
            alloc_inode=node.allocated,
            orphan=orphan,
            times=node.times,
            owner=node.owner,
            caveats=(*node.caveats, *node.damage),
        )

    # --- content ------------------------------------------------------------------------------------------------
    def open_entry(self, entry: Entry) -> Stream:
        """The content of an entry.

        Raises:
            EvidenceError: The content cannot be opened.
        """
        node = self._node(entry.meta_address)
        if node.entry_type is EntryType.DIRECTORY and not entry.attribute_id:
            return MemoryStream(b"")
        found = self._tree.content(node, entry.attribute_id)
        return RunStream(self.stream, found, entry.size) if isinstance(found, tuple) else found

    def read_whole(self, entry: Entry, limit: int) -> bytes:
        """The content of an entry, at most ``limit`` bytes.

        Raises:
            EvidenceError: The content cannot be read.
        """
        stream = self.open_entry(entry)
        try:
            return stream.read_at(0, min(entry.size, limit))
        finally:
            stream.close()

    def byte_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Where the content lies; empty where its bytes lie nowhere as they are (inline, compressed)."""
        node = self._node(entry.meta_address)
        if node.entry_type is EntryType.DIRECTORY and not entry.attribute_id:
            return ()
        found = self._tree.content(node, entry.attribute_id)
        if not isinstance(found, tuple):
            found.close()
            return ()
        return tuple(
            ByteRun(
                run.file_offset,
                run.fs_offset,
                self._in_image(run.fs_offset),
                min(run.length, entry.size - run.file_offset),
            )
            for run in found
            if run.file_offset < entry.size
        )

    def unallocated(self) -> Iterator[ByteRun]:
        """Space that no file owns, ascending; ``file_offset`` counts through it.

        Raises:
            EvidenceError: It cannot be told.
        """
        position = 0
        for start, length in self._tree.free_runs():
            yield ByteRun(position, start, self._in_image(start), length)
            position += length

    def slack_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Bytes between the end of a content and the end of its last data unit, where they lie as they are."""
        return self._tail(self.byte_runs(entry), entry.size)

    def extents(self, entry: Entry) -> Extents:
        """Where bytes lie that a file has in the volume; none for what lies in its record.

        Raises:
            EvidenceError: It cannot be told.
        """
        node = self._node(entry.meta_address)
        try:
            found = self._tree.content(node, entry.attribute_id)
        except EncryptedVolumeError:
            return Extents()
        if not isinstance(found, tuple):
            places = tuple(place for place in found.places() if place[1] > 0) if isinstance(found, Placed) else ()
            found.close()
            return Extents(places)
        runs = [(run.fs_offset, min(run.length, entry.size - run.file_offset)) for run in found if run.fs_offset >= 0]
        content = tuple((start, length) for start, length in runs if length > 0)
        return Extents(content, tuple((run.fs_offset, run.length) for run in self._tail(found, entry.size)))

    def close(self) -> None:
        """Let go of the tree; a second call does nothing."""
        self._last = (-1, None)

    # --- helpers ------------------------------------------------------------------------------------------------
    def _tail(self, runs: tuple[ByteRun, ...], size: int) -> tuple[ByteRun, ...]:
        """What of the last data unit lies behind a content of some size."""
        last = next((run for run in reversed(runs) if run.file_offset < size), None)
        if last is None or last.fs_offset < 0 or not self.block_size:
            return ()
        end = last.fs_offset + min(last.length, size - last.file_offset)
        if last.file_offset + last.length < size or not end % self.block_size:
            return ()
        return (ByteRun(0, end, self._in_image(end), self.block_size - end % self.block_size),)

    def _in_image(self, fs_offset: int) -> int:
        return fs_offset + self._base if fs_offset >= 0 and self._base >= 0 else -1

    def _node(self, number: int) -> Node:
        """The node of a number; the last one is kept."""
        if self._last[0] != number or self._last[1] is None:
            self._last = (number, self._tree.node(number))
        node = self._last[1]
        if node is None:  # for the type checker: it was just set
            raise ReadFailedError(f"no metadata record: {number}")
        return node

    def _address(self, path: bytes, stream: bytes = b"") -> Address:
        return Address(self._evidence, self._volume.name, path or b"/", stream)

    def _failed(self, path: bytes, error: EvidenceError | LimitExceededError) -> Problem:
        reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), Reason.CORRUPT)
        return self._problem(path, reason, error.message, error.hint or "")

    def _problem(self, path: bytes, reason: Reason, message: str, hint: str = "", *, anyway: bool = False) -> Problem:
        return Problem(str(self._address(path)), f"evidence/{self.name}", reason, message, hint, examined_anyway=anyway)
