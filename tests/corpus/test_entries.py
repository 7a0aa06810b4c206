"""Real images: the entries found equal what other tools found: path, type, size, MD5, allocated or not.

The corpus is found by ``TRIAGE_CORPUS`` or beside the checkout; without it these tests are skipped. Differences that
are meant stand with their reason in ``accepted_differences.toml``. ``pytest -s`` prints the table of images.
"""

import hashlib
import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.support.corpus_media import corpus_folder, corpus_images, unpack
from tests.support.walk_child import walk as walk_apart
from triage.errors import EvidenceError, ReadFailedError
from triage.evidence import Evidence, FileSystem, group_sources, open_evidence
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem
from triage.model.volume import Volume

pytestmark = pytest.mark.skipif(corpus_folder() is None, reason="no corpus: set TRIAGE_CORPUS")

INNER = re.compile(r"(?:LVM|VSHADOW|APFS_CONTAINER)\[/(?:lvm|vss|apfs)(\d+)\]")
"""Layers whose volumes stand inside another, as the reference writes them."""
SUFFIXES = {"LVM": "lv", "VSHADOW": "vss", "APFS_CONTAINER": "apfs"}
LARGEST = 200 << 20
"""The truth has no digest of larger contents."""
KINDS = {"ads": "file", "virtual": "file", "dir": "directory", "link": "symlink"}
NAMES = {"hfs": "hfs+", "ffs1": "ufs1", "ffs2": "ufs2"}
EMPTY = hashlib.md5(b"").hexdigest()


@dataclass
class Found:
    """One entry with its digest and what is compared with the truth."""

    entry: Entry
    md5: str | None

    def differences(self, row: dict[str, Any]) -> list[str]:
        """What differs from a row of the truth."""
        entry, out = self.entry, []
        if entry.entry_type.value != KINDS.get(row["type"], row["type"]):
            out.append("type")
        if row["size"] is not None and entry.size != row["size"]:
            out.append("size")
        if (
            row["type"] not in ("dir", "link")
            and self.md5 != row["md5"]
            and (self.md5 or EMPTY) != (row["md5"] or EMPTY)
        ):
            out.append("md5")
        if (entry.alloc_name and entry.alloc_inode and not entry.orphan) != row["allocated"] and not row.get("realloc"):
            out.append("allocated")
        if entry.reused != bool(row.get("realloc")):
            out.append("reused")
        if entry.virtual != bool(row.get("virtual")):
            out.append("virtual")
        if entry.meta_address != row.get("meta", entry.meta_address):
            out.append("meta")
        return out


def inner_name(layer: str) -> str:
    """Suffix of the volume that a layer opens, ``lv1``; empty for those of a partition table."""
    found = INNER.search(layer)
    return SUFFIXES[found[0].partition("[")[0]] + found[1] if found else ""


def truth() -> dict[tuple[str, str | None], dict[tuple[int, str], list[dict[str, Any]]]]:
    """Rows by image and member, then by volume; those of bare volumes, which stand there twice, once."""
    folder = corpus_folder()
    out: dict[tuple[str, str | None], dict[tuple[int, str], list[dict[str, Any]]]]
    out = defaultdict(lambda: defaultdict(list))
    if folder is None:
        return {}
    seen = set()
    for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        key = (row["image"], row["member"], row["partition_offset"], row["path"], row.get("meta"), row["size"])
        if row["layer"] != "raw@0" or key not in seen:
            out[row["image"], row["member"]][row["partition_offset"] or 0, inner_name(row["layer"])].append(row)
        seen.add(key)
    return out


TRUTH = truth()
RECORDS = {(record["image"], record["member"]): record for record in corpus_images()}


def accepted() -> dict[str, list[tuple[frozenset[str], str]]]:
    """By image: sets of what may differ, and the path."""
    out: dict[str, list[tuple[frozenset[str], str]]] = defaultdict(list)
    table = tomllib.loads((Path(__file__).parent / "accepted_differences.toml").read_text(encoding="utf-8"))
    for difference in table["difference"]:
        assert difference["why"]
        for row in difference["rows"]:
            image, what, path = row.split(" ", 2)
            out[image].append((frozenset(what.split(",")), path))
    return out


ACCEPTED = accepted()


@pytest.fixture(scope="module")
def table() -> Iterator[list[tuple[Any, ...]]]:
    lines: list[tuple[Any, ...]] = []
    yield lines
    print("\n\n| image | volume at | file system | expected | found | different, accepted | problems |")
    print("|---|---:|---|---:|---:|---:|---:|")
    for line in sorted(lines, key=str):
        print("|", " | ".join(map(str, line)), "|")


def opened(key: tuple[str, str | None], scratch: Path) -> Evidence:
    image = unpack(RECORDS[key], scratch)
    if key[0].endswith(".000"):
        return open_evidence(sorted(image.parent.glob("split-image.raw.0*")))
    if key[0].endswith(".E01"):
        return open_evidence(group_sources(sorted(image.parent.glob(image.stem + ".E*")))[0])
    return open_evidence([image])


def digest(file_system: FileSystem, entry: Entry, media: Any) -> str | None:
    """MD5 of the content, of what of it can be read; and byte runs name the same bytes."""
    if entry.entry_type not in (EntryType.FILE, EntryType.OTHER) or entry.size > LARGEST:
        return None
    if entry.address.stream == b"$Bad":
        return None
    try:
        data = file_system.read_whole(entry, LARGEST)
    except ReadFailedError as error:
        return hashlib.md5(error.partial).hexdigest()
    except EvidenceError:
        return None
    assert len(data) == entry.size
    runs = file_system.byte_runs(entry)
    position = 0
    for run in runs if media is not None else ():
        assert run.file_offset == position
        stored = media.read_at(run.image_offset, run.length) if run.image_offset >= 0 else bytes(run.length)
        assert stored == data[position : position + run.length], f"{entry.address}: byte runs name other bytes"
        position += run.length
    if runs and runs[0].image_offset >= 0 and entry.image_offset >= 0:
        assert entry.image_offset == runs[0].image_offset
    return hashlib.md5(data).hexdigest()


def find_all(file_system: FileSystem, media: Any) -> tuple[dict[bytes, list[Found]], list[Problem]]:
    found: dict[bytes, list[Found]] = defaultdict(list)
    problems: list[Problem] = []
    for item in file_system.walk():
        if isinstance(item, Problem):
            problems.append(item)
            continue
        path = item.address.path + (b":" + item.address.stream if item.address.stream else b"")
        found[path].append(Found(item, digest(file_system, item, media)))
    return found, problems


def compare(found: dict[bytes, list[Found]], rows: list[dict[str, Any]]) -> list[tuple[frozenset[str], str]]:
    """What differs, and where; each entry answers for one row, the one that it fits best."""
    out: list[tuple[frozenset[str], str]] = []
    left = {path: list(ones) for path, ones in found.items()}
    for row in rows:
        path = bytes.fromhex(row["path_hex"]) if "path_hex" in row else row["path"].encode()
        if not left.get(path):
            out.append((frozenset({"missing"}), row["path"]))
            continue
        best = min(left[path], key=lambda one: len(one.differences(row)))
        left[path].remove(best)
        if wrong := best.differences(row):
            out.append((frozenset(wrong), path.decode("utf-8", "backslashreplace")))
    out += [
        (frozenset({"extra"}), path.decode("utf-8", "backslashreplace")) for path, ones in left.items() for _ in ones
    ]
    return out


def volumes_at(evidence: Evidence, offset: int, inner: str) -> list[Volume]:
    """The volume that begins at an offset, or that a layer opened in it."""
    base = [one for one in evidence.volumes if one.image_offset == offset and not one.parent and one.name != "p0"]
    if not inner:
        return [one for one in base if one.file_system]
    return [one for one in evidence.volumes if one.name in {f"{volume.name}.{inner}" for volume in base}]


@pytest.mark.parametrize("key", sorted(TRUTH, key=str), ids=lambda key: "!".join(filter(None, key)))
def test_entries_equal_the_truth(key: tuple[str, str | None], tmp_path: Path, table: list[tuple[Any, ...]]) -> None:
    """Path, type, size, MD5, state and metadata address of every entry, but for the accepted differences."""
    used: set[tuple[frozenset[str], str]] = set()
    with opened(key, tmp_path) as evidence:
        for (offset, inner), rows in TRUTH[key].items():
            (volume,) = volumes_at(evidence, offset, inner)
            assert volume.file_system == NAMES.get(rows[0]["fs"], rows[0]["fs"])
            found, problems = find_all(evidence.file_system(volume.name), None if volume.parent else evidence.media)
            unexplained = []
            differences = compare(found, rows)
            for what, path in differences:
                fits = [
                    one for one in ACCEPTED.get(key[0], ()) if one[0] == what and fnmatchcase(path, literal(one[1]))
                ]
                used.update(fits)
                if not fits:
                    unexplained.append((sorted(what), path))
            count = sum(map(len, found.values()))
            name = "!".join(filter(None, key))
            table.append((name, offset, volume.file_system, len(rows), count, len(differences), len(problems)))
            assert not unexplained
    members = [other for other in TRUTH if other[0] == key[0]]
    assert len(members) > 1 or used == set(ACCEPTED.get(key[0], ())), "an accepted difference no longer occurs"


def literal(pattern: str) -> str:
    """A pattern in which only a ``*`` at the end is one."""
    head, star = (pattern[:-1], "*") if pattern.endswith("*") else (pattern, "")
    return head.replace("[", "[[]").replace("?", "[?]") + star


DAMAGED = [
    key for key in RECORDS if key[0].startswith(("damaged", "filesystems-other")) and not key[0].endswith(".E01")
]


@pytest.mark.parametrize("key", sorted(DAMAGED, key=str), ids=lambda key: "!".join(filter(None, key)))
def test_f09_damaged_images_are_walked(key: tuple[str, str | None], tmp_path: Path) -> None:
    """F09: whatever they hold, listing and reading end without an exception, in a process that could be killed."""
    record = RECORDS[key]
    image = unpack(record, tmp_path)
    walked = walk_apart(image, seconds=60)
    assert walked.result in ("ok", "none", "refused")
    assert not walked.skipped
