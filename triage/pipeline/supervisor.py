"""Keeps workers fed, alive and replaceable.

A worker that dies, hangs or is killed costs at most the entry that it had in hand: that entry is named, tried once more
alone, then once at the lowest level (raw bytes, no YARA, no decoders), then given up. Where it searched several small
entries together, each of these is tried alone first. Everything else that the worker had queued goes to others without
blame. Only a kill from outside counts as a time-out, since no library's own can be
trusted.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from triage.case.reading import PendingEntry
from triage.errors import TriageError
from triage.model.problem import Problem, Reason
from triage.pipeline.messages import (
    BEGUN,
    ENTRY,
    PLACES,
    RAW_ONLY,
    TOGETHER,
    MoreVolumes,
    Results,
    WorkerSetup,
    WorkItem,
)
from triage.pipeline.processes import reap
from triage.pipeline.queue import WorkQueue

MAX_ATTEMPTS = 3
MAX_IDLE_DEATHS = 5
AHEAD = 2
TICK = 0.2


Body = Callable[[WorkerSetup, Connection, Any], None]
"""Body of a worker process: setup, pipe, shared memory."""


@dataclass(slots=True)
class _Worker:
    """One place for a worker; the process in it may be replaced."""

    slot: int
    process: BaseProcess
    connection: Connection
    marker: Any
    ready: bool = False
    batches: int = 0
    outstanding: dict[int, PendingEntry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Death:
    """A worker died.

    Attributes:
        entry: What it had in hand, the first of several, None where it had nothing.
        attempts: Tries of that entry so far.
        given_up: The entry is closed as crashed.
        reason: Time-out or crash.
        detail: Signal or exit code, in words.
        together: How many entries it had in hand; where they are several, none is to blame yet.
    """

    entry: PendingEntry | None
    attempts: int
    given_up: bool
    reason: Reason
    detail: str
    together: int = 1


class Supervisor:
    """Runs worker processes over a queue.

    Args:
        setup: What workers are given.
        workers: How many.
        load: Turns pending entries into work items.
        deliver: Takes results as they come, in batches.
        died: Told of every death of a worker.
        tick: Called about five times a second.
        target: Body of a worker process, None for that of :mod:`triage.pipeline.worker`.
    """

    def __init__(
        self,
        setup: WorkerSetup,
        workers: int,
        *,
        load: Callable[[Sequence[PendingEntry]], list[WorkItem]],
        deliver: Callable[[Results], None],
        died: Callable[[Death], None],
        tick: Callable[[], None],
        target: Body | None = None,
    ) -> None:
        self._setup = setup
        self._load = load
        self._deliver = deliver
        self._died = died
        self._tick = tick
        self._target = target
        self._context = multiprocessing.get_context("spawn")
        self._idle_deaths = 0
        self._alone: list[PendingEntry] = []
        self._workers = [self._spawn(slot) for slot in range(workers)]
        for worker in self._workers:  # all of them start while the first reads its rules
            self._equip(worker)

    def run(self, queue: WorkQueue) -> None:
        """Work until the queue is empty.

        Raises:
            TriageError: Workers die before they do anything.
        """
        while queue or self._alone or any(worker.outstanding for worker in self._workers):
            for worker in self._workers:
                self._feed(worker, queue)
            handles = [worker.connection for worker in self._workers]
            for connection in wait(handles, timeout=TICK):
                worker = next(w for w in self._workers if w.connection is connection)
                self._receive(worker, queue)
            for worker in self._workers:
                self._check_time(worker, queue)
            self._tick()

    def extend(self, more: MoreVolumes) -> None:
        """Tell all workers, and those that come, of volumes that were found meanwhile."""
        self._setup = replace(self._setup, sources=more.sources, volumes=more.volumes)
        for worker in self._workers:
            with contextlib.suppress(OSError):  # dead; its end is dealt with when its pipe is read
                worker.connection.send(more)

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.connection.close()
            reap(worker.process)
        self._workers = []

    # --- one worker ---------------------------------------------------------------------------------------------
    def _spawn(self, slot: int) -> _Worker:
        ours, theirs = self._context.Pipe()
        marker = self._context.RawArray("q", PLACES)
        process = self._context.Process(
            target=_child, args=(self._target, theirs, marker), name=f"triage-worker-{slot}", daemon=True
        )
        process.start()
        theirs.close()
        return _Worker(slot, process, ours, marker)

    def _equip(self, worker: _Worker) -> None:
        """Send a worker what it works with."""
        with contextlib.suppress(OSError):  # dead; its end is dealt with when its pipe is read
            worker.connection.send(self._setup)

    def _feed(self, worker: _Worker, queue: WorkQueue) -> None:
        """Keep a worker two batches ahead; an entry on its second try goes alone."""
        while worker.ready and worker.batches < AHEAD:
            if self._alone:
                if worker.batches:
                    return
                batch = [self._alone.pop()]
            elif len(worker.outstanding) == 1 and next(iter(worker.outstanding.values())).attempts:
                return
            else:
                batch = queue.take(worker.slot)
            if not batch:
                return
            items = self._load(batch)
            worker.outstanding.update((entry.id, entry) for entry in batch)
            try:
                worker.connection.send(items)
            except OSError:  # dead; its end is dealt with when its pipe is read
                return
            worker.batches += 1

    def _receive(self, worker: _Worker, queue: WorkQueue) -> None:
        try:
            message: Results = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker, queue, Reason.CRASHED)
            return
        worker.ready = True
        for result in message.results:
            worker.outstanding.pop(result.entry_id, None)
        worker.batches -= message.batches_finished
        self._deliver(message)

    def _check_time(self, worker: _Worker, queue: WorkQueue) -> None:
        entry = worker.outstanding.get(worker.marker[ENTRY])
        if entry is None:
            return
        limits = self._setup.limits
        # Larger contents are read in windows, and each of them counts as a beginning.
        allowed = limits.entry_seconds(min(entry.size, limits.whole_bytes))
        if time.monotonic_ns() - worker.marker[BEGUN] > allowed * 1e9:
            worker.process.kill()
            self._bury(worker, queue, Reason.TIMEOUT)

    def _bury(self, worker: _Worker, queue: WorkQueue, reason: Reason) -> None:
        """Replace a dead worker, and decide about the entry that it had in hand."""
        self._drain(worker)
        in_hand = self._take_in_hand(worker)
        worker.process.join(5)
        code = worker.process.exitcode
        detail = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        worker.connection.close()
        reap(worker.process)
        self._idle_deaths = 0 if in_hand else self._idle_deaths + 1
        if self._idle_deaths > MAX_IDLE_DEATHS:
            raise TriageError(
                f"worker processes die before they do any work: {detail}", hint="run again with --workers 1"
            )
        queue.put_back(worker.outstanding.values())
        self._died(self._judge(in_hand, reason, detail))
        self._workers[worker.slot] = self._spawn(worker.slot)
        self._equip(self._workers[worker.slot])

    def _judge(self, in_hand: Sequence[PendingEntry], reason: Reason, detail: str) -> Death:
        """Decide what becomes of the entries that a dead worker had in hand."""
        if not in_hand:
            return Death(None, 0, False, reason, detail)
        entry = in_hand[0]
        if len(in_hand) > 1:  # any of them may be to blame: each goes alone
            self._alone.extend(reversed(in_hand))
            return Death(entry, entry.attempts, False, reason, detail, len(in_hand))
        entry = replace(entry, attempts=entry.attempts + 1)
        given_up = entry.attempts >= MAX_ATTEMPTS
        if not given_up:
            self._alone.append(entry)
        return Death(entry, entry.attempts, given_up, reason, detail)

    def _take_in_hand(self, worker: _Worker) -> list[PendingEntry]:
        """What a worker had in hand: nothing, one entry, or several that it searched together."""
        waiting = list(worker.outstanding)
        if worker.marker[ENTRY] not in worker.outstanding:
            return []
        first = waiting.index(worker.marker[ENTRY])
        return [worker.outstanding.pop(number) for number in waiting[first : first + max(1, worker.marker[TOGETHER])]]

    def _drain(self, worker: _Worker) -> None:
        """Take what a dead worker had still sent."""
        try:
            while worker.connection.poll():
                message: Results = worker.connection.recv()
                for result in message.results:
                    worker.outstanding.pop(result.entry_id, None)
                self._deliver(message)
        except (EOFError, OSError):
            return


def _child(target: Body | None, connection: Connection, marker: Any) -> None:
    """First thing that a worker process does; the detectors are imported there alone."""
    if target is None:
        from triage.pipeline.worker import worker_process

        target = worker_process
    try:
        setup: WorkerSetup = connection.recv()
    except (EOFError, OSError):
        return
    target(setup, connection, marker)


def level_for(attempts: int) -> int:
    """How carefully an entry is examined after so many deaths on it."""
    return RAW_ONLY if attempts >= MAX_ATTEMPTS - 1 else 0


def death_problem(address: str, size: int, death: Death) -> Problem:
    """What the report says of a death."""
    if death.reason is Reason.TIMEOUT:
        what = "took longer than its limit and was stopped"
    else:
        what = f"the worker that examined it died ({death.detail})"
    if death.given_up:
        return Problem(
            address,
            "pipeline/worker",
            death.reason,
            f"{what}, {death.attempts} times: given up",
            "examine this entry with another tool",
            size,
        )
    again = "it was tried again"
    if death.together > 1:
        again = f"it was searched together with {death.together - 1} more, and each was tried again alone"
    return Problem(address, "pipeline/worker", death.reason, f"{what}; {again}", "", 0, examined_anyway=True)


def raw_level_problem(address: str, size: int) -> Problem:
    """What the report says of an entry that was examined at the lowest level only."""
    return Problem(
        address,
        "pipeline/worker",
        Reason.CRASHED,
        "examined at the lowest level after two workers died on it: keywords and digests, no YARA, no decoders",
        "examine this entry with another tool",
        size,
    )
