"""Outlook stores (PST, OST, PAB) through libpff: each message is a member, with its folders as path.

A message is put together as a mail file (``Inbox/00012 Subject.eml``): its headers, texts in UTF-8, and attachments, so
that it opens like any mail. Its bytes are therefore not those of the store; its number (``00012``) counts within the
folder and leads back to it. Messages whose folder is gone are in ``(orphans)``. Deleted items that the store still
lists come with the folder that holds them; libpff gives back no others.

libpff is a C library: this runs in a worker process that may die.
"""

from __future__ import annotations

import importlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from triage.content.decoders.interface import Budget, Data, Member, Yield, problem, shown
from triage.content.formats import mapi
from triage.content.formats.codepages import codec_of_number
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason
from triage.model.times import Times

_STAGE = "pst"
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\]+")
_MAX_FOLDERS = 20_000
_MAX_DEPTH = 40
_MAX_ATTACHMENTS = 1000
_ERRORS = (OSError, ValueError, RuntimeError, MemoryError, TypeError)


@dataclass(slots=True)
class _Store:
    """One store while it is read."""

    address: Address
    budget: Budget
    size: int
    codec: str
    broken: int = 0
    first: str = ""

    def complain(self, error: Exception) -> None:
        """Count what cannot be read."""
        self.broken += 1
        self.first = self.first or " ".join(str(error).split())[:160]


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """Messages folder by folder."""
    library = importlib.import_module("pypff")
    file = library.file()
    try:
        file.open_file_object(io.BytesIO(bytes(data)))
        store = _Store(address, budget, len(data), codec_of_number(_page(file)) or "cp1252")
        folders = [(file.get_root_folder(), "", 0)]
    except _ERRORS as error:
        message = f"the store does not open, only its raw bytes were searched: {' '.join(str(error).split())[:160]}"
        yield problem(address, _STAGE, Reason.CORRUPT, message, lost=len(data))
        return
    seen: set[int] = set()
    while folders and len(seen) < _MAX_FOLDERS:
        folder, path, depth = folders.pop()
        try:
            if folder is None or folder.identifier in seen:
                continue
            seen.add(folder.identifier)
            inner = [folder.get_sub_folder(number) for number in range(folder.number_of_sub_folders)]
            names = [_UNSAFE.sub(" ", item.name or "no name")[:100] for item in inner]
        except _ERRORS as error:
            store.complain(error)
            inner, names = [], []
        yield from _messages(store, folder, path)
        if budget.is_spent:
            yield problem(address, _STAGE, Reason.LIMIT, budget.spent_words, lost=len(data))
            return
        if depth < _MAX_DEPTH:
            folders.extend(
                (item, f"{path}{name}/", depth + 1) for item, name in zip(inner[::-1], names[::-1], strict=True)
            )
    yield from _orphans(store, file)
    if store.broken:
        message = f"{store.broken} items of the store cannot be read; first: {store.first}"
        yield problem(address, _STAGE, Reason.CORRUPT, message)


def _page(file: Any) -> int:
    """The code page of 8-bit text, as libpff assumes it (``windows-1252``)."""
    match = re.search(r"\d{3,5}", str(file.ascii_codepage))
    return int(match[0]) if match else 0


def _messages(store: _Store, folder: Any, path: str) -> Yield:
    """The messages of one folder."""
    try:
        count = folder.number_of_sub_messages
    except _ERRORS as error:
        store.complain(error)
        return
    for number in range(count):
        if store.budget.is_spent:
            return
        try:
            message = folder.get_sub_message(number)
        except _ERRORS as error:
            store.complain(error)
            continue
        yield from _message(store, message, path, number + 1)


def _orphans(store: _Store, file: Any) -> Yield:
    """Items that no folder holds."""
    try:
        count = file.number_of_orphan_items
    except _ERRORS as error:
        store.complain(error)
        return
    for number in range(min(count, _MAX_FOLDERS)):
        if store.budget.is_spent:
            return
        try:
            yield from _message(store, file.get_orphan_item(number), "(orphans)/", number + 1)
        except _ERRORS as error:
            store.complain(error)


def _message(store: _Store, message: Any, path: str, number: int) -> Yield:
    """One message as a mail file."""
    try:
        props = next(_record_sets(message), {})
    except _ERRORS as error:
        store.complain(error)
        return
    codec = mapi.codec(props, store.codec)
    subject = mapi.text(props, mapi.SUBJECT, codec)
    subject = subject[2:] if subject[:1] == "\x01" else subject
    name = f"{path}{number:05d} {_UNSAFE.sub(' ', subject).strip()[:80] or 'no subject'}.eml".encode("utf-8", "replace")
    times = Times(
        mtime=mapi.moment(props, mapi.SUBMITTED, mapi.DELIVERED, mapi.MODIFIED), crtime=mapi.moment(props, mapi.CREATED)
    )
    where = store.address.child(name)
    if store.budget.refuses is not None and store.budget.refuses(where, 0, times):
        store.budget.spend(0)
        return
    allowed = store.budget.allowance(store.size)
    texts = list(mapi.bodies(props, codec, allowed))
    others = mapi.other_lines(props, codec)
    if others:
        texts.append(("body.txt", "\n".join(others).encode("utf-8", "replace")))
    files, lost = _attachments(store, message, codec, allowed)
    lines = mapi.header_lines(props, list(_recipients(store, message)), codec)
    content = mapi.make_mail(lines, mapi.text(props, mapi.TRANSPORT, codec), texts, files, str(number))
    store.budget.spend(len(content))
    yield Member(name, content, times)
    if lost:
        text = f"attachments were left out, larger than the limit or not readable: {lost}, of {shown(name)}"
        yield problem(where, _STAGE, Reason.LIMIT, text)


def _record_sets(item: Any) -> Iterator[dict[int, tuple[int, bytes]]]:
    """The properties of an item; several sets for recipients."""
    for number in range(item.number_of_record_sets):
        found: dict[int, tuple[int, bytes]] = {}
        for entry in item.get_record_set(number).entries:
            if entry.entry_type is not None and entry.value_type is not None and entry.data is not None:
                found.setdefault(entry.entry_type, (entry.value_type, entry.data))
        yield found


def _recipients(store: _Store, message: Any) -> Iterator[dict[int, tuple[int, bytes]]]:
    """Properties of the recipients."""
    try:
        recipients = getattr(message, "recipients", None)
        if recipients is not None:
            yield from _record_sets(recipients)
    except _ERRORS as error:
        store.complain(error)


def _attachments(store: _Store, message: Any, codec: str, allowed: int) -> tuple[list[tuple[str, bytes]], int]:
    """Names and bytes of the attachments within a limit, and how many were left out."""
    files: list[tuple[str, bytes]] = []
    lost = used = 0
    try:
        count = getattr(message, "number_of_attachments", 0)  # notes and lists have none
    except _ERRORS as error:
        store.complain(error)
        return files, lost
    for number in range(min(count, _MAX_ATTACHMENTS)):
        try:
            attachment = message.get_attachment(number)
            props = next(_record_sets(attachment), {})
            size = attachment.get_size()
            if size + used > allowed // 2:
                lost += 1
                continue
            raw = attachment.read_buffer(size) if size else b""
        except _ERRORS as error:
            store.complain(error)
            lost += 1
            continue
        used += size
        if raw:
            files.append((mapi.attachment_name(props, codec, f"attachment {number + 1}"), raw))
    return files, lost + max(count - _MAX_ATTACHMENTS, 0)
