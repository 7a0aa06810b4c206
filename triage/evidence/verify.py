"""Digests of the whole media, compared with those that the container states and those that somebody wrote down."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from triage.evidence.containers.bad_ranges import BadRange
from triage.evidence.containers.rescued import RescuedMedia
from triage.evidence.containers.segment_file import SegmentFile, shown_name
from triage.evidence.digest_lists import Expected
from triage.model.problem import Problem
from triage.model.stream import Stream

PIECE = 4 << 20
ALGORITHMS = ("md5", "sha1", "sha256")
CONTAINER = "the image"
"""Who states a digest that the container holds."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A stated digest and what was found.

    Attributes:
        expected: What is stated, by whom, of what.
        computed: Of what was read; empty where this build cannot compute the algorithm.
    """

    expected: Expected
    computed: str

    @property
    def matches(self) -> bool:
        """The digests are equal."""
        return bool(self.computed) and self.computed == self.expected.value


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What reading the whole media showed.

    Attributes:
        size: Bytes read; holes and missing chunks count as zeros.
        computed: Digests of what was read, lower-case hex by algorithm; ``md5``, ``sha1``, ``sha256`` at least.
        stored: Digests that the container states; empty where it states none.
        problems: Seen at opening and while reading.
        comparisons: Each stated digest with what was found, those of the container first.
        bad: Bytes of the media that could not be read.
    """

    size: int
    computed: dict[str, str]
    stored: dict[str, str]
    problems: tuple[Problem, ...] = field(default=())
    comparisons: tuple[Comparison, ...] = field(default=())
    bad: tuple[BadRange, ...] = field(default=())

    @property
    def mismatched(self) -> tuple[str, ...]:
        """Algorithms for which the container states another digest, sorted."""
        return tuple(sorted(name for name, value in self.stored.items() if self.computed.get(name, value) != value))

    @property
    def matches(self) -> bool:
        """False where a stated digest is not that of what was read; see ``comparisons`` for none."""
        return not self.mismatched and all(found.matches for found in self.comparisons if found.computed)

    @property
    def is_whole(self) -> bool:
        """Everything was read, and every stated digest could be compared."""
        told = any(not problem.examined_anyway for problem in self.problems)
        return not self.bad and not told and all(found.computed for found in self.comparisons)


def digest_media(
    media: Stream, progress: Callable[[int, int], None] | None = None, algorithms: Iterable[str] = ALGORITHMS
) -> tuple[int, dict[str, str]]:
    """Read a stream from end to end.

    Args:
        media: Read once, in order.
        progress: Called with bytes read so far and in all, about every 4 MiB.
        algorithms: Names that :mod:`hashlib` has.

    Returns:
        Bytes read, and hex digests by algorithm.

    Raises:
        ReadFailedError: The media cannot be read to the end.
    """
    machines = [hashlib.new(name, usedforsecurity=False) for name in algorithms]
    offset = 0
    waiting: list[Future[None]] = []
    with ThreadPoolExecutor(max(1, len(machines))) as threads:
        while offset < media.size:
            piece = media.read_at(offset, PIECE)
            for task in waiting:
                task.result()
            if not piece:
                break
            waiting = [threads.submit(machine.update, piece) for machine in machines]
            offset += len(piece)
            if progress is not None:
                progress(offset, media.size)
    return offset, {machine.name: machine.hexdigest() for machine in machines}


def can_compute(algorithm: str) -> bool:
    """This build has the algorithm."""
    return algorithm in hashlib.algorithms_available


class Verification:
    """What is to be compared of one evidence, and how much there is to read.

    Args:
        media: Decoded media.
        paths: Files that they come from.
        stored: Digests that the container states.
        expected: Digests that somebody wrote down; those of other files are left out.
        is_raw: The only file is the media byte for byte.
    """

    def __init__(
        self, media: Stream, paths: Sequence[Path], stored: dict[str, str], expected: Iterable[Expected], is_raw: bool
    ) -> None:
        self._media = media
        names = {shown_name(path): path for path in paths}
        whole = next(iter(names)) if is_raw and len(names) == 1 else ""
        self._of_media = [Expected(name, value, CONTAINER) for name, value in sorted(stored.items())]
        self._of_files: dict[str, list[Expected]] = {}
        for found in expected:
            if not found.file or found.file == whole:
                self._of_media.append(found)
            elif found.file in names:
                self._of_files.setdefault(found.file, []).append(found)
        self._files = {name: names[name] for name in self._of_files}

    @property
    def is_empty(self) -> bool:
        """Nothing is stated of this evidence."""
        return not self._of_media and not self._of_files

    def run(self, progress: Callable[[int, int], None] | None) -> tuple[int, dict[str, str], tuple[Comparison, ...]]:
        """Read everything once.

        Returns:
            Bytes of the media, their digests, and the comparisons.

        Raises:
            EvidenceError: A file cannot be opened.
        """
        sizes = [path.stat().st_size for path in self._files.values()]
        total = self._media.size + sum(sizes)
        done = 0

        def shown(now: int, _: int) -> None:
            if progress is not None:
                progress(done + now, total)

        size, computed = digest_media(self._media, shown, _wanted(self._of_media, ALGORITHMS))
        done += size
        compared = [Comparison(found, computed.get(found.algorithm, "")) for found in self._of_media]
        for name, path in self._files.items():
            file = SegmentFile(path)
            try:
                read, digests = digest_media(RescuedMedia(file, name), shown, _wanted(self._of_files[name], ()))
            finally:
                file.close()
            done += read
            compared += [Comparison(found, digests.get(found.algorithm, "")) for found in self._of_files[name]]
        return size, computed, tuple(dict.fromkeys(compared))


def _wanted(expected: Iterable[Expected], always: Iterable[str]) -> tuple[str, ...]:
    names = dict.fromkeys((*always, *(found.algorithm for found in expected)))
    return tuple(name for name in names if can_compute(name))
