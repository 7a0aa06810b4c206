"""The files of a logical image in AFF4.

Specification: AFF4-L (Schatz, "AFF4-L: A Scalable Open Logical Evidence Container", 2019) and its reference images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from triage.errors import CorruptStructureError
from triage.evidence.containers.aff4_volume import VolumeSet
from triage.evidence.containers.logical import Complaint, Member, Tell
from triage.model.byte_run import ByteRun
from triage.model.entry import EntryType
from triage.model.problem import Reason
from triage.model.stream import Stream
from triage.model.times import Times

_TIMES = (
    ("mtime", "lastWritten"),
    ("atime", "lastAccessed"),
    ("ctime", "recordChanged"),
    ("crtime", "birthTime"),
)
_FOLDERS = {"Folder", "FolderImage"}


def parse_time(text: str) -> int | None:
    """Nanoseconds since 1970 of an ISO 8601 time; None where it is none."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        whole = moment - datetime(1970, 1, 1, tzinfo=UTC)
    except OverflowError:
        return None
    return (whole.days * 86400 + whole.seconds) * 1_000_000_000 + whole.microseconds * 1000


class Aff4LogicalReader:
    """The files of a set; see :class:`~triage.evidence.containers.logical.ArchiveReader`.

    Args:
        volumes: The files of the set.
        stream: Finds a stream by its URN.

    Attributes:
        is_empty: There are none.
    """

    def __init__(self, volumes: VolumeSet, stream: Callable[[str], Stream | None]) -> None:
        self._volumes = volumes
        self._stream = stream
        self._urns = [urn for urn in volumes.graph if volumes.types(urn) & ({"FileImage"} | _FOLDERS)]
        self.is_empty = not self._urns

    def members(self) -> Iterator[Member | Complaint]:
        """Files and folders in the order of the metadata."""
        for number in range(len(self._urns)):
            yield self.member(number + 2)

    def member(self, number: int) -> Member:
        """The file of a number."""
        if not 2 <= number < len(self._urns) + 2:
            raise CorruptStructureError(f"no file of number {number} in the image")
        urn = self._urns[number - 2]
        volumes = self._volumes
        name = volumes.value(urn, "originalFileName") or self._own_name(urn)
        if "/" not in name:
            name = name.replace("\\", "/")
        folder = bool(volumes.types(urn) & _FOLDERS)
        size = 0 if folder else volumes.number(urn, "size", max(0, volumes.size_of(urn)))
        times = {field: parse_time(volumes.value(urn, predicate)) for field, predicate in _TIMES}
        hashes = volumes.hashes(urn)
        digest = next(((kind, hashes[kind]) for kind in ("sha1", "md5", "sha256") if kind in hashes), None)
        return Member(
            number,
            name.encode("utf-8", "surrogateescape"),
            EntryType.DIRECTORY if folder else EntryType.FILE,
            size,
            Times(times.get("mtime"), times.get("atime"), times.get("ctime"), times.get("crtime")),
            digest=digest,
            place=urn,
        )

    def _own_name(self, urn: str) -> str:
        for volume in self._volumes.volumes:
            if volume.urn and urn.startswith(volume.urn + "/"):
                return urn[len(volume.urn) + 1 :]
        return urn.removeprefix("aff4://")

    def content(self, member: Member, attribute: int, tell: Tell) -> Stream | tuple[ByteRun, ...]:
        """The bytes of a file."""
        if attribute or not isinstance(member.place, str):
            raise CorruptStructureError("no such content")
        urn = member.place
        for wanted in (self._volumes.value(urn, "dataStream"), urn):
            found = self._stream(wanted) if wanted else None
            if found is not None:
                if found.size != member.size:
                    words = f"{found.size} bytes are stored where {member.size} are stated"
                    tell(Complaint(Reason.MISMATCH, words))
                return found
        raise CorruptStructureError("the content of the file is in none of the files of the set")
