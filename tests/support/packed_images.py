"""Small file-system images kept in ``tests/data`` as a compressed tar, and walking what a reader makes of them."""

from __future__ import annotations

import functools
import hashlib
import random
import tarfile
from pathlib import Path
from types import ModuleType

from triage.errors import EvidenceError
from triage.evidence.interface import FileSystem
from triage.model.entry import Entry
from triage.model.problem import Problem
from triage.model.stream import MemoryStream, Stream
from triage.model.volume import Allocation, Volume

DATA = Path(__file__).resolve().parents[1] / "data"


@functools.cache
def packed_images(name: str) -> dict[str, bytes]:
    """Images of a tar by their names."""
    with tarfile.open(DATA / name) as archive:
        members = [member for member in archive if member.isfile()]
        return {member.name: archive.extractfile(member).read() for member in members}  # type: ignore[union-attr]


def opened(reader: ModuleType, data: bytes | Stream) -> FileSystem:
    """A file system over bytes."""
    stream = MemoryStream(data) if isinstance(data, bytes) else data
    volume = Volume("p1", 0, stream.size, Allocation.ALLOCATED, "bare")
    found: FileSystem = reader.open_file_system(stream, volume, "x.img")
    return found


def walked(file_system: FileSystem) -> tuple[dict[bytes, Entry], list[Problem]]:
    """Entries by path, and problems."""
    entries: dict[bytes, Entry] = {}
    problems: list[Problem] = []
    for item in file_system.walk():
        if isinstance(item, Problem):
            problems.append(item)
        else:
            entries[item.address.path + (b":" + item.address.stream if item.address.stream else b"")] = item
    return entries, problems


def contents(file_system: FileSystem, entries: dict[bytes, Entry]) -> dict[bytes, str]:
    """Digest of each content."""
    return {path: hashlib.md5(file_system.read_whole(entry, 1 << 30)).hexdigest() for path, entry in entries.items()}


def changed_bytes(data: bytes, seed: int) -> bytes:
    """The same bytes with some of them changed."""
    rng = random.Random(seed)
    out = bytearray(data)
    head = rng.random() < 0.4
    for _ in range(rng.choice((1, 1, 3, 10, 50))):
        place = rng.randrange(min(len(out), 1500) if head else len(out))
        kind = rng.randrange(3)
        if kind == 0:
            out[place] ^= 1 << rng.randrange(8)
        else:
            value = rng.randbytes(4) if kind == 1 else rng.choice((bytes(4), b"\xff" * 4, b"\xff\xff\xff\x7f"))
            out[place : place + len(value)] = value
    return bytes(out[: rng.randrange(len(out))] if rng.random() < 0.05 else out[: len(data)])


def exercise(reader: ModuleType, data: bytes) -> None:
    """Open, walk and read all; only the errors of evidence may come up, and they do not leave here."""
    reader.detect_file_system(MemoryStream(data), 0, len(data))
    try:
        file_system = opened(reader, data)
    except EvidenceError:
        return
    for item in file_system.walk():
        if isinstance(item, Problem):
            continue
        for step in (0, max(0, item.size - 5000)):
            try:
                file_system.open_entry(item).read_at(step, 1 << 20)
            except EvidenceError:
                pass
        try:
            file_system.byte_runs(item)
        except EvidenceError:
            pass
    try:
        for _ in file_system.unallocated():
            pass
    except EvidenceError:
        pass
