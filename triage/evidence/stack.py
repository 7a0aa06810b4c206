"""The volumes of one evidence, those included that layers open inside others: logical volumes, decrypted, snapshots.

Every volume has a place: where its bytes are, or who opens its file system. Places are found on demand by name, so a
process that needs one volume opens the layers on the way to it and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from triage.errors import (
    EncryptedVolumeError,
    EvidenceError,
    NothingKnownError,
    ReadFailedError,
    UnsupportedFormatError,
)
from triage.evidence.containers.rescued import RescuedMedia
from triage.evidence.filesystems import BYTES, open_file_system, second_reader
from triage.evidence.filesystems.run_stream import VolumeStream
from triage.evidence.filesystems.unmapped import UnmappedFileSystem
from triage.evidence.inner_images import InnerImage, open_inner, placed
from triage.evidence.interface import Container, FileSystem
from triage.evidence.keychain import Keychain
from triage.evidence.unowned import Space, VolumeReader
from triage.evidence.volumes import Layout, LostSearch, find_volumes
from triage.evidence.volumes.layers import LAYERS, Layer, LayerUnit, LayerVolume
from triage.evidence.volumes.layout import STAGE
from triage.evidence.volumes.lost import SYSTEM
from triage.evidence.volumes.lost_found import patched
from triage.model.address import Address, escape_name
from triage.model.problem import Problem, Reason
from triage.model.stream import MemoryStream, Stream
from triage.model.volume import Allocation, Volume

MAX_DEPTH = 6
"""Layers inside layers that are opened."""
MAX_IMAGES_DEEP = 3
"""Images inside images that are opened."""
MAX_VOLUMES = 1024
"""Volumes of one evidence; more is a Problem."""
_UNREAD = frozenset({Reason.ENCRYPTED, Reason.UNSUPPORTED})


@dataclass(frozen=True, slots=True)
class Place:
    """One volume and how to get at it.

    Attributes:
        volume: As reported.
        media: The bytes that its offset counts in; None where only ``opener`` can read it.
        opener: Opens the file system where the layer below has it.
    """

    volume: Volume
    media: Stream | None
    opener: Callable[[Volume, str], FileSystem] | None = None

    @property
    def stream(self) -> Stream | None:
        """The bytes of the volume."""
        if self.media is None:
            return None
        return VolumeStream(self.media, self.volume.image_offset, self.volume.length)


@dataclass(frozen=True, slots=True)
class InsideImage:
    """What opening an inner image gave.

    Attributes:
        volumes: The image itself, then what is in it, each followed by those inside it, then the space outside.
        problems: Met on the way.
        parts: Paths of other files that are parts of the image.
    """

    volumes: tuple[Volume, ...]
    problems: tuple[Problem, ...]
    parts: frozenset[bytes]


class Stack:
    """Places by name.

    Args:
        media: Decoded media.
        layout: The volumes of its tables.
        evidence_name: For the addresses of problems.
        keychain: Secrets to try.
        lost: How to come by volumes in layers that no table names; None for not at all.
    """

    def __init__(
        self, media: Stream, layout: Layout, evidence_name: str, keychain: Keychain, lost: LostSearch | None = None
    ) -> None:
        self._lost = lost
        self._media = media
        self._rescued = media if isinstance(media, RescuedMedia) else None
        self._name = evidence_name
        self._keychain = keychain
        self._layout = layout
        self._places = {
            volume.name: Place(volume, patched(media, layout.patches.get(volume.name, ())))
            for volume in layout.volumes
            if volume.allocation is Allocation.ALLOCATED
        }
        self._tables = tuple(self._places)
        self._outside = [volume for volume in layout.volumes if volume.allocation is not Allocation.ALLOCATED]
        self._expanded: set[str] = set()
        self._layers: list[Layer] = []
        self._problems: dict[str, list[Problem]] = {}
        self._dropped: set[str] = set()
        self._images: dict[str, InnerImage] = {}
        self._readers: dict[str, str] = {}
        self._containers: dict[str, Container] = {}
        self._hosts: list[VolumeReader] = []

    def add(self, place: Place) -> None:
        """A volume that no table names, such as the one of a set of files."""
        self._places[place.volume.name] = place

    def add_images(self, images: Iterable[InnerImage]) -> None:
        """Files of the volumes that are images; each is opened when something in it is asked for."""
        for image in images:
            self._images[image.name] = image

    def use_readers(self, readers: Mapping[str, str]) -> None:
        """Who reads the file systems of some volumes instead of the usual reader, by name of the volume."""
        self._readers.update(readers)

    def open_image(self, name: str) -> InsideImage:
        """Open an image that was added, and every layer in it.

        Raises:
            EncryptedVolumeError: It needs a key.
            EvidenceError: It does not open, or nothing that is known is in it.
        """
        parts = self._open_image(name)
        self._open_below(name, name.count(".") + 1)
        inside = f"{name}."
        order = sorted((found for found in self._places if found == name or found.startswith(inside)), key=_order)
        outside = [volume for volume in self._outside if volume.name.startswith(inside)]
        problems = [problem for found, told in self._problems.items() if found in order for problem in told]
        return InsideImage((*(self._places[found].volume for found in order), *outside), tuple(problems), parts)

    def read_problems(self) -> tuple[Problem, ...]:
        """Problems that reading inner images brought up since the last call."""
        found: list[Problem] = []
        for name, container in self._containers.items():
            found += placed(container.read_problems(), self._images[name])
        return tuple(found)

    def expand(self) -> tuple[tuple[Volume, ...], tuple[Problem, ...]]:
        """Open every layer.

        Returns:
            All volumes, each followed by those inside it, then the space outside; and the problems of tables, layers
            and volumes.
        """
        for name in self._tables:
            self._open_below(name, 1)
        order = sorted(self._places, key=_order)
        volumes = (*(self._places[name].volume for name in order), *self._outside)
        problems = [
            problem
            for problem in self._layout.problems
            if not (problem.stage == STAGE and problem.reason in _UNREAD and problem.address in self._dropped)
        ]
        for found in self._problems.values():
            problems += found
        return volumes, tuple(problems)

    def place(self, name: str) -> Place:
        """The place of a volume; opens the layers on the way to it.

        Raises:
            UnsupportedFormatError: There is no such volume.
            EncryptedVolumeError: A layer on the way needs a key.
            EvidenceError: A layer on the way does not open.
        """
        steps = name.split(".")
        for depth in range(1, len(steps)):
            above = ".".join(steps[:depth])
            if above in self._places:
                self._open_inside(above)
            elif above in self._images:
                self._open_image(above)
        if name in self._images and name not in self._places:
            self._open_image(name)
        found = self._places.get(name)
        if found is None:
            told = [problem for above in self._problems.values() for problem in above if problem.bytes_not_examined]
            if told and told[0].reason is Reason.ENCRYPTED:
                raise EncryptedVolumeError(told[0].message, hint=told[0].hint, address=self._name)
            raise UnsupportedFormatError(f"no such volume: {name}", address=self._name)
        return found

    def file_system(self, name: str) -> FileSystem:
        """The file system of a volume, opened anew.

        Raises:
            EvidenceError: As :meth:`place`; or there is none, or it does not open.
        """
        place = self.place(name)
        volume = place.volume
        address = str(Address(self._name, name, b"/"))
        if place.opener is not None:
            opened = place.opener(volume, self._name)
        elif not volume.file_system or place.media is None:
            if volume.encryption:
                raise EncryptedVolumeError(f"encrypted volume: {volume.encryption}", address=address)
            raise UnsupportedFormatError(f"volume not read: {volume.unsupported or 'no file system'}", address=address)
        else:
            opened = open_file_system(place.media, volume, self._name, self._readers.get(name, ""))
        return UnmappedFileSystem(opened) if volume.parent else opened

    def reader(self, name: str) -> VolumeReader:
        """What reads files and space of a volume, or the space outside all volumes (``p0``).

        Raises:
            EvidenceError: As :meth:`place`; or the file system does not open.
        """
        if name.rpartition(".")[2] == "p0":
            return VolumeReader(None, self.gap(Volume(name, 0, 0, Allocation.UNALLOCATED, "")), self._rescued)
        place = self.place(name)
        is_read = place.volume.file_system and self._readers.get(name) != BYTES
        file_system = self.file_system(name) if is_read else None
        stream = place.stream or MemoryStream(b"")
        return VolumeReader(file_system, Space(stream, place.volume, self._name, file_system), self._rescued)

    def second_file_system(self, name: str) -> FileSystem | None:
        """The file system of a volume as another library reads it than the one in use; None where there is none.

        Raises:
            EvidenceError: As :meth:`place`; or it does not open.
        """
        place = self.place(name)
        other = second_reader(place.volume.file_system)
        if not other or place.media is None or place.opener is not None or self._readers.get(name) in (other, BYTES):
            return None
        opened = open_file_system(place.media, place.volume, self._name, other)
        return UnmappedFileSystem(opened) if place.volume.parent else opened

    def gap(self, volume: Volume) -> Space:
        """The space of one gap.

        Raises:
            EvidenceError: As :meth:`place`.
        """
        above = volume.name.rpartition(".")[0]
        media = self.place(above).media if above else self._media
        return Space(media or MemoryStream(b""), replace(volume, parent=above), self._name, None)

    def close(self) -> None:
        """Close inner images and layers, the last opened first; a second call does nothing."""
        for opened in (list(self._containers.values()), self._hosts, self._layers):
            while opened:
                opened.pop().close()
        self._containers.clear()

    # --- inner images ---------------------------------------------------------------------------------------------
    def _open_image(self, name: str) -> frozenset[bytes]:
        """Open the container of an image and its tables; returns the paths of files that are parts of it."""
        if name in self._places:
            return frozenset()
        if name.count(".img") > MAX_IMAGES_DEEP:
            raise UnsupportedFormatError(f"images inside images, {MAX_IMAGES_DEEP} deep: the next is not opened")
        image = self._images[name]
        parent, _, suffix = name.rpartition(".")
        host = self.reader(parent)
        self._hosts.append(host)
        container, parts = open_inner(image, host, self._name, self._keychain)
        self._containers[name] = container
        words = f"{container.name} image {escape_name(image.entry.address.path)}"
        if not self._add_found(parent, "image", LayerVolume(suffix, words, container.media)):
            del self._places[name]
            self._containers.pop(name).close()
            self._hosts.pop().close()
            kind = NothingKnownError if container.name == "raw" else UnsupportedFormatError
            words = "; ".join(["no volume system, no file system in it", *(p.message for p in container.problems[:1])])
            raise kind(words, hint="look at it with another tool")
        self._problems.setdefault(name, []).extend(placed(container.problems, image))
        return parts

    # --- layers ---------------------------------------------------------------------------------------------------
    def _open_below(self, name: str, depth: int) -> None:
        """Open everything inside a volume."""
        if depth > MAX_DEPTH:
            self._tell(name, Reason.LIMIT, f"layers inside layers, {MAX_DEPTH} deep: the next is not opened")
            return
        before = set(self._places)
        self._open_inside(name)
        for inner in [found for found in self._places if found not in before]:
            self._open_below(inner, depth + 1)

    def _open_inside(self, name: str) -> None:
        """Open the layers of a volume, once."""
        if name in self._expanded:
            return
        self._expanded.add(name)
        place = self._places[name]
        stream = place.stream
        if stream is None or place.opener is not None:
            return
        for unit in self._claims(name, stream, is_known=_is_known(place.volume)):
            if self._open_layer(name, unit, stream):
                return

    def _claims(self, name: str, stream: Stream, *, is_known: bool) -> Iterator[LayerUnit]:
        for unit in LAYERS:
            if not unit.nests and self._places[name].volume.system == unit.name:
                continue
            if unit.is_last_resort and (is_known or not len(self._keychain)):
                continue
            missing = unit.unavailable()
            try:
                if not missing and unit.detect(stream):
                    yield unit
            except ReadFailedError as error:
                self._tell(name, Reason.UNREADABLE, f"cannot be read: {error.message}", error.hint or "")
                return

    def _open_layer(self, name: str, unit: LayerUnit, stream: Stream) -> bool:
        """Open one layer; True where nothing else is to be looked for in the volume."""
        address = str(Address(self._name, name, b"/"))
        others = [
            found
            for other, place in self._places.items()
            if other != name and place.volume.parent == self._places[name].volume.parent
            and (found := place.stream) is not None
        ]  # fmt: skip
        try:
            layer = unit.open(stream, address, self._keychain, others)
        except EncryptedVolumeError as error:
            if not unit.is_last_resort:
                self._dropped.add(address)
                self._tell(name, Reason.ENCRYPTED, error.message, error.hint or "", self._places[name].volume.length)
            return not unit.is_last_resort
        except EvidenceError as error:
            reason = Reason.UNSUPPORTED if isinstance(error, UnsupportedFormatError) else Reason.CORRUPT
            self._tell(name, reason, error.message, error.hint or "")
            return False
        self._layers.append(layer)
        self._problems.setdefault(name, []).extend(layer.problems)
        if layer.replaces:
            self._dropped.add(address)
            self._mark_opened(name, layer)
        for inner in layer.volumes:
            self._add_found(name, unit.name, inner)
        return layer.replaces

    def _mark_opened(self, name: str, layer: Layer) -> None:
        place = self._places[name]
        volume = place.volume
        words = volume.encryption or volume.unsupported or layer.name
        description = ", ".join(part for part in (volume.description, words) if part)
        self._places[name] = replace(
            place,
            volume=replace(
                volume,
                encryption="",
                unsupported="",
                file_system="",
                block_size=0,
                description=description,
                is_opened=True,
            ),
        )

    def _add_found(self, parent: str, system: str, found: LayerVolume) -> bool:
        """Add a volume that a layer opened, and the partitions in it where it has a table.

        Returns:
            Whether anything that is known is in it.
        """
        name = f"{parent}.{found.name}"
        if len(self._places) >= MAX_VOLUMES:
            self._tell(parent, Reason.LIMIT, f"more than {MAX_VOLUMES} volumes: {found.name} and others left out")
            return False
        if found.stream is None:
            volume = Volume(
                name, 0, found.length, Allocation.ALLOCATED, system, found.description, found.file_system,
                found.block_size, found.encryption, parent=parent,
            )  # fmt: skip
            self._places[name] = Place(volume, None, None if found.encryption else found.open_file_system)
            if found.encryption:
                words = f"{found.encryption}: {found.description}" if found.description else found.encryption
                self._tell(name, Reason.ENCRYPTED, words, found.hint, found.length)
            return True
        layout = find_volumes(found.stream, self._name, parent=name, lost=self._lost if system != "image" else None)
        self._problems.setdefault(name, []).extend(layout.problems)
        inner = [volume for volume in layout.volumes if volume.allocation is Allocation.ALLOCATED]
        if [volume.name for volume in inner] != [name]:  # a table stands in it
            whole = Volume(
                name,
                0,
                found.stream.size,
                Allocation.ALLOCATED,
                system,
                found.description,
                parent=parent,
                is_opened=True,
            )
            self._places[name] = Place(whole, found.stream)
            self._expanded.add(name)
            self._outside += [
                replace(volume, parent=name)
                for volume in layout.volumes
                if volume.allocation is not Allocation.ALLOCATED
            ]
        for volume in inner:
            if volume.name == name:
                volume = replace(volume, system=system, description=found.description)
            self._places[volume.name] = Place(
                replace(volume, parent=parent if volume.name == name else name),
                patched(found.stream, layout.patches.get(volume.name, ())),
            )
        return layout.is_recognised

    def _tell(self, name: str, reason: Reason, message: str, hint: str = "", size: int = 0) -> None:
        address = str(Address(self._name, name, b"/"))
        self._problems.setdefault(name, []).append(Problem(address, STAGE, reason, message, hint, size))


def _is_known(volume: Volume) -> bool:
    """Something was recognised in a volume."""
    return bool(volume.file_system or volume.encryption)


def _order(name: str) -> list[tuple[bool, str, int]]:
    """Sort key: by number at each step, each volume before those inside it; guesses behind what a table names."""
    steps = []
    for step in name.split("."):
        letters = step.rstrip("0123456789")
        steps.append((letters == SYSTEM, letters, int(step[len(letters) :] or 0)))
    return steps
