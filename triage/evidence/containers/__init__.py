"""Containers: formats that wrap an image. One module each, imported on first use; order is meaning, raw is last."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from triage.evidence.interface import Container


@dataclass(frozen=True, slots=True)
class ContainerUnit:
    """One line of the registry.

    Attributes:
        name: As it stands in reports.
        module: Module of this package with ``detect`` and ``open_container``.
        needs: Module of a third party that must be importable, empty where none.
        summary: What it reads.
    """

    name: str
    module: str
    needs: str
    summary: str

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

    def open(self, paths: tuple[Path, ...], evidence_name: str) -> Container:
        """The opened container.

        Raises:
            EvidenceError: The files cannot be opened as this format.
        """
        module = importlib.import_module(f"{__name__}.{self.module}")
        return cast(Container, module.open_container(paths, evidence_name))


CONTAINERS: tuple[ContainerUnit, ...] = (
    ContainerUnit("ewf", "ewf", "", "Expert Witness E01 (EnCase, FTK Imager, Guymager, ewfacquire) and SMART S01"),
    ContainerUnit("libewf", "libewf", "pyewf", "Expert Witness version 2, Ex01"),
    ContainerUnit("split", "split", "", "raw image in numbered files (.001, .aa ...)"),
    ContainerUnit("raw", "raw", "", "raw image (dd)"),
)
