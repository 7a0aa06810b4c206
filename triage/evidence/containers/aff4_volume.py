"""The ZIP volumes of an AFF4 set: their segments by URN, and what they say in Turtle.

Specification: AFF4 Standard v1.0 (Schatz, Cohen), sections 3 (volumes, segment names) and 4; AFF4-L (2019).
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from triage.errors import CorruptStructureError, EvidenceError, LimitExceededError, UnsupportedFormatError
from triage.evidence.containers import turtle
from triage.evidence.containers.logical_stream import DecodedStream, FilesStream, PartStream
from triage.evidence.containers.segment_file import SegmentFile, shown_name
from triage.evidence.containers.zip_headers import Header, find_directory, read_central, read_local
from triage.evidence.containers.zip_methods import make_decoder
from triage.model.stream import Stream

SCHEMA = "http://aff4.org/Schema#"
MAX_SEGMENTS = 4_000_000
MAX_BESIDE = 256
"""Files beside the image that are looked at for further parts."""


class Aff4Volume:
    """One file of the set.

    Args:
        path: The file.

    Attributes:
        urn: Of the volume.
        file: The file; the caller's to close.
        graph: What its Turtle says.
        version: ``1.0``, ``1.1`` ... empty where it does not say.

    Raises:
        SourceNotFoundError: The file cannot be read.
        UnsupportedFormatError: It is no ZIP with a directory, or not of AFF4.
        CorruptStructureError: It has no Turtle.
    """

    def __init__(self, path: Path) -> None:
        self.file = SegmentFile(path)
        try:
            self._stream = FilesStream([self.file])
            directory = find_directory(self._stream, self.file.size)
            if directory is None or directory.start < 0:
                raise CorruptStructureError(f"no directory at the end of the AFF4 volume: {shown_name(path)}",
                                            hint="the file may be cut short; compare with another copy")  # fmt: skip
            self._shift = directory.shift
            self._segments: dict[str, Header] = {}
            for _, header in read_central(self._stream, directory):
                self._segments[unquote(header.name.decode("utf-8", "surrogateescape"))] = header
                if len(self._segments) > MAX_SEGMENTS:
                    raise LimitExceededError(f"more than {MAX_SEGMENTS} segments in {shown_name(path)}")
            text = self._small("container.description") or directory.comment
            self.urn = text.decode("utf-8", "replace").split("\0")[0].strip()
            lines = self._small("version.txt").decode("ascii", "replace").split()
            numbers = dict(line.partition("=")[::2] for line in lines)
            self.version = f"{numbers.get('major', '')}.{numbers.get('minor', '')}".strip(".")
            raw = self._small("information.turtle", turtle.MAX_TEXT)
            if not raw:
                raise CorruptStructureError(f"no information.turtle in {shown_name(path)}")
            self.graph = turtle.parse(raw.decode("utf-8", "replace"))
        except LimitExceededError as error:
            self.file.close()
            raise UnsupportedFormatError(error.message) from error
        except BaseException:
            self.file.close()
            raise

    def _small(self, name: str, limit: int = 65536) -> bytes:
        stream = self.segment(name)
        if stream is None:
            return b""
        if stream.size > limit:
            raise CorruptStructureError(f"{name} has {stream.size} bytes")
        return stream.read_at(0, stream.size)

    def segment(self, urn: str) -> Stream | None:
        """The segment of a URN or name; None where this volume has none.

        Raises:
            EvidenceError: It is there and cannot be read.
        """
        header = self._header(urn)
        if header is None:
            return None
        local = read_local(self._stream, header.offset + self._shift) or read_local(self._stream, header.offset)
        if local is None:
            raise CorruptStructureError(f"no segment where the directory says, at byte {header.offset}")
        end = min(local.start + header.packed, self.file.size)
        if header.method == 0:
            return PartStream(self._stream, local.start, header.size)
        make = make_decoder(self._stream, local.start, end, header.method, header.size)
        return DecodedStream(make, header.size)

    def size_of(self, urn: str) -> int:
        """Bytes of a segment, -1 where this volume has none."""
        header = self._header(urn)
        return header.size if header is not None else -1

    def _header(self, urn: str) -> Header | None:
        name = unquote(urn)
        relative = name.removeprefix(self.urn + "/") if getattr(self, "urn", "") else name
        short = name.removeprefix("aff4://")
        return next((self._segments[key] for key in (relative, name, short) if key in self._segments), None)


class VolumeSet:
    """All files of an image.

    Args:
        paths: Those handed in; further ones are looked for beside the first.

    Attributes:
        volumes: Opened.
        graph: What all say.

    Raises:
        EvidenceError: The first cannot be opened.
    """

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self.volumes: list[Aff4Volume] = []
        self.graph: turtle.Graph = {}
        self._looked = False
        self._folder = paths[0]
        try:
            for path in paths:
                self._add(Aff4Volume(path))
        except BaseException:
            self.close()
            raise

    def _add(self, volume: Aff4Volume) -> None:
        self.volumes.append(volume)
        for subject, said in volume.graph.items():
            known = self.graph.setdefault(subject, {})
            for predicate, values in said.items():
                have = known.setdefault(predicate, [])
                have += [value for value in values if value not in have] if len(have) < 64 else []

    def segment(self, urn: str) -> Stream | None:
        """A segment of any volume; None where none has it."""
        for volume in self.volumes:
            found = volume.segment(urn)
            if found is not None:
                return found
        return None

    def size_of(self, urn: str) -> int:
        """Bytes of a segment, -1 where no volume has it."""
        return max((volume.size_of(urn) for volume in self.volumes), default=-1)

    def look_beside(self, wanted: str) -> bool:
        """Open the volume of a URN among the files beside the first; False where there is none."""
        if any(volume.urn == wanted for volume in self.volumes):
            return False
        try:
            names = sorted(self._folder.parent.iterdir())
        except OSError:
            return False
        have = {volume.file.path.name for volume in self.volumes}
        beside = [path for path in names if path.suffix.lower() in (".aff4", ".af4") and path.name not in have]
        for path in beside[:MAX_BESIDE]:
            if path.is_symlink():
                continue
            try:
                volume = Aff4Volume(path)
            except EvidenceError:
                continue
            if wanted and volume.urn == wanted:
                self._add(volume)
                return True
            volume.file.close()
        return False

    def value(self, subject: str, name: str) -> str:
        """First value of a property of AFF4, empty where there is none."""
        return turtle.first(self.graph, subject, SCHEMA + name)

    def number(self, subject: str, name: str, default: int) -> int:
        """A property that is a number; the default where it is none."""
        text = self.value(subject, name)
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else default

    def types(self, subject: str) -> set[str]:
        """Types of a subject, without the schema in front."""
        values = self.graph.get(subject, {}).get(turtle.TYPE, [])
        return {value.removeprefix(SCHEMA) for value, _ in values}

    def hashes(self, subject: str) -> dict[str, str]:
        """Plain digests that are stated of a subject, lower-case hex by algorithm."""
        found = {}
        lengths = {"md5": 32, "sha1": 40, "sha256": 64}
        for value, kind in self.graph.get(subject, {}).get(SCHEMA + "hash", []):
            name = kind.removeprefix(SCHEMA).lower()
            if lengths.get(name) == len(value):
                found[name] = value.lower()
        return found

    def close(self) -> None:
        """Close the files; a second call does nothing."""
        for volume in self.volumes:
            volume.file.close()
