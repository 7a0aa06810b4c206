"""Evidence that is a set of files and no disk: a folder, an archive of a file system, a logical image.

Such a container has no partitions and no blocks. Its ``media`` are the bytes of the file itself, so that digests and
``verify`` mean something, and it opens one file system for all of them. Archives are listed in stored order as their
headers are read, with no index of the whole in memory; a folder that only the names below it tell of is given once, as
``virtual``. A member is found again by its number alone, which is its place in the archive, so that a worker that
reads one member needs no pass over all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from triage.evidence.filesystems.tree import Attribute
from triage.evidence.interface import Container, FileSystem
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.problem import Reason
from triage.model.stream import Stream
from triage.model.times import Times
from triage.model.volume import Volume

IMPLIED = 1 << 61
"""First number of folders that only the names below them tell of."""
MAX_PARTS = 1000
"""Components of a path; what a longer one has beyond is one name."""


@runtime_checkable
class LogicalContainer(Container, Protocol):
    """A container without a disk; ``media`` are the bytes of the files as they are.

    Attributes:
        logical: ``directory``, ``tar``, ``zip``, ``l01``, ``ad1``, ``aff4-l``: name of its file system.
    """

    logical: str

    def file_system(self, volume: Volume, evidence_name: str) -> FileSystem:
        """The file system of all its files, opened anew.

        Args:
            volume: The one volume of the evidence, for addresses.
            evidence_name: Likewise.

        Raises:
            EvidenceError: It cannot be opened.
        """
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an archive.

    Attributes:
        number: Finds it again; 2 or more, below :data:`IMPLIED`.
        path: As stored, components apart by ``/``.
        entry_type: File, directory, symbolic link, other.
        size: Bytes of its data, as declared.
        times: As stored.
        owner: As stored, empty where there is none.
        attributes: Data attributes beside the default one.
        caveats: What a reader of a result must know.
        allocated: False where the archive says that it was deleted.
        virtual: The archive tells nothing of it but a name.
        digest: Algorithm (``crc32``, ``md5``, ``sha1``) and lower-case hex that the archive states of the data.
        place: What its reader needs to give the content.
    """

    number: int
    path: bytes
    entry_type: EntryType
    size: int
    times: Times = field(default_factory=Times)
    owner: str = ""
    attributes: tuple[Attribute, ...] = ()
    caveats: tuple[str, ...] = ()
    allocated: bool = True
    virtual: bool = False
    digest: tuple[str, str] | None = None
    place: object = None


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that does not hold, to become a Problem.

    Attributes:
        reason: Why.
        message: What happened.
        path: Member concerned, empty for the archive as a whole.
        hint: What to try.
        lost: Bytes not examined.
        anyway: Nothing is missing from the result.
    """

    reason: Reason
    message: str
    path: bytes = b""
    hint: str = ""
    lost: int = 0
    anyway: bool = False


Tell = Callable[[Complaint], None]


class ArchiveReader(Protocol):
    """What the reader of one archive provides."""

    def members(self) -> Iterator[Member | Complaint]:
        """All members in stored order.

        Raises:
            EvidenceError: The listing cannot go on.
        """
        ...

    def member(self, number: int) -> Member:
        """The member of a number.

        Raises:
            EvidenceError: There is none, or it does not hold.
        """
        ...

    def content(self, member: Member, attribute: int, tell: Tell) -> Stream | tuple[ByteRun, ...]:
        """A content: its runs in the media where these are its bytes, else a stream.

        Args:
            member: From :meth:`member`.
            attribute: Number of the attribute, 0 for the default data.
            tell: Takes what turns out wrong while the content is read.

        Raises:
            EncryptedVolumeError: It is encrypted.
            EvidenceError: It cannot be read.
        """
        ...


def split_path(path: bytes) -> tuple[bytes, ...]:
    """Components of a stored path, without empty ones and ``.``; at most :data:`MAX_PARTS`."""
    parts = [part for part in path.split(b"/") if part and part != b"."]
    if len(parts) > MAX_PARTS:
        parts[MAX_PARTS - 1 :] = [b"/".join(parts[MAX_PARTS - 1 :])]
    return tuple(parts)
