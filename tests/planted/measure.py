"""Scan planted disks, and say of each plant whether it was found once, where it lies.

python -m tests.planted.measure            writes docs/planted-strings.md; needs root and the tools of the table
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.planted.disk import PASSWORD, disk_of, fragmented, layers
from tests.planted.scanning import scan
from tests.planted.strings import SCRIPTS, VARIANTS, Plan, Variant
from tests.planted.volumes import KINDS
from triage.case import Case
from triage.errors import EvidenceError
from triage.evidence import open_evidence
from triage.evidence.keychain import Keychain, Secret, SecretKind

DOCUMENT = Path(__file__).parents[2] / "docs" / "planted-strings.md"
Place = tuple[str, int]
BLOCK = 64 << 10


@dataclass
class Outcome:
    """What a scan found of the plants of one disk.

    Attributes:
        right: Plants by state that were found once, where they lie.
        planted: Plants by state that are there.
        wrong: What was not so, in words.
    """

    right: Counter[str] = field(default_factory=Counter)
    planted: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def judge(disk: Path, case: Path, plan: Plan) -> Outcome:
    """Every plant against every hit."""
    written = _written(disk.read_bytes())
    plants = {variant.bytes_of(number): number for number, (_, variant) in plan.plants.items()}
    hits = _hits(disk, case, plants)
    outcome = Outcome()
    for number, (state, variant) in plan.plants.items():
        text = variant.bytes_of(number)
        there = [start + at for start, data in written for at in _all(data, text)]
        found = hits.get(number, [])
        if state.startswith("resident"):  # $MFT is a file like others, and has the record with these bytes in it
            found = [hit for hit in found if not hit[0].endswith("/$MFT")] if len(found) == 2 else found
            there = []
        if state == "compressed":  # what was written plain at first may still lie in free space, and is found there
            there = [-1, *there]
        hidden = "logical volume" in state or (not there and not _may_be_gone(state))
        if not there and not hidden:
            continue  # the file system wrote over it
        outcome.planted[state] += 1
        places = sorted(place for _, place in found)  # of hits, wherever the plant begins
        if (hidden and len(found) == 1) or (there and (places == there or _is_beside(variant, there, places))):
            outcome.right[state] += 1
        else:
            outcome.wrong.append(f"{state}, {variant.language} {variant.encoding}: lies at {there}, found at {found}")
    return outcome


def _may_be_gone(state: str) -> bool:
    """The file system may have written over it; of any other state every plant is there."""
    return state in ("deleted", "deleted, name overwritten")


def _is_beside(variant: Variant, there: list[int], places: list[int]) -> bool:
    """Latin in UTF-16 at an odd offset reads in the other byte order from the next or last byte on: the same letters."""
    both = variant.word.isascii() and variant.encoding in ("utf-16-le", "utf-16-be")
    return both and len(there) == len(places) == 1 and there[0] % 2 == 1 and abs(there[0] - places[0]) == 1


def _written(image: bytes) -> list[tuple[int, bytes]]:
    """Stretches of the image that are not empty: most of a disk is."""
    out: list[tuple[int, bytes]] = []
    begin = -1
    for start in range(0, len(image) + BLOCK, BLOCK):
        block = image[start : start + BLOCK]
        if block.count(0) < len(block):
            begin = start if begin < 0 else begin
        elif begin >= 0:
            out.append((begin, image[begin:start]))
            begin = -1
    return out


def _all(image: bytes, text: bytes) -> list[int]:
    out, at = [], image.find(text)
    while at >= 0:
        out.append(at)
        at = image.find(text, at + 1)
    return out


def _hits(disk: Path, case: Path, plants: dict[bytes, int]) -> dict[int, list[Place]]:
    """Hits by number of the plant: the address, and the offset in the image, -1 inside layers and where compressed."""
    longest = max(map(len, plants))
    keychain = Keychain((Secret(SecretKind.PASSWORD, 1, PASSWORD.encode()),))
    found: dict[int, list[Place]] = defaultdict(list)
    with (
        contextlib.closing(sqlite3.connect(case / "case.db")) as database,
        Case.open(case) as opened,
        open_evidence([disk], keychain=keychain) as evidence,
    ):
        readers = {}
        rows = database.execute("SELECT DISTINCT entries.id, file_offset FROM hits JOIN entries USING (content)")
        for entry_id, offset in rows.fetchall():
            entry = opened.entry(entry_id)
            volume = entry.address.volume
            reader = readers.get(volume) or readers.setdefault(volume, evidence.reader(volume))
            begin = max(0, offset - 1)
            data = reader.open_entry(entry).read_at(begin, longest + 2)
            number = next((number for text, number in plants.items() if 0 <= data.find(text) <= 2), None)
            if number is not None:
                found[number].append((str(entry.address), _in_image(reader, entry, offset)))
    return found


def _in_image(reader, entry, offset: int) -> int:  # type: ignore[no-untyped-def]
    try:
        runs = reader.byte_runs(entry)
    except EvidenceError:
        return -1
    for run in runs:
        if run.file_offset <= offset < run.file_offset + run.length:
            return run.image_offset + offset - run.file_offset if run.image_offset >= 0 else -1
    return -1


def measure(make: Callable[[Path, Plan], Path], *options: str) -> Outcome:
    """Make a disk, scan it, judge it."""
    plan = Plan()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        disk = make(scratch, plan)
        return judge(disk, scan(disk, scratch, *options), plan)


def outcomes(names: set[str]) -> dict[str, Outcome]:
    """By disk; those that cannot be made here are left out."""
    out: dict[str, Outcome] = {}
    for kind in KINDS:
        if kind.name in names and not kind.missing():
            out[kind.name] = measure(lambda scratch, plan, kind=kind: disk_of(kind, scratch, plan))  # type: ignore[misc]
    if "fragments" in names:
        out["fragments"] = measure(fragmented)
    if "layers" in names:
        out["layers"] = measure(layers, "--password", PASSWORD)
    return out


ALL = {*(kind.name for kind in KINDS), "fragments", "layers"}


def main() -> None:
    """Write the table."""
    from tests.planted.document import render

    found = outcomes(set(sys.argv[1:]) or ALL)
    for name, outcome in found.items():
        print(name, f"{sum(outcome.right.values())} of {sum(outcome.planted.values())}")
        for words in outcome.wrong[:40]:
            print("   ", words)
    if set(found) == ALL:
        DOCUMENT.write_text(render(found), "utf-8")
    assert SCRIPTS and VARIANTS


if __name__ == "__main__":
    main()
