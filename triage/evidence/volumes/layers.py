"""Layers: what stands between a volume and its file systems: logical volumes, encryption, pools, snapshots.

One module each in ``volumes/``, imported on first use. A module has ``detect`` and ``open_layer`` with the signatures
of :class:`LayerUnit`; what it opens are volumes again, which are looked into like those of a partition table.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from triage.evidence.interface import FileSystem
from triage.evidence.keychain import Keychain
from triage.model.problem import Problem
from triage.model.stream import Stream
from triage.model.volume import Volume


@dataclass(frozen=True, slots=True)
class LayerVolume:
    """One volume that a layer opens.

    Attributes:
        name: Suffix of its name: ``lv1``, ``luks1``, ``apfs2``, ``vss3``; letters and a number from 1.
        description: In the format's own words: name of the logical volume, date of the snapshot ...
        stream: Its bytes; None where the layer itself has the file system.
        file_system: Name of the file system that ``open_file_system`` opens, else empty.
        block_size: Bytes in its data unit, 0 where unknown.
        open_file_system: Opens it, given the volume and the name of the evidence; None where ``stream`` is looked into.
        encryption: Method, where the volume needs a key that is not there.
        hint: What to try then.
        length: Bytes, where there is no stream.
    """

    name: str
    description: str
    stream: Stream | None = None
    file_system: str = ""
    block_size: int = 0
    open_file_system: Callable[[Volume, str], FileSystem] | None = None
    encryption: str = ""
    hint: str = ""
    length: int = 0


class Layer(Protocol):
    """An opened layer.

    Attributes:
        name: ``lvm``, ``luks`` ...
        volumes: In the format's order.
        problems: Seen at opening.
        details: What the layer says of itself, printable text by name.
        replaces: The volume below holds nothing to read for itself (encryption, pools); False for snapshots.
    """

    name: str
    volumes: tuple[LayerVolume, ...]
    problems: tuple[Problem, ...]
    details: dict[str, str]
    replaces: bool

    def close(self) -> None:
        """Release what it holds; a second call does nothing."""
        ...


@dataclass(frozen=True, slots=True)
class LayerUnit:
    """One line of the registry.

    Attributes:
        name: As it stands in the stage of problems.
        module: Module of this package.
        needs: Module of a third party that must be importable, empty where none.
        summary: What it reads.
        nests: May stand inside a volume that it opened itself; a snapshot has no snapshots of its own.
        is_last_resort: Has no signature: tried where nothing else is known, and only with keys at hand.
    """

    name: str
    module: str
    needs: str
    summary: str
    nests: bool = True
    is_last_resort: bool = False

    def unavailable(self) -> str:
        """Why the unit cannot be used here, empty where it can."""
        return "" if not self.needs or importlib.util.find_spec(self.needs) else f"needs {self.needs}"

    def detect(self, stream: Stream) -> bool:
        """True where the unit claims the volume.

        Raises:
            ReadFailedError: The bytes cannot be read.
        """
        return bool(importlib.import_module(f"triage.evidence.volumes.{self.module}").detect(stream))

    def open(self, stream: Stream, address: str, keychain: Keychain, others: Sequence[Stream]) -> Layer:
        """The opened layer.

        Args:
            stream: Bytes of the volume; stays the caller's to close.
            address: Text form of the volume's address, for problems and the keychain.
            keychain: Secrets to try; every try is noted there.
            others: The other volumes of the evidence, for layers that span several (LVM, Fusion).

        Raises:
            EncryptedVolumeError: None of the keys fits.
            EvidenceError: The structure does not hold, or is not read.
        """
        module = importlib.import_module(f"triage.evidence.volumes.{self.module}")
        return cast(Layer, module.open_layer(stream, address, keychain, others))


LAYERS: tuple[LayerUnit, ...] = (
    LayerUnit("luks", "luks", "cryptography", "LUKS 1 and 2"),
    LayerUnit("bitlocker", "bitlocker", "cryptography", "BitLocker and BitLocker To Go"),
    LayerUnit("filevault", "filevault", "pyfvde", "CoreStorage and FileVault 2"),
    LayerUnit("lvm", "lvm", "", "LVM2 logical volumes"),
    LayerUnit("md", "md", "", "Linux software RAID"),
    LayerUnit("btrfs", "btrfs_devices", "", "Btrfs over several devices"),
    LayerUnit("apfs", "apfs_container", "", "APFS containers: volumes and snapshots"),
    LayerUnit("vss", "shadow_copies", "pyvshadow", "Windows volume shadow copies", nests=False),
    LayerUnit("veracrypt", "veracrypt", "cryptography", "VeraCrypt and TrueCrypt volumes", is_last_resort=True),
)
