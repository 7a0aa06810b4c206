"""F09: a few seeds for each format, in the suite; ``tests/fuzz/run.py`` has as many as one likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.image import FuzzImage
from tests.fuzz.judge import judge
from tests.fuzz.mutation import Mutator, content
from tests.fuzz.observe import Observation, Observer
from tests.fuzz.pool import Bounds, Outcome, run_jobs, run_seeds
from tests.fuzz.run import MUST_NOT, formats, saved
from tests.fuzz.sparse import Sparse

SEEDS = 2
LISTED_BY_A_LIBRARY = {"fat12", "ext2", "ext3", "ext4", "ntfs", "iso9660", "exfat", "hfs+", "yaffs2"}
"""Where listing a directory may not return: the walk kills it and goes on without that directory."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("fuzz")
    return [path for name in formats() if (path := saved(name, folder)) is not None]


def fault(image: FuzzImage, outcome: Outcome) -> str:
    """What is wrong with an outcome, empty where nothing is."""
    where = f"{image.name}, seed {outcome.seed}: {outcome.kind} {outcome.phase} {outcome.detail[:1500]} {outcome.changes[:5]}"
    if outcome.kind in MUST_NOT:
        is_contained = outcome.phase == "listing" and image.name in LISTED_BY_A_LIBRARY
        return "" if is_contained and outcome.kind in ("crash", "hang") else where
    return where if image.strict and outcome.kind in ("lost", "changed") else ""


def test_mutants_of_every_format(images: list[Path]) -> None:
    """Only typed errors, bounded time and memory; where structures have checksums, nothing is lost without a word."""
    jobs = [(path, seed) for path in images for seed in range(SEEDS)]
    faults = [fault(FuzzImage.load(path), outcome) for path, outcome in run_jobs(jobs, Bounds())]
    assert len(faults) == len(jobs)
    assert not [words for words in faults if words]


def test_sound_images_are_read_whole(images: list[Path], tmp_path: Path) -> None:
    """Otherwise there is nothing to lose."""
    for path in images:
        image = FuzzImage.load(path)
        folder = tmp_path / path.stem
        folder.mkdir()
        found = Observer().observe(image.write(folder), image.keys)
        assert not found.refused and not found.untyped and not found.excess and found.entries, (image.name, found)
        assert not [key for key, (kind, _, digest) in found.entries.items() if kind == "file" and not digest], (
            image.name
        )


# --- the harness itself ---------------------------------------------------------------------------------------------
def small() -> FuzzImage:
    return FuzzImage("small", {"x.dd": Sparse.of(content("x", 3000) + bytes(range(256)) * 20)})


def test_a_seed_makes_the_same_mutant_again() -> None:
    made = [[Mutator(small()).mutant(seed)[0].files["x.dd"] for seed in range(50)] for _ in range(2)]
    assert [(data.size, data.blocks) for data in made[0]] == [(data.size, data.blocks) for data in made[1]]
    whole = small().files["x.dd"]
    changed = sum((data.size, data.blocks) != (whole.size, whole.blocks) for data in made[0])
    assert changed > 40


def test_what_is_lost_without_a_word_is_seen() -> None:
    sound, found = Observation(), Observation()
    sound.entries = {"x p1:/a allocated 0": ("file", 1, "m"), "x p1:/b allocated 0": ("file", 1, "n")}
    assert judge(sound, found).kind == "lost"
    found.entries = {**sound.entries, "x p1:/a allocated 0": ("file", 1, "o")}
    assert judge(sound, found).kind == "changed"
    assert judge(sound, found, touched=True).kind == "plausible"
    found.problems["corrupt", "told"] += 1
    assert judge(sound, found).kind == "told"
    found.untyped.append("ValueError")
    assert judge(sound, found).kind == "untyped"
    assert judge(sound, Observation(entries=dict(sound.entries))).kind == "same"


@pytest.mark.parametrize(
    ("name", "kind"), [("dies", "crash"), ("hangs", "hang"), ("eats", "memory"), ("raises", "untyped")]
)
def test_a_child_that_fails_is_counted_and_the_rest_goes_on(tmp_path: Path, name: str, kind: str) -> None:
    """The image has a key that misbehaves when it is asked for the second seed."""
    image = small()
    image.keys = Misbehaving(name, tmp_path / "flag")  # type: ignore[assignment]
    image.save(tmp_path / "small.pickle")
    outcomes = list(run_seeds(tmp_path / "small.pickle", range(4), Bounds(seconds=3, memory=64 << 20)))
    assert [outcome.seed for outcome in outcomes] == [0, 1, 2, 3]
    assert outcomes[1].kind == kind and all(outcome.kind != kind for outcome in (outcomes[0], *outcomes[2:]))


class Misbehaving:
    """Stands in for a keychain: asked once in each run; misbehaves at the third time, and once only."""

    def __init__(self, how: str, flag: Path) -> None:
        self.how = how
        self.flag = flag
        self.asked = 0

    def __getattr__(self, name: str) -> object:
        raise AttributeError(name)

    def __bool__(self) -> bool:
        self.asked += 1
        if self.asked == 3 and not self.flag.exists():  # the sound image, the first seed, the second one
            self.flag.touch()
            _misbehave(self.how)
        return True


def _misbehave(how: str) -> None:
    import os
    import signal
    import time

    if how == "dies":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "hangs":
        time.sleep(60)
    if how == "eats":
        assert len(bytes(range(256)) * (1 << 20))
    if how == "raises":
        raise ZeroDivisionError(how)
