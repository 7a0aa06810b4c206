"""Windows shortcuts (LNK): target, arguments, volume, machine and times as one part in UTF-8, ``shortcut``."""

from __future__ import annotations

from triage.content.decoders.interface import Budget, Data, Yield, problem, text_part
from triage.content.formats import shell_link
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason

_MAX_BYTES = 1 << 20


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """The one part."""
    told = list(shell_link.lines(bytes(data[:_MAX_BYTES])))
    if not told:
        yield problem(address, "lnk", Reason.CORRUPT, "the shortcut is too short", lost=len(data))
        return
    part = text_part("shortcut", "\n".join(told))
    budget.spend(len(part.data))
    yield part
