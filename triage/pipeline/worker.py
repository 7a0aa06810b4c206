"""A worker process: opens the evidence for itself, examines what it is given, sends facts back.

The entry in hand stands in memory shared with the supervisor, so that it can be named when this process dies.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from triage.detectors.keywords import KeywordDetector
from triage.detectors.noise_file import NoiseFileDetector
from triage.detectors.yara import YaraDetector
from triage.errors import EvidenceError
from triage.evidence import Evidence
from triage.evidence.lost import LostRange
from triage.evidence.unowned import VolumeReader
from triage.model.entry import Entry
from triage.model.problem import Problem, Reason
from triage.model.result import EntryResult
from triage.model.rules import NOISE_RULE
from triage.pipeline.examine import Detectors, Examiner, Opened
from triage.pipeline.messages import (
    BEGUN,
    ENTRY,
    NORMAL,
    RAW_ONLY,
    TOGETHER,
    MoreVolumes,
    Results,
    WorkerSetup,
    WorkItem,
)
from triage.pipeline.processes import become_child

SEND_AFTER_SECONDS = 0.25
SEND_AFTER_RESULTS = 200

# Entries that are searched together: small ones, and not too many.
SMALL_BYTES = 64 * 1024
TOGETHER_BYTES = 512 * 1024


def worker_process(setup: WorkerSetup, connection: Connection, marker: Any) -> None:
    """Body of a worker; returns when the supervisor closes the pipe or sends None."""
    notices = become_child(address_space=setup.limits.worker_bytes)
    examiner = build_examiner(setup)
    examiner.alive = partial(_go_on, marker)
    gc.collect()
    gc.freeze()  # rules stay for good: nothing to look through again and again
    gc.set_threshold(10_000, 20, 50)
    with contextlib.ExitStack() as stack:
        openings = _Openings(setup, stack)
        outbox: list[EntryResult] = []
        connection.send(Results((), (), tuple(notices)))
        last_sent = time.monotonic()
        while True:
            try:
                batch: list[WorkItem] | MoreVolumes | None = connection.recv()
            except (EOFError, OSError):
                return
            if batch is None:
                return
            if isinstance(batch, MoreVolumes):
                openings.extend(batch)
                continue
            for group in _groups(batch):
                outbox.extend(_examine(examiner, openings, group, marker))
                now = time.monotonic()
                if len(outbox) >= SEND_AFTER_RESULTS or now - last_sent > SEND_AFTER_SECONDS:
                    connection.send(Results(tuple(outbox), openings.new_problems()))
                    outbox, last_sent = [], now
            marker[ENTRY] = 0
            connection.send(Results(tuple(outbox), openings.new_problems(), (), 1))
            outbox, last_sent = [], time.monotonic()


def build_examiner(setup: WorkerSetup) -> Examiner:
    """The examiner of a worker, one that keeps to a scope where there is one."""
    if setup.scope is None:
        return Examiner(build_detectors(setup), setup.limits)
    from triage.pipeline.scoped_examine import ScopedExaminer

    return ScopedExaminer(build_detectors(setup), setup.limits, setup.scope)


def build_detectors(setup: WorkerSetup) -> Detectors:
    """The detectors of a rule set."""
    keywords = KeywordDetector(setup.rules.keywords, cache_dir=setup.cache)
    yara = (
        YaraDetector(setup.rules.yara, timeout=setup.limits.yara_seconds, cache_dir=setup.cache)
        if setup.rules.yara
        else None
    )
    noise = NoiseFileDetector() if NOISE_RULE in setup.rules.rules else None
    return Detectors(keywords, yara, noise)


class _Openings:
    """Evidence and file systems that this worker has opened, each once."""

    def __init__(self, setup: WorkerSetup, stack: contextlib.ExitStack) -> None:
        self._sources = setup.sources
        self._volumes = setup.volumes
        self._stack = stack
        self._evidence: dict[int, Evidence] = {}
        self._readers: dict[int, VolumeReader] = {}
        self._told: set[Problem] = set()
        scope = setup.scope
        self.looks_at_slack = setup.space and (scope is None or (scope.slack and not scope.limits_types))

    def reader(self, volume: int, *, second: bool = False) -> tuple[str, str, VolumeReader]:
        """Names of source and volume, and what reads it.

        Args:
            volume: Number of the volume in the case.
            second: Workers died of an entry of it: read files by another library where one knows the file system.

        Raises:
            EvidenceError: It does not open.
        """
        number, volume_name = self._volumes[volume]
        source = self._sources[number]
        found = self._readers.get(volume)
        if found is None:
            evidence = self._evidence.get(number)
            if evidence is None:
                evidence = source.open()
                self._evidence[number] = self._stack.enter_context(evidence)
            found = self._readers[volume] = evidence.reader(volume_name)
            self._stack.callback(found.close)
        return source.name, volume_name, self._second(volume, found) if second else found

    def _second(self, volume: int, usual: VolumeReader) -> VolumeReader:
        """The usual reader, with the files read by another library where there is one that opens the file system."""
        number, name = self._volumes[volume]
        try:
            other = self._evidence[number].second_file_system(name)
        except EvidenceError:
            return usual
        return usual.with_second(other) if other is not None else usual

    def extend(self, more: MoreVolumes) -> None:
        """Take in volumes that were found meanwhile."""
        self._sources, self._volumes = more.sources, more.volumes
        for number, evidence in self._evidence.items():
            evidence.add_images(more.sources[number].images)
            evidence.use_readers(dict(more.sources[number].readers))

    def new_problems(self) -> tuple[Problem, ...]:
        """Problems met by containers while reading that were not told before."""
        out = []
        for evidence in self._evidence.values():
            for problem in evidence.read_problems():
                if problem not in self._told:
                    self._told.add(problem)
                    out.append(problem)
        return tuple(out)


def _groups(batch: Sequence[WorkItem]) -> Iterator[list[WorkItem]]:
    """Entries that are examined together, in order: neighbours that are small; any other is alone."""
    group: list[WorkItem] = []
    size = 0
    for item in batch:
        small = item.size <= SMALL_BYTES and item.level == NORMAL
        if group and (not small or size + item.size > TOGETHER_BYTES):
            yield group
            group, size = [], 0
        if small:
            group.append(item)
            size += item.size
        else:
            yield [item]
    if group:
        yield group


def _examine(examiner: Examiner, openings: _Openings, group: Sequence[WorkItem], marker: Any) -> list[EntryResult]:
    """Entries that are examined together; the shared memory says which is in hand."""
    opened: list[Opened | EntryResult] = []
    slack: dict[int, Slack] = {}
    for item in group:
        _mark(marker, item, 1)
        opened.append(_guarded(item, partial(_open, examiner, openings, item, slack)))
    searched = [entry for entry in opened if isinstance(entry, Opened)]
    if len(searched) > 1:
        _mark(marker, group[0], len(group))
        examiner.search(searched)
    out = []
    for item, entry in zip(group, opened, strict=True):
        if isinstance(entry, Opened):
            _mark(marker, item, 1)
            entry = _guarded(item, partial(examiner.finish, entry, item.level))
        if item.entry_id in slack:
            entry = _guarded(item, partial(examiner.with_slack, entry, *slack[item.entry_id]))
        out.append(entry)
    return out


def _go_on(marker: Any) -> None:
    """What is in hand is large, and the next piece of it is begun."""
    marker[BEGUN] = time.monotonic_ns()


def _mark(marker: Any, item: WorkItem, together: int) -> None:
    marker[BEGUN] = time.monotonic_ns()
    marker[TOGETHER] = together
    marker[ENTRY] = item.entry_id


Slack = tuple[Entry, bytes, int, tuple[LostRange, ...]]
"""Slack as :meth:`VolumeReader.slack` gives it, and what of it could not be read."""


def _open(examiner: Examiner, openings: _Openings, item: WorkItem, slack: dict[int, Slack]) -> Opened | EntryResult:
    """Read an entry, and the slack behind it while its record is at hand."""
    evidence, volume, reader = openings.reader(item.volume, second=item.level == RAW_ONLY and not item.space)
    entry = item.entry(evidence, volume)
    opened = examiner.open(item.entry_id, entry, reader, is_image=item.is_image)
    is_hidden = isinstance(opened, EntryResult) and opened.is_hidden
    if openings.looks_at_slack and not item.space and not is_hidden:
        reader.begin()
        found = reader.slack(entry)
        if found is not None:
            slack[item.entry_id] = (*found, reader.lost(found[0]))
    return opened


Outcome = TypeVar("Outcome", EntryResult, Opened | EntryResult)


def _guarded(item: WorkItem, step: Callable[[], Outcome]) -> Outcome | EntryResult:
    """One step on one entry: the isolation point for entries."""
    address = f"entry {item.entry_id}"
    try:
        return step()
    except EvidenceError as error:
        problem = Problem(
            address, f"evidence/{error.code}", Reason.UNREADABLE, str(error), error.hint or "", max(item.size, 0)
        )
    except MemoryError:
        problem = Problem(
            address, "pipeline/examine", Reason.LIMIT, "memory exhausted", "give workers more memory", item.size
        )
    except Exception as error:  # a bug of ours costs one entry, and is told
        problem = Problem(
            address,
            "pipeline/examine",
            Reason.CRASHED,
            f"internal error: {type(error).__name__}: {error}",
            "please report this",
            item.size,
        )
    return EntryResult(item.entry_id, "", None, None, None, (problem,), examined=False)
