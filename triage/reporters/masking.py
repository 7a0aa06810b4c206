"""Values that may belong to a possible victim, hidden in anything that leaves the case.

Masked: phone numbers and other long numbers (cards, accounts), e-mail addresses, IBANs, messenger identities made of a
number. The masked text is as long as the original, so positions in it still hold. Dates, times, digests, finding ids
and the offsets of addresses stay. This protects people from a glance, it is no redaction: names and handles remain.
"""

from __future__ import annotations

import re

DOT = "•"
KEPT = 3
"""Last characters of a number that stay, for recognition by someone who knows it."""

NOTE = (
    "Phone numbers, e-mail addresses, account and card numbers are masked here. "
    "The command triage show CASE FINDING gives them in full."
)

_LEAST_DIGITS = 7
_SEARCH = re.compile(
    r"(?P<date>(?<!\d)(?:(?:19|20)\d\d[-./](?:0?[1-9]|1[0-2])[-./](?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])[-./](?:0?[1-9]|1[0-2])[-./](?:19|20)\d\d)(?!\d)"
    r"(?:[ T,]{1,2}\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?Z?)?)"
    r"|(?P<place>\$(?:unallocated|gap|volume_slack)@\d+\+\d+|\bf-[0-9a-f]{12}\b|\bS-1-\d+(?:-\d+)+"
    r"|(?<![\d.,])[+\-]?[01]\.\d{1,12}(?![\d.,]?\d)"
    r"|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b)"
    r"|(?P<mail>[^\s@<>()\[\]\"',;:/\\=]{1,64}@[^\W_](?:[\w-]{0,62}\.){1,6}[^\W\d_]{2,24})"
    r"|(?P<iban>\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b)"
    r"|(?P<hex>\b(?=[0-9a-f]*[a-f])[0-9a-f]{16,128}\b|\b(?=[0-9A-F]*[A-F])[0-9A-F]{16,128}\b)"
    r"|(?P<number>(?:\+|(?<!\d)(?<!\d[.,]))\(?\d(?:[ \u00a0.()/\-]{0,3}\d){6,22}(?!\d))"
)
# In names: stamps that programs write, which are no selectors: 20240320_214000, IMG-20240320-WA0001.
_STAMP = re.compile(
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[-_ ]?[0-2]\d[0-5]\d(?:[0-5]\d)?)?\d{0,3}"
)


def mask_selectors(text: str) -> str:
    """``text`` with phone numbers, e-mail addresses and account numbers masked, each to its last three characters.

    Args:
        text: Any text; digits of any script count.

    Returns:
        Text of the same length.
    """
    if "@" not in text and not any(character.isdigit() for character in text):
        return text
    return _SEARCH.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    found = match[0]
    if match.lastgroup == "mail":
        name, _, domain = found.partition("@")
        return (name[0] + DOT * (len(name) - 1) if len(name) > 1 else DOT) + "@" + domain
    if match.lastgroup == "iban":
        return found[:2] + _dotted(found[2:], KEPT)
    if match.lastgroup == "number":
        digits = sum(character.isdigit() for character in found)
        if digits < _LEAST_DIGITS or _STAMP.fullmatch(found):
            return found
        return _dotted(found, KEPT)
    return found


def _dotted(text: str, keep: int) -> str:
    """Letters and digits as dots but for the last ``keep`` of them; separators stay."""
    places = [index for index, character in enumerate(text) if character.isalnum()]
    hidden = set(places[: max(0, len(places) - keep)])
    return "".join(DOT if index in hidden else character for index, character in enumerate(text))
