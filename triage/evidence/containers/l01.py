"""Logical evidence files of EnCase, L01 and Lx01, through libewf.

The library opens files by itself, so it gets only paths that were looked at before. It knows files by their place in
the tree; here they are numbered depth-first. Digests that the file states of its members are compared as they are
read.

Source: Expert Witness Compression Format specification (Joachim Metz), section "Ltree".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from triage.errors import CorruptStructureError, ReadFailedError, UnsupportedFormatError
from triage.evidence.containers.archive_container import ArchiveContainer
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.containers.logical import Complaint, Member, Tell
from triage.evidence.containers.segment_file import DescriptorPool, SegmentFile, shown_name
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.problem import Reason
from triage.model.stream import MemoryStream, Stream
from triage.model.times import Times

SIGNATURES = (b"LVF\x09\x0d\x0a\xff\x00", b"LEF2\x0d\x0a\x81\x00")
MAX_ENTRIES = 5_000_000
MAX_DEPTH = 2000
_MAX_READ = 1 << 20
_FAILURES = (OSError, ValueError, MemoryError, TypeError, OverflowError, SystemError)
_TIMES = (
    ("mtime", "get_modification_time_as_integer"),
    ("atime", "get_access_time_as_integer"),
    ("ctime", "get_entry_modification_time_as_integer"),
    ("crtime", "get_creation_time_as_integer"),
)


def _words(error: BaseException) -> str:
    """First line of a library's message, printable, without its own function names."""
    lines = str(error).splitlines()
    return printable((lines[0] if lines else type(error).__name__).rpartition(": ")[2])[:200]


class EntryStream:
    """The bytes of one file.

    Args:
        entry: A ``pyewf.file_entry``.
        size: Bytes of it.
    """

    def __init__(self, entry: Any, size: int) -> None:
        self._entry = entry
        self._size = size

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: The library cannot give these bytes; what it gave is in ``partial``.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        parts: list[bytes] = []
        end = min(self._size, offset + length)
        while offset < end:
            try:
                part = bytes(self._entry.read_buffer_at_offset(min(end - offset, _MAX_READ), offset))
            except _FAILURES as error:
                message = f"libewf cannot read at {offset}: {_words(error)}"
                raise ReadFailedError(message, partial=b"".join(parts)) from error
            if not part:
                raise ReadFailedError(f"libewf returned nothing at {offset}", partial=b"".join(parts))
            parts.append(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""


class L01Reader:
    """The files of a set; see :class:`~triage.evidence.containers.logical.ArchiveReader`.

    Args:
        handle: An open ``pyewf.handle``.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._branches: list[tuple[int, ...]] = []
        self._complete = False

    def _root(self) -> Any:
        try:
            return self._handle.get_root_file_entry()
        except _FAILURES as error:
            raise CorruptStructureError(f"libewf finds no tree of files: {_words(error)}") from error

    def members(self) -> Iterator[Member | Complaint]:
        """All files and folders, depth-first in stored order."""
        for number, path, entry in self._walk():
            if isinstance(entry, Complaint):
                yield entry
                continue
            try:
                yield self._member(number, path, entry)
            except _FAILURES as error:
                yield Complaint(Reason.CORRUPT, f"libewf cannot describe a file: {_words(error)}", path)

    def _walk(self) -> Iterator[tuple[int, bytes, Any]]:
        """Number, path and entry of each; remembers the branches that lead there."""
        stack: list[tuple[tuple[int, ...], bytes, Any]] = [((), b"", self._root())]
        number = 1
        known = len(self._branches)
        while stack:
            branch, path, entry = stack.pop()
            if branch:
                number += 1
                if number - 2 >= known:
                    self._branches.append(branch)
                yield number, path, entry
            try:
                count = int(entry.get_number_of_sub_file_entries())
                if number + count > MAX_ENTRIES or (count and len(branch) >= MAX_DEPTH):
                    words = f"more than {MAX_ENTRIES} files or {MAX_DEPTH} folders deep, not listed"
                    yield number, path, Complaint(Reason.LIMIT, words, path[:256])
                    continue
                below = [entry.get_sub_file_entry(index) for index in range(count)]
                names = [_name(child) for child in below]
            except _FAILURES as error:
                words = f"libewf cannot list a folder: {_words(error)}"
                yield number, path, Complaint(Reason.CORRUPT, words, path)
                continue
            stack += [
                ((*branch, index), path + b"/" + names[index], below[index]) for index in range(count - 1, -1, -1)
            ]
        self._complete = True

    def _member(self, number: int, path: bytes, entry: Any) -> Member:
        size = int(entry.get_size())
        # The flag for folders is not given out: what has no bytes and no digest, but names below, is one.
        folder = bool(int(entry.get_number_of_sub_file_entries()))
        times: dict[str, int | None] = {}
        for field, getter in _TIMES:
            seconds = _given(entry, getter)
            sound = isinstance(seconds, int) and seconds and abs(seconds) < 1 << 33
            times[field] = seconds * 1_000_000_000 if sound else None
        digest = None
        for algorithm, length in (("sha1", 40), ("md5", 32)):
            stated = str(_given(entry, f"get_hash_value_{algorithm}") or "").lower()
            if digest is None and len(stated) == length and not set(stated) - set("0123456789abcdef"):
                digest = (algorithm, stated) if stated.strip("0") else None
        kind = EntryType.DIRECTORY if folder else EntryType.FILE
        stamps = Times(times.get("mtime"), times.get("atime"), times.get("ctime"), times.get("crtime"))
        return Member(number, path, kind, max(0, size) if not folder else 0, stamps, digest=digest,
                      place=entry)  # fmt: skip

    def member(self, number: int) -> Member:
        """The file of a number."""
        if not self._complete and number - 2 >= len(self._branches):
            for _ in self._walk():
                pass
        if not 0 <= number - 2 < len(self._branches):
            raise CorruptStructureError(f"no file of number {number} in the logical image")
        try:
            entry = self._root()
            for index in self._branches[number - 2]:
                entry = entry.get_sub_file_entry(index)
            return self._member(number, b"", entry)
        except _FAILURES as error:
            raise CorruptStructureError(f"libewf cannot find a file again: {_words(error)}") from error

    def content(self, member: Member, attribute: int, tell: Tell) -> Stream | tuple[ByteRun, ...]:
        """The bytes of a file."""
        del tell
        if attribute or member.place is None:
            raise CorruptStructureError("no such content")
        return EntryStream(member.place, member.size) if member.size else MemoryStream(b"")


def _given(entry: Any, getter: str) -> Any:
    """A value of an entry; None where the library has none."""
    try:
        return getattr(entry, getter)()
    except _FAILURES:
        return None


def _name(entry: Any) -> bytes:
    name = str(entry.get_name() or "")
    return name.replace("/", "_").encode("utf-8", "surrogatepass")


class L01Container(ArchiveContainer):
    """An L01 or Lx01 set.

    Args:
        files: Segments in order.
        handle: An open ``pyewf.handle``; closed with the container.
    """

    def __init__(self, files: list[SegmentFile], handle: Any) -> None:
        super().__init__("l01", "l01", files, L01Reader(handle))
        self._handle = handle
        values = dict(handle.get_header_values())
        self.details = {printable(str(name)): printable(str(value)) for name, value in values.items() if value}

    def close(self) -> None:
        """Close the files; a second call does nothing."""
        super().close()
        try:
            self._handle.close()
        except _FAILURES:
            return


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for the signatures of L01 and Lx01."""
    del paths
    return head[:8] in SIGNATURES


def open_container(paths: tuple[Path, ...], evidence_name: str) -> L01Container:
    """An L01 or Lx01 set.

    Raises:
        SourceNotFoundError: A file cannot be read.
        UnsupportedFormatError: libewf is not installed.
        CorruptStructureError: The library refuses the set.
    """
    del evidence_name
    name = shown_name(paths[0])
    pool = DescriptorPool()
    files: list[SegmentFile] = []
    try:
        for path in paths:
            files.append(SegmentFile(path, pool))
        try:
            import pyewf
        except ImportError as error:
            raise UnsupportedFormatError(
                f"logical evidence file (L01) needs libewf, which is not installed: {name}",
                hint="install libewf-python, or export its files with the program that made it",
            ) from error
        handle = pyewf.handle()
        try:
            handle.open([str(path) for path in paths])
            return L01Container(files, handle)
        except _FAILURES as error:
            raise CorruptStructureError(
                f"libewf cannot open {name}: {_words(error)}", hint="compare with another copy of the image"
            ) from error
    except BaseException:
        for file in files:
            file.close()
        raise
