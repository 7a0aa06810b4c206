"""Containers: formats that wrap an image. One module each, imported on first use; order is meaning, raw is last."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from triage.evidence.interface import Container
from triage.evidence.keychain import Keychain


@dataclass(frozen=True, slots=True)
class ContainerUnit:
    """One line of the registry.

    Attributes:
        name: As it stands in reports.
        module: Module of this package with ``detect`` and ``open_container``.
        needs: Module of a third party that must be importable, empty where none.
        summary: What it reads.
        takes_keys: ``open_container`` takes a ``keychain``.
    """

    name: str
    module: str
    needs: str
    summary: str
    takes_keys: bool = False

    def unavailable(self) -> str:
        """Why the unit cannot be used here, empty where it can."""
        if self.needs and importlib.util.find_spec(self.needs) is None:
            return f"needs {self.needs}"
        return ""

    def detect(self, head: bytes, paths: tuple[Path, ...]) -> bool:
        """True where the unit claims the files; never raises.

        Args:
            head: First bytes of the first file, 4 KiB or all.
            paths: Every file of the source, in order.
        """
        return bool(importlib.import_module(f"{__name__}.{self.module}").detect(head, paths))

    def open(self, paths: tuple[Path, ...], evidence_name: str, keychain: Keychain) -> Container:
        """The opened container.

        Raises:
            EncryptedVolumeError: None of the keys fits.
            EvidenceError: The files cannot be opened as this format.
        """
        module = importlib.import_module(f"{__name__}.{self.module}")
        if self.takes_keys:
            return cast(Container, module.open_container(paths, evidence_name, keychain=keychain))
        return cast(Container, module.open_container(paths, evidence_name))


CONTAINERS: tuple[ContainerUnit, ...] = (
    ContainerUnit("ewf", "ewf", "", "Expert Witness E01 (EnCase, FTK Imager, Guymager, ewfacquire) and SMART S01"),
    ContainerUnit("l01", "l01", "pyewf", "Expert Witness logical evidence, L01 and Lx01"),
    ContainerUnit("libewf", "libewf", "pyewf", "Expert Witness version 2, Ex01"),
    ContainerUnit("aff4", "aff4", "", "AFF4 disk images and logical images (AFF4-L)"),
    ContainerUnit("ad1", "ad1", "", "AccessData logical images (AD1)"),
    ContainerUnit("qcow", "qcow", "", "QCOW, versions 1 to 3, with backing files"),
    ContainerUnit("vmdk", "vmdk", "", "VMDK: flat, sparse, split, stream-optimised, snapshots"),
    ContainerUnit("vhdx", "vhdx", "", "VHDX: fixed, dynamic, differencing"),
    ContainerUnit("vhd", "vhd", "", "VHD: dynamic, differencing"),
    ContainerUnit("vdi", "vdi", "", "VDI of VirtualBox"),
    ContainerUnit("parallels", "parallels", "", "Parallels expanding images"),
    ContainerUnit("android-sparse", "android_sparse", "", "Android sparse images"),
    ContainerUnit("asif", "asif", "", "Apple sparse images (ASIF)"),
    ContainerUnit("apple-sparse", "apple_sparse", "", "Apple sparse images (.sparseimage)"),
    ContainerUnit("encrypted-dmg", "encrypted_dmg", "cryptography", "encrypted Apple disk images", takes_keys=True),
    ContainerUnit("udif", "udif", "", "Apple disk images (UDIF, .dmg)"),
    ContainerUnit("sparse-bundle", "sparse_bundle", "", "Apple sparse bundles"),
    ContainerUnit("tar", "tar", "", "files in a tar archive, also compressed"),
    ContainerUnit("zip", "zipfs", "", "files in a ZIP archive, encrypted ones with a password", takes_keys=True),
    ContainerUnit("directory", "directory", "", "files in a folder of this machine"),
    ContainerUnit("split", "split", "", "raw image in numbered files (.001, .aa ...)"),
    ContainerUnit("raw", "raw", "", "raw image (dd)"),
)
