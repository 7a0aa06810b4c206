"""What a worker sends back about one entry."""

from __future__ import annotations

from dataclasses import dataclass

from triage.model.content import ContentFacts, ContentType, Detection
from triage.model.packed import Packed
from triage.model.problem import Problem
from triage.model.scope import ScopeReason


@dataclass(frozen=True, slots=True)
class SlackResult(Packed):
    """The slack behind the content of an entry.

    Attributes:
        file_size: Bytes of the content that it lies behind.
        size: Bytes of slack.
        image_offset: Of its first byte, -1 where unknown.
        digest: SHA-256.
        facts: What it says; None where the same worker sent the facts of this digest before.
        content_type: Of slack.
    """

    file_size: int
    size: int
    image_offset: int
    digest: str
    facts: ContentFacts | None
    content_type: ContentType


@dataclass(frozen=True, slots=True)
class EntryResult(Packed):
    """The outcome of one entry.

    Attributes:
        entry_id: Number of the entry in the case.
        digest: Identity of its content: SHA-256, or ``entry-N`` where it could not be read whole. Empty where
            nothing was read at all.
        facts: What the content says; None where the same worker sent the facts of this digest before.
        content_type: Type as seen under this name.
        named: Hits of rules that read the name.
        problems: What went wrong with this name (unreadable, encrypted ...), beside those in ``facts``.
        examined: False where nothing could be examined.
        slack: What lies in the slack behind the content, where a byte of it is not zero.
        out_of_scope: Why the entry is out of scope, as its first bytes say; None where it is not. An archive that was
            opened for its members alone has a digest all the same.
    """

    entry_id: int
    digest: str
    facts: ContentFacts | None
    content_type: ContentType | None
    named: Detection | None = None
    problems: tuple[Problem, ...] = ()
    examined: bool = True
    slack: SlackResult | None = None
    out_of_scope: ScopeReason | None = None

    @property
    def is_hidden(self) -> bool:
        """Whether what belongs to the entry, such as its slack, is not to be looked at either."""
        return self.out_of_scope is not None or (self.facts is not None and self.facts.is_withheld)
