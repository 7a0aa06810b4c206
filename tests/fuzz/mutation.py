"""Seeded changes at places where they do something.

Most sectors of an image hold nothing or the content of files. Changes go to those that hold structures: not one byte
repeated, and not the text that :func:`content` plants.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from tests.fuzz.image import FuzzImage
from tests.fuzz.sparse import BLOCK, Sparse

SECTOR = 512
EDGE = 64 << 10
MARK = b"content of "
PRINTED = bytes(range(32, 127)) + b"\n"


def content(name: str, length: int) -> bytes:
    """Content that is told from structures: each line names its file and its number."""
    lines = []
    size = number = 0
    while size < length:
        lines.append(MARK + name.encode() + b" %06d\n" % number)
        size += len(lines[-1])
        number += 1
    return b"".join(lines)[:length]


def _is_text(sector: bytes) -> bool:
    """Lines of content, and nothing but zeros beside them."""
    used = sector.strip(b"\0")
    return not used.translate(None, PRINTED) and (MARK in used or b" line of a " in used or b" of a text" in used)


@dataclass(frozen=True)
class Spot:
    """A sector where a change does something.

    Attributes:
        file: Name of the file.
        offset: Of the sector.
    """

    file: str
    offset: int


def spots(image: FuzzImage) -> tuple[list[Spot], list[Spot]]:
    """Sectors of structures, and those of content."""
    structures, contents = [], []
    for name, data in image.files.items():
        for number in sorted(data.blocks):
            block = data.blocks[number]
            for at in range(0, BLOCK, SECTOR):
                sector = block[at : at + SECTOR]
                if number * BLOCK + at >= data.size or len(set(sector)) < 2:
                    continue
                spot = Spot(name, number * BLOCK + at)
                is_content = _is_text(sector) or sector in image.media
                (contents if is_content else structures).append(spot)
    return structures, contents


class Mutator:
    """Makes mutants of one image.

    Args:
        image: The sound one.
    """

    def __init__(self, image: FuzzImage) -> None:
        self._image = image
        self._structures, self._contents = spots(image)
        if not self._structures:
            self._structures = self._contents
        ends = {name: data.size for name, data in image.files.items()}
        self._edges = [
            spot for spot in self._structures if spot.offset < EDGE or spot.offset >= ends[spot.file] - EDGE
        ] or self._structures

    def mutant(self, seed: int) -> tuple[FuzzImage, list[str]]:
        """A changed copy, and in words what was changed; the same for the same seed."""
        rng = random.Random(f"{self._image.name} {seed}")
        files = {name: data.copy() for name, data in self._image.files.items()}
        told: list[str] = []
        kinds = (
            *(self._flip, self._edge, self._edge, self._step, self._graft),
            *(self._graft, self._copy, self._blank, self._noise),
        )
        kind = rng.choice(kinds)
        times = rng.choice((1, 1, 2, 4, 12, 40)) if kind not in (self._copy, self._blank) else rng.choice((1, 1, 2))
        if rng.random() < 0.06:
            kind, times = self._cut, 1
        for _ in range(times):
            kind(rng, files, told)
        return replace(self._image, files=files), told

    def touches_content(self, mutant: FuzzImage) -> bool:
        """A mutant differs where content stands."""
        return any(
            mutant.files[spot.file].get(spot.offset, SECTOR) != self._image.files[spot.file].get(spot.offset, SECTOR)
            for spot in self._contents
        )

    def _spot(self, rng: random.Random) -> Spot:
        draw = rng.random()
        if draw < 0.06 and self._contents:
            return rng.choice(self._contents)
        return rng.choice(self._edges if draw < 0.3 else self._structures)

    def _place(self, rng: random.Random, files: dict[str, Sparse], width: int) -> tuple[Sparse, Spot, int]:
        """A place in a sector; mostly one where something stands."""
        spot = self._spot(rng)
        data = files[spot.file]
        sector = data.get(spot.offset, SECTOR)
        used = [at for at, value in enumerate(sector) if value]
        if used and rng.random() < 0.7:
            at = rng.choice(used) // width * width
        else:
            at = rng.randrange(max(1, len(sector) // width)) * width
        if rng.random() < 0.1:
            at = rng.randrange(max(1, len(sector)))
        return data, spot, spot.offset + at

    def _put(self, data: Sparse, spot: Spot, at: int, value: bytes, told: list[str]) -> None:
        told.append(f"{spot.file}@{at}: {data.get(at, len(value))[:16].hex()} -> {value[:16].hex()} ({len(value)})")
        data.put(at, value)

    def _flip(self, rng: random.Random, files: dict[str, Sparse], told: list[str]) -> None:
        data, spot, at = self._place(rng, files, 1)
        old = data.get(at, 1) or b"\0"
        self._put(data, spot, at, bytes([old[0] ^ 1 << rng.randrange(8)]), told)

    def _edge(self, rng: random.Random, files: dict[str, Sparse], told: list[str]) -> None:
        width = rng.choice((1, 2, 2, 4, 4, 4, 8, 8))
        most = (1 << 8 * width) - 1
        half = most >> 1
        powers = (1 << rng.randrange(8 * width), 1 << min(62, 8 * width - 2))
        value = rng.choice((0, 0, 1, most, most, half, half + 1, most - 1, rng.randrange(most + 1), 255, *powers))
        data, spot, at = self._place(rng, files, width)
        self._put(data, spot, at, value.to_bytes(width, rng.choice(("little", "big"))), told)

    def _step(self, rng: random.Random, files: dict[str, Sparse], told: list[str]) -> None:
        width, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
        data, spot, at = self._place(rng, files, width)
        value = int.from_bytes(data.get(at, width), order)  # type: ignore[arg-type]
        value += rng.choice((-16, -8, -4, -2, -1, 1, 2, 4, 8, 16))
        self._put(data, spot, at, (value % (1 << 8 * width)).to_bytes(width, order), told)  # type: ignore[arg-type]

    def _graft(self, rng: random.Random, files: dict[str, Sparse], told: list[str]) -> None:
        """A number of elsewhere, so that pointers lead to something that stands."""
        width = rng.choice((1, 2, 4, 4, 8))
        source, _, where = self._place(rng, files, width)
        data, spot, at = self._place(rng, files, width)
        self._put(data, spot, at, source.get(where, width), told)

    def _copy(self, rng: random.Random, files: dict[str, Sparse], told: list[str]) -> None:
        """A block over another, or both exchanged."""
        length = rng.choice((SECTOR, SECTOR, 1024, 4096))
        one, other = self._spot(rng), self._spot(rng)
        first, second = files[one.file], files[other.file]
        here, there = one.offset // length * length, other.offset // length * length
        kept, moved = first.get(here, length), second.get(there, length)
        self._put(first, one, here, moved, told)
        if rng.random() < 0.5:
            self._put(second, other, there, kept, told)

    def _blank(self, rng: random.Random, files: dict[str, Sparse], told: list[str]) -> None:
        length = rng.choice((16, 64, SECTOR, SECTOR, 4096, 65536))
        data, spot, at = self._place(rng, files, 16)
        at = at // min(length, SECTOR) * min(length, SECTOR)
        self._put(data, spot, at, bytes([rng.choice((0, 0, 0, 255))]) * min(length, max(1, data.size - at)), told)

    def _noise(self, rng: random.Random, files: dict[str, Sparse], told: list[str]) -> None:
        data, spot, at = self._place(rng, files, 16)
        self._put(data, spot, at, rng.randbytes(rng.choice((4, 8, 16, 64, SECTOR))), told)

    def _cut(self, rng: random.Random, files: dict[str, Sparse], told: list[str]) -> None:
        name = rng.choice(list(files))
        size = files[name].size
        last = max(files[name].blocks, default=0) * BLOCK + BLOCK
        anywhere = rng.randrange(size + 1)
        at = rng.choice((anywhere, min(size, rng.randrange(last + 1)), anywhere // SECTOR * SECTOR))
        told.append(f"{name} cut at {at} of {size}")
        files[name].cut(at)
