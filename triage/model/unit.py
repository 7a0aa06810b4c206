"""What gets ranked: a unit with the facts that its score is made of."""

from __future__ import annotations

from dataclasses import dataclass

from triage.model.content import ContentType
from triage.model.entry import Entry
from triage.model.hit import Hit, HitCount


@dataclass(frozen=True, slots=True)
class UnitPart:
    """One content of a unit: the file itself, or a part of a document.

    Attributes:
        address: Text form of the address of this content.
        hits: Sorted by offset; positions are kept up to a limit for each rule.
        counts: True counts.
        size: Bytes of the content.
    """

    address: str
    hits: tuple[Hit, ...]
    counts: tuple[HitCount, ...]
    size: int


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """One unit as the case holds it.

    Attributes:
        entry: The entry that stands for it: of all names with this content the best one to show (allocated first,
            then the lowest address).
        kind: ``file``, ``document`` (ranked with its parts) or ``member``.
        content_type: Type by content.
        hashes: Hex by algorithm.
        parts: The content itself first, then parts of the document.
        also_at: Text form of the other addresses with the same content, sorted.
        value: Worth of its place, 0..1, as the plan gave it (artefact group, user content, system file).
        place: Words for that: ``user content``, ``chat.viber``, ``system`` ...
        notes: Facts that are no evidence of an offence (type mismatch ...).
    """

    entry: Entry
    kind: str
    content_type: ContentType
    hashes: dict[str, str]
    parts: tuple[UnitPart, ...]
    also_at: tuple[str, ...] = ()
    value: float = 0.5
    place: str = ""
    notes: tuple[str, ...] = ()
