"""A small NTFS whose files have reparse points, in ``tests/data/ntfs-reparse.xz``, and what is in them.

It was made so, on Linux, as root: ``mkntfs`` (ntfs-3g 2022.10) on 3 MiB; each file of :data:`PACKED` captured into a WIM
image by ``wimlib-imagex capture --compress=XPRESS|LZX --chunk-size=N`` (wimlib 1.13), whose resource is byte for byte
what Windows keeps in ``WofCompressedData``; that stream put there by ``ntfscp -N``, the file itself made sparse by
``truncate`` on a mount by ntfs-3g, and all reparse points set there as the attribute ``system.ntfs_reparse_data``. The
folder ``lznt1`` has the attribute of compressed files. The log (but for two pages) was
filled with 0xFF and the table of capital letters with zeros, which keeps the image small.
"""

from __future__ import annotations

import hashlib
import lzma
import random
from functools import cache
from pathlib import Path

PACKED = {"xpress4k.txt": 5001, "xpress8k.txt": 9000, "xpress16k.bin": 17_000, "lzx.bin": 36_000, "lzx32k": 32_768}
"""Files that the Windows Overlay Filter compressed, and their bytes."""
PLAIN = {"lznt1/c.bin": 150_000, "lznt1/small.txt": 2500, "hydrated.txt": 3000, "plain.txt": 300}
"""Files whose bytes are in the volume as they are, or compressed by NTFS."""
DATA = Path(__file__).resolve().parents[1] / "data"


def words(size: int, seed: str) -> bytes:
    """Bytes that compress and have what a decoder can do wrong: long matches, runs, calls, noise, a needle at the end."""
    rng = random.Random(seed)
    vocabulary = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(60)]
    out = bytearray()
    while len(out) < size:
        kind = rng.random()
        if kind < 0.5:
            out += (out[rng.randrange(len(out)) :] if out else b"")[:200]
        elif kind < 0.93:
            out += " ".join(rng.choices(vocabulary, k=20)).encode() + b".\n"
        elif kind < 0.95:
            out += bytes((rng.choice((0, 32, 255)),)) * rng.choice((20, 300, 700))
        elif kind < 0.96:
            out += out[-rng.randint(1, 400) :] * 2
        elif kind < 0.99:
            out += b"\xe8" + rng.choice((-5, 100, 30_000, 11_999_999, -40_000, 12_000_001)).to_bytes(
                4, "little", signed=True
            )
        else:
            out += rng.randbytes(20)
    needle = f"needle {seed} ".encode()
    return bytes(out[: size - len(needle)]) + needle


def content(name: str) -> bytes:
    """Content of a file of the image."""
    size = {**PACKED, **PLAIN}[name]
    if name == "lznt1/c.bin":  # a unit that is compressed, one that is a hole, one that ends early
        return words(3000, "unit") + bytes(size - 4500) + words(1500, name)
    if name == "lzx32k":  # one chunk, to the byte
        return (words(1000, name) * 33)[:size]
    return words(size, name)


@cache
def image() -> bytes:
    """The image."""
    return lzma.decompress((DATA / "ntfs-reparse.xz").read_bytes())


def digest(data: bytes) -> str:
    """Short name of some bytes, for messages of tests."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
