"""Which of the volumes that a search found stand, where they overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from triage.evidence.volumes.bare import Content
from triage.evidence.volumes.lost_found import Found
from triage.evidence.volumes.lost_tables import Hint

Accepted = tuple[Found, Content]
_HEAD = 65536
"""Bytes of a beginning: where something else stands in them, a volume known by a copy alone is overwritten."""


def cut(accepted: Sequence[Accepted], tails: Mapping[int, int]) -> list[Accepted]:
    """Volumes that end where another one begins in their free end.

    Args:
        accepted: What the readers took.
        tails: By start of a volume, from where on it is free to its end.
    """
    out = []
    for found, content in accepted:
        tail = tails.get(found.start, found.end)
        inner = [other.start for other, _ in accepted if tail <= other.start < found.end and not other.is_backup]
        out.append((replace(found, length=min(inner) - found.start) if inner else found, content))
    return out


def resolve(
    accepted: Sequence[Accepted], ranges: Sequence[tuple[int, int]], hints: Mapping[int, Hint]
) -> list[Accepted]:
    """Volumes that stand, by offset, each with a length.

    What lies inside another is dropped. A volume known by a copy alone gives way to one whose own beginning is there,
    where the two overlap in part or the second stands on the beginning of the first.

    Args:
        accepted: What the readers took.
        ranges: The stretches that were searched.
        hints: What is left of tables, by start: says the length where the format does not.
    """
    sized = [pair for pair in accepted if pair[0].length]
    firsts = [pair for pair in sized if not pair[0].is_backup]
    copies = [pair for pair in sized if pair[0].is_backup]
    copies = [pair for pair in copies if not any(_overrules(first[0], pair[0]) for first in firsts)]
    kept: list[Accepted] = []
    for pair in sorted([*firsts, *copies], key=lambda pair: (pair[0].start, -pair[0].length, pair[0].is_backup)):
        if not any(_holds(other[0], pair[0]) for other in kept):
            kept.append(pair)
    kept = [pair for pair in kept if not any(_holds(other[0], pair[0]) for other in kept if other is not pair)]
    open_ended = [pair for pair in accepted if not pair[0].length]
    kept += [pair for pair in open_ended if not any(other.start <= pair[0].start < other.end for other, _ in kept)]
    kept.sort(key=lambda pair: pair[0].start)
    return [_with_length(pair, kept[number + 1 :], ranges, hints) for number, pair in enumerate(kept)]


def _holds(outer: Found, inner: Found) -> bool:
    """True where one lies inside the other, or is the same stretch."""
    return outer.start <= inner.start and inner.end <= outer.end


def _overrules(first: Found, copy: Found) -> bool:
    """True where a volume whose beginning is there shows that one known by a copy alone is gone."""
    if first.end <= copy.start or copy.end <= first.start or first.spans_others:
        return False
    on_beginning = first.start < copy.start + _HEAD
    return on_beginning or not _holds(copy, first)


def _with_length(
    pair: Accepted, behind: Sequence[Accepted], ranges: Sequence[tuple[int, int]], hints: Mapping[int, Hint]
) -> Accepted:
    """A volume whose format states no length goes to the next one, or as far as what is left of a table says."""
    found, content = pair
    if found.length:
        return pair
    end = next(end for begin, end in ranges if begin <= found.start < end)
    if behind:
        end = min(end, behind[0][0].start)
    hint = hints.get(found.start)
    if hint is not None:
        end = min(end, hint.start + hint.length)
    return replace(found, length=end - found.start), content
