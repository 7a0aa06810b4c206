"""Words from evidence on page one: on one line, safe to print, numbers that may belong to somebody at risk masked."""

from __future__ import annotations

import re

from triage.model.address import escape_name
from triage.model.finding import ScoreLine

QUOTE_LIMIT = 160
"""Characters of a quotation, the match in its middle."""

_BLANKS = re.compile(r"\s+")
_NUMBER = re.compile(r"(?<![\d.,])\+?\(?\d(?:[ \u00a0.()/\-]{0,3}\d){6,22}(?!\d)")
_DATE = re.compile(r"(?:19|20)\d\d[-./ ]?[01]?\d[-./ ]?[0-3]?\d|[0-3]?\d[-./][01]?\d[-./](?:19|20)\d\d")
_MAIL = re.compile(r"([^\s@<>\"',;:()\[\]])[^\s@<>\"',;:()\[\]]*@((?:[\w-]+\.)+\w+)")
_DOT = "\u2022"
_KEPT = 3


def quote(line: ScoreLine) -> str:
    """The matched text of a line with its surroundings, at most :data:`QUOTE_LIMIT` characters, masked."""
    text = line.excerpt or line.matched
    before, matched, after = text.partition(line.matched) if line.matched else (text, "", "")
    room = max(0, QUOTE_LIMIT - len(matched))
    front = before[-(room // 2) :] if room > 1 else ""
    back = after[: room - len(front)]
    shown = mask(shown_on_one_line(front + matched[:QUOTE_LIMIT] + back))
    return ("\u2026" if len(front) < len(before) else "") + shown + ("\u2026" if len(back) < len(after) else "")


def shown_on_one_line(text: str) -> str:
    """Text without line ends, and with control, bidi and zero-width characters as visible escapes."""
    return escape_name(_BLANKS.sub(" ", text).strip().encode("utf-8", "surrogatepass"), syntax=False)


def mask(text: str) -> str:
    """Text with numbers of seven and more digits (phones, cards, accounts) and mail addresses masked; dates stay."""
    return _MAIL.sub(_masked_mail, _NUMBER.sub(_masked_number, text))


def _masked_number(match: re.Match[str]) -> str:
    found = match[0]
    if _DATE.fullmatch(found.strip()):
        return found
    left = sum(character.isdigit() for character in found) - _KEPT
    out = []
    for character in found:
        if character.isdigit() and left > 0:
            left -= 1
            character = _DOT
        out.append(character)
    return "".join(out)


def _masked_mail(match: re.Match[str]) -> str:
    return f"{match[1]}{_DOT * 3}@{match[2]}"
