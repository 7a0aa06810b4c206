"""The members of an archive as a file system: listed in stored order as the headers are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from triage.errors import EvidenceError, LimitExceededError, ReadFailedError
from triage.evidence.containers.logical import IMPLIED, ArchiveReader, Complaint, Member, Tell, split_path
from triage.evidence.containers.logical_stream import DigestStream
from triage.evidence.filesystems.run_stream import RunStream
from triage.evidence.filesystems.tree import Attribute
from triage.evidence.interface import Extents
from triage.model.address import Address
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.model.stream import MemoryStream, Stream
from triage.model.volume import Volume

MAX_COMPLAINTS = 1000
"""Things wrong in one archive that become Problems one by one."""


class ArchiveFileSystem:
    """The members of an archive as a file system; see :class:`~triage.evidence.interface.FileSystem`.

    Args:
        name: ``tar``, ``zip`` ...
        reader: The archive.
        media: Bytes that runs count in.
        volume: For addresses.
        evidence_name: For addresses.
        note: Takes Problems that reading brings up.
    """

    block_size = 0
    size = 0

    def __init__(
        self,
        name: str,
        reader: ArchiveReader,
        media: Stream,
        volume: Volume,
        evidence_name: str,
        note: Callable[[Problem], None],
    ) -> None:
        self.name = name
        self._reader = reader
        self._media = media
        self._volume = volume
        self._evidence = evidence_name
        self._note = note

    # --- listing ------------------------------------------------------------------------------------------------
    def walk(
        self, *, skip: frozenset[int] = frozenset(), entering: Callable[[int, bytes], None] | None = None
    ) -> Iterator[Entry | Problem]:
        """All members in stored order, the folders that only their names tell of in front of them."""
        enter = entering or (lambda number, path: None)
        enter(1, b"/")
        folders: set[bytes] = {b""}
        seen: set[bytes] = set()
        complaints = 0
        try:
            for item in self._reader.members():
                if isinstance(item, Complaint):
                    complaints += 1
                    if complaints <= MAX_COMPLAINTS:
                        yield self._problem(item)
                elif item.number in skip:
                    yield self._problem(Complaint(Reason.LOOP, "the member was left out", item.path))
                else:
                    enter(item.number, b"/" + item.path)
                    yield from self._entries(item, folders, seen)
        except (EvidenceError, LimitExceededError) as error:
            reason = Reason.LIMIT if isinstance(error, LimitExceededError) else Reason.CORRUPT
            yield self._problem(Complaint(reason, error.message, hint=error.hint or ""))
        if complaints > MAX_COMPLAINTS:
            yield self._problem(Complaint(Reason.CORRUPT, f"{complaints} things do not hold; not all are listed"))

    def _entries(self, member: Member, folders: set[bytes], seen: set[bytes]) -> Iterator[Entry]:
        parts = split_path(member.path)
        if not parts:
            return
        path = b"".join(b"/" + part for part in parts[:-1])
        if path not in folders:
            yield from self._implied(parts[:-1], folders)
        path += b"/" + parts[-1]
        caveats = member.caveats
        if b".." in parts:
            caveats = (*caveats, "its stored name leads out of the archive")
        if member.entry_type is EntryType.DIRECTORY:
            folders.add(path)
        elif path in seen:
            caveats = (*caveats, "another member in front of it has the same name")
        else:
            seen.add(path)
        yield self._entry(member, path, Attribute(b"", member.size, 0), member.entry_type, caveats)
        for attribute in member.attributes:
            yield self._entry(member, path, attribute, EntryType.FILE, caveats)

    def _implied(self, parts: tuple[bytes, ...], folders: set[bytes]) -> Iterator[Entry]:
        """Folders on the way to a member that nothing told of yet."""
        path = b""
        for part in parts:
            path += b"/" + part
            if path not in folders:
                number = IMPLIED + len(folders)
                folders.add(path)
                yield Entry(self._address(path), EntryType.DIRECTORY, 0, number, virtual=True)

    def _entry(
        self, member: Member, path: bytes, attribute: Attribute, entry_type: EntryType, caveats: tuple[str, ...]
    ) -> Entry:
        return Entry(
            address=self._address(path, attribute.name),
            entry_type=entry_type,
            size=attribute.size,
            meta_address=member.number,
            attribute_id=attribute.number,
            alloc_name=member.allocated,
            alloc_inode=member.allocated,
            virtual=member.virtual,
            times=member.times,
            owner=member.owner,
            caveats=caveats,
        )

    # --- content ------------------------------------------------------------------------------------------------
    def _found(self, entry: Entry) -> tuple[Member | None, Stream | tuple[ByteRun, ...]]:
        if entry.entry_type is EntryType.DIRECTORY or entry.meta_address >= IMPLIED:
            return None, MemoryStream(b"")
        try:
            member = self._reader.member(entry.meta_address)
            return member, self._reader.content(member, entry.attribute_id, self._teller(entry))
        except LimitExceededError as error:
            raise ReadFailedError(error.message, hint=error.hint) from error

    def _teller(self, entry: Entry) -> Tell:
        path = entry.address.path
        return lambda complaint: self._note(self._problem(complaint, path))

    def open_entry(self, entry: Entry) -> Stream:
        """The content of an entry; where the archive states a digest, it is compared as the content is read in order.

        Raises:
            EvidenceError: The content cannot be opened.
        """
        member, found = self._found(entry)
        stream = RunStream(self._media, found, entry.size) if isinstance(found, tuple) else found
        if member is None or member.digest is None or entry.attribute_id or member.entry_type is not EntryType.FILE:
            return stream
        algorithm, stated = member.digest
        tell = self._teller(entry)

        def differs(found: str) -> None:
            words = (
                f"the {algorithm} of the bytes is {found}, the archive states {stated}; they are examined as they are"
            )
            tell(Complaint(Reason.CORRUPT, words, hint="compare with another copy of the archive"))

        return DigestStream(stream, algorithm, stated, differs)

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
        """Where the content lies in the file; empty where its bytes lie nowhere as they are (compressed)."""
        found = self._found(entry)[1]
        if isinstance(found, tuple):
            return found
        found.close()
        return ()

    def unallocated(self) -> Iterator[ByteRun]:
        """Nothing: an archive has no space that no file owns."""
        return iter(())

    def slack_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
        """Nothing: a content has no data units of its own."""
        return ()

    def extents(self, entry: Entry) -> Extents:
        """None: there is no disk that a file has bytes of."""
        del entry
        return Extents()

    def close(self) -> None:
        """Nothing to release: the container closes the files."""

    # --- helpers ------------------------------------------------------------------------------------------------
    def _address(self, path: bytes, stream: bytes = b"") -> Address:
        return Address(self._evidence, self._volume.name, path or b"/", stream)

    def _problem(self, complaint: Complaint, path: bytes = b"") -> Problem:
        where = path or b"/" + b"/".join(split_path(complaint.path))
        return Problem(
            str(self._address(where)),
            f"evidence/{self.name}",
            complaint.reason,
            complaint.message,
            complaint.hint,
            min(complaint.lost, (1 << 63) - 1),
            complaint.anyway,
        )
