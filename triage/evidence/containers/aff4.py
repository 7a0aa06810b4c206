"""AFF4 images: disks as maps over compressed streams, and logical images (AFF4-L).

A set may have several files: what the first does not hold is looked for in the files beside it by the name that their
own metadata state. Encrypted streams are named and refused.

Specification: AFF4 Standard v1.0 (Schatz, Cohen); AFF4-L (Schatz 2019); the reference images of both.
"""

from __future__ import annotations

from pathlib import Path

from triage.errors import EvidenceError, UnsupportedFormatError
from triage.evidence.containers.aff4_builder import Builder
from triage.evidence.containers.aff4_logical import Aff4LogicalReader
from triage.evidence.containers.aff4_volume import SCHEMA, VolumeSet
from triage.evidence.containers.archive_container import ArchiveContainer
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.containers.segment_file import shown_name
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

_IMAGES = ("DiskImage", "VolumeImage", "MemoryImage", "ContiguousImage", "DiscontiguousImage", "Image")
_DETAILS = (
    ("diskMake", "device_make"), ("diskModel", "device_model"), ("diskSerial", "device_serial_number"),
    ("diskFirmware", "device_firmware"), ("diskInterfaceType", "device_interface"),
    ("acquisitionCompletionState", "completion"), ("caseName", "case_name"), ("caseNumber", "case_number"),
    ("caseDescription", "description"), ("evidenceNumber", "evidence_number"), ("examiner", "examiner"),
    ("startTime", "acquired"), ("endTime", "acquisition_end"), ("creationTime", "created"),
    ("tool", "acquisition_software"),
)  # fmt: skip
_HEAD_MARKS = (b"container.description", b"version.txt", b"information.turtle", b"aff4%3A%2F%2F", b"aff4://")


class Aff4Container:
    """A disk in AFF4; see :class:`~triage.evidence.interface.Container`.

    Args:
        builder: Closed with the container.
        media: The disk.
        image: URN of the image.
        others: Further images of the set.
    """

    name = "aff4"

    def __init__(self, builder: Builder, media: Stream, image: str, others: int) -> None:
        volumes = builder.volumes
        self.media = media
        self._builder = builder
        size = volumes.number(image, "blockSize", 512)
        self.sector_size = size if 128 <= size <= 65536 else 512
        self._files = [volume.file for volume in volumes.volumes]
        self.paths = tuple(file.path for file in self._files)
        self.stored_hashes = volumes.hashes(image)
        data_stream = volumes.value(image, "dataStream")
        if data_stream:
            self.stored_hashes = {**volumes.hashes(data_stream), **self.stored_hashes}
        self.details = describe(volumes)
        if others:
            builder.say(Reason.UNSUPPORTED, f"{others} further images in the set are not read",
                        "export them to files of their own")  # fmt: skip
        self.problems = builder.take_problems()

    def read_problems(self) -> tuple[Problem, ...]:
        """Damaged chunks seen since the last call."""
        return self._builder.take_problems()

    def changed(self) -> tuple[Path, ...]:
        """Files that changed since opening."""
        return tuple(file.path for file in self._files if file.changed())

    def close(self) -> None:
        """Close the files; a second call does nothing."""
        self.media.close()
        self._builder.volumes.close()


def describe(volumes: VolumeSet) -> dict[str, str]:
    """What the set says of itself, printable text by name."""
    found: dict[str, str] = {}
    for subject in list(volumes.graph)[:10_000]:
        for name, shown in _DETAILS:
            value = volumes.value(subject, name)
            if value and shown not in found:
                found[shown] = printable(value)
    found["volumes"] = str(len(volumes.volumes))
    if volumes.volumes[0].version:
        found["version"] = printable(volumes.volumes[0].version)
    return found


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for a ZIP whose first member has a name of AFF4, or whose name ends so and that has its metadata."""
    if head[:4] != b"PK\x03\x04":
        return False
    length = int.from_bytes(head[26:28], "little")
    return head[30 : 30 + length].startswith(_HEAD_MARKS) or paths[0].suffix.lower() in (".aff4", ".af4")


def open_container(paths: tuple[Path, ...], evidence_name: str) -> Aff4Container | ArchiveContainer:
    """An AFF4 image: a disk, or files.

    Raises:
        SourceNotFoundError: A file cannot be read.
        EncryptedVolumeError: Its stream is encrypted.
        UnsupportedFormatError: Nothing in it is an image, or its compression is not read.
        CorruptStructureError: The structure does not hold.
    """
    volumes = VolumeSet(paths)
    try:
        builder = Builder(volumes, evidence_name)
        images = _images(volumes)
        for number, image in enumerate(images):
            media = _media(builder, image)
            if media is not None:
                return Aff4Container(builder, media, image, len(images) - number - 1)
        reader = Aff4LogicalReader(volumes, builder.stream)
        if reader.is_empty:
            raise UnsupportedFormatError(_nothing(volumes, paths[0]), hint="put all files of the set side by side")
        container = ArchiveContainer("aff4", "aff4-l", [volume.file for volume in volumes.volumes], reader)
        container.details = describe(volumes)
        return container
    except BaseException:
        volumes.close()
        raise


def _nothing(volumes: VolumeSet, path: Path) -> str:
    legacy = any("afflib.org" in predicate for said in volumes.graph.values() for predicate in said)
    if legacy:
        return f"AFF4 of before the standard, not read: {shown_name(path)}"
    return f"no image in this AFF4 volume: {shown_name(path)}"


def _images(volumes: VolumeSet) -> list[str]:
    """URNs of disk images, the best first; streams where there is none."""
    found: list[tuple[int, str]] = []
    streams: list[tuple[int, str]] = []
    files = {"FileImage", "Folder", "FolderImage"}
    for subject in volumes.graph:
        types = volumes.types(subject)
        rank = next((rank for rank, name in enumerate(_IMAGES) if name in types), -1)
        if rank >= 0 and not types & files:
            found.append((rank, subject))
        elif types & {"Map", "ImageStream"} and not types & files:
            streams.append((0 if "Map" in types else 1, subject))
    if found:
        return [subject for _, subject in sorted(found, key=lambda pair: pair[0])]
    if any(volumes.types(subject) & files for subject in volumes.graph):
        return []
    return [subject for _, subject in sorted(streams, key=lambda pair: pair[0])][:1]


def _media(builder: Builder, image: str) -> Stream | None:
    """The bytes of an image: of its data stream, or its own."""
    volumes = builder.volumes
    wanted = [value for value, _ in volumes.graph.get(image, {}).get(SCHEMA + "dataStream", [])] or [image]
    failed: EvidenceError | None = None
    for urn in wanted[:4]:
        try:
            found = builder.stream(urn)
        except EvidenceError as error:
            failed = error
            continue
        if found is not None and found.size:
            return found
    if failed is not None:
        raise failed
    return None
