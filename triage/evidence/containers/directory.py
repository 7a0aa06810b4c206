"""A folder of this machine as evidence: a mounted file system, or an export of a phone.

Everything in it may be hostile and may change while it is read. Symbolic links are never followed, not even in the
middle of a path: each component is opened on its own from the folder handed in. Pipes, sockets and devices are listed
and never opened. A folder where another file system is mounted is named and not entered. Where the system allows it,
reading leaves the access times alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from triage.errors import ReadFailedError
from triage.evidence.containers.directory_root import Root, words
from triage.evidence.containers.directory_stream import FileStream
from triage.evidence.interface import Extents
from triage.model.address import Address
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.model.stream import MemoryStream, Stream
from triage.model.times import Times
from triage.model.volume import Volume

STAGE = "evidence/directory"
MAX_PATH = 131_072
MAX_ATTRIBUTES = 1000
_OTHERS = ((stat.S_ISFIFO, "FIFO"), (stat.S_ISSOCK, "socket"), (stat.S_ISBLK, "block device"),
           (stat.S_ISCHR, "character device"))  # fmt: skip
_TYPES = {stat.S_IFREG: EntryType.FILE, stat.S_IFDIR: EntryType.DIRECTORY, stat.S_IFLNK: EntryType.SYMLINK}
_LARGEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class _Found:
    """A name in a folder with what the system says of it, or why it says nothing."""

    name: bytes
    facts: os.stat_result | None
    error: str = ""
    attributes: tuple[bytes, ...] = ()


class DirectoryFileSystem:
    """The files below a folder; see :class:`~triage.evidence.interface.FileSystem`.

    Args:
        root: The folder.
        volume: For addresses.
        evidence_name: For addresses.
        note: Takes Problems that reading brings up.
    """

    name = "directory"
    block_size = 0
    size = 0

    def __init__(self, root: Root, volume: Volume, evidence_name: str, note: Callable[[Problem], None]) -> None:
        self._root = root
        self._volume = volume
        self._evidence = evidence_name
        self._note = note

    # --- listing ------------------------------------------------------------------------------------------------
    def walk(
        self, *, skip: frozenset[int] = frozenset(), entering: Callable[[int, bytes], None] | None = None
    ) -> Iterator[Entry | Problem]:
        """All entries, depth-first, the names of a folder sorted by their bytes."""
        seen: set[tuple[int, int]] = set()
        stack: list[tuple[int, bytes]] = [(0, b"")]
        while stack:
            number, path = stack.pop()
            if number in skip:
                yield self._problem(path, Reason.LOOP, "the folder was left out")
                continue
            if entering is not None:
                entering(number, path or b"/")
            try:
                found, identity = self._list(path)
            except OSError as error:
                yield self._problem(path, Reason.UNREADABLE, f"the folder cannot be read: {words(error)}",
                                    "check the permissions")  # fmt: skip
                continue
            if identity in seen:
                yield self._problem(path, Reason.LOOP, "the folder stands in another path as well", anyway=True)
                continue
            seen.add(identity)
            inner: list[tuple[int, bytes]] = []
            for item in found:
                yield from self._entries(path + b"/" + item.name, item, inner)
            stack += reversed(inner)

    def _list(self, path: bytes) -> tuple[list[_Found], tuple[int, int]]:
        """Names in a folder, sorted, and the identity of the folder."""
        descriptor = self._root.open_folder(path)
        try:
            facts = os.fstat(descriptor)
            names = sorted(os.fsencode(name) for name in os.listdir(descriptor))
            return [self._look(name, descriptor) for name in names], (facts.st_dev, facts.st_ino)
        finally:
            os.close(descriptor)

    @staticmethod
    def _look(name: bytes, parent: int) -> _Found:
        try:
            facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except OSError as error:
            return _Found(name, None, words(error))
        if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
            return _Found(name, facts)
        return _Found(name, facts, attributes=_attribute_names(f"/proc/self/fd/{parent}/".encode() + name))

    def _entries(self, path: bytes, item: _Found, inner: list[tuple[int, bytes]]) -> Iterator[Entry | Problem]:
        facts = item.facts
        if facts is None:
            yield self._problem(path, Reason.UNREADABLE, f"the system says nothing of it: {item.error}",
                                "it may have vanished while the folder was read")  # fmt: skip
            yield Entry(self._address(path), EntryType.OTHER, 0, 0, caveats=("its metadata cannot be read",))
            return
        mode = facts.st_mode
        caveats = tuple(kind for test, kind in _OTHERS if test(mode))
        kind = _TYPES.get(stat.S_IFMT(mode), EntryType.OTHER)
        number = facts.st_ino & _LARGEST
        size = facts.st_size if kind in (EntryType.FILE, EntryType.SYMLINK) else 0
        birth = getattr(facts, "st_birthtime", None)
        times = Times(facts.st_mtime_ns, facts.st_atime_ns, facts.st_ctime_ns, int(birth * 1e9) if birth else None)
        owner = str(facts.st_uid)
        yield Entry(self._address(path), kind, size, number, times=times, owner=owner, caveats=caveats)
        for index, name in enumerate(item.attributes, 1):
            yield Entry(self._address(path, name), EntryType.FILE, self._attribute_size(path, name), number,
                        attribute_id=index, times=times, owner=owner)  # fmt: skip
        if kind is not EntryType.DIRECTORY:
            return
        if facts.st_dev != self._root.device:
            yield self._problem(path, Reason.UNSUPPORTED, "another file system is mounted here, not entered",
                                "hand it in as evidence of its own")  # fmt: skip
        elif len(path) > MAX_PATH:
            yield self._problem(path[:256], Reason.LIMIT, f"path longer than {MAX_PATH} bytes, not listed")
        else:
            inner.append((number, path))

    # --- content ------------------------------------------------------------------------------------------------
    def open_entry(self, entry: Entry) -> Stream:
        """The content of an entry.

        Raises:
            ReadFailedError: It cannot be opened, or is no longer what it was.
        """
        path = entry.address.path
        try:
            if entry.attribute_id:
                return MemoryStream(self._attribute(path, entry.address.stream))
            if entry.entry_type is EntryType.SYMLINK:
                return MemoryStream(self._root.read_link(path))
            if entry.entry_type is not EntryType.FILE:
                return MemoryStream(b"")
            return self._open(entry, path)
        except OSError as error:
            raise ReadFailedError(f"it cannot be opened: {words(error)}", hint="check the permissions") from error

    def _open(self, entry: Entry, path: bytes) -> FileStream:
        stream = FileStream(self._root.open_file(path), entry.size)
        facts = stream.facts
        if not stat.S_ISREG(facts.st_mode):
            stream.close()
            raise ReadFailedError("it is no longer a regular file")
        listed = entry.times.mtime  # an entry that is opened by its address alone has no times
        touched = listed is not None and listed != facts.st_mtime_ns
        if touched or (facts.st_ino & _LARGEST, facts.st_size) != (entry.meta_address, entry.size):
            message = f"the file changed after it was listed: it has {facts.st_size} bytes, {entry.size} were listed"
            self._note(self._problem(path, Reason.MISMATCH, message, "work on a copy that nobody writes to"))
        return stream

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
        """None: a folder has no image in which a place could be told."""
        del entry
        return ()

    def unallocated(self) -> Iterator[ByteRun]:
        """Nothing: a folder has no space that no file owns."""
        return iter(())

    def slack_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Nothing: a content has no data units of its own."""
        return ()

    def extents(self, entry: Entry) -> Extents:
        """None: there is no disk that a file has bytes of."""
        del entry
        return Extents()

    def close(self) -> None:
        """Nothing to release: the container closes the folder."""

    # --- helpers ------------------------------------------------------------------------------------------------
    def _attribute(self, path: bytes, name: bytes) -> bytes:
        """Value of an extended attribute.

        Raises:
            OSError: It cannot be read.
        """
        folder, _, last = path.rpartition(b"/")
        parent = self._root.open_folder(folder)
        try:
            return os.getxattr(f"/proc/self/fd/{parent}/".encode() + last, name, follow_symlinks=False)
        finally:
            os.close(parent)

    def _attribute_size(self, path: bytes, name: bytes) -> int:
        try:
            return len(self._attribute(path, name))
        except OSError:
            return 0

    def _address(self, path: bytes, stream: bytes = b"") -> Address:
        return Address(self._evidence, self._volume.name, path or b"/", stream)

    def _problem(self, path: bytes, reason: Reason, message: str, hint: str = "", *, anyway: bool = False) -> Problem:
        return Problem(str(self._address(path)), STAGE, reason, message, hint, examined_anyway=anyway)


def _attribute_names(path: bytes) -> tuple[bytes, ...]:
    """Extended attributes that users set; none where the system has none."""
    if not hasattr(os, "listxattr"):
        return ()
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return ()
    return tuple(sorted(os.fsencode(name) for name in names if name.startswith("user.")))[:MAX_ATTRIBUTES]


class DirectoryContainer:
    """A folder; see :class:`~triage.evidence.containers.logical.LogicalContainer`. Its media are empty.

    Args:
        root: Closed with the container.
    """

    name = "directory"
    logical = "directory"
    sector_size = 512

    def __init__(self, root: Root) -> None:
        self._root = root
        self._noted: list[Problem] = []
        self._told: set[Problem] = set()
        self.media: Stream = MemoryStream(b"")
        self.paths = (root.path,)
        self.stored_hashes: dict[str, str] = {}
        self.details: dict[str, str] = {}
        self.problems: tuple[Problem, ...] = ()

    def file_system(self, volume: Volume, evidence_name: str) -> DirectoryFileSystem:
        """The file system of all files below."""
        return DirectoryFileSystem(self._root, volume, evidence_name, self._note)

    def _note(self, problem: Problem) -> None:
        if problem not in self._told and len(self._told) < MAX_ATTRIBUTES:
            self._told.add(problem)
            self._noted.append(problem)

    def read_problems(self) -> tuple[Problem, ...]:
        """Files that changed since they were listed, each once."""
        found, self._noted = tuple(self._noted), []
        return found

    def changed(self) -> tuple[Path, ...]:
        """The folder, where its path no longer leads to it; files are looked at as they are read."""
        return (self._root.path,) if self._root.is_changed() else ()

    def close(self) -> None:
        """Close the folder; a second call does nothing."""
        self._root.close()


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for one folder."""
    del head
    try:
        return len(paths) == 1 and stat.S_ISDIR(os.stat(paths[0]).st_mode)
    except (OSError, ValueError):
        return False


def open_container(paths: tuple[Path, ...], evidence_name: str) -> DirectoryContainer:
    """A folder.

    Raises:
        SourceNotFoundError: It is none, or cannot be read.
    """
    del evidence_name
    return DirectoryContainer(Root(paths[0]))
