"""``DiskDescriptor.xml`` of a Parallels disk: which image files it has, and which stands on which.

Source: files that Parallels Desktop writes: ``StorageData/Storage/Image`` with ``GUID``, ``Type`` and ``File``;
``Snapshots/Shot`` with ``GUID`` and ``ParentGUID``.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.parsers import expat

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers.beside import MAX_CHAIN, base_name
from triage.model.stream import Stream

MAX_TEXT = 1 << 20
NO_PARENT = "{00000000-0000-0000-0000-000000000000}"
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Images and their order.

    Attributes:
        images: Base name of the file by identifier.
        parents: Identifier of the parent by that of the child.
        storages: Parts that the disk is split into.
    """

    images: dict[str, str]
    parents: dict[str, str]
    storages: int

    def knows(self, name: str) -> bool:
        """True where the descriptor names an image file."""
        return bool(name) and name in self.images.values()

    def below(self, name: str) -> tuple[str, ...]:
        """Files that an image stands on, the nearest first.

        Raises:
            UnsupportedFormatError: The disk is split into parts.
            CorruptStructureError: The chain loops, or names an image that has no file.
        """
        if self.storages > 1:
            raise UnsupportedFormatError(
                f"a Parallels disk in {self.storages} parts, which is not read", hint="join it with `prl_disk_tool`"
            )
        identity = next(key for key, file in self.images.items() if file == name)
        chain: list[str] = []
        seen = {identity}
        while (identity := self.parents.get(identity, NO_PARENT)) != NO_PARENT:
            if identity in seen or len(chain) >= MAX_CHAIN:
                raise CorruptStructureError(f"the snapshots of the Parallels disk loop at {identity[:64]}")
            if identity not in self.images:
                raise CorruptStructureError(f"the Parallels disk names no file for its snapshot {identity[:64]}")
            seen.add(identity)
            chain.append(self.images[identity])
        return tuple(chain)


class _Collector:
    """Takes the texts of interest as they come; nothing is built as a tree."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.values: dict[str, str] = {}
        self.images: dict[str, str] = {}
        self.parents: dict[str, str] = {}
        self.storages = 0

    def start(self, tag: str, _: object) -> None:
        self.path.append(tag)
        if len(self.path) > _MAX_DEPTH:
            raise ValueError("nested too deeply")
        if tag in ("Image", "Shot"):
            self.values = {}

    def text(self, data: str) -> None:
        if self.path and len(self.values.get(self.path[-1], "")) < 4096:
            self.values[self.path[-1]] = self.values.get(self.path[-1], "") + data

    def end(self, tag: str) -> None:
        self.path.pop()
        identity = self.values.get("GUID", "").strip().lower()
        if tag == "Image" and identity:
            self.images.setdefault(identity, base_name(self.values.get("File", "").strip()))
        elif tag == "Shot" and identity:
            self.parents.setdefault(identity, self.values.get("ParentGUID", NO_PARENT).strip().lower())
        elif tag == "Storage":
            self.storages += 1


def parse_disk_descriptor(stream: Stream) -> Snapshots:
    """The images that a descriptor names.

    Raises:
        CorruptStructureError: It does not parse.
    """
    collector = _Collector()
    parser = expat.ParserCreate()
    parser.StartElementHandler = collector.start
    parser.EndElementHandler = collector.end
    parser.CharacterDataHandler = collector.text
    parser.EntityDeclHandler = _refuse
    try:
        if stream.size > MAX_TEXT:
            raise ValueError("too large")
        parser.Parse(stream.read_at(0, MAX_TEXT), True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise CorruptStructureError(f"damaged DiskDescriptor.xml: {str(error)[:200]}") from error
    return Snapshots(collector.images, collector.parents, collector.storages)


def _refuse(*_: object) -> None:
    raise ValueError("it declares entities")
