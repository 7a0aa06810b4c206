"""``winmail.dat`` (TNEF): what Outlook wraps into one attachment when it sends to other programs.

Specification: [MS-OXTNEF]. Attributes one after the other, each with its length and a checksum; a block of MAPI
properties among them. Headers and bodies are parts, attachments are members.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import unpack_from

from triage.content.decoders.interface import Budget, Data, Member, Yield, problem, shown, text_part
from triage.content.formats import mapi
from triage.content.formats.codepages import codec_of_number
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason
from triage.model.times import Times

_STAGE = "tnef"
_SUBJECT, _BODY, _FROM, _TITLE, _DATA = 0x8004, 0x800C, 0x8000, 0x8010, 0x800F
_RENDER, _PROPS, _ATTACH_PROPS, _PAGE = 0x9002, 0x9003, 0x9005, 0x9007
_FIXED = {2: 2, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 2, 20: 8, 64: 8, 72: 16}
_VARIABLE = frozenset((13, 30, 31, 258))
_MAX_VALUES = 10_000


@dataclass(slots=True)
class _Attached:
    """One attachment while it is put together."""

    title: str = ""
    data: bytes = b""
    props: dict[int, tuple[int, bytes]] = field(default_factory=dict)


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """Headers, bodies, attachments in stored order."""
    raw = bytes(data)
    message: dict[int, tuple[int, bytes]] = {}
    lines: list[str] = []
    attached: list[_Attached] = []
    codec, end = "cp1252", 6
    for key, value, behind in _attributes(raw):
        end = behind
        if key == _PAGE and len(value) >= 4:
            codec = codec_of_number(unpack_from("<I", value)[0]) or codec
        elif key == _PROPS:
            message.update(_read_props(value))
        elif key == _SUBJECT:
            message.setdefault(mapi.SUBJECT, (mapi.STRING8, value))
        elif key == _BODY:
            message.setdefault(mapi.BODY, (mapi.STRING8, value))
        elif key == _FROM:
            lines.append("From: " + " ".join(_strings(value[8:], codec)))
        elif key == _RENDER:
            attached.append(_Attached())
        elif key in (_TITLE, _DATA, _ATTACH_PROPS):
            if not attached:
                attached.append(_Attached())
            _add(attached[-1], key, value, codec)
    headers = mapi.header_lines(message, (), codec)
    if not any(line.startswith("From:") for line in headers):
        headers = lines[:1] + headers
    for name, words in (("headers", headers), ("properties", mapi.other_lines(message, codec))):
        if words:
            yield text_part(name, "\n".join(words))
    for name, content in mapi.bodies(message, codec, budget.allowance(1 << 20)):
        budget.spend(len(content))
        yield Member(name.encode(), content, part_of_document=True)
    yield from _files(attached, codec, address, budget)
    if end < len(raw) and raw[end:].strip(b"\0\r\n "):
        text = f"it breaks off or does not hold at byte {end}; what came before was read"
        yield problem(address, _STAGE, Reason.TRUNCATED, text, lost=len(raw) - end)


def _attributes(raw: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Number and bytes of each attribute, and the offset behind it; a cut one is given as far as it goes."""
    position = 6
    while position + 9 <= len(raw) and raw[position] in (1, 2):
        key, _, length = unpack_from("<HHI", raw, position + 1)
        start = position + 9
        position = start + length + 2
        if position > len(raw) + 2:
            yield key, raw[start:], start
            return
        yield key, raw[start : start + length], position


def _add(attached: _Attached, key: int, value: bytes, codec: str) -> None:
    """Take in one attribute of an attachment."""
    if key == _TITLE:
        attached.title = value.rstrip(b"\0").decode(codec, "replace")
    elif key == _DATA:
        attached.data = value
    else:
        attached.props.update(_read_props(value))


def _files(attached: list[_Attached], codec: str, address: Address, budget: Budget) -> Yield:
    """The attachments."""
    names: set[bytes] = set()
    for number, item in enumerate(attached, 1):
        if budget.is_spent:
            yield problem(address, _STAGE, Reason.LIMIT, budget.spent_words)
            return
        kind, value = item.props.get(mapi.ATTACHED, (0, b""))
        # An object begins with the identity of its interface; a message in it is TNEF again.
        content = value[16:] if kind == mapi.OBJECT else item.data or value
        wanted = mapi.attachment_name(item.props, codec, item.title or f"attachment {number}")
        name = wanted.replace("\0", "").encode("utf-8", "replace")
        if name in names:
            name = f"{number} ".encode() + name
        names.add(name)
        allowed = budget.allowance(1 << 20)
        if len(content) > allowed:
            yield problem(address.child(name), _STAGE, Reason.LIMIT, f"longer than the limit: {shown(name)}")
        if content:
            times = Times(mtime=mapi.moment(item.props, mapi.MODIFIED), crtime=mapi.moment(item.props, mapi.CREATED))
            budget.spend(len(content[:allowed]))
            yield Member(name, content[:allowed], times)


def _strings(raw: bytes, codec: str) -> list[str]:
    """Strings that end in zeros."""
    return [part.decode(codec, "replace") for part in raw.split(b"\0")[:4] if part]


def _read_props(raw: bytes) -> dict[int, tuple[int, bytes]]:
    """A block of MAPI properties; ends where it does not hold."""
    props: dict[int, tuple[int, bytes]] = {}
    if len(raw) < 4:
        return props
    position = 4
    for _ in range(min(unpack_from("<I", raw)[0], _MAX_VALUES)):
        if position + 4 > len(raw):
            break
        kind, key = unpack_from("<HH", raw, position)
        position += 4
        if key >= 0x8000:
            position = _behind_name(raw, position)
        values, position = _read_values(raw, position, kind)
        if position < 0:
            break
        if values:
            props.setdefault(key, (kind & 0xFFF, values[0]))
    return props


def _behind_name(raw: bytes, position: int) -> int:
    """Offset behind the name of a property: a GUID, then a number or a text."""
    if position + 24 > len(raw):
        return len(raw)
    is_text, length = unpack_from("<II", raw, position + 16)
    return position + 24 + ((length + 3) & ~3 if is_text else 0)


def _read_values(raw: bytes, position: int, kind: int) -> tuple[list[bytes], int]:
    """The values of one property and the offset behind them, -1 where they do not hold."""
    is_many, base = kind & 0x1000, kind & 0xFFF
    count = 1
    if is_many or base in _VARIABLE:
        if position + 4 > len(raw):
            return [], -1
        count = unpack_from("<I", raw, position)[0]
        position += 4
    values: list[bytes] = []
    for _ in range(min(count, _MAX_VALUES)):
        if base in _VARIABLE:
            if position + 4 > len(raw):
                return values, -1
            length = unpack_from("<I", raw, position)[0]
            position += 4
        elif base in _FIXED:
            length = _FIXED[base]
        else:
            return values, -1
        values.append(raw[position : position + length])
        position += (length + 3) & ~3
        if position > len(raw) + 3:
            return values, -1
    return values, position
