"""The long run: ``python -m tests.fuzz.run [--seeds N] [--first N] [--format NAME ...] [--blind] [--keep DIR]``.

For each format a line with what came of its mutants. Whatever is not fine is written to a file of JSON lines with seed and
changes; ``--show FORMAT SEED`` makes one mutant again and says what comes of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.fuzz.containers import containers
from tests.fuzz.filesystems import file_systems
from tests.fuzz.image import FuzzImage
from tests.fuzz.judge import judge
from tests.fuzz.mutation import Mutator
from tests.fuzz.observe import Observer
from tests.fuzz.pool import Bounds, blind_to, run_seeds
from tests.fuzz.volumes import volumes

FINE = {"same", "told", "refused", "plausible"}
MUST_NOT = {"crash", "hang", "memory", "untyped", "excess"}


def formats() -> dict[str, Callable[[Path], FuzzImage]]:
    """Makers of every image by name."""
    return dict((*containers(), *volumes(), *file_systems()))


def saved(name: str, folder: Path) -> Path | None:
    """The image of a format, made once and kept, so that seeds make the same mutants again; None without its tool."""
    path = folder / f"{name}.pickle"
    if not path.exists():
        with tempfile.TemporaryDirectory() as scratch:
            try:
                formats()[name](Path(scratch)).save(path)
            except (FileNotFoundError, pytest.skip.Exception, ImportError) as error:
                print(f"{name}: left out, {error}", file=sys.stderr)
                return None
    return path


def _run(options: argparse.Namespace) -> Iterator[tuple[str, Counter[str], float]]:
    options.keep.mkdir(parents=True, exist_ok=True)
    with (options.keep / "found.jsonl").open("a") as out:
        for name in options.format or formats():
            path = saved(name, options.keep)
            if path is None or (options.blind and not FuzzImage.load(path).blind):
                continue
            counts: Counter[str] = Counter()
            slowest, began = 0.0, time.monotonic()
            seeds = range(options.first, options.first + options.seeds)
            for outcome in run_seeds(path, seeds, Bounds(seconds=options.seconds), blind=options.blind):
                counts[outcome.kind] += 1
                slowest = max(slowest, outcome.seconds)
                if outcome.kind not in FINE or outcome.seconds > options.seconds / 4:
                    out.write(json.dumps({"format": name, "blind": options.blind, **asdict(outcome)}) + "\n")
                    out.flush()
                if options.minutes and time.monotonic() - began > options.minutes * 60:
                    break
            counts["runs"] = sum(counts.values())
            yield name, counts, slowest


def _show(name: str, seed: int, options: argparse.Namespace) -> None:
    path = saved(name, options.keep)
    assert path is not None
    image = FuzzImage.load(path)
    if options.blind:
        blind_to(image.blind)
    mutant, changes = Mutator(image).mutant(seed)
    with tempfile.TemporaryDirectory() as scratch:
        sound = Observer().observe(image.write(Path(scratch, "sound")), image.keys)
        target = options.out or Path(scratch, "mutant")
        found = Observer().observe(mutant.write(target), image.keys)
    print("\n".join(changes))
    print(judge(sound, found, touched=Mutator(image).touches_content(mutant)))
    print("refused:", found.refused)
    for problem, count in found.problems.items():
        print(count, problem, "" if problem not in sound.problems else "(as in the sound one)")
    for key, value in sound.entries.items():
        if found.entries.get(key) != value:
            print(key, value, "->", found.entries.get(key))
    for key in found.entries:
        if key not in sound.entries:
            print("new:", key, found.entries[key])
    print("\n".join(found.untyped))


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--minutes", type=float, default=0, help="at most for one format")
    parser.add_argument("--format", action="append")
    parser.add_argument("--blind", action="store_true", help="checksums agree with everything")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where images and findings are kept")
    parser.add_argument("--out", type=Path, help="where --show leaves the mutant")
    parser.add_argument("--show", nargs=2, metavar=("FORMAT", "SEED"))
    options = parser.parse_args()
    if options.show:
        _show(options.show[0], int(options.show[1]), options)
        return
    for name, counts, slowest in _run(options):
        words = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
        print(f"{name:16} slowest {slowest:5.1f} s  {words}", flush=True)


if __name__ == "__main__":
    main()
