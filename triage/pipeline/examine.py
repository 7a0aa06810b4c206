"""One entry: read once, digested, identified, searched, opened.

The content of an entry is read into one buffer that feeds the digests, the type, YARA and the keywords; what is larger
than ``Limits.whole_bytes`` is read once in windows that feed digests and keywords. Children of containers go the same
way within the limits. A failure in one detector or decoder costs only itself and becomes a problem of the content.

Problems inside :class:`ContentFacts` are addressed relative to the content (``""``, ``!/member``), because the same
content may stand under many names.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Protocol

from triage.content.decoders import Budget, decode
from triage.content.extractors import extract
from triage.content.identify import identify
from triage.detectors.keywords import KeywordDetector
from triage.detectors.yara import YaraDetector
from triage.errors import EncryptedVolumeError, EvidenceError, TriageError
from triage.model.address import Address, escape_name
from triage.model.content import (
    Child,
    ContentFacts,
    ContentNames,
    ContentType,
    Coverage,
    Detection,
    TextSegment,
)
from triage.model.entry import Entry
from triage.model.hit import Hit, HitCount
from triage.model.problem import Problem, Reason
from triage.model.result import EntryResult
from triage.model.stream import Stream
from triage.pipeline.options import MIB, Limits

HEAD = 64 * 1024
WINDOW = 8 * MIB
PIECE = 64 * 1024
# Levels of care: a worker died on this entry before.
NORMAL, RAW_ONLY = 0, 2

Buffer = bytes | bytearray | memoryview


class Reader(Protocol):
    """What examination needs of a file system."""

    def open_entry(self, entry: Entry) -> Stream:
        """The bytes of an entry."""
        ...

    def read_whole(self, entry: Entry, limit: int) -> bytes:
        """The whole content, at most ``limit`` bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Detectors:
    """The detectors of one worker."""

    keywords: KeywordDetector
    yara: YaraDetector | None


class Examiner:
    """Examines entries; remembers which contents it has seen."""

    def __init__(self, detectors: Detectors, limits: Limits) -> None:
        self._detectors = detectors
        self._limits = limits
        self._seen: set[bytes] = set()

    def examine(self, entry_id: int, entry: Entry, reader: Reader, level: int = NORMAL) -> EntryResult:
        """The outcome of one entry; never raises for bad evidence."""
        address = str(entry.address)
        try:
            if entry.size > self._limits.whole_bytes:
                return self._examine_large(entry_id, entry, reader)
            data, problems = self._read(entry, reader, address)
        except EncryptedVolumeError as error:
            return _unread(entry_id, entry, address, Reason.ENCRYPTED, error)
        except EvidenceError as error:
            return _unread(entry_id, entry, address, Reason.UNREADABLE, error)
        complete = not problems
        sha256 = hashlib.sha256(data)
        content_type = identify(bytes(data[:HEAD]), len(data), entry.address.name)
        names = _names(entry.address, address, content_type, entry.owner)
        if complete and sha256.digest() in self._seen:
            named = self._named(data, names)
            return EntryResult(entry_id, sha256.hexdigest(), None, content_type, named)
        budget = Budget(
            remaining_bytes=self._limits.decode_bytes,
            remaining_members=self._limits.decode_members,
            max_depth=self._limits.decode_depth,
            max_member_bytes=self._limits.whole_bytes,
        )
        facts = self._facts(data, names, content_type, entry.address, budget, level, sha256.hexdigest())
        if not complete:
            facts = replace(facts, md5="", sha1="", sha256="")
        else:
            self._seen.add(sha256.digest())
        facts = _relative(facts, address)
        return EntryResult(
            entry_id,
            facts.sha256 or f"entry-{entry_id}",
            facts,
            content_type,
            self._named(data, names),
            tuple(problems),
        )

    # --- reading ------------------------------------------------------------------------------------------------
    def _read(self, entry: Entry, reader: Reader, address: str) -> tuple[Buffer, list[Problem]]:
        """The whole content; unreadable pieces are zeros and a problem."""
        try:
            data: Buffer = reader.read_whole(entry, self._limits.whole_bytes)
        except EncryptedVolumeError:
            raise
        except EvidenceError:
            return _read_in_pieces(entry, reader, address)
        if len(data) < entry.size:
            missing = entry.size - len(data)
            message = f"{len(data)} of {entry.size} bytes could be read"
            return data, [Problem(address, "evidence/read", Reason.TRUNCATED, message, "", missing)]
        return data, []

    # --- whole contents -----------------------------------------------------------------------------------------
    def _facts(
        self,
        data: Buffer,
        names: ContentNames,
        content_type: ContentType,
        address: Address,
        budget: Budget,
        level: int,
        sha256: str = "",
    ) -> ContentFacts:
        view = memoryview(data)
        parts = [self._run(self._detectors.keywords, data, names)]
        if self._detectors.yara is not None:
            if level >= RAW_ONLY:
                parts.append(_skipped("yara", len(data)))
            else:
                parts.append(self._run(self._detectors.yara, data, names))
        problems: list[Problem] = []
        children: list[Child] = []
        if level < RAW_ONLY:
            parts.extend(self._texts(data, content_type, names, problems))
            children = self._children(view, content_type, address, budget, level, problems)
        hits, counts = _merge(parts)
        for part in parts:
            problems.extend(part.problems)
        return ContentFacts(
            size=len(data),
            md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
            sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
            sha256=sha256 or hashlib.sha256(data).hexdigest(),
            content_type=content_type,
            hits=hits,
            counts=counts,
            problems=tuple(problems),
            coverage=_sum_coverage(parts),
            children=tuple(children),
        )

    def _run(self, detector: KeywordDetector | YaraDetector, data: Buffer, names: ContentNames) -> Detection:
        """One detector on one content: the isolation point for detectors."""
        try:
            return detector.scan(data, names)
        except MemoryError:
            return _failed(detector.name, names.address, Reason.LIMIT, "memory exhausted", len(data))
        except TriageError as error:
            return _failed(detector.name, names.address, Reason.CRASHED, str(error), len(data))

    def _texts(
        self, data: Buffer, content_type: ContentType, names: ContentNames, problems: list[Problem]
    ) -> list[Detection]:
        """Keywords in decoded text, where a format hides text from the raw bytes."""
        try:
            segments: tuple[TextSegment, ...] = extract(content_type, memoryview(data))
            return [self._detectors.keywords.scan_text(segment, names) for segment in segments]
        except Exception as error:  # an extractor's bug on hostile bytes costs that text alone
            problems.append(
                Problem(
                    names.address,
                    "content/extract",
                    Reason.LIMIT if isinstance(error, MemoryError) else Reason.CRASHED,
                    f"text of {content_type.name} not extracted: {type(error).__name__}",
                    "the raw bytes were searched",
                    len(data),
                )
            )
            return []

    def _children(
        self,
        data: memoryview,
        content_type: ContentType,
        address: Address,
        budget: Budget,
        level: int,
        problems: list[Problem],
    ) -> list[Child]:
        """Members of a container, examined the same way."""
        children: list[Child] = []
        try:
            members = decode(content_type, data, address, budget)
            for member in members or ():
                if isinstance(member, Problem):
                    problems.append(member)
                    continue
                inner = address.child(member.name)
                text = str(inner)
                kind = identify(bytes(member.data[:HEAD]), len(member.data), inner.name)
                names = _names(inner, text, kind, "")
                facts = self._facts(member.data, names, kind, inner, budget, level)
                children.append(Child(member.name, _relative(facts, text), member.times, member.part_of_document))
        except Exception as error:  # a decoder's bug on hostile bytes costs the members that follow
            problems.append(
                Problem(
                    str(address),
                    "content/decode",
                    Reason.LIMIT if isinstance(error, MemoryError) else Reason.CRASHED,
                    f"opening {content_type.name} stopped: {type(error).__name__}",
                    "the raw bytes were searched",
                )
            )
        return children

    def _named(self, data: Buffer, names: ContentNames) -> Detection | None:
        """Hits of rules that read the name."""
        yara = self._detectors.yara
        return yara.scan_named(data, names) if yara is not None and yara.has_externals else None

    # --- large contents -----------------------------------------------------------------------------------------
    def _examine_large(self, entry_id: int, entry: Entry, reader: Reader) -> EntryResult:
        """Digests, type and keywords of what is too large for one buffer."""
        address = str(entry.address)
        stream = _DigestingStream(reader.open_entry(entry))
        try:
            head = stream.read_at(0, HEAD)
            content_type = identify(head, entry.size, entry.address.name)
            names = _names(entry.address, address, content_type, entry.owner)
            found = self._detectors.keywords.scan_stream(stream, names, window=WINDOW)
            md5, sha1, sha256 = stream.finish()
        finally:
            stream.close()
        limit = Problem(
            address,
            "detectors/yara",
            Reason.LIMIT,
            f"larger than {self._limits.whole_bytes // MIB} MiB: YARA and decoders did not run, keywords did",
            "scan again with a larger --max-whole",
            entry.size,
        )
        skipped = [_skipped("yara", entry.size)] if self._detectors.yara is not None else []
        facts = ContentFacts(
            size=entry.size,
            md5=md5,
            sha1=sha1,
            sha256=sha256,
            content_type=content_type,
            hits=found.hits,
            counts=found.counts,
            problems=(*found.problems, limit),
            coverage=_sum_coverage([found, *skipped]),
        )
        return EntryResult(entry_id, sha256, _relative(facts, address), content_type)


class _DigestingStream:
    """Digests bytes as they are read in ascending order; windows may overlap."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._position = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    @property
    def size(self) -> int:
        return self._stream.size

    def read_at(self, offset: int, length: int) -> bytes:
        data = self._stream.read_at(offset, length)
        end = offset + len(data)
        if offset <= self._position < end:
            fresh = memoryview(data)[self._position - offset :]
            for digest in (self._md5, self._sha1, self._sha256):
                digest.update(fresh)
            self._position = end
        return data

    def finish(self) -> tuple[str, str, str]:
        """MD5, SHA-1, SHA-256 of the whole; reads what nobody asked for."""
        while self._position < self.size:
            before = self._position
            self.read_at(before, WINDOW)
            if self._position == before:
                break
        return self._md5.hexdigest(), self._sha1.hexdigest(), self._sha256.hexdigest()

    def close(self) -> None:
        self._stream.close()


def _read_in_pieces(entry: Entry, reader: Reader, address: str) -> tuple[Buffer, list[Problem]]:
    """What can be read, with zeros for the rest."""
    data = bytearray(entry.size)
    lost = 0
    first = ""
    stream = reader.open_entry(entry)
    try:
        for offset in range(0, entry.size, PIECE):
            want = min(PIECE, entry.size - offset)
            try:
                piece = stream.read_at(offset, want)
            except EvidenceError as error:
                piece, first = b"", first or f"offset {offset}: {error}"
            data[offset : offset + len(piece)] = piece
            lost += want - len(piece)
    finally:
        stream.close()
    if not lost:
        return data, []
    message = f"{lost} of {entry.size} bytes could not be read and were taken as zeros; first at {first or 'the end'}"
    return data, [Problem(address, "evidence/read", Reason.UNREADABLE, message, "", lost)]


def _unread(entry_id: int, entry: Entry, address: str, reason: Reason, error: TriageError) -> EntryResult:
    problem = Problem(address, f"evidence/{error.code}", reason, str(error), error.hint or "", max(entry.size, 0))
    return EntryResult(entry_id, "", None, None, None, (problem,), examined=False)


def _names(address: Address, text: str, content_type: ContentType, owner: str) -> ContentNames:
    name = escape_name(address.name, syntax=False)
    extension = "." + name.rpartition(".")[2].lower() if "." in name.lstrip(".") else ""
    return ContentNames(
        address=text,
        filename=name,
        filepath=text.partition(":")[2],
        extension=extension,
        filetype=content_type.name.split()[0].upper() if content_type.name else "",
        owner=owner,
    )


def _failed(detector: str, address: str, reason: Reason, message: str, size: int) -> Detection:
    problem = Problem(address, f"detectors/{detector}", reason, message, "", size)
    return Detection((), (), (problem,), Coverage(detector, skipped=1, skipped_bytes=size))


def _skipped(detector: str, size: int) -> Detection:
    return Detection((), (), (), Coverage(detector, skipped=1, skipped_bytes=size))


def _merge(parts: list[Detection]) -> tuple[tuple[Hit, ...], tuple[HitCount, ...]]:
    """Hits of all detectors; raw bytes and decoded text may see the same place, which counts once."""
    if not any(part.hits for part in parts):
        return (), ()
    hits: dict[tuple[str, int], Hit] = {}
    counts: dict[str, HitCount] = {}
    for part in parts:
        for hit in part.hits:
            hits.setdefault((hit.rule, hit.file_offset), hit)
        for count in part.counts:
            known = counts.get(count.rule)
            if known is None or count.count > known.count:
                counts[count.rule] = count
    return tuple(sorted(hits.values())), tuple(sorted(counts.values()))


def _sum_coverage(parts: list[Detection]) -> tuple[Coverage, ...]:
    """One line a detector; text beside raw bytes is the same content and does not count twice."""
    out: dict[str, Coverage] = {}
    for part in parts:
        if part.coverage.detector and part.coverage.detector not in out:
            out[part.coverage.detector] = part.coverage
    return tuple(out[name] for name in sorted(out))


def _relative(facts: ContentFacts, address: str) -> ContentFacts:
    """The facts with problems addressed from the content on."""
    if not facts.problems:
        return facts
    return replace(
        facts,
        problems=tuple(replace(problem, address=problem.address.removeprefix(address)) for problem in facts.problems),
    )
