"""Digests that somebody wrote down: on the command line, in a list, or beside an image.

Lists of ``md5sum`` and its kind (GNU, BSD and OpenSSL style) and of hashdeep name files; reports of imaging programs
(FTK Imager, Guymager, dcfldd, dc3dd, ewfacquire) speak of the media. A digest of the file of a raw image is that of its
media too; of an E01 it is another one.

Sources: GNU coreutils manual (``md5sum`` output, escaped names); hashdeep manual; the reports of the programs named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from triage.errors import EvidenceError, UnsupportedFormatError
from triage.evidence.containers.rescue_map import names_beside, read_beside
from triage.evidence.containers.segment_file import shown_name

BY_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
"""Algorithm by the number of hex digits."""
MAX_DIGESTS = 200_000
"""Taken from one list."""
BESIDE = (".txt", ".md5", ".sha1", ".sha256", ".md5sum", ".sha1sum", ".sha256sum", ".info", ".log", ".hash", ".hashes")
_HEX = re.compile(r"^[0-9a-fA-F]+$")
_GNU = re.compile(r"^(\\?)([0-9a-fA-F]{32,128}) [ *](.+)$")
_TAGGED = re.compile(r"^\\?([A-Za-z0-9-]{3,12}) ?\((.+)\) ?= ?([0-9a-fA-F]{32,128})$")
_REPORT = re.compile(
    r"\b(md5|sha-?1|sha-?224|sha-?256|sha-?384|sha-?512)\b([^:=\r\n]{0,60})[:=]\s*([0-9a-fA-F]{32,128})\b",
    re.IGNORECASE,
)
_DC3DD = re.compile(r"^\s*([0-9a-fA-F]{32,128}) \((md5|sha1|sha256|sha512)\)\s*$")
_HASHDEEP = "%%%% HASHDEEP-1."
_LOCAL_WORDS = ("header", "chunk", "segment", "piece", "window", "tail")


@dataclass(frozen=True, slots=True)
class Expected:
    """A digest that is expected.

    Attributes:
        algorithm: ``md5``, ``sha1`` ...
        value: Lower-case hex.
        source: Where it is stated, for people.
        file: Base name of the file that it is of; empty where it is of the media.
    """

    algorithm: str
    value: str
    source: str
    file: str = ""


def parse_digest(text: str, source: str, algorithm: str = "") -> Expected:
    """A digest as somebody typed it.

    Args:
        text: Hex digits, in any case, spaces and colons between them allowed.
        source: For people.
        algorithm: What it must be; by its length where empty.

    Raises:
        UnsupportedFormatError: It is no digest, or none of that algorithm.
    """
    value = re.sub(r"[\s:]", "", text).lower()
    found = BY_LENGTH.get(len(value), "") if _HEX.match(value) else ""
    if not found or algorithm not in ("", found):
        wanted = {name: length for length, name in BY_LENGTH.items()}.get(algorithm)
        words = f"{wanted} hex digits" if wanted else "32 (MD5), 40 (SHA-1), 64 (SHA-256) or 128 (SHA-512) hex digits"
        raise UnsupportedFormatError(f"no digest: {source}: {len(value)} characters", hint=f"{words} are expected")
    return Expected(found, value, source)


def read_digest_file(path: Path) -> tuple[Expected, ...]:
    """The digests of a list or report.

    Raises:
        EvidenceError: It cannot be read, or has no digest.
    """
    found = tuple(parse_digests(read_beside(path), shown_name(path)))
    if not found:
        raise UnsupportedFormatError(
            f"no digest in it: {shown_name(path)}",
            hint="md5sum, sha256sum, hashdeep and the reports of FTK Imager, Guymager and dcfldd are read",
        )
    return found


def digests_beside(image: Path) -> tuple[Expected, ...]:
    """What lists and reports beside an image say of it; files of another kind under such a name say nothing."""
    found: list[Expected] = []
    for path in names_beside(image, BESIDE):
        try:
            found += parse_digests(read_beside(path), shown_name(path))
        except EvidenceError:
            continue
    return tuple(found)


def parse_digests(data: bytes, source: str) -> Iterator[Expected]:
    """The digests of a list or report, at most :data:`MAX_DIGESTS`.

    Args:
        data: The bytes of it.
        source: For people.
    """
    text = _decoded(data)
    if text.startswith(_HASHDEEP):
        found = _hashdeep(text, source)
    else:
        found = (expected for line in text.splitlines() for expected in _line(line, source))
    for _, expected in zip(range(MAX_DIGESTS), found, strict=False):
        yield expected


def _decoded(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "replace")


def _line(line: str, source: str) -> Iterator[Expected]:
    line = line.strip("\r\n")
    if len(line) > 8192:
        return
    gnu = _GNU.match(line)
    if gnu:
        name = _unescaped(gnu[3]) if gnu[1] else gnu[3]
        yield from _expected("", gnu[2], source, name)
        return
    tagged = _TAGGED.match(line)
    if tagged:
        yield from _expected(_plain(tagged[1]), tagged[3], source, tagged[2])
        return
    if _HEX.match(line.strip()):
        yield from _expected("", line.strip(), source, "")
        return
    listed = _DC3DD.match(line)
    if listed:
        yield from _expected(listed[2], listed[1], source, "")
        return
    for report in _REPORT.finditer(line):
        if not any(word in report[2].lower() for word in _LOCAL_WORDS):
            yield from _expected(_plain(report[1]), report[3], source, "")


def _hashdeep(text: str, source: str) -> Iterator[Expected]:
    """A list of hashdeep: a header, the names of the columns, lines with the name last."""
    columns: list[str] = []
    for line in text.splitlines():
        if line.startswith("%%%%"):
            names = line[4:].strip().split(",")
            columns = names if "filename" in names else columns
        elif line and not line.startswith("#") and columns:
            values = line.split(",", len(columns) - 1)
            row = dict(zip(columns, values, strict=False))
            for name in row.keys() & {"md5", "sha1", "sha256"}:
                yield from _expected(name, row[name], source, row.get("filename", ""))


def _expected(algorithm: str, value: str, source: str, file: str) -> Iterator[Expected]:
    found = BY_LENGTH.get(len(value))
    if found and algorithm in ("", found) and _HEX.match(value):
        yield Expected(found, value.lower(), source, file.replace("\\", "/").rpartition("/")[2])


def _plain(name: str) -> str:
    """``SHA-256``, ``SHA2-256`` and ``sha256`` are one."""
    return name.lower().replace("sha2-", "sha").replace("-", "")


def _unescaped(name: str) -> str:
    return re.sub(r"\\([\\nr])", lambda match: {"\\": "\\", "n": "\n", "r": "\r"}[match[1]], name)
