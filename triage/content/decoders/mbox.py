"""Mailboxes in one file (mbox): Thunderbird, mutt, Gmail's export, and other programs. Each mail is a member.

A mail begins with a line ``From ...`` at the beginning or behind a blank line, and a header line follows it. Members
are named by number and subject (``00012 Subject.eml``) and hold the bytes as stored, without that line; ``(deleted)``
stands in the name where Thunderbird marks a mail that is deleted but not yet removed from the file.
"""

from __future__ import annotations

import re

from triage.content.decoders.interface import Budget, Data, Member, Yield, problem
from triage.content.formats import mime
from triage.content.formats.dates import mail_date
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason
from triage.model.times import Times

_STAGE = "mbox"
_FROM = re.compile(rb"From [^\r\n]{0,1000}\r?\n(?=[!-9;-~]{1,200}:|>From )")
_FRONT = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,16}\Z")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\]+")
_EXPUNGED = 0x0008
_MAX_SUBJECT = 80


def mail_name(number: int, headers: mime.Headers, mark: str = "") -> bytes:
    """The name of a mail among others: number, a mark, and the beginning of its subject."""
    subject = _UNSAFE.sub(" ", mime.decode_words(headers.get(b"subject")[:1000])).strip()[:_MAX_SUBJECT]
    return f"{number:05d} {mark}{subject or 'no subject'}.eml".encode("utf-8", "replace")


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """Mails in stored order."""
    raw = bytes(data)
    starts = [match.span() for match in _FROM.finditer(raw) if _begins_mail(raw, match.start())]
    if not starts:
        yield problem(address, _STAGE, Reason.CORRUPT, "no mail begins in it; its raw bytes were searched")
        return
    for number, (line, start) in enumerate(starts, 1):
        if budget.is_spent:
            message = f"{budget.spent_words} after {number - 1} of {len(starts)} mails"
            yield problem(address, _STAGE, Reason.LIMIT, message, lost=len(raw) - line)
            return
        stop = starts[number][0] if number < len(starts) else len(raw)
        headers = mime.read_headers(raw, start, min(stop, start + (1 << 20)))
        name = mail_name(number, headers, "(deleted) " if _is_expunged(headers) else "")
        times = Times(mtime=mail_date(headers.get(b"date").decode("latin-1")))
        where = address.child(name)
        if budget.refuses is not None and budget.refuses(where, stop - start, times):
            budget.spend(0)
            continue
        content = raw[start : min(stop, start + budget.allowance(len(raw)))]
        budget.spend(len(content))
        yield Member(name, content, times)
        if len(content) < stop - start:
            text = "the mail is longer than the limit, the rest was not examined"
            yield problem(where, _STAGE, Reason.LIMIT, text, lost=stop - start - len(content))


def _begins_mail(raw: bytes, at: int) -> bool:
    """Whether a line that begins at an offset stands behind a blank line, or in front of everything."""
    if raw[at - 2 : at] == b"\n\n" or raw[at - 3 : at] == b"\n\r\n":
        return True
    return at < 20 and _FRONT.match(raw[:at]) is not None


def _is_expunged(headers: mime.Headers) -> bool:
    """Whether Thunderbird marks a mail as deleted (``X-Mozilla-Status``, bit 3)."""
    try:
        return bool(int(headers.get(b"x-mozilla-status")[:8] or b"0", 16) & _EXPUNGED)
    except ValueError:
        return False
