"""Archives and documents that nobody on the project made, against what an independent tool read from them."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from triage.content.decoders import Budget, Member, decode
from triage.content.extractors import extract
from triage.content.identify import HEAD_LENGTH, identify
from triage.model.address import Address
from triage.model.problem import Problem

CORPUS = Path(os.environ.get("TRIAGE_CORPUS") or Path(__file__).resolve().parents[4] / "shared" / "corpus")
OPENED = {"application/zip", "application/x-tar", "application/gzip", "application/x-bzip2", "application/x-xz",
          "application/x-lzma", "application/java-archive"}  # fmt: skip
READ = ("application/vnd.openxmlformats", "application/vnd.oasis", "application/rtf", "text/html", "application/pdf",
        "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/vnd.ms-outlook",
        "message/rfc822")  # fmt: skip

# Where the other tool is no measure: it follows a claimed size or checksum, and words of mojibake or of two cells in one.
OTHERWISE = {
    "content/archives/test_read_data_into_fd_size_exceeds_declared_deflate.zip",
    "content/archives/test_read_format_zip.zip",
}
NO_WORDS = {"paragraphThis", "abcdäëöü", "pravdìpodobnì", "Pøedpokládá", "propertiespptx", "timetime",
            "OšüšìªÖ", "JšüšìªÖ"}  # fmt: skip


def lines() -> list[dict[str, Any]]:
    if not (CORPUS / "content.jsonl").exists():
        return []
    return [json.loads(line) for line in (CORPUS / "content.jsonl").read_text("utf-8").splitlines()]


LINES = lines()
needs_corpus = pytest.mark.skipif(not LINES, reason="needs the evidence corpus: set TRIAGE_CORPUS")


def walk(
    data: bytes, address: Address, budget: Budget, digests: set[str], texts: list[str], problems: list[Problem]
) -> None:
    kind = identify(data[:HEAD_LENGTH], len(data), address.name)
    texts.extend(item.text for item in extract(kind, data))
    if kind.mime in ("text/plain", "message/rfc822"):  # which a search of the raw bytes reads
        texts.extend((data.decode("utf-8", "replace"), data.decode("cp1252", "replace")))
    for item in decode(kind, data, address, budget) or ():
        if isinstance(item, Member):
            digests.add(hashlib.md5(item.data, usedforsecurity=False).hexdigest())
            walk(item.data, address.child(item.name), budget, digests, texts, problems)
        else:
            problems.append(item)


@needs_corpus
def test_members_of_archives_equal_those_of_libarchive() -> None:
    seen = 0
    for line in LINES:
        data = (CORPUS / line["file"]).read_bytes()
        kind = identify(data[:HEAD_LENGTH], len(data), b"")
        if not line.get("members") or kind.mime not in OPENED or line["file"] in OTHERWISE:
            continue
        digests: set[str] = set()
        problems: list[Problem] = []
        walk(data, Address("c", "p1", b"/x"), Budget(), digests, [], problems)
        missing = {member["md5"] for member in line["members"] if member.get("md5")} - digests
        # A member that is missing must be one that a problem names as unread.
        assert not missing or any(not item.examined_anyway for item in problems), line["file"]
        seen += not missing
    assert seen >= 50


@needs_corpus
def test_words_of_documents_are_found() -> None:
    seen = 0
    for line in LINES:
        data = (CORPUS / line["file"]).read_bytes()
        kind = identify(data[:HEAD_LENGTH], len(data), b"")
        words = [
            needle["word"]
            for needle in line.get("needles") or ()
            if not needle["raw_utf8"] and not needle["raw_utf16le"]
        ]
        if not words or not kind.mime.startswith(READ):
            continue
        texts: list[str] = []
        walk(data, Address("c", "p1", b"/x"), Budget(), set(), texts, [])
        for word in words:
            assert word in NO_WORDS or any(word in text for text in texts), (line["file"], word)
            seen += 1
    assert seen >= 120


@needs_corpus
def test_every_file_gives_a_type_members_and_text_or_problems() -> None:
    for path in sorted(CORPUS.glob("content/**/*")) + sorted(CORPUS.glob("damaged/*")):
        if path.is_file() and path.stat().st_size < 2 << 20:
            data = path.read_bytes()
            problems: list[Problem] = []
            walk(data, Address("c", "p1", b"/" + path.name.encode()), Budget(free_bytes=16 << 20), set(), [], problems)
            assert all(item.message and item.address for item in problems)
