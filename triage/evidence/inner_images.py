"""Disk images that lie as files in a volume: a virtual machine on a laptop, the backup of a stick.

The bytes decide. What an image names itself (extents, parents, backing files) is looked for in its own folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from triage.errors import CorruptStructureError, NothingKnownError
from triage.evidence.containers import encrypted_dmg
from triage.evidence.containers.beside import MAX_CHAIN, Found, base_name, missing
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.containers.foreign import find_foreign
from triage.evidence.containers.mapped_container import HEAD, open_any, opener_for
from triage.evidence.interface import Container
from triage.evidence.keychain import Keychain
from triage.model.entry import Entry
from triage.model.packed import Packed
from triage.model.problem import Problem
from triage.model.stream import Stream

_STEP = re.compile(r"\.img\d+(?=\.|$)")


@dataclass(frozen=True, slots=True)
class InnerImage(Packed):
    """A file of a volume that is opened as evidence of its own.

    Attributes:
        name: Of the volume that it becomes: that of the volume it lies in, with ``.img1``, ``.img2`` ... behind it.
        entry: The file.
        beside: Files of the same folder.
    """

    name: str
    entry: Entry
    beside: tuple[Entry, ...] = ()


def is_inside_image(name: str) -> bool:
    """Whether the name of a volume is that of an inner image, or of something in one."""
    return _STEP.search(name) is not None


class FileReader(Protocol):
    """Opens files of a volume, those that have a name and those that were carved."""

    def open_entry(self, entry: Entry) -> Stream:
        """The bytes of a file.

        Raises:
            EvidenceError: They cannot be opened.
        """
        ...


@dataclass(slots=True)
class Beside:
    """The folder of an inner image; see :class:`triage.evidence.containers.beside.Beside`.

    Attributes:
        reader: Opens the files.
        entries: The files.
        used: Names of those that were asked for as a part of the image, filled on the way.
        chain: Files gone through to reach this one.
    """

    reader: FileReader
    entries: Sequence[Entry]
    used: set[bytes] = field(default_factory=set)
    chain: tuple[bytes, ...] = ()

    def find(self, asked: str, role: str) -> Found:
        """The file that is asked for.

        Raises:
            UnsupportedFormatError: It is not there.
            CorruptStructureError: The chain comes back to where it was.
        """
        name = base_name(asked)
        entry = self._candidate(name) if name and "://" not in asked else None
        if entry is None:
            raise missing(asked, role, "is not beside it")
        path = entry.address.path
        if path in self.chain or len(self.chain) >= MAX_CHAIN:
            raise CorruptStructureError(f"the chain of images comes back to where it was: {printable(asked)}")
        if role == "extent":
            self.used.add(path)
        inner = Beside(self.reader, self.entries, self.used, (*self.chain, path))
        return Found(self.reader.open_entry(entry), printable(name), inner)

    def names(self) -> tuple[str, ...]:
        """Names of the files, sorted."""
        return tuple(sorted(_name(entry) for entry in self.entries))

    def _candidate(self, name: str) -> Entry | None:
        exact = [entry for entry in self.entries if _name(entry) == name]
        alike = exact or [entry for entry in self.entries if _name(entry).casefold() == name.casefold()]
        return alike[0] if len(alike) == 1 else None


def open_inner(
    image: InnerImage, reader: FileReader, evidence_name: str, keychain: Keychain
) -> tuple[Container, frozenset[bytes]]:
    """Open the container of an inner image; what no format claims is raw.

    Returns:
        The container, and the paths of files that turned out to be parts of it.

    Raises:
        EncryptedVolumeError: It needs a key.
        EvidenceError: It cannot be opened.
    """
    stream = reader.open_entry(image.entry)
    beside = Beside(reader, image.beside, chain=(image.entry.address.path,))
    head = stream.read_at(0, HEAD)
    if encrypted_dmg.is_image(head, stream):
        return encrypted_dmg.open_stream(stream, evidence_name, beside, keychain), frozenset(beside.used)
    foreign = find_foreign(stream) if opener_for(stream) is None else None
    if foreign is not None:
        raise NothingKnownError(f"{foreign.name}, not read", hint=foreign.hint)
    found = Found(stream, printable(_name(image.entry)), beside)
    return open_any(found, evidence_name), frozenset(beside.used)


def placed(problems: Iterable[Problem], image: InnerImage) -> tuple[Problem, ...]:
    """Problems of the container of an inner image, told of the file that it is."""
    address = str(image.entry.address)
    return tuple(replace(problem, address=address) for problem in problems)


def _name(entry: Entry) -> str:
    return entry.address.name.decode("utf-8", "surrogateescape")
