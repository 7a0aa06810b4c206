"""Opening a container of files as the opener does, and writers of formats that no tool at hand writes."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from tests.support import ewf_writer
from triage.evidence.containers.logical import LogicalContainer
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem
from triage.model.volume import Allocation, Volume


def file_system(container: Any) -> Any:
    """The file system of a container."""
    assert isinstance(container, LogicalContainer)
    volume = Volume("p1", 0, container.media.size, Allocation.ALLOCATED, "logical", file_system=container.logical)
    return container.file_system(volume, "ev")


def walk(container: Any) -> tuple[dict[bytes, Entry], list[Problem]]:
    """Entries by path (``path:stream`` for attributes; the last of a name), and problems."""
    entries, problems = {}, list(container.problems)
    for item in file_system(container).walk():
        if isinstance(item, Problem):
            problems.append(item)
        else:
            stream = b":" + item.address.stream if item.address.stream else b""
            entries[item.address.path + stream] = item
    return entries, problems


def read(container: Any, entry: Entry) -> bytes:
    """The whole content, through a file system opened anew: as a worker reads it."""
    return file_system(container).read_whole(entry, 1 << 30)


def contents(container: Any) -> dict[bytes, bytes]:
    """Contents of files and links by path."""
    entries, _ = walk(container)
    wanted = (EntryType.FILE, EntryType.SYMLINK)
    return {path: read(container, entry) for path, entry in entries.items() if entry.entry_type in wanted}


# --- AD1 -----------------------------------------------------------------------------------------------------------
class Ad1Writer:
    """An AD1 image.

    Args:
        tree: Name to bytes, or to a tree.
        chunk_size: Bytes in a chunk.
        source: Name of the data source.
    """

    def __init__(self, tree: dict[str, Any], *, chunk_size: int = 512, source: bytes = b"Source") -> None:
        self.chunk_size = chunk_size
        head = b"ADLOGICALIMAGE\0\0" + struct.pack("<III", 4, 1, chunk_size) + bytes(16)
        head += struct.pack("<I4sQ", len(source), b"AD\0\0", 0x5C) + bytes(32)
        self.body = bytearray(head + source)
        self.body[0x24:0x2C] = struct.pack("<Q", self._items(tree))

    def _add(self, data: bytes) -> int:
        place = len(self.body)
        self.body += data
        return place

    def attributes(self, values: list[tuple[int, int, bytes]]) -> int:
        following = 0
        for category, key, value in reversed(values):
            following = self._add(struct.pack("<QIII", following, category, key, len(value)) + value)
        return following

    def _items(self, tree: dict[str, Any]) -> int:
        following = 0
        for name, value in reversed(tree.items()):
            child = table = size = 0
            kind = 0
            attributes = [(5, 7, b"20240102T030405.5"), (5, 8, b"20240102T030406"), (5, 9, b"20240102T030407")]
            if isinstance(value, dict):
                child, kind = self._items(value), 5
            else:
                size = len(value)
                pieces = [value[at : at + self.chunk_size] for at in range(0, size, self.chunk_size)]
                places = [self._add(zlib.compress(piece)) for piece in pieces]
                if pieces:
                    table = self._add(struct.pack(f"<{len(places) + 2}Q", len(places), *places, len(self.body)))
                attributes += [(1, 0x5001, hashlib.md5(value).hexdigest().encode())]
                attributes += [(1, 0x5002, hashlib.sha1(value).hexdigest().encode())]
            raw = name.encode()
            listed = self.attributes(attributes)
            following = self._add(
                struct.pack("<QQQQQII", following, child, listed, table, size, kind, len(raw)) + raw + bytes(8)
            )
        return following

    def write(self, folder: Path, stem: str = "image", segments: int = 1) -> list[Path]:
        """Write the segments; their paths in order."""
        fragments = -(-(len(self.body) // segments + 512) // 65536) if segments > 1 else 1 << 16
        room = fragments * 65536 - 512
        parts = [bytes(self.body[at : at + room]) for at in range(0, len(self.body), room)]
        paths = []
        for number, part in enumerate(parts, 1):
            head = b"ADSEGMENTEDFILE\0" + bytes(8) + struct.pack("<IIQI", number, len(parts), fragments << 16, 512)
            paths.append(folder / f"{stem}.ad{number}")
            paths[-1].write_bytes(head.ljust(512, b"\0") + part)
        return paths


# --- L01 -----------------------------------------------------------------------------------------------------------
_COLUMNS = ("p", "n", "id", "ls", "be", "cr", "ac", "wr", "mo", "ha", "sha")


class L01Writer:
    """A logical evidence file, version 1.

    Args:
        tree: Name to bytes, or to a tree.
    """

    def __init__(self, tree: dict[str, Any]) -> None:
        self._media = b""
        rows = self._rows("", tree)
        entry = "entry\n{}\t1\n{}\n{}\n".format(rows.count("\n") // 2, "\t".join(_COLUMNS), rows)
        text = (
            f"5\nrec\ntb\n{len(self._media)}\n\n"
            "perm\n0\t1\np\tn\ts\tpr\tnta\tnti\n0\t0\n1\t\t\t10\t\t\n\n"
            "srce\n0\t1\np\tn\tid\tev\ttb\tlo\tpo\tah\tgu\taq\n0\t0\n\t\t\t\t\t-1\t-1\t\t\t\n\n"
            "sub\n0\t1\np\tn\tid\tnu\tco\tgu\n0\t0\n\t\t\t\t1\t\n\n" + entry
        )
        raw = text.encode("utf-16-le")
        head = hashlib.md5(raw).digest() + struct.pack("<Q", len(raw)) + bytes(24)
        self._ltree = head[:24] + struct.pack("<I", zlib.adler32(head)) + head[28:] + raw

    def _rows(self, name: str, value: Any) -> str:
        times = ["1600000000", "1600000001", "1600000002", "1600000003"]
        if isinstance(value, dict):
            values = ["1", name, "1", "", "", *times, "", ""]
            below = "".join(self._rows(inner, content) for inner, content in value.items())
            return f"0\t{len(value)}\n" + "\t".join(values) + "\n" + below
        place = f"1 {len(self._media):x} {len(value):x}"
        self._media += value
        digests = [hashlib.md5(value).hexdigest(), hashlib.sha1(value).hexdigest()]
        return "0\t0\n" + "\t".join(["", name, "2", str(len(value)), place, *times, *digests]) + "\n"

    def write(self, folder: Path, stem: str = "image") -> Path:
        """Write the one segment."""
        ltree = self._ltree

        class Writer(ewf_writer.EwfWriter):
            def _add_chunks(self, out: bytearray, group: range) -> None:
                super()._add_chunks(out, group)
                self._add(out, b"ltree", ltree)

        media = self._media.ljust(max(1, -(-len(self._media) // 512)) * 512, b"\0")
        raw = Writer(media, chunks_per_segment=1 << 20, chunks_per_table=1 << 20).segments()[0]
        path = folder / f"{stem}.L01"
        path.write_bytes(b"LVF\x09\x0d\x0a\xff\x00" + raw[8:])
        return path


# --- AFF4 ----------------------------------------------------------------------------------------------------------
SCHEMA = "http://aff4.org/Schema#"
VOLUME = "aff4://11111111-0000-0000-0000-000000000000"
STREAM = "aff4://22222222-0000-0000-0000-000000000000"
MAP = "aff4://33333333-0000-0000-0000-000000000000"
IMAGE = "aff4://44444444-0000-0000-0000-000000000000"
PREFIXES = (
    f"@prefix aff4: <{SCHEMA}> .\n@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .\n"
    "@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .\n"
)


def escape_urn(urn: str) -> str:
    return urn.replace(":", "%3A").replace("/", "%2F")


def aff4_segments(urn: str, data: bytes, compress: Any, chunk_size: int, per_bevy: int) -> dict[str, bytes]:
    """Segments of an image stream."""
    found = {}
    chunks = [data[at : at + chunk_size] for at in range(0, len(data), chunk_size)]
    for number, first in enumerate(range(0, len(chunks), per_bevy)):
        bevy, index = b"", b""
        for chunk in chunks[first : first + per_bevy]:
            packed = compress(chunk.ljust(chunk_size, b"\0"))
            packed = packed if len(packed) < chunk_size else chunk.ljust(chunk_size, b"\0")
            index += struct.pack("<QI", len(bevy), len(packed))
            bevy += packed
        found[f"{escape_urn(urn)}/{number:08d}"] = bevy
        found[f"{escape_urn(urn)}/{number:08d}.index"] = index
    return found


def aff4_map(urn: str, entries: list[tuple[int, int, int, int]], targets: list[str]) -> dict[str, bytes]:
    """Segments of a map."""
    name = escape_urn(urn)
    return {
        f"{name}/map": b"".join(struct.pack("<QQQI", *entry) for entry in entries),
        f"{name}/idx": "\n".join(targets).encode(),
    }


def write_aff4(path: Path, turtle: str, segments: dict[str, bytes], *, volume: str = VOLUME) -> Path:
    """A volume."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("container.description", volume)
        archive.writestr("version.txt", "major=1\nminor=0\ntool=test\n")
        for name, data in segments.items():
            archive.writestr(name, data)
        archive.writestr("information.turtle", PREFIXES + turtle, zipfile.ZIP_DEFLATED)
        archive.comment = volume.encode()
    path.write_bytes(raw.getvalue())
    return path


def aff4_stream_turtle(urn: str, size: int, method: str, chunk_size: int, per_bevy: int, stored: str = VOLUME) -> str:
    return (
        f"<{urn}> a aff4:ImageStream ;\n  aff4:chunkSize {chunk_size} ; aff4:chunksInSegment {per_bevy} ;\n"
        f'  aff4:compressionMethod <{method}> ; aff4:size "{size}"^^xsd:long ; aff4:stored <{stored}> .\n'
    )


def aff4_image_turtle(size: int, *, more: str = "") -> str:
    return (
        f"<{MAP}> a aff4:Map ; aff4:size {size} ; aff4:dependentStream <{STREAM}> ;\n"
        f"  aff4:mapGapDefaultStream aff4:Zero ; aff4:stored <{VOLUME}> .\n"
        f"<{IMAGE}> a aff4:DiskImage , aff4:ContiguousImage ; aff4:dataStream <{MAP}> ; aff4:size {size} {more}.\n"
    )
