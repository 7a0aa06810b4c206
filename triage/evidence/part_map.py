"""Where the parts of a volume lie, packed to be kept in a case."""

from __future__ import annotations

import zlib

import numpy as np

from triage.errors import CorruptStructureError
from triage.evidence.intervals import Intervals
from triage.model.coverage import PARTS, Part

MAX_KEPT = 8_000_000
"""Ranges of one volume that are kept; a volume with more has no map."""


def pack_map(placed: list[tuple[int, Intervals]], rest: int) -> bytes:
    """Pack where the parts lie.

    Args:
        placed: Number of a part in :data:`PARTS`, and its ranges; no byte in two of them.
        rest: Number of the part of all that is in no range.

    Returns:
        Nothing where there are more than :data:`MAX_KEPT` ranges.
    """
    count = sum(len(region) for _, region in placed)
    if count > MAX_KEPT:
        return b""
    # The rest, then the part of each range, then from each edge to the next.
    codes = np.concatenate([np.full(len(region), code, dtype=np.uint8) for code, region in placed])
    starts = np.concatenate([region.starts for _, region in placed])
    ends = np.concatenate([region.ends for _, region in placed])
    order = np.argsort(starts, kind="stable")
    edges = np.stack((starts[order], ends[order]), axis=1).reshape(-1)
    steps = np.diff(edges, prepend=0).astype("<i8")
    return zlib.compress(bytes([rest]) + codes[order].tobytes() + steps.tobytes(), 1)


def unpack_map(kept: bytes) -> tuple[Part, dict[Part, Intervals]]:
    """Where the parts of a volume lie.

    Args:
        kept: From :func:`pack_map`, not empty.

    Returns:
        The part of what is in no range, and the ranges of each other part; a part may be in both.

    Raises:
        CorruptStructureError: It does not hold.
    """
    try:
        data = zlib.decompress(kept)
        count = (len(data) - 1) // 17
        codes = np.frombuffer(data, dtype=np.uint8, count=count, offset=1)
        edges = np.cumsum(np.frombuffer(data, dtype="<i8", count=2 * count, offset=1 + count)).reshape(-1, 2)
        found = {}
        for code in np.unique(codes).tolist():
            chosen = edges[codes == code]
            found[PARTS[code]] = Intervals.of(chosen[:, 0].astype(np.int64), chosen[:, 1].astype(np.int64))
        return PARTS[data[0]], found
    except (zlib.error, ValueError, IndexError) as error:
        raise CorruptStructureError(f"the map of a volume does not hold: {error}") from error


def bytes_by_part(kept: bytes, only: Part | None, ranges: list[tuple[int, int]]) -> dict[Part, int]:
    """How many bytes of some ranges are of each part.

    Args:
        kept: The map of the volume.
        only: The part of all of the volume, where it has but one; then there need be no map.
        ranges: First byte and the one behind the last, inside the volume, in any order.

    Raises:
        CorruptStructureError: The map does not hold.
    """
    places = np.array(ranges, dtype=np.int64).reshape(-1, 2)
    wanted = Intervals.of(places[:, 0], places[:, 1])
    if only is not None:
        return {only: wanted.total}
    rest, parts = unpack_map(kept)
    found = {part: wanted.both(where).total for part, where in parts.items()}
    found[rest] = found.get(rest, 0) + wanted.total - sum(found.values())
    return {part: count for part, count in found.items() if count}
