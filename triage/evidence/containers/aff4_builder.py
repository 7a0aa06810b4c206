"""Makes the streams of an AFF4 set out of what its metadata state, and tells what is missing or damaged.

Specification: see ``aff4.py``.
"""

from __future__ import annotations

from triage.errors import CorruptStructureError, EncryptedVolumeError
from triage.evidence.containers.aff4_codecs import Readable, Tiled, symbolic
from triage.evidence.containers.aff4_streams import MAX_MAP, ImageStream, MapStream
from triage.evidence.containers.aff4_volume import SCHEMA, VolumeSet
from triage.evidence.containers.ewf_headers import printable
from triage.model.address import Address
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

STAGE = "evidence/aff4"
MAX_LISTED = 200
MAX_DEPTH = 8


class Builder:
    """Makes streams of what the metadata state.

    Args:
        volumes: The files.
        evidence_name: For the addresses of Problems.
    """

    def __init__(self, volumes: VolumeSet, evidence_name: str) -> None:
        self.volumes = volumes
        self._name = evidence_name
        self._problems: list[Problem] = []
        self._told: set[tuple[str, int]] = set()
        self._made: dict[str, Stream] = {}

    def take_problems(self) -> tuple[Problem, ...]:
        """Problems since the last call."""
        found, self._problems = tuple(self._problems), []
        return found

    def say(self, reason: Reason, message: str, hint: str = "", lost: int = 0) -> None:
        """A Problem of the image as a whole."""
        self._problems.append(Problem(self._name, STAGE, reason, message, hint, lost))

    def damaged(self, urn: str, offset: int, length: int, words: str) -> None:
        """A range of a stream that cannot be had; each once, and not too many."""
        if (urn, offset) in self._told or len(self._told) > MAX_LISTED:
            return
        self._told.add((urn, offset))
        if len(self._told) > MAX_LISTED:
            self.say(Reason.CORRUPT, f"more than {MAX_LISTED} damaged chunks; the others are not listed one by one")
            return
        message = f"bytes {offset} to {offset + length} of stream {printable(urn)[:100]}: {words}"
        address = str(Address(self._name, "p0", space="gap", offset=offset, length=length))
        hint = "compare with another copy of the image; zeros stand in its place"
        self._problems.append(Problem(address, STAGE, Reason.CORRUPT, message, hint, length))

    def stream(self, urn: str, depth: int = 0) -> Stream | None:
        """A stream by its URN; None where nothing in the set has it.

        Raises:
            EvidenceError: It is there and does not hold, or is not read.
        """
        if urn in self._made:
            return self._made[urn]
        if depth > MAX_DEPTH:
            raise CorruptStructureError("maps of AFF4 stand on one another without end")
        kinds = {kind.lower() for kind in self.volumes.types(urn)}
        if "encryptedstream" in kinds:
            raise EncryptedVolumeError("the AFF4 stream is encrypted", hint="decrypt it with the program that made it")
        self._find_part(urn)
        found: Stream | None
        if self.volumes.size_of(urn + "/map") >= 0:
            found = self._map(urn, depth)
        elif self.volumes.size_of(f"{urn}/{0:08d}") >= 0 or "imagestream" in kinds:
            found = self._image_stream(urn)
        else:
            found = self.volumes.segment(urn)
        if found is not None:
            self._made[urn] = found
        return found

    def _find_part(self, urn: str) -> None:
        """Open the file that a stream is stored in, where none of the open ones has it."""
        segments = (urn, urn + "/map", f"{urn}/{0:08d}")
        if any(self.volumes.size_of(name) >= 0 for name in segments):
            return
        for stored, _ in self.volumes.graph.get(urn, {}).get(SCHEMA + "stored", [])[:8]:
            self.volumes.look_beside(stored)

    def _image_stream(self, urn: str) -> Stream | None:
        volumes = self.volumes
        if volumes.size_of(f"{urn}/{0:08d}") < 0 and volumes.number(urn, "size", 0):
            return None
        per_bevy = volumes.number(urn, "chunksInSegment", volumes.number(urn, "chunks_in_segment", 1024))
        chunk_size = volumes.number(urn, "chunkSize", volumes.number(urn, "chunk_size", 32768))
        return ImageStream(
            urn,
            volumes.segment,
            volumes.number(urn, "size", 0),
            chunk_size,
            per_bevy,
            volumes.value(urn, "compressionMethod") or volumes.value(urn, "compression"),
            lambda offset, length, words: self.damaged(urn, offset, length, words),
        )

    def _map(self, urn: str, depth: int) -> Stream:
        volumes = self.volumes
        segment, index = volumes.segment(urn + "/map"), volumes.segment(urn + "/idx")
        if segment is None or index is None or segment.size > MAX_MAP or index.size > 1 << 20:
            raise CorruptStructureError("a map of AFF4 has no list of targets, or is too large")
        names = index.read_at(0, index.size).decode("utf-8", "replace").split("\n")
        targets: list[Readable | None] = []
        for name in names:
            if name.strip():
                targets.append(self._target(urn, name.strip(), depth))
        gap = symbolic(volumes.value(urn, "mapGapDefaultStream").removeprefix(SCHEMA)) or Tiled(b"\0")
        data = segment.read_at(0, segment.size)
        size = volumes.number(urn, "size", -1)
        if size < 0:
            size = max((start + length for start, length in _extents(data)), default=0)
        made = MapStream(
            data, targets, gap, size, lambda offset, length, words: self.damaged(urn, offset, length, words)
        )
        for name, target in zip((name for name in names if name.strip()), targets, strict=True):
            if target is None or not name.endswith("#UnreadableData"):
                continue
            lost = 0
            for start, length in made.symbolic_ranges(target):
                lost += length
                made.bad.add(start, start + length, "the acquiring program could not read it")
            if lost:
                self.say(Reason.UNREADABLE, f"the acquiring program could not read {lost} bytes", lost=lost)
        return made

    def _target(self, urn: str, name: str, depth: int) -> Readable | None:
        found: Readable | None = symbolic(name.removeprefix(SCHEMA))
        if found is None and name != urn:
            found = self.stream(name, depth + 1)
        if found is None:
            stored = self.volumes.value(name, "stored")
            words = f"the stream {printable(name)[:100]} is in none of the files"
            if stored:
                words += f"; it is stored in {printable(stored)[:100]}"
            self.say(Reason.TRUNCATED, words, "put all files of the set side by side and scan again")
        return found


def _extents(data: bytes) -> list[tuple[int, int]]:
    return [
        (int.from_bytes(data[at : at + 8], "little"), int.from_bytes(data[at + 8 : at + 16], "little"))
        for at in range(0, len(data) - 27, 28)
    ]
