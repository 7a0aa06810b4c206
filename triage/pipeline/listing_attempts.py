"""Listing a volume in spite of a reader that refuses it, loops or dies.

A walk runs in a process that can be killed; see ``walk``. Where The Sleuth Kit refuses a file system or gives not a
single name of it, it is asked once more with the copies that the file system keeps of its first structures. Where that
helps nothing, or where the library dies or does not return, another library lists the volume from the beginning. A
reader that nothing can stand in for goes on without the directory in which it stopped, which becomes a problem. Where
no reader opens it, the volume is searched as bytes. What was tried and what it means is told.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from triage.evidence.filesystems import BYTES, COPIES, second_reader
from triage.model.address import Address
from triage.model.problem import Problem, Reason
from triage.model.volume import Allocation
from triage.pipeline.processes import reap
from triage.pipeline.walk import BEGUN, DIRECTORY, OPENED, PLACES, Listed, Stopped, WalkRequest, walk_process

MAX_RESTARTS = 50
STAGE = "evidence/filesystems"
USUAL = "The Sleuth Kit"
OTHER_TOOL = "read the volume with another tool"
_LIVE_ONLY = "deleted names are not listed, nor what is in damaged parts of directories"
NOT_LISTED = {
    "libfsntfs": f"{_LIVE_ONLY}; deleted files are, by number",
    "libfsext": f"{_LIVE_ONLY}; deleted files are, by number, where their inode still says where they lie",
    "libfsfat": _LIVE_ONLY,
    "libfshfs": "what is in damaged parts of the catalogue is not listed",
}
"""What the libraries that stand in leave out."""
NUMBERED = frozenset({"ntfs", "ext2", "ext3", "ext4"})
"""File systems whose files are found by number where no directory leads to them."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How far one reader came.

    Attributes:
        reader: Its name, empty for the usual one.
        stopped: Why it did not come to the end, None where it did.
        opened: It opened the file system.
    """

    reader: str
    stopped: Stopped | None
    opened: bool

    @property
    def gave_names(self) -> bool:
        """It opened the file system, and gave what it found there before it stopped."""
        return self.opened and (self.stopped is None or not self.stopped.is_empty)

    @property
    def asks_for_copies(self) -> bool:
        """The first structures of the file system may be what stopped it."""
        return not self.gave_names


Body = Callable[[WalkRequest, Connection, Any], None]
"""Body of a process that walks: request, pipe, shared memory."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What every attempt has in common."""

    request: WalkRequest
    seconds: float
    target: Body


def walk_volume(
    request: WalkRequest,
    *,
    seconds: float,
    on_restart: Callable[[], None],
    chosen: Callable[[str], None] = lambda reader: None,
    target: Body = walk_process,
) -> Iterator[list[Listed]]:
    """Lists of entries and problems of a volume, then what each of its bytes is.

    Args:
        request: What to walk.
        seconds: Wall clock for one directory.
        on_restart: Called before a walk starts again from the beginning; forget what came before.
        chosen: Called once, at the end, with the reader whose list was given; empty for the usual one.
        target: Body of a process that walks.
    """
    work = _Work(request, seconds, target)
    volume = request.volume
    is_volume = volume.allocation is Allocation.ALLOCATED and bool(volume.file_system)
    second = second_reader(volume.file_system) if is_volume else ""
    failed: list[Attempt] = []
    for reader in ("", COPIES, second) if second else ("",):
        if reader == COPIES and not failed[-1].asks_for_copies:
            continue
        attempt = yield from _attempt(work, reader, on_restart, is_patient=reader == second, is_last=not second)
        is_only = attempt.gave_names and reader == second and not any(other.gave_names for other in failed)
        if attempt.stopped is None or attempt.stopped.is_final or is_only:
            yield _told(request, failed, attempt)
            chosen(reader)
            return
        failed.append(attempt)
        on_restart()
    last = _last_resort(failed, volume.file_system) if is_volume else ""
    attempt = yield from _attempt(work, last, on_restart, is_patient=True, is_last=True)
    yield _told(request, failed, attempt)
    chosen(last)


def _last_resort(failed: list[Attempt], file_system: str) -> str:
    """Who gives what can be had of a volume that no reader comes through."""
    named = [attempt.reader for attempt in failed if attempt.gave_names]
    opened = [attempt.reader for attempt in failed if attempt.opened and file_system in NUMBERED]
    return (named or opened or [BYTES])[0]


def _attempt(
    work: _Work, reader: str, on_restart: Callable[[], None], *, is_patient: bool, is_last: bool
) -> Generator[list[Listed], None, Attempt]:
    """One reader, from the beginning; a patient one goes on without directories in which it stops."""
    request = work.request
    name = request.volume.name
    others = tuple(pair for pair in request.source.readers if pair[0] != name)
    source = replace(request.source, readers=(*others, (name, reader)) if reader else others)
    skip: dict[int, Problem] = {}
    stopped: Stopped | None = None
    for _ in range(MAX_RESTARTS):
        current = replace(request, source=source, skip=frozenset(skip), is_last=is_last)
        run = _Run(replace(work, request=current))
        stopped = yield from run.items()
        if stopped is None:
            yield list(skip.values())
            return Attempt(reader, None, True)
        place = run.directory
        if not is_patient or not run.was_cut or not run.opened or place in skip:
            yield list(skip.values())
            return Attempt(reader, stopped, run.opened)
        skip[place] = Problem(
            _address(request) + f" inode {place}",
            STAGE,
            stopped.reason,
            f"listing the directory with metadata address {place} did not return; it was left out",
            "read that directory with another tool",
        )
        on_restart()
    yield list(skip.values())
    return Attempt(reader, stopped, True)


class _Run:
    """One process that walks.

    Args:
        work: What to walk.

    Attributes:
        opened: The file system was opened.
        directory: Metadata address of the directory that was opened last.
        was_cut: The process died, or had to be killed.
    """

    def __init__(self, work: _Work) -> None:
        self._work = work
        self.opened = False
        self.directory = 0
        self.was_cut = False

    def items(self) -> Generator[list[Listed], None, Stopped | None]:
        """Yield what the process sends; the value is why it stopped, None where it came to the end."""
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        heartbeat = context.RawArray("q", PLACES)
        heartbeat[BEGUN] = time.monotonic_ns()
        arguments = (self._work.request, sender, heartbeat)
        child = context.Process(target=self._work.target, args=arguments, daemon=True)
        child.start()
        sender.close()
        stopped: Stopped | None = None
        try:
            stopped = yield from self._receive(receiver, heartbeat)
            if stopped is not None and stopped.reason is Reason.CRASHED and not stopped.is_death:
                child.join(5)
                code = child.exitcode
                detail = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
                stopped = replace(stopped, words=f"{stopped.words} ({detail})")
        finally:
            reap(child)
            receiver.close()
            self.opened, self.directory = bool(heartbeat[OPENED]), heartbeat[DIRECTORY]
        return stopped

    def _receive(self, receiver: Connection, heartbeat: Any) -> Generator[list[Listed], None, Stopped | None]:
        stopped: Stopped | None = None
        last = time.monotonic_ns()
        while True:
            try:
                if receiver.poll(0.2):
                    message = receiver.recv()
                    last = time.monotonic_ns()
                    if message is None:
                        return stopped
                    if isinstance(message, Stopped):
                        stopped = message
                        self.was_cut = message.is_death
                    else:
                        yield message
                    continue
            except (EOFError, OSError):
                self.was_cut = True
                return Stopped(Reason.CRASHED, f"died{_where(heartbeat)}")
            if time.monotonic_ns() - max(last, heartbeat[BEGUN]) > self._work.seconds * 1e9:
                self.was_cut = True
                return Stopped(Reason.LOOP, f"did not return within {self._work.seconds:g} s{_where(heartbeat)}")


def _where(heartbeat: Any) -> str:
    """What a process had in hand, in words."""
    if not heartbeat[OPENED]:
        return " when it opened the file system"
    place = heartbeat[DIRECTORY]
    return f" in the directory with metadata address {place}" if place else ""


def _told(request: WalkRequest, failed: list[Attempt], last: Attempt) -> list[Listed]:
    """What was tried and what came of it."""
    volume = request.volume
    out: list[Listed] = []
    reasons = [attempt for attempt in failed if attempt.stopped is not None and attempt.reader != COPIES]
    if reasons and reasons[0].stopped is not None:
        first = reasons[0].stopped
        usual = USUAL if second_reader(volume.file_system) else f"the reader of {volume.file_system}"
        tried = "; ".join(
            f"{attempt.reader or usual} {attempt.stopped.words}" for attempt in reasons if attempt.stopped
        )
        means = _means(last.reader)
        hint = "" if last.reader == COPIES else "read the volume with another tool for what is missing"
        out.append(Problem(_address(request), STAGE, first.reason, f"{tried}; {means}", hint,
                           examined_anyway=last.reader == COPIES))  # fmt: skip
    if last.stopped is None:
        return out
    words = last.stopped.words
    words = f"listing {words}" if words.startswith("stopped") else f"the reader of {volume.file_system} {words}"
    if last.stopped.reason in (Reason.CRASHED, Reason.LOOP) and last.opened:
        words = f"listing the volume {last.stopped.words}, again and again; what was listed before is examined"
    size = 0 if last.opened else volume.length
    out.append(Problem(_address(request), STAGE, last.stopped.reason, words, last.stopped.hint or OTHER_TOOL, size))
    return out


def _means(reader: str) -> str:
    """What it means that this reader gave the list."""
    if reader == COPIES:
        return "read with the copies that the file system keeps of its first structures; nothing is left out"
    if reader == BYTES:
        return "no reader opens the file system, so the volume is searched as bytes: names and files are not told"
    if reader:
        return f"read with {reader} instead: {NOT_LISTED.get(reader, _LIVE_ONLY)}"
    return "read again without what it stops at"


def _address(request: WalkRequest) -> str:
    return str(Address(request.source.name, request.volume.name, b"/"))
