"""Places of a source that are not opened by a library, since it died there or did not return; kept in the case."""

from __future__ import annotations

from collections.abc import Sequence

from triage.case import Case
from triage.evidence.native_calls import Place

_KEY = "left_out:"


def stored_places(case: Case, source: str) -> tuple[Place, ...]:
    """Places of a source that an earlier opening left out."""
    stored = case.meta(f"{_KEY}{source}")
    return tuple((int(start), int(length)) for start, length in stored) if isinstance(stored, list) else ()


def store_places(case: Case, source: str, places: Sequence[Place]) -> None:
    """Keep the places that an opening left out; within a transaction."""
    if places:
        case.set_meta(f"{_KEY}{source}", [list(place) for place in places])
