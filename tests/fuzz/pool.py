"""Runs in child processes that may die, hang or eat memory without harm to who counts them."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import itertools
import multiprocessing
import resource
import shutil
import signal
import tempfile
import time
import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.fuzz.image import FuzzImage
from tests.fuzz.judge import judge
from tests.fuzz.mutation import Mutator
from tests.fuzz.observe import PHASES, Observer

SEED, BEGUN, PHASE = 0, 1, 2
SHARED = Path("/dev/shm")


Job = tuple[Path, int]
"""A saved image and a seed."""


@dataclass(frozen=True)
class Bounds:
    """What one run may cost.

    Attributes:
        seconds: Wall clock, after which the child is killed.
        address_space: Bytes of address space of a child.
        memory: Bytes of resident memory that one run may add.
        seeds: Runs of one child, after which a new one takes over.
    """

    seconds: float = 20.0
    address_space: int = 3 << 30
    memory: int = 512 << 20
    seeds: int = 400


@dataclass
class Outcome:
    """One run.

    Attributes:
        seed: Makes the same mutant of the same image again.
        kind: As :class:`~tests.fuzz.judge.Verdict`, or ``crash``, ``hang``, ``memory``.
        detail: In words.
        changes: What was changed.
        seconds: Wall clock.
        memory: Bytes that resident memory grew by at most.
        phase: Where it was when it died.
    """

    seed: int
    kind: str
    detail: str = ""
    changes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    memory: int = 0
    phase: str = ""


def run_seeds(path: Path, seeds: Iterable[int], bounds: Bounds, *, blind: bool = False) -> Iterator[Outcome]:
    """Mutants of a saved image, one for each seed.

    Args:
        path: Of :meth:`FuzzImage.save`.
        seeds: Which.
        bounds: What each may cost.
        blind: Make checksums agree with everything.
    """
    return (outcome for _, outcome in run_jobs([(path, seed) for seed in seeds], bounds, blind=blind))


def run_jobs(jobs: Sequence[Job], bounds: Bounds, *, blind: bool = False) -> Iterator[tuple[Path, Outcome]]:
    """Mutants of several images, those of one image together; arguments as of :func:`run_seeds`."""
    context = multiprocessing.get_context("spawn")
    todo = list(jobs)
    while todo:
        batch, todo = todo[: bounds.seeds], todo[bounds.seeds :]
        shared = SHARED if SHARED.is_dir() else None
        with tempfile.TemporaryDirectory(dir=shared, ignore_cleanup_errors=True) as scratch:
            ours, theirs = context.Pipe()
            marker = context.RawArray("q", 3)
            arguments = (batch, bounds, blind, Path(scratch), theirs, marker)
            child = context.Process(target=_child, args=arguments, daemon=True)
            child.start()
            theirs.close()
            try:
                left = yield from _collect(child, ours, marker, batch, bounds, Path(scratch))
                todo = left + todo
            finally:
                child.kill()
                child.join()


def _collect(
    child: Any, ours: Connection, marker: Any, batch: list[Job], bounds: Bounds, scratch: Path
) -> Generator[tuple[Path, Outcome], None, list[Job]]:
    """Outcomes of one child; the value is the jobs that it did not come to."""
    done = 0
    died = ""
    started = time.monotonic_ns()
    try:
        while done < len(batch):
            if ours.poll(0.2):
                yield batch[done][0], ours.recv()
                done += 1
            elif time.monotonic_ns() - max(marker[BEGUN], started) > (bounds.seconds + 60 * (not marker[BEGUN])) * 1e9:
                died = "hang"
                child.kill()
                break
    except (EOFError, OSError):
        died = "crash"
    if done < len(batch):
        child.join()
    else:
        child.join(20)
    ours.close()
    if done == len(batch):
        return []
    trace = scratch / "trace"
    words = trace.read_text(errors="replace")[-6000:] if trace.exists() else ""
    if died == "crash":
        words = f"exit code {child.exitcode}\n{words}"
    if not marker[BEGUN]:
        raise RuntimeError(f"a child died before it began: {words}")
    path, seed = batch[done]
    phase = PHASES[marker[PHASE]]
    yield path, Outcome(seed, died, words, phase=phase, seconds=bounds.seconds * (died == "hang"))
    return batch[done + 1 :]


def _child(batch: list[Job], bounds: Bounds, blind: bool, scratch: Path, connection: Connection, marker: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (bounds.address_space, bounds.address_space))
    with (scratch / "trace").open("w") as trace:
        faulthandler.enable(trace)
        for path, jobs in itertools.groupby(batch, key=lambda job: job[0]):
            image = FuzzImage.load(path)
            if blind:
                blind_to(image.blind)
            shutil.rmtree(scratch / "sound", ignore_errors=True)
            (scratch / "sound").mkdir()
            sound = Observer().observe(image.write(scratch / "sound"), image.keys)
            mutator = Mutator(image)
            gc.collect()
            gc.freeze()
            for _, seed in jobs:
                trace.seek(0)
                trace.truncate()
                connection.send(_one(mutator, sound, seed, bounds, scratch / "mutant", marker, trace))
    connection.close()


def _one(mutator: Mutator, sound: Any, seed: int, bounds: Bounds, folder: Path, marker: Any, trace: Any) -> Outcome:
    mutant, changes = mutator.mutant(seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = mutant.write(folder)
    before = _resident(reset=True)

    def mark(phase: int) -> None:
        marker[PHASE] = phase

    marker[SEED] = seed
    marker[PHASE] = 0
    marker[BEGUN] = begun = time.monotonic_ns()
    faulthandler.dump_traceback_later(max(0.5, bounds.seconds - 1), file=trace)
    found = Observer(mark).observe(path, mutant.keys)
    faulthandler.cancel_dump_traceback_later()
    seconds = (time.monotonic_ns() - begun) / 1e9
    marker[BEGUN] = time.monotonic_ns()
    verdict = judge(sound, found, touched=mutator.touches_content(mutant))
    grown = _resident() - before
    kind, detail = verdict.kind, verdict.detail
    if grown > bounds.memory and kind != "untyped":
        kind, detail = "memory", f"{grown >> 20} MiB; {kind}: {detail}"
    return Outcome(seed, kind, detail, changes, seconds, grown)


def _resident(*, reset: bool = False) -> int:
    """Most resident memory since the last reset, bytes; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) << 10
    return 0


def blind_to(names: tuple[str, ...]) -> None:
    """Make functions that check a checksum agree; and whole ``zlib`` modules."""
    for item in names:
        module, _, name = item.partition(":")
        owner = importlib.import_module(module)
        setattr(owner, name, _BlindZlib() if name == "zlib" else lambda *_, **__: _Anything(1))


class _Anything(int):
    """Equal to everything, and true."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 1


class _BlindZlib:
    """The module, with checksums that agree."""

    def __getattr__(self, name: str) -> Any:
        return (lambda *_: _Anything(1)) if name in ("crc32", "adler32") else getattr(zlib, name)
