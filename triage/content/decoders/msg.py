"""Outlook messages (MSG): headers, bodies and properties as parts, attachments and attached messages as members.

Specification: [MS-OXMSG]. Properties are streams of a compound file. A part is UTF-8, or RTF or HTML as stored; what
belongs to an attached message has its number and subject in front (``1 Subject/body.txt``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from struct import unpack_from

from triage.content.decoders.interface import Budget, Data, Member, Yield, problem, text_part
from triage.content.formats import mapi
from triage.content.formats.compound import STORAGE, Compound, CompoundError, Entry
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason
from triage.model.times import Times

_STAGE = "msg"
_STREAM = re.compile(r"__substg1\.0_([0-9a-f]{4})([0-9a-f]{4})\Z", re.IGNORECASE)
_PROPERTIES = "__properties_version1.0"
_MAX_MESSAGES = 200
_MAX_ATTACHMENTS = 5000
_ENCRYPTED = ("IPM.Note.SMIME", "IPM.Note.Secure")


@dataclass(slots=True)
class _File:
    """One file while it is read."""

    compound: Compound
    address: Address
    budget: Budget
    children: dict[tuple[str, ...], list[Entry]] = field(default_factory=dict)
    names: set[bytes] = field(default_factory=set)
    incomplete: int = 0

    def name(self, wanted: str) -> bytes:
        """A name that no other member has."""
        raw = wanted.replace("\0", "").encode("utf-8", "replace")
        made, number = raw, 2
        while made in self.names:
            made, number = raw + b" (%d)" % number, number + 1
        self.names.add(made)
        return made


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """The message, then the messages attached to it."""
    try:
        compound = Compound(data)
    except CompoundError as error:
        yield problem(address, _STAGE, Reason.CORRUPT, f"the message does not open: {error}", lost=len(data))
        return
    file = _File(compound, address, budget)
    for entry in compound.entries:
        if entry.path:
            file.children.setdefault(entry.path[:-1], []).append(entry)
    stack: list[tuple[tuple[str, ...], str, int]] = [((), "", 32)]
    done = 0
    while stack and done < _MAX_MESSAGES:
        if budget.is_spent:
            yield problem(address, _STAGE, Reason.LIMIT, budget.spent_words, lost=len(data))
            return
        done += 1
        path, prefix, header = stack.pop()
        yield from _message(file, path, prefix, header, stack)
    if stack:
        yield problem(address, _STAGE, Reason.LIMIT, f"more than {_MAX_MESSAGES} messages in one another")
    if file.incomplete:
        message = f"{file.incomplete} streams are shorter than they claim"
        yield problem(address, _STAGE, Reason.TRUNCATED, message)


def _read_props(file: _File, path: tuple[str, ...], header: int) -> dict[int, tuple[int, bytes]]:
    """Properties of a message, a recipient or an attachment: numbers from one stream, the others from one each."""
    props: dict[int, tuple[int, bytes]] = {}
    table = file.compound.stream(*path, _PROPERTIES, limit=1 << 20)
    if table is not None:
        for at in range(header, len(table.data) - 15, 16):
            kind, key = unpack_from("<HH", table.data, at)
            props[key] = (kind, table.data[at + 8 : at + 16])
    allowed = file.budget.allowance(1 << 20)
    for entry in file.children.get(path, []):
        match = _STREAM.match(entry.path[-1])
        if match is None or entry.kind == STORAGE:
            continue
        found = file.compound.read(entry, allowed)
        file.incomplete += not found.complete
        props[int(match[1], 16)] = (int(match[2], 16), found.data)
    return props


def _message(
    file: _File, path: tuple[str, ...], prefix: str, header: int, stack: list[tuple[tuple[str, ...], str, int]]
) -> Yield:
    """One message; those attached to it go on the stack."""
    props = _read_props(file, path, header)
    codec = mapi.codec(props)
    inside = [entry.path for entry in file.children.get(path, []) if entry.kind == STORAGE]
    recipients = [_read_props(file, place, 8) for place in inside if place[-1].lower().startswith("__recip_version")]
    lines = mapi.header_lines(props, recipients, codec)
    transport = mapi.text(props, mapi.TRANSPORT, codec)
    if transport:
        from triage.content.formats.mime import decode_words

        lines += ["", decode_words(transport.encode("utf-8", "replace")) if "=?" in transport else transport]
    parts = [("headers", "\n".join(lines)), ("properties", "\n".join(mapi.other_lines(props, codec)))]
    for name, words in parts:
        if words.strip():
            made = text_part(file.name(prefix + name).decode(), words)
            file.budget.spend(len(made.data))
            yield made
    for name, raw in mapi.bodies(props, codec, file.budget.allowance(1 << 20)):
        file.budget.spend(len(raw))
        yield Member(file.name(prefix + name), raw, part_of_document=True)
    kind = mapi.text(props, mapi.CLASS, codec)
    if kind.startswith(_ENCRYPTED) and "multipartsigned" not in kind.lower():
        message = "the message is encrypted or signed with S/MIME; what it wraps is an attachment that was not read"
        yield problem(file.address, _STAGE, Reason.ENCRYPTED, message)
    attached = sorted(place for place in inside if place[-1].lower().startswith("__attach_version"))
    for count, place in enumerate(attached[:_MAX_ATTACHMENTS], 1):
        yield from _attachment(file, place, prefix, count, stack, codec)


def _attachment(
    file: _File,
    path: tuple[str, ...],
    prefix: str,
    count: int,
    stack: list[tuple[tuple[str, ...], str, int]],
    codec: str,
) -> Yield:
    """One attachment: a file, a message, or the streams of an object."""
    props = _read_props(file, path, 8)
    name = mapi.attachment_name(props, codec, f"attachment {count}")
    inner = next(
        (
            entry.path
            for entry in file.children.get(path, [])
            if entry.kind == STORAGE and entry.path[-1].lower().endswith("3701000d")
        ),
        None,
    )
    if inner is not None and file.compound.find(*inner, _PROPERTIES) is not None:
        stack.append((inner, f"{prefix}{count} {name[:80].replace('/', '_')}/", 24))
        return
    if inner is not None:
        for entry in file.children.get(inner, []):
            if entry.kind != STORAGE:
                found = file.compound.read(entry, file.budget.allowance(1 << 20))
                file.budget.spend(len(found.data))
                yield Member(file.name(f"{prefix}{name}/{entry.path[-1]}"), found.data)
        return
    raw = props.get(mapi.ATTACHED, (0, b""))[1]
    times = Times(mtime=mapi.moment(props, mapi.MODIFIED), crtime=mapi.moment(props, mapi.CREATED))
    if raw:
        file.budget.spend(len(raw))
        yield Member(file.name(prefix + name), raw, times)
