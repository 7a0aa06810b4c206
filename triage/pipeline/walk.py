"""What a process does that lists the entries of a volume; ``listing_attempts`` starts it, watches it, and starts again.

Reading a directory can loop for ever inside the file-system library, so a walk runs where it can be killed, and says
which directory it is about to open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from triage.errors import EncryptedVolumeError, EvidenceError, LimitExceededError, ReadFailedError, TriageError
from triage.evidence import Evidence, FileSystem
from triage.evidence.accounting import Accounting
from triage.evidence.inner_images import is_inside_image
from triage.evidence.interface import NO_FREE_SPACE
from triage.evidence.unowned import Space, VolumeReader
from triage.model.address import Address
from triage.model.entry import Entry, EntryState, EntryType
from triage.model.problem import Problem, Reason
from triage.model.scope import Scope
from triage.model.volume import Allocation, Volume
from triage.pipeline.books import Books
from triage.pipeline.carving import carved_files
from triage.pipeline.messages import SourceRef
from triage.pipeline.processes import become_child
from triage.pipeline.scope_match import OVERWRITTEN
from triage.pipeline.scope_space import Bounds

Listed = Entry | Problem | Accounting
"""What a walk sends; the accounting comes last, where there is one."""

BATCH = 2000
DIRECTORY, BEGUN, OPENED = 0, 1, 2
"""Places in the memory that a walk shares with who watches it: the metadata address of the directory that it is about
to open, when that was, and whether the file system is open."""
PLACES = 3


@dataclass(frozen=True, slots=True)
class WalkRequest:
    """What a walk needs.

    Attributes:
        source: The evidence.
        volume: The volume, or the gap.
        space: List the space that no file owns too.
        shared: Bytes at the beginning of the volume that another one accounts for.
        skip: Metadata addresses not to descend into.
        scope: What may be looked at, None for everything.
        is_last: There is no other reader to try: also a list without a single name is one.
    """

    source: SourceRef
    volume: Volume
    space: bool
    shared: int = 0
    skip: frozenset[int] = frozenset()
    scope: Scope | None = None
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class Stopped:
    """From a walk: it ends here, not at the end of the volume.

    Attributes:
        reason: Why.
        words: What happened.
        hint: What to try.
        is_final: Nothing else is to be tried: the volume is encrypted, or the evidence itself does not open.
        is_empty: The file system opened and gave not a single name, so its first structures may be what is damaged.
        is_death: To be taken as if the process had died in the directory that it was about to open.
    """

    reason: Reason
    words: str
    hint: str = ""
    is_final: bool = False
    is_empty: bool = False
    is_death: bool = False


class _NotListedError(Exception):
    """The file system does not open, or gives nothing."""

    def __init__(self, stopped: Stopped) -> None:
        super().__init__(stopped.words)
        self.stopped = stopped


def walk_process(request: WalkRequest, connection: Connection, heartbeat: Any) -> None:
    """Body of the child: sends lists of entries and problems, and what stopped it, then None."""
    become_child(address_space=0)

    def entering(meta_address: int, path: bytes) -> None:
        heartbeat[DIRECTORY] = meta_address
        heartbeat[BEGUN] = time.monotonic_ns()
        heartbeat[OPENED] = 1

    batch: list[Listed] = []
    books = Books(request.volume, request.shared)
    stopped: Stopped | None = None
    try:
        with request.source.open() as evidence:
            for item in _items(evidence, request, entering, books):
                books.note(item)
                batch.append(item)
                if len(batch) >= BATCH:
                    connection.send(batch)
                    batch = []
            met = _met(evidence)
            for problem in met:
                books.note(problem)
            entering(0, b"")
            accounting = books.close()
            batch += met if accounting is None else [*met, accounting]
    except _NotListedError as error:
        batch, stopped = [], error.stopped
    except TriageError as error:
        accounting = books.close(stopped=True)
        batch += [] if accounting is None else [accounting]
        is_final = not heartbeat[OPENED]
        stopped = Stopped(_reason(error), f"stopped: {error}", error.hint or "", is_final)
    except MemoryError:
        stopped = Stopped(Reason.LIMIT, "stopped: memory exhausted")
    except Exception as error:  # a bug of ours; treated as the death of a library, so that the rest is listed
        words = f"stopped: internal error: {type(error).__name__}: {error}"
        stopped = Stopped(Reason.CRASHED, words, "please report this", is_death=True)
    connection.send(batch)
    if stopped is not None:
        connection.send(stopped)
    connection.send(None)
    connection.close()


def _reason(error: TriageError) -> Reason:
    if isinstance(error, EncryptedVolumeError):
        return Reason.ENCRYPTED
    if isinstance(error, LimitExceededError):
        return Reason.LIMIT
    return Reason.UNREADABLE if isinstance(error, ReadFailedError) else Reason.CORRUPT


def _open(evidence: Evidence, name: str) -> VolumeReader:
    """The reader of a volume.

    Raises:
        _NotListedError: The file system does not open, and other readers may be tried.
        EncryptedVolumeError: It needs a key.
    """
    try:
        return evidence.reader(name)
    except EncryptedVolumeError:
        raise
    except EvidenceError as error:
        raise _NotListedError(Stopped(_reason(error), f"refuses it: {error}", error.hint or "")) from error


def _met(evidence: Evidence) -> list[Problem]:
    """Damage of the media met while listing: what a directory held there was not listed."""
    known = set(evidence.problems)
    return [problem for problem in evidence.read_problems() if problem not in known]


def _items(
    evidence: Evidence, request: WalkRequest, entering: Callable[[int, bytes], None], books: Books
) -> Iterator[Entry | Problem]:
    """Entries of the file system, then the space that neither they nor deleted entries own."""
    volume = request.volume
    if volume.allocation is not Allocation.ALLOCATED:
        yield from _space(request, evidence.gap(volume), [], None, entering)
        return
    reader = books.reader = _open(evidence, volume.name)
    bounds = _bounds(request, reader)
    owned: list[tuple[int, int]] = []
    if reader.file_system is not None:
        entering(0, b"")
        skip = request.skip | _not_looked_for(request.scope, reader.file_system.name)
        for item in _named(reader.file_system.walk(skip=skip, entering=entering), request):
            if bounds is not None and isinstance(item, Entry) and is_examined(item):
                item = bounds.entry(item)
            yield item
            if request.space and isinstance(item, Entry):
                owned += _claimed(reader.file_system, item)
    if request.space:
        yield from _space(request, reader.space, owned, bounds, entering)


def _named(items: Iterator[Entry | Problem], request: WalkRequest) -> Iterator[Entry | Problem]:
    """Items of a file system.

    Raises:
        _NotListedError: At the end, where there was a problem and not a single name.
    """
    first: Problem | None = None
    is_empty = not request.is_last
    for item in items:
        if isinstance(item, Problem):
            first = first or item
        elif is_empty and item.alloc_name and not (item.virtual or item.orphan):
            is_empty = False
        yield item
    if is_empty and first is not None:
        raise _NotListedError(Stopped(first.reason, f"gives no name of it: {first.message}", is_empty=True))


def _space(
    request: WalkRequest,
    space: Space,
    owned: list[tuple[int, int]],
    bounds: Bounds | None,
    entering: Callable[[int, bytes], None],
) -> Iterator[Entry | Problem]:
    """Files carved from space that nothing in ``owned`` claims, then the pieces that are left."""

    def within(item: Entry | Problem) -> Entry | Problem:
        return bounds.piece(item) if bounds is not None and isinstance(item, Entry) else item

    entering(0, b"")
    if request.scope is None or request.scope.space:
        stream = bounds.stream(space.stream()) if bounds is not None else space.stream()
        volume = Address(request.source.name, request.volume.name, b"/")
        taken = []
        for item in map(within, carved_files(space, stream, owned, volume, lambda: entering(0, b""))):
            if isinstance(item, Entry):
                taken.append((item.address.offset, item.address.length))
            yield item
        owned = [*owned, *taken]
    yield from map(within, space.entries(owned))


def _bounds(request: WalkRequest, reader: VolumeReader) -> Bounds | None:
    """Keeps bytes that are out of scope apart from those that are in it; None where everything is in scope."""
    if request.scope is None:
        return None
    return Bounds(request.scope, reader, inside=is_inside_image(request.volume.name))


def _not_looked_for(scope: Scope | None, file_system: str) -> frozenset[int]:
    """What a walk leaves out so that it reads no free space that is out of scope.

    On FAT all free clusters are looked through for names, also those of deleted files that are out of scope.
    """
    reads_all = "fat" in file_system
    if scope is None or (scope.space and not (reads_all and scope.limits_files)):
        return frozenset()
    return frozenset((NO_FREE_SPACE,))


def _claimed(file_system: FileSystem, entry: Entry) -> list[tuple[int, int]]:
    """Free space that a deleted entry still claims, whole data units: these bytes are examined as its content."""
    if entry.state is EntryState.ALLOCATED or not is_examined(entry) or OVERWRITTEN in entry.caveats:
        return []
    unit = file_system.block_size or 1
    try:
        runs = file_system.byte_runs(entry)
    except EvidenceError:
        return []
    return [(run.fs_offset, -(-run.length // unit) * unit) for run in runs if run.fs_offset >= 0]


def is_examined(entry: Entry) -> bool:
    """Whether an entry has bytes of its own to examine."""
    return entry.entry_type is EntryType.FILE and entry.size > 0 and not entry.virtual and not entry.reused
