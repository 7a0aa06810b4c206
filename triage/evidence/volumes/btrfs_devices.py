"""Btrfs over several devices that are volumes of the evidence.

Source: "On-disk format" and "Volume management" of the Btrfs documentation. Every device has a superblock with the UUID
of the file system and its own number; the file system is listed once, at the lowest number that is there. One that
says it has a single device is none of this module: the reader of the file system takes the volume as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.btrfs import open_devices
from triage.evidence.filesystems.btrfs.superblock import MAGIC, PLACES, Superblock, read_superblock
from triage.evidence.interface import FileSystem
from triage.evidence.keychain import Keychain
from triage.evidence.volumes.layers import LayerVolume
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream
from triage.model.volume import Volume

STAGE = "evidence/btrfs"
MAX_NAMED = 20
"""Devices that a problem names."""


@dataclass(frozen=True, slots=True)
class BtrfsLayer:
    """A file system over several devices; see :class:`~triage.evidence.volumes.layers.Layer`."""

    volumes: tuple[LayerVolume, ...]
    problems: tuple[Problem, ...]
    details: dict[str, str]
    name: str = "btrfs"
    replaces: bool = True

    def close(self) -> None:
        """Nothing to release."""


def detect(stream: Stream) -> bool:
    """True where a device of a file system with several devices has its superblock.

    Raises:
        ReadFailedError: The bytes cannot be read.
    """
    if stream.read_at(PLACES[0] + 64, 8) != MAGIC:
        return False
    try:
        return read_superblock(stream)[0].devices > 1
    except EvidenceError:
        return False


def open_layer(stream: Stream, address: str, keychain: Keychain, others: Sequence[Stream]) -> BtrfsLayer:
    """The file system that a device belongs to.

    Raises:
        CorruptStructureError: The superblock does not hold.
        UnsupportedFormatError: It needs something that is not read.
    """
    del keychain
    own, _notes = read_superblock(stream)
    if own.devices < 2:
        raise CorruptStructureError("a btrfs of one device is no layer")
    found = _devices(own, stream, others)
    details = {"file system": own.pool.hex(), "device": str(own.device), "devices": str(own.devices)}
    if own.device != min(found):
        details["volumes"] = "listed with the first device of the file system"
        return BtrfsLayer((), (), details)
    problems: tuple[Problem, ...] = ()
    if len(found) < own.devices:
        named = ", ".join(str(number) for number in sorted(found)[:MAX_NAMED])
        words = f"btrfs over {own.devices} devices, of which only these are there: {named}"
        problems = (Problem(address, STAGE, Reason.TRUNCATED, words, "hand in all devices together"),)
    streams = [found[number] for number in sorted(found)]
    volume = LayerVolume(
        "btrfs1",
        f"btrfs, {len(found)} of {own.devices} devices",
        file_system="btrfs",
        block_size=own.sector_size,
        open_file_system=partial(_open, streams),
        length=sum(each.size for each in streams),
    )
    return BtrfsLayer((volume,), problems, details)


def _open(streams: Sequence[Stream], volume: Volume, evidence_name: str) -> FileSystem:
    return open_devices(streams, volume, evidence_name)


def _devices(own: Superblock, stream: Stream, others: Sequence[Stream]) -> dict[int, Stream]:
    """Devices of the file system by number; the first volume with a number is taken."""
    found = {own.device: stream}
    for other in others:
        try:
            if other.read_at(PLACES[0] + 64, 8) != MAGIC:
                continue
            superblock, _notes = read_superblock(other)
        except EvidenceError:
            continue
        if superblock.pool == own.pool:
            found.setdefault(superblock.device, other)
    return found
