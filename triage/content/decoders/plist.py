"""Binary property lists: their values as one part in UTF-8 (``values``), a path and a value a line; data as members.

Archives of objects are followed as they are meant. Values that are bytes become members where they are longer than a
few bytes; an offset in ``values`` counts bytes of that text.
"""

from __future__ import annotations

from triage.content.decoders.interface import Budget, Data, Member, Yield, problem, text_part
from triage.content.formats.bplist import Bplist, BplistError, lines
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason

_STAGE = "plist"
_MAX_OBJECTS = 500_000
_LEAST_DATA = 32
_MAX_FILES = 5000


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """The values, then the data among them."""
    try:
        plist = Bplist(data)
    except BplistError as error:
        message = f"the property list does not open, only its raw bytes were searched: {error}"
        yield problem(address, _STAGE, Reason.CORRUPT, message, lost=len(data))
        return
    told: list[str] = []
    files: list[tuple[str, bytes]] = []
    seen = characters = 0
    limit = budget.allowance(len(data))
    for path, value in lines(plist, _MAX_OBJECTS):
        seen += 1
        if isinstance(value, bytes):
            if len(value) >= _LEAST_DATA and len(files) < _MAX_FILES:
                files.append((path, value))
            continue
        told.append(f"{path}: {value}" if path else str(value))
        characters += len(told[-1])
        if characters > limit:
            break
    if told:
        part = text_part("values", "\n".join(told))
        budget.spend(len(part.data))
        yield part
    names: set[bytes] = set()
    for path, value in files:
        if budget.is_spent or len(value) > budget.allowance(len(data)):
            yield problem(address, _STAGE, Reason.LIMIT, budget.spent_words)
            return
        name = (path or "data").encode("utf-8", "replace")[:1000]
        if name not in names:
            names.add(name)
            budget.spend(len(value))
            yield Member(name, value)
    if seen >= _MAX_OBJECTS or characters > limit:
        yield problem(address, _STAGE, Reason.LIMIT, f"the property list holds more than was told ({seen} values)")
