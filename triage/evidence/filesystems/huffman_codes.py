"""Canonical Huffman codes as XPRESS and LZX use them: only the lengths are stored, codes ascend by length and symbol.

A table is looked up by the next ``width`` bits of the stream. What does not fit stands in tables of its own, so that
the cost of building one is bounded by the number of symbols, whatever the lengths say.
"""

from __future__ import annotations

from typing import NamedTuple

from triage.errors import CorruptStructureError

WIDTH = 11
"""Bits that the first table is looked up by, at most."""
LONG = 1 << 12
"""A symbol from here on is none: less this, it is the number of the table that has the symbol."""
_HOLE = (0, LONG - 1)


class Codes(NamedTuple):
    """A code, ready to be looked up.

    Attributes:
        table: Bits of the code, and its symbol; a hole has the symbol ``HOLE``.
        width: Bits that the table is looked up by.
        further: Bits behind the first ``width`` that such a table is looked up by, and the table; bits count from the
            start of the code.
    """

    table: list[tuple[int, int]]
    width: int
    further: list[tuple[int, list[tuple[int, int]]]]


HOLE = LONG - 1
"""The symbol of bits that no code begins with."""


def canonical_codes(lengths: bytes, longest: int) -> Codes:
    """The code of some lengths.

    Args:
        lengths: Bits of the code of each symbol, 0 where it has none; at most 4,000.
        longest: Bits of a code at most, 16 at most.

    Raises:
        CorruptStructureError: There are more codes than bits can tell apart.
    """
    by_length: list[list[int]] = [[] for _ in range(longest + 1)]
    for symbol, length in enumerate(lengths):
        if length:
            by_length[length].append(symbol)
    width = max((length for length in range(1, longest + 1) if by_length[length]), default=1)
    top, width = width, min(width, WIDTH)
    table: list[tuple[int, int]] = []
    for length in range(1, width + 1):
        repeat = 1 << (width - length)
        if repeat == 1:
            table += [(length, symbol) for symbol in by_length[length]]
        else:
            for symbol in by_length[length]:
                table += [(length, symbol)] * repeat
    further: list[tuple[int, list[tuple[int, int]]]] = []
    if top > width:
        _add_long(by_length, width, top, table, further)
    if len(table) > 1 << width:
        raise CorruptStructureError("more Huffman codes than fit")
    table += [_HOLE] * ((1 << width) - len(table))
    return Codes(table, width, further)


def _add_long(
    by_length: list[list[int]],
    width: int,
    top: int,
    table: list[tuple[int, int]],
    further: list[tuple[int, list[tuple[int, int]]]],
) -> None:
    """Codes longer than the width: one entry of the table for all that begin alike."""
    rest = top - width
    size = 1 << rest
    flat: list[tuple[int, int]] = []
    for length in range(width + 1, top + 1):
        for symbol in by_length[length]:
            flat += [(length, symbol)] * (1 << (top - length))
    if len(flat) > ((1 << width) - len(table)) * size:
        raise CorruptStructureError("more Huffman codes than fit")
    for start in range(0, len(flat), size):
        part = flat[start : start + size]
        table.append((width, LONG + len(further)))
        further.append((rest, part + [_HOLE] * (size - len(part))))
