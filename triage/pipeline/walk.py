"""Listing the entries of a volume, in a process of its own.

Reading a directory can loop for ever inside the file-system library, so a walk runs where it can be killed: the child
says which directory it is about to open, and where that takes too long it is killed and the walk starts again without
that directory, which becomes a problem.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from triage.errors import EvidenceError, TriageError
from triage.evidence import Evidence, FileSystem
from triage.model.address import Address
from triage.model.entry import Entry, EntryState, EntryType
from triage.model.problem import Problem, Reason
from triage.model.volume import Allocation, Volume
from triage.pipeline.messages import SourceRef
from triage.pipeline.processes import become_child, reap

BATCH = 2000
MAX_RESTARTS = 50


@dataclass(frozen=True, slots=True)
class WalkRequest:
    """What a walk needs.

    Attributes:
        source: The evidence.
        volume: The volume, or the gap.
        space: List the space that no file owns too.
        skip: Metadata addresses not to descend into.
    """

    source: SourceRef
    volume: Volume
    space: bool
    skip: frozenset[int] = frozenset()


def _walk_process(request: WalkRequest, connection: Connection, heartbeat: Any) -> None:
    """Body of the child: sends lists of entries and problems, then None."""
    become_child(address_space=0)

    def entering(meta_address: int, path: bytes) -> None:
        heartbeat[0] = meta_address
        heartbeat[1] = time.monotonic_ns()

    batch: list[Entry | Problem] = []
    where = f"{request.source.name} {request.volume.name}:/"
    try:
        with request.source.open() as evidence:
            for item in _items(evidence, request, entering):
                batch.append(item)
                if len(batch) >= BATCH:
                    connection.send(batch)
                    batch = []
    except TriageError as error:
        batch.append(
            Problem(where, f"evidence/{error.code}", Reason.CORRUPT, f"listing stopped: {error}", error.hint or "")
        )
    except MemoryError:
        batch.append(Problem(where, "pipeline/walk", Reason.LIMIT, "listing stopped: memory exhausted"))
    connection.send(batch)
    connection.send(None)
    connection.close()


def _items(
    evidence: Evidence, request: WalkRequest, entering: Callable[[int, bytes], None]
) -> Iterator[Entry | Problem]:
    """Entries of the file system, then the space that neither they nor deleted entries own."""
    volume = request.volume
    if volume.allocation is not Allocation.ALLOCATED:
        yield from evidence.gap(volume).entries()
        return
    reader = evidence.reader(volume.name)
    owned: list[tuple[int, int]] = []
    if reader.file_system is not None:
        entering(0, b"")
        for item in reader.file_system.walk(skip=request.skip, entering=entering):
            yield item
            if request.space and isinstance(item, Entry):
                owned += _claimed(reader.file_system, item)
    if request.space:
        entering(0, b"")
        yield from reader.space.entries(owned)


def _claimed(file_system: FileSystem, entry: Entry) -> list[tuple[int, int]]:
    """Free space that a deleted entry still claims, whole data units: these bytes are examined as its content."""
    if entry.state is EntryState.ALLOCATED or not is_examined(entry):
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


def walk_volume(
    request: WalkRequest, *, seconds: float, on_restart: Callable[[], None]
) -> Iterator[list[Entry | Problem]]:
    """Lists of entries and problems of a volume.

    Args:
        request: What to walk.
        seconds: Wall clock for one directory.
        on_restart: Called before a walk starts again from the beginning; forget what came before.
    """
    context = multiprocessing.get_context("spawn")
    skip: dict[int, Problem] = {}
    for _ in range(MAX_RESTARTS):
        receiver, sender = context.Pipe(duplex=False)
        heartbeat = context.RawArray("q", [0, time.monotonic_ns()])
        current = WalkRequest(request.source, request.volume, request.space, frozenset(skip))
        child = context.Process(target=_walk_process, args=(current, sender, heartbeat), daemon=True)
        child.start()
        sender.close()
        try:
            verdict = yield from _receive(receiver, heartbeat, seconds)
        finally:
            reap(child)
            receiver.close()
        if verdict is None:
            yield list(skip.values())
            return
        meta_address = heartbeat[0]
        if meta_address in skip:  # dies elsewhere than in a directory: nothing to leave out
            break
        skip[meta_address] = Problem(
            str(Address(request.source.name, request.volume.name, b"/")) + f" inode {meta_address}",
            "evidence/filesystems",
            verdict,
            f"listing the directory with metadata address {meta_address} did not return; it was left out",
            "read that directory with another tool",
        )
        on_restart()
    yield [
        *skip.values(),
        Problem(
            str(Address(request.source.name, request.volume.name, b"/")),
            "pipeline/walk",
            Reason.CRASHED,
            "listing the volume died again and again; what was listed before is examined",
            "read the volume with another tool",
        ),
    ]


def _receive(
    receiver: Connection, heartbeat: Any, seconds: float
) -> Generator[list[Entry | Problem], None, Reason | None]:
    """Yield what the child sends; the value is None when it ended well, else why it did not."""
    last = time.monotonic_ns()
    while True:
        try:
            if receiver.poll(0.2):
                message = receiver.recv()
                last = time.monotonic_ns()
                if message is None:
                    return None
                yield message
                continue
        except (EOFError, OSError):
            return Reason.CRASHED
        if time.monotonic_ns() - max(last, heartbeat[1]) > seconds * 1e9:
            return Reason.LOOP
