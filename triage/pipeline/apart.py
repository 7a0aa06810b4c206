"""Opening in a process of its own: a library that dies on hostile bytes takes that process with it and nothing else.

Partition tables, file systems and snapshots are looked at by native libraries before any worker starts, and files
inside the evidence that are images are looked at the same way. What was found is plain data and comes back through a
pipe; the evidence itself stays in the child.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from triage.errors import EvidenceError, ProcessDiedError, TriageError
from triage.evidence import Evidence, LostSearch, open_evidence
from triage.evidence.inner_images import InnerImage
from triage.evidence.keychain import Keychain
from triage.evidence.native_calls import BEGUN, LENGTH, START, WORDS, Place, leave_out, watch
from triage.evidence.stack import InsideImage
from triage.model.problem import Problem, Reason
from triage.model.volume import EvidenceSource, Volume
from triage.pipeline.messages import SourceRef
from triage.pipeline.processes import become_child, reap

SECONDS = 120.0
"""Wall clock for one call of a library that opens something."""
MAX_LEFT_OUT = 16
"""Places of one source that are left out; one more, and the source does not open."""
Progress = Callable[[int, int], None]
PROGRESS, DONE, FAILED = range(3)


@dataclass(frozen=True, slots=True)
class Opened:
    """What opening a source found.

    Attributes:
        source: The file set.
        volumes: As :attr:`Evidence.volumes`.
        problems: As :attr:`Evidence.problems`.
        left_out: Places that a library did not return from opening, or died of; each is among the problems.
    """

    source: EvidenceSource
    volumes: tuple[Volume, ...]
    problems: tuple[Problem, ...]
    left_out: tuple[Place, ...] = ()


def open_apart(source: SourceRef, *, searches: bool, progress: Progress = lambda done, total: None) -> Opened:
    """Open a source and every layer in it, in a process that ends with it.

    Args:
        source: What to open; its keychain takes in what was tried and derived.
        searches: Look for volumes that no table names.
        progress: Called with bytes searched for them so far and in all.

    Raises:
        ProcessDiedError: The process that opened it died.
        EvidenceError: It does not open.
    """
    left_out = {place: _told(source.name, place, "it died or did not return before") for place in source.left_out}
    while True:
        with _Child(_open_source, replace(source, left_out=tuple(left_out)), searches) as child:
            try:
                opened, keychain = child.answer(progress)
                break
            except ProcessDiedError as error:
                place = child.place
                if place is None or place in left_out or len(left_out) >= MAX_LEFT_OUT:
                    raise
                left_out[place] = _told(source.name, place, error.message, error.hint or "")
    source.keychain.take_over(keychain)
    found: Opened = opened
    return replace(found, problems=(*found.problems, *left_out.values()), left_out=tuple(left_out))


def _told(name: str, place: Place, why: str, hint: str = "read it with another tool") -> Problem:
    """What the report says of a place that is left out."""
    start, length = place
    message = f"a library is not asked for what stands at {start} of the media, {length} bytes: {why}"
    return Problem(name, "evidence/opener", Reason.CRASHED, message, hint, min(length, 1 << 48))


class ImageOpener:
    """Opens files inside a source that are images, one after the other; a context manager.

    Args:
        source: The source.
    """

    def __init__(self, source: SourceRef) -> None:
        self._source = source
        self._child: _Child | None = None
        self._added: list[InnerImage] = []

    def open(self, image: InnerImage) -> InsideImage:
        """What is in an image.

        Raises:
            ProcessDiedError: The process that opened it died; the next call has a new one.
            EncryptedVolumeError: It needs a key.
            EvidenceError: It does not open, or nothing that is known is in it.
        """
        if self._child is None:
            self._child = _Child(_open_images, self._source, tuple(self._added))
        try:
            found, keychain = self._child.ask(image)
        except ProcessDiedError:
            self.close()
            raise
        self._source.keychain.take_over(keychain)
        self._added.append(image)
        inside: InsideImage = found
        return inside

    def close(self) -> None:
        """End the process; a second call does nothing."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def __enter__(self) -> ImageOpener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Child:
    """A process that answers."""

    def __init__(self, body: Callable[..., None], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._marker = context.RawArray("q", WORDS)
        self.place: Place | None = None
        everything = (theirs, self._marker, *arguments)
        self._process = context.Process(target=body, args=everything, name="triage-opening", daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, question: object) -> Any:
        """Send, and wait for the answer."""
        with contextlib.suppress(OSError):  # dead: told below
            self._connection.send(question)
        return self.answer(lambda done, total: None)

    def answer(self, progress: Progress) -> Any:
        """Wait for what comes of it.

        Raises:
            ProcessDiedError: Nothing came.
            TriageError: As the child raised it.
        """
        while True:
            begun = self._marker[BEGUN]
            if begun and time.monotonic_ns() - begun > SECONDS * 1e9:
                self._process.kill()
                raise self._died(f"did not return within {SECONDS:.0f} seconds")
            try:
                if not self._connection.poll(0.2):
                    continue
                kind, content = self._connection.recv()
            except (EOFError, OSError):
                raise self._died() from None
            if kind == PROGRESS:
                progress(*content)
            elif kind == FAILED:
                raise content
            else:
                return content

    def _died(self, how: str = "") -> ProcessDiedError:
        """Why nothing comes any more; :attr:`place` is what was being opened."""
        self._process.join(5)
        code = self._process.exitcode
        if self._marker[BEGUN]:
            self.place = (self._marker[START], self._marker[LENGTH])
        how = how or ("died of " + (f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"))
        return ProcessDiedError(
            f"the process that opened it {how}",
            hint="a library does not stand these bytes: open it with another tool, and compare with another copy",
        )

    def close(self) -> None:
        self._connection.close()
        reap(self._process)

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def _telling(connection: Connection) -> Iterator[None]:
    """Send what is raised instead of an answer."""
    try:
        yield
    except TriageError as error:
        connection.send((FAILED, error))
    except MemoryError:
        connection.send((FAILED, EvidenceError("opening it takes more memory than there is")))
    except Exception as error:  # a bug of ours costs one source, and is told
        words = f"internal error: {type(error).__name__}: {error}"
        connection.send((FAILED, EvidenceError(words, hint="please report this")))


def _open_source(connection: Connection, marker: Any, source: SourceRef, searches: bool) -> None:
    """Body of the child that opens a source."""
    become_child(address_space=0)
    watch(marker)
    leave_out(source.left_out)
    lost = LostSearch(None if searches else (), progress=lambda done, total: connection.send((PROGRESS, (done, total))))
    keychain: Keychain = source.keychain
    with _telling(connection):
        with open_evidence(
            source.paths, name=source.name, as_raw=source.as_raw, keychain=keychain, lost=lost
        ) as evidence:
            opened = Opened(evidence.source, evidence.volumes, evidence.problems)
        connection.send((DONE, (opened, keychain)))
    connection.close()


def _open_images(connection: Connection, marker: Any, source: SourceRef, known: tuple[InnerImage, ...]) -> None:
    """Body of the child that opens images in a source, until the pipe is closed."""
    become_child(address_space=0)
    watch(marker)
    evidence: Evidence | None = None
    while True:
        try:
            image: InnerImage = connection.recv()
        except (EOFError, OSError):
            return
        with _telling(connection):
            if evidence is None:
                evidence = source.open()
                evidence.add_images(known)
            evidence.add_images([image])
            connection.send((DONE, (evidence.open_image(image.name), source.keychain)))
