"""One match of one rule in one content."""

from __future__ import annotations

from dataclasses import dataclass

from triage.model.packed import Packed


@dataclass(frozen=True, slots=True, order=True)
class Hit(Packed):
    """One match.

    Attributes:
        rule: Identity of the rule; its meaning is the :class:`~triage.model.rules.RuleInfo` of that identity.
        file_offset: Bytes from the start of the content. For a hit in decoded text: where its first character lies.
        length: Bytes of the content that the match covers.
        encoding: Encoding in which the text was found, empty for a byte pattern.
        matched: The matched text, at most 200 characters, as decoded.
        before: Up to 120 characters in front of it, on the same passage.
        after: Up to 120 characters behind it.
        string_id: Name of the YARA string, empty otherwise.
    """

    rule: str
    file_offset: int
    length: int
    encoding: str = ""
    matched: str = ""
    before: str = ""
    after: str = ""
    string_id: str = ""


@dataclass(frozen=True, slots=True, order=True)
class HitCount(Packed):
    """How often a rule hit in one content.

    Attributes:
        rule: Identity of the rule.
        count: Matches counted.
        at_least: True where counting stopped at a limit.
    """

    rule: str
    count: int
    at_least: bool = False
