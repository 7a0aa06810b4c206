"""APFS containers: one volume for each volume in it (``apfs1`` ...) and one for each snapshot (``snap1`` ...).

Read by our own reader, :mod:`triage.evidence.filesystems.apfs`. The volumes share the free space of the container;
it is listed once, as ``free1``. Where it lies is in :attr:`ApfsLayer.unused`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from triage.errors import EncryptedVolumeError, EvidenceError
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.filesystems.apfs.container import MAGIC, Container
from triage.evidence.filesystems.apfs.keys import METHOD, unlock
from triage.evidence.filesystems.apfs.objects import VOLUME
from triage.evidence.filesystems.apfs.older import Older
from triage.evidence.filesystems.apfs.omap import ObjectMap
from triage.evidence.filesystems.apfs.state import Cipher, State
from triage.evidence.filesystems.apfs.tree import ApfsTree
from triage.evidence.filesystems.apfs.volume import Snapshot, VolumeSuperblock, read_volume, snapshots
from triage.evidence.filesystems.tree import TreeFileSystem
from triage.evidence.interface import FileSystem
from triage.evidence.keychain import Keychain
from triage.evidence.volumes.layers import LayerVolume
from triage.evidence.volumes.pool_space import pool_space
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream
from triage.model.times import iso_from_ns
from triage.model.volume import Volume

STAGE = "evidence/apfs"
MAX_SNAPSHOTS = 4096


@dataclass(frozen=True, slots=True)
class ApfsLayer:
    """A container; see :class:`~triage.evidence.volumes.layers.Layer`.

    Attributes:
        unused: Parts of the volume below that no volume uses: offset and length, bytes, ascending.
    """

    volumes: tuple[LayerVolume, ...]
    problems: tuple[Problem, ...]
    details: dict[str, str]
    unused: tuple[tuple[int, int], ...]
    name: str = "apfs"
    replaces: bool = True

    def close(self) -> None:
        """Nothing to release."""


def detect(stream: Stream) -> bool:
    """True where a container begins.

    Raises:
        ReadFailedError: The bytes cannot be read.
    """
    return stream.read_at(32, 4) == MAGIC


def open_layer(stream: Stream, address: str, keychain: Keychain, others: Sequence[Stream]) -> ApfsLayer:
    """The volumes of a container.

    Raises:
        CorruptStructureError: Superblock or object map do not hold.
        UnsupportedFormatError: The second device of a Fusion drive.
        ReadFailedError: They cannot be read.
    """
    container = Container(stream, others)
    opener = _Opener(container, address, keychain)
    volumes = tuple(opener.volumes())
    try:
        unused = tuple(
            (start, min(length, stream.size - start)) for start, length in container.free_runs() if start < stream.size
        )
    except EvidenceError as error:
        unused = ()
        opener.tell(Reason.CORRUPT, f"which space of the container is free cannot be told: {error.message}")
    superblock = container.superblock
    details = {
        "container": str(UUID(bytes=superblock.identifier)),
        "block size": str(superblock.block_size),
        "checkpoint": str(superblock.transaction),
        "checkpoints kept": str(len(container.checkpoints)),
    }
    if superblock.blocks * superblock.block_size > stream.size and not any(superblock.fusion):
        size = superblock.blocks * superblock.block_size
        opener.problems.insert(0, Problem(address, STAGE, Reason.TRUNCATED,
                               f"the container has {size} bytes, of which {stream.size} are there",
                               "the image may be cut short", size - stream.size))  # fmt: skip
    words = "free space of the container, shared by its volumes"
    free = pool_space(stream, unused, words, superblock.block_size)
    return ApfsLayer((*volumes, *free), tuple(opener.problems), details, unused)


class _Opener:
    """Opens volumes one by one and keeps the problems."""

    def __init__(self, container: Container, address: str, keychain: Keychain) -> None:
        self._container = container
        self._address = address
        self._keychain = keychain
        self.problems: list[Problem] = []
        for words in container.warnings:
            self.tell(Reason.MISMATCH, words, anyway=True)

    def tell(self, reason: Reason, words: str, hint: str = "", length: int = 0, *, anyway: bool = False) -> None:
        """Adds a problem."""
        self.problems.append(Problem(self._address, STAGE, reason, words, hint, length, anyway))

    def volumes(self) -> Iterator[LayerVolume]:
        """Volumes, then their snapshots."""
        kept: list[LayerVolume] = []
        for number, identifier in enumerate(self._container.superblock.volumes, 1):
            try:
                volume = read_volume(self._container, identifier)
            except EvidenceError as error:
                self.tell(Reason.CORRUPT, f"volume {number} of the container cannot be opened: {error.message}")
                continue
            yield from self._volume(number, identifier, volume, kept)
        yield from kept

    def _volume(
        self, number: int, identifier: int, volume: VolumeSuperblock, kept: list[LayerVolume]
    ) -> Iterator[LayerVolume]:
        words, size = _described(volume), volume.used * self._container.superblock.block_size
        cipher: Cipher | None = None
        if volume.encrypted:
            try:
                cipher = unlock(self._container, volume, self._address, self._keychain)
            except EncryptedVolumeError as error:
                yield LayerVolume(f"apfs{number}", words, encryption=METHOD, hint=error.hint or "", length=size)
                return
            except EvidenceError as error:
                self.tell(Reason.ENCRYPTED, f"{words}: {error.message}", error.hint or "", size)
                yield LayerVolume(f"apfs{number}", words, encryption=METHOD, hint=error.hint or "", length=size)
                return
        try:
            omap = ObjectMap(self._container.blocks, volume.omap)
        except EvidenceError as error:
            self.tell(Reason.CORRUPT, f"{words}: {error.message}", error.hint or "", size)
            return
        yield self._layer_volume(f"apfs{number}", words, size, self._live(identifier, volume, omap, cipher))
        for snapshot in snapshots(self._container, volume):
            if isinstance(snapshot, EvidenceError):
                self.tell(Reason.CORRUPT, f"a snapshot of {words} cannot be opened: {snapshot.message}")
            elif len(kept) < MAX_SNAPSHOTS:
                kept.append(self._snapshot(len(kept) + 1, number, volume, snapshot, omap, cipher))

    def _snapshot(
        self, count: int, number: int, volume: VolumeSuperblock, snapshot: Snapshot, omap: ObjectMap,
        cipher: Cipher | None,
    ) -> LayerVolume:  # fmt: skip
        moment = iso_from_ns(snapshot.created) or "time unknown"
        words = f"snapshot {printable(snapshot.name)!r} of apfs{number} ({printable(volume.name)}) made {moment}"
        container = self._container

        def make() -> ApfsTree:
            block = container.blocks.read_object(snapshot.block, VOLUME)
            then = VolumeSuperblock.parse(block)
            return ApfsTree(State(container.blocks, then, omap, snapshot.transaction, cipher), None)

        return self._layer_volume(f"snap{count}", words, 0, make)

    def _live(
        self, identifier: int, volume: VolumeSuperblock, omap: ObjectMap, cipher: Cipher | None
    ) -> Callable[[], ApfsTree]:
        container = self._container

        def make() -> ApfsTree:
            state = State(container.blocks, volume, omap, container.superblock.transaction, cipher)
            return ApfsTree(state, Older(container, identifier, state))

        return make

    def _layer_volume(self, name: str, words: str, size: int, make: Callable[[], ApfsTree]) -> LayerVolume:
        block_size = self._container.superblock.block_size
        media = self._container.blocks.media

        def open_file_system(volume: Volume, evidence_name: str) -> FileSystem:
            return TreeFileSystem(make(), media, volume, evidence_name)

        return LayerVolume(name, words, None, "apfs", block_size, open_file_system, length=size)


def _described(volume: VolumeSuperblock) -> str:
    """Name, role and kind of a volume."""
    parts = [f"APFS volume {printable(volume.name)!r}"]
    if volume.role:
        parts.append(f"role {volume.role}")
    parts.append("case-sensitive" if volume.case_sensitive else "case-insensitive")
    if volume.sealed:
        parts.append("sealed")
    if volume.encrypted:
        parts.append("encrypted")
    return ", ".join(parts)
