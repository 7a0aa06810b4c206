"""Walk an image in a process that can be killed, since the file-system library may never return or die.

``walk(image)`` starts it, and again without the directory that did not return, as the pipeline does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Walked:
    """What came of it.

    Attributes:
        result: ``none`` (no file system), ``refused`` or ``ok``.
        paths: Of entries, as Python literals.
        problems: Reasons and messages.
        skipped: Metadata addresses left out because listing did not return.
        unread: Entries whose content could not be read.
    """

    result: str
    paths: list[str]
    problems: list[list[str]]
    skipped: list[int]
    unread: int


def walk(image: Path, *, seconds: float = 20, kills: int = 6) -> Walked:
    """Walk and read an image.

    Args:
        image: A file.
        seconds: After which a run is killed.
        kills: At most so many.
    """
    skipped: list[int] = []
    for _ in range(kills + 1):
        command = [sys.executable, "-m", "tests.support.walk_child", str(image), json.dumps(skipped)]
        folder = Path(__file__).parents[2]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder) as child:
            try:
                out, error = child.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                child.kill()
                out, error = child.communicate()
                entered = [line for line in error.splitlines() if line.startswith("entering ")]
                assert entered, "opening did not return"
                address = int(entered[-1].split()[1])
                assert address not in skipped, f"{address} was left out and still entered"
                skipped.append(address)
                continue
        assert child.returncode == 0, error[-2000:]
        found: dict[str, Any] = json.loads(out)
        return Walked(skipped=skipped, **found)
    raise AssertionError(f"did not return after leaving out {skipped}")


class _FileStream:
    """Bytes of a file, of any size."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.size = path.stat().st_size

    def read_at(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(length)

    def close(self) -> None:
        self._file.close()


def _main(path: Path, skip: list[int]) -> dict[str, Any]:
    from triage.errors import EvidenceError
    from triage.evidence.filesystems import detect_file_system, open_file_system
    from triage.model.entry import Entry
    from triage.model.volume import Allocation, Volume

    def entering(address: int, _: bytes) -> None:
        print("entering", address, file=sys.stderr, flush=True)

    found: dict[str, Any] = {"result": "none", "paths": [], "problems": [], "unread": 0}
    media = _FileStream(path)
    name, _ = detect_file_system(media, 0, media.size)
    if not name:
        return found
    try:
        volume = Volume("p1", 0, media.size, Allocation.ALLOCATED, "bare", file_system=name)
        file_system = open_file_system(media, volume, "x.dd")
    except EvidenceError:
        return {**found, "result": "refused"}
    entries = []
    for item in file_system.walk(skip=frozenset(skip), entering=entering):
        if isinstance(item, Entry):
            entries.append(item)
        else:
            found["problems"].append([item.reason.value, item.message])
    for entry in entries:
        found["paths"].append(repr(entry.address.path))
        try:
            file_system.byte_runs(entry)
            file_system.read_whole(entry, 1 << 20)
        except EvidenceError:
            found["unread"] += 1
    return {**found, "result": "ok"}


if __name__ == "__main__":
    print(json.dumps(_main(Path(sys.argv[1]), json.loads(sys.argv[2]))))
