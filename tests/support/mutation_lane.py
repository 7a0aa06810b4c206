"""Seeded mutations of a small file, for decoders and extractors: what they give is checked by the caller."""

from __future__ import annotations

import random
from collections.abc import Iterator


def mutations(data: bytes, seed: int, count: int = 200) -> Iterator[bytes]:
    """Files with bytes changed, numbers made large, pieces cut, doubled and moved."""
    turn = random.Random(seed)
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(turn.choice((1, 2, 8, 40))):
            at = turn.randrange(len(changed))
            kind = turn.randrange(5)
            if kind == 0:
                changed[at] = turn.randrange(256)
            elif kind == 1:
                changed[at : at + 4] = turn.choice((b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(4)))[
                    : len(changed) - at
                ]
            elif kind == 2:
                changed[at : at + turn.randrange(64)] = b""
            elif kind == 3:
                changed[at:at] = changed[at : at + turn.randrange(64)]
            else:
                changed[at] ^= 1 << turn.randrange(8)
            if not changed:
                changed = bytearray(b"\0")
        if turn.random() < 0.2:
            del changed[turn.randrange(len(changed)) :]
        yield bytes(changed)
