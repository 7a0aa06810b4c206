"""Word, Excel and PowerPoint documents before 2007, and other compound files: texts, metadata, files inside.

What people read becomes parts in UTF-8, addressed by name, an offset in them counts bytes of that text: ``text``,
``comments`` (Word); ``sheet Debts (hidden)`` (Excel); ``slide 3``, ``notes 3`` (PowerPoint); ``metadata``. The same
texts as stored are searched in the raw bytes, which gives their place in the file; here they stand in the order of
reading and whole. Embedded files (packages, objects) are members of their own; of embedded documents the texts are
given, with the path of their storage in front. Encrypted documents are told. No macro runs, no link is followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import unpack_from

from triage.content.decoders.interface import Budget, Data, Member, Yield, problem, shown, text_part
from triage.content.formats import excel, ole_properties, powerpoint, shell_link, word
from triage.content.formats.compound import STREAM, Compound, CompoundError, Entry
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason

_STAGE = "ole"
_MAX_CHARACTERS = 32 << 20
_MAX_DOCUMENTS = 500
_NATIVE = "\x01ole10native"
_FILES = ("contents", "package", "embeddedodf")
_CONTROL = str.maketrans(dict.fromkeys(range(32), ""))


@dataclass(slots=True)
class _File:
    """One compound file while it is read."""

    compound: Compound
    address: Address
    budget: Budget
    names: set[bytes] = field(default_factory=set)
    left: int = _MAX_CHARACTERS
    documents: int = 0

    def name(self, wanted: str) -> bytes:
        """A name that no other member has."""
        raw = wanted.translate(_CONTROL).encode("utf-8", "replace") or b"object"
        made, number = raw, 2
        while made in self.names:
            made, number = raw + b" (%d)" % number, number + 1
        self.names.add(made)
        return made

    def part(self, name: str, text: str) -> Iterator[Member]:
        """A part, unless it is empty."""
        if text.strip():
            made = text_part(self.name(name).decode("utf-8", "replace"), text)
            self.left -= len(text)
            self.budget.spend(len(made.data))
            yield made

    def file(self, name: str, data: bytes) -> Iterator[Member]:
        """A file inside, unless it is empty."""
        if data:
            self.budget.spend(len(data))
            yield Member(self.name(name), data)


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """Texts of the document and of those inside it, metadata, files."""
    try:
        compound = Compound(data)
    except CompoundError as error:
        message = f"the document does not open, only its raw bytes were searched: {error}"
        yield problem(address, _STAGE, Reason.CORRUPT, message, lost=len(data))
        return
    file = _File(compound, address, budget)
    incomplete = 0
    for entry in compound.entries:
        if entry.kind != STREAM:
            continue
        if budget.is_spent or file.left <= 0 or file.documents > _MAX_DOCUMENTS:
            words = budget.spent_words if budget.is_spent else f"the limit of {_MAX_CHARACTERS} characters is reached"
            yield problem(address, _STAGE, Reason.LIMIT, f"the rest was not read: {words}", lost=len(data))
            return
        before = len(file.names)
        yield from _stream(file, entry)
        if len(file.names) > before and not compound.read(entry, len(data)).complete:
            incomplete += 1
    if incomplete:
        message = f"{incomplete} streams are shorter than they claim; what is there was read"
        yield problem(address, _STAGE, Reason.TRUNCATED, message)


def _stream(file: _File, entry: Entry) -> Yield:
    """What one stream gives."""
    compound, path, name = file.compound, entry.path[:-1], entry.path[-1].lower()
    prefix = "/".join(path) + "/" if path else ""
    if name == word.STREAM.lower():
        file.documents += 1
        main = compound.read(entry, 64).data
        if word.is_encrypted(main):
            yield from _encrypted(file, entry)
        for part, text in word.texts(compound, path, file.left):
            yield from file.part(prefix + part, text)
    elif name in ("workbook", "book"):
        file.documents += 1
        book = compound.read(entry, entry.size).data
        if excel.is_encrypted(book):
            yield from _encrypted(file, entry)
        for part, text in excel.texts(book, file.left):
            yield from file.part(prefix + part, text)
    elif name == powerpoint.STREAM.lower():
        file.documents += 1
        yield from _presentation(file, entry, prefix)
    elif entry.path[-1] in ole_properties.STREAMS or name in map(str.lower, ole_properties.STREAMS):
        lines = list(ole_properties.lines(compound.read(entry, 1 << 20).data))
        yield from file.part(prefix + "metadata", "\n".join(lines))
    elif not path and compound.read(entry, 20).data == shell_link.MAGIC:
        yield from file.file(f"{entry.path[-1]}.lnk", compound.read(entry, file.budget.allowance(1 << 20)).data)
    elif name == _NATIVE:
        inner, content = _native(compound.read(entry, file.budget.allowance(1 << 20)).data)
        yield from file.file(prefix + inner, content)
    elif path and name in _FILES:
        yield from file.file(prefix + entry.path[-1], compound.read(entry, file.budget.allowance(1 << 20)).data)


def _presentation(file: _File, entry: Entry, prefix: str) -> Yield:
    """Texts and objects of a presentation."""
    stream = file.compound.read(entry, entry.size).data
    user = file.compound.stream(*entry.path[:-1], powerpoint.USER_STREAM)
    if powerpoint.is_encrypted(user.data if user is not None else b"", stream):
        yield from _encrypted(file, entry)
        return
    for part, text in powerpoint.texts(stream, file.left):
        yield from file.part(prefix + part, text)
    for number, content in enumerate(powerpoint.objects(stream, file.budget.allowance(len(stream))), 1):
        if file.budget.is_spent:
            return
        yield from file.file(f"{prefix}object {number}.ole", content)


def _encrypted(file: _File, entry: Entry) -> Yield:
    name = "/".join(entry.path).encode("utf-8", "replace")
    message = f"encrypted with a password, only its raw bytes were searched: {shown(name)}"
    hint = "open it with its password in another tool"
    yield problem(file.address, _STAGE, Reason.ENCRYPTED, message, lost=entry.size, hint=hint)


def _native(data: bytes) -> tuple[str, bytes]:
    """Name and bytes of a file that was put into a document (``Ole10Native``); all bytes where it does not hold."""
    position, strings = 6, []
    for _ in range(2):
        end = data.find(b"\0", position, position + 1024)
        if end < 0:
            return "object", data[4:]
        strings.append(data[position:end])
        position = end + 1
    if position + 8 > len(data):
        return "object", data[4:]
    length = unpack_from("<I", data, position + 4)[0]
    position += 8 + length
    if length > 4096 or position + 4 > len(data):
        return "object", data[4:]
    size = unpack_from("<I", data, position)[0]
    name = (strings[0] or strings[1]).decode("cp1252", "replace").replace("/", "_").rpartition("\\")[2]
    return name or "object", data[position + 4 : position + 4 + size]
