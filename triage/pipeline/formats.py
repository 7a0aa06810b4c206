"""Every unit of every room: what can be read, found and written here, and what is missing."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass

from triage.content.libmagic import libmagic_status
from triage.detectors import DETECTORS
from triage.evidence.filesystems import FILE_SYSTEMS, SECOND
from triage.evidence.volumes.layers import LAYERS
from triage.reporters import REPORTERS


@dataclass(frozen=True, slots=True)
class FormatUnit:
    """One unit.

    Attributes:
        room: ``container``, ``layer``, ``file system``, ``decoder``, ``extractor``, ``detector``, ``report``.
        name: Its name.
        summary: What it does.
        unavailable: Why it cannot be used here, empty where it can.
    """

    room: str
    name: str
    summary: str
    unavailable: str = ""


def every_format() -> Iterator[FormatUnit]:
    """All units, room by room, in the order of their registries."""
    from triage.content.decoders import DECODERS
    from triage.content.extractors import EXTRACTORS
    from triage.evidence.containers import CONTAINERS

    for room, units in (("container", CONTAINERS), ("decoder", DECODERS), ("extractor", EXTRACTORS)):
        for unit in units:
            needs = getattr(unit, "needs", "") or ""
            missing = f"needs {needs}" if needs and importlib.util.find_spec(needs) is None else ""
            yield FormatUnit(room, unit.name, getattr(unit, "summary", ""), missing)
    for layer in LAYERS:
        yield FormatUnit("layer", layer.name, layer.summary, layer.unavailable())
    for system in (*FILE_SYSTEMS, *SECOND):
        yield FormatUnit("file system", system.name, system.summary, system.unavailable())
    summary = "refines types that the table of signatures leaves open"
    yield FormatUnit("type", "libmagic", summary, libmagic_status())
    for detector in DETECTORS:
        absent = [name for name in detector.needs if importlib.util.find_spec(name) is None]
        yield FormatUnit(
            "detector", detector.name, detector.summary, f"slower without {', '.join(absent)}" if absent else ""
        )
    for reporter in REPORTERS:
        yield FormatUnit("report", reporter.name, reporter.summary)
