"""Detectors: content to hits.

Each detector is one module; it takes bytes and gives a :class:`~triage.model.content.Detection`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

# Arrays here are counted and compared, never multiplied; threads for that would only take memory in every worker.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@dataclass(frozen=True, slots=True)
class DetectorUnit:
    """One line of the registry.

    Attributes:
        name: As it stands in coverage and problems.
        module: Module of this package.
        needs: Modules of third parties that it uses where they are installed.
        summary: What it does.
    """

    name: str
    module: str
    needs: tuple[str, ...]
    summary: str


DETECTORS: tuple[DetectorUnit, ...] = (
    DetectorUnit(
        "keywords", "keywords", ("hyperscan", "numpy"), "terms of the keyword packs, in every encoding, in one pass"
    ),
    DetectorUnit("yara", "yara", ("yara", "boreal"), "YARA rules over whole files"),
)
"""In the order in which they run."""
