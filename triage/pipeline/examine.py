"""Entries: read once, digested, identified, searched, opened.

The content of an entry is read into one buffer that feeds the digests, the type, YARA and the keywords; what is larger
than ``Limits.whole_bytes`` is read once in windows that feed digests and keywords. Small entries are opened one by one,
searched for keywords together, and finished one by one. Children of containers go the same way within the limits. A
failure in one detector or decoder costs only itself and becomes a problem of the content.

Problems inside :class:`ContentFacts` are addressed relative to the content (``""``, ``!/member``), because the same
content may stand under many names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from triage.content.decoders import Budget, Member, decode
from triage.content.extractors import extract
from triage.content.identify import identify
from triage.detectors.keywords import KeywordDetector
from triage.detectors.noise_file import NoiseFileDetector
from triage.detectors.yara import YaraDetector
from triage.errors import EncryptedVolumeError, EvidenceError, TriageError
from triage.evidence.lost import LostRange, blanked, lost_problem
from triage.model.address import Address, escape_name
from triage.model.content import Child, ContentFacts, ContentNames, ContentType, Coverage, Detection, TextSegment
from triage.model.entry import Entry
from triage.model.problem import Problem, Reason
from triage.model.result import EntryResult, SlackResult
from triage.pipeline.entry_reading import Buffer, DigestingStream, Reader, read_entry
from triage.pipeline.facts import beginning_before, failed, merge, relative, skipped, sum_coverage
from triage.pipeline.messages import NORMAL, RAW_ONLY
from triage.pipeline.options import MIB, Limits
from triage.pipeline.overclaimed import Part, PartStream, joined, moved, overclaimed_problem, stored_parts

HEAD = 64 * 1024
SPACE_TYPE = ContentType("application/octet-stream", "unallocated space", "none")
"""Type of what is no file: a piece begins anywhere, so its first bytes say nothing of the rest."""


LEAST_BLANK = 1 << 20
"""Bytes of free space from which on it is looked whether anything is stored of it."""


@dataclass(frozen=True, slots=True)
class Detectors:
    """The detectors of one worker."""

    keywords: KeywordDetector
    yara: YaraDetector | None
    noise: NoiseFileDetector | None = None


@dataclass(slots=True)
class _Content:
    """A content in hand.

    Attributes:
        data: Its bytes.
        names: As detectors and problems name it.
        content_type: What it is.
        address: Where it is.
        found: Keywords in it, once they were looked for: in the raw bytes first, then in each extracted text.
        problems: Met on the way to these.
        segments: Decoded text, where it was extracted before.
        is_sealed: Its own bytes are not searched: members that they hold may be out of scope.
        is_cleared: It was looked through for privileged terms, and holds none.
        is_withheld: It holds one.
    """

    data: Buffer
    names: ContentNames
    content_type: ContentType
    address: Address
    found: list[Detection] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    segments: tuple[TextSegment, ...] | None = None
    is_sealed: bool = False
    is_cleared: bool = False
    is_withheld: bool = False


@dataclass(slots=True)
class Opened:
    """An entry that was read and identified; its keywords may have been looked for."""

    entry_id: int
    content: _Content
    sha256: bytes
    problems: tuple[Problem, ...]
    owned: int


class Examiner:
    """Examines entries; remembers which contents it has seen.

    Attributes:
        alive: Called before each read of a large content, so that who watches sees that it goes on.
    """

    def __init__(self, detectors: Detectors, limits: Limits) -> None:
        self._detectors = detectors
        self._limits = limits
        self._seen: set[bytes] = set()
        self._zeros: dict[int, bytes] = {}
        self.alive: Callable[[], None] = lambda: None

    def examine(self, entry_id: int, entry: Entry, reader: Reader, level: int = NORMAL) -> EntryResult:
        """The outcome of one entry; never raises for bad evidence."""
        opened = self.open(entry_id, entry, reader)
        return opened if isinstance(opened, EntryResult) else self.finish(opened, level)

    def open(self, entry_id: int, entry: Entry, reader: Reader, *, is_image: bool = False) -> Opened | EntryResult:
        """Read and identify an entry; the outcome where it is large, unreadable or was seen before.

        Args:
            entry_id: Number in the case.
            entry: What to read.
            reader: Of its volume.
            is_image: What is in it is walked as a volume, so a large one is only digested here.
        """
        address = str(entry.address)
        try:
            if entry.size > self._limits.whole_bytes:
                return self._examine_large(entry_id, entry, reader, is_image=is_image)
            if entry.address.is_bare_space and (blank := self._blank(entry_id, entry, reader)) is not None:
                return blank
            data, problems = read_entry(entry, reader, address, self._limits.whole_bytes)
        except EncryptedVolumeError as error:
            return _unread(entry_id, entry, address, Reason.ENCRYPTED, error)
        except EvidenceError as error:
            return _unread(entry_id, entry, address, Reason.UNREADABLE, error)
        sha256 = hashlib.sha256(data).digest()
        if entry.address.is_bare_space:
            content_type = SPACE_TYPE
        else:
            content_type = identify(bytes(data[:HEAD]), len(data), entry.address.name)
        names = _names(entry.address, address, content_type, entry.owner)
        content = _Content(data, names, content_type, entry.address)
        owned = reader.space.owned_length(entry) if entry.address.space else len(data)
        opened = Opened(entry_id, content, sha256, tuple(problems), owned)
        return self._known(opened) or opened

    def _blank(self, entry_id: int, entry: Entry, reader: Reader) -> EntryResult | None:
        """The outcome of a piece of space of which nothing is stored, where one of its length was seen; else None."""
        if entry.size < LEAST_BLANK or not reader.space.is_blank(entry):
            return None
        if entry.size not in self._zeros:
            self._zeros[entry.size] = hashlib.sha256(bytes(entry.size)).digest()
        content = _Content(b"", _names(entry.address, str(entry.address), SPACE_TYPE, ""), SPACE_TYPE, entry.address)
        return self._known(Opened(entry_id, content, self._zeros[entry.size], (), entry.size))

    def search(self, opened: Sequence[Opened]) -> None:
        """Look for the keywords of several small entries at once; what fails is left to each alone."""
        contents = list({entry.sha256: entry.content for entry in opened}.values())
        try:
            self._keywords(contents)
        except Exception:  # of whichever: alone it is told, and nothing half done may pass for a search
            for content in contents:
                content.found, content.problems = [], []

    def finish(self, opened: Opened, level: int = NORMAL) -> EntryResult:
        """The outcome of an opened entry."""
        known = self._known(opened)
        if known is not None:
            return known
        content = opened.content
        budget = Budget(
            remaining_bytes=self._limits.decode_bytes,
            remaining_members=self._limits.decode_members,
            max_depth=self._limits.decode_depth,
            max_member_bytes=self._limits.whole_bytes,
        )
        facts = self._facts(content, budget, level, opened.sha256.hex())
        if opened.owned < len(content.data):
            facts = beginning_before(facts, opened.owned)
        if opened.problems:
            facts = replace(facts, md5="", sha1="", sha256="")
        elif not self._is_unlike(opened):
            self._seen.add(opened.sha256)
        facts = relative(facts, content.names.address)
        digest = facts.sha256 or f"entry-{opened.entry_id}"
        named = self._named(content)
        return EntryResult(opened.entry_id, digest, facts, content.content_type, named, opened.problems)

    def with_slack(
        self, result: EntryResult, slack: Entry, data: Buffer, left: int, lost: tuple[LostRange, ...] = ()
    ) -> EntryResult:
        """The outcome of an entry with that of the slack behind it.

        Args:
            result: Of the entry.
            slack: What lies behind it.
            data: Its bytes.
            left: Bytes that were not read.
            lost: What could not be read; taken as zeros.
        """
        address = str(slack.address)
        problems = result.problems
        if lost:
            data = blanked(data, lost)
            problems = (*problems, lost_problem(address, slack.size, lost))
        if left:
            message = f"{left} bytes of slack behind the first {len(data)} were not searched"
            problem = Problem(address, "pipeline/examine", Reason.LIMIT, message, "search it with another tool", left)
            problems = (*problems, problem)
        sha256 = hashlib.sha256(data).digest()
        facts = None
        if sha256 not in self._seen:
            content = _Content(data, _names(slack.address, address, SPACE_TYPE, slack.owner), SPACE_TYPE, slack.address)
            facts = relative(self._facts(content, Budget(), NORMAL, sha256.hex()), address)
            self._seen.add(sha256)
        found = SlackResult(slack.address.offset, len(data), slack.image_offset, sha256.hex(), facts, SPACE_TYPE)
        return replace(result, slack=found, problems=problems)

    def _known(self, opened: Opened) -> EntryResult | None:
        """The outcome of a whole content that was seen before, None where it was not."""
        if opened.problems or opened.sha256 not in self._seen or self._is_unlike(opened):
            return None
        content = opened.content
        return EntryResult(opened.entry_id, opened.sha256.hex(), None, content.content_type, self._named(content))

    def _is_unlike(self, opened: Opened) -> bool:
        """Whether the facts of a content may differ from those of its copies elsewhere."""
        return False

    # --- whole contents -----------------------------------------------------------------------------------------
    def _facts(self, content: _Content, budget: Budget, level: int, sha256: str = "") -> ContentFacts:
        data = content.data
        if not content.found:
            self._keywords([content], texts=level < RAW_ONLY)
        parts = list(content.found)
        if self._detectors.yara is not None:
            if level >= RAW_ONLY:
                parts.insert(1, skipped("yara", len(data)))
            else:
                parts.insert(1, self._run(self._detectors.yara, content))
        if self._detectors.noise is not None and not content.address.is_bare_space:
            parts.append(self._detectors.noise.scan(data, content.names, content.content_type))
        problems = list(content.problems)
        opens = level < RAW_ONLY and not content.address.is_bare_space
        children = self._children(content, budget, level, problems) if opens else []
        hits, counts = merge(parts)
        for part in parts:
            problems.extend(part.problems)
        return ContentFacts(
            size=len(data),
            md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
            sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
            sha256=sha256 or hashlib.sha256(data).hexdigest(),
            content_type=content.content_type,
            hits=hits,
            counts=counts,
            problems=tuple(problems),
            coverage=sum_coverage(parts),
            children=tuple(children),
        )

    def _run(self, detector: KeywordDetector | YaraDetector, content: _Content) -> Detection:
        """One detector on one content: the isolation point for detectors."""
        address, size = content.names.address, len(content.data)
        try:
            return detector.scan(content.data, content.names)
        except MemoryError:
            return failed(detector.name, address, Reason.LIMIT, "memory exhausted", size)
        except TriageError as error:
            return failed(detector.name, address, Reason.CRASHED, str(error), size)

    def _keywords(self, contents: Sequence[_Content], *, texts: bool = True) -> None:
        """Keywords in the raw bytes of contents, and in the text that their formats hide from these."""
        keywords = self._detectors.keywords
        try:
            raw = keywords.scan_many([content.data for content in contents]) if len(contents) > 1 else []
        except (MemoryError, TriageError):
            raw = []
        for number, content in enumerate(contents):
            content.found = [raw[number] if raw else self._run(keywords, content)]
        segments = [
            self._segments(content) if texts and keywords.has_terms and not content.address.is_bare_space else ()
            for content in contents
        ]
        try:
            found = iter(keywords.scan_texts([segment for group in segments for segment in group]))
            for content, group in zip(contents, segments, strict=True):
                content.found.extend(next(found) for _ in group)
        except Exception as error:  # a bug on hostile text costs that text alone
            for content, group in zip(contents, segments, strict=True):
                if group:
                    content.problems.append(_text_problem(content, error))

    def _segments(self, content: _Content) -> tuple[TextSegment, ...]:
        """Decoded text, where a format hides text from the raw bytes."""
        try:
            return extract(content.content_type, memoryview(content.data))
        except Exception as error:  # an extractor's bug on hostile bytes costs that text alone
            content.problems.append(_text_problem(content, error))
            return ()

    def _children(self, content: _Content, budget: Budget, level: int, problems: list[Problem]) -> list[Child]:
        """Members of a container, examined the same way."""
        children: list[Child] = []
        try:
            for member in self._members(content, budget):
                if isinstance(member, Problem):
                    problems.append(member)
                    continue
                inner = content.address.child(member.name)
                text = str(inner)
                kind = identify(bytes(member.data[:HEAD]), len(member.data), inner.name)
                inside = _Content(member.data, _names(inner, text, kind, ""), kind, inner)
                facts = self._facts(inside, budget, level)
                children.append(Child(member.name, relative(facts, text), member.times, member.part_of_document))
        except Exception as error:  # a decoder's bug on hostile bytes costs the members that follow
            problems.append(
                Problem(
                    str(content.address),
                    "content/decode",
                    Reason.LIMIT if isinstance(error, MemoryError) else Reason.CRASHED,
                    f"opening {content.content_type.name} stopped: {type(error).__name__}",
                    "the raw bytes were searched",
                )
            )
        return children

    def _members(self, content: _Content, budget: Budget) -> Iterable[Member | Problem]:
        """What a decoder gives of a content."""
        return decode(content.content_type, memoryview(content.data), content.address, budget) or ()

    def _named(self, content: _Content) -> Detection | None:
        """Hits of rules that read the name."""
        yara = self._detectors.yara
        return yara.scan_named(content.data, content.names) if yara is not None and yara.has_externals else None

    # --- large contents -----------------------------------------------------------------------------------------
    def _examine_large(self, entry_id: int, entry: Entry, reader: Reader, *, is_image: bool) -> EntryResult:
        """Digests, type and keywords of what is too large for one buffer; no keywords of what is walked as an image."""
        address = str(entry.address)
        reader.begin()
        claimed = stored_parts(entry, reader)
        if claimed is not None:
            return self._examine_parts(entry_id, entry, reader, claimed)
        stream = DigestingStream(reader.open_entry(entry), self.alive)
        try:
            head = stream.read_at(0, HEAD)
            content_type = identify(head, entry.size, entry.address.name)
            names = _names(entry.address, address, content_type, entry.owner)
            if is_image:
                found = Detection((), (), (), Coverage("keywords"))
            else:
                found = self._detectors.keywords.scan_stream(stream, names)
            md5, sha1, sha256 = stream.finish()
            noise = self._detectors.noise
            parts = [found, *([noise.scan_stream(stream, names, content_type)] if noise is not None else [])]
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
        not_run = [skipped("yara", entry.size)] if self._detectors.yara is not None and not is_image else []
        lost = reader.lost(entry)
        problems = (lost_problem(address, entry.size, lost),) if lost else ()
        if lost:
            md5, sha1, sha256 = "", "", ""
        facts = ContentFacts(
            size=entry.size,
            md5=md5,
            sha1=sha1,
            sha256=sha256,
            content_type=content_type,
            hits=merge(parts)[0],
            counts=merge(parts)[1],
            problems=found.problems if is_image else (*found.problems, limit),
            coverage=sum_coverage([found, *not_run]),
        )
        digest = sha256 or f"entry-{entry_id}"
        return EntryResult(entry_id, digest, relative(facts, address), content_type, None, problems)

    def _examine_parts(self, entry_id: int, entry: Entry, reader: Reader, parts: Sequence[Part]) -> EntryResult:
        """Type and keywords of what is stored of an entry that declares more than its volume can hold."""
        address = str(entry.address)
        stream = reader.open_entry(entry)
        try:
            content_type = identify(stream.read_at(0, HEAD), entry.size, entry.address.name)
            names = _names(entry.address, address, content_type, entry.owner)
            scan = self._detectors.keywords.scan_stream
            found = joined([moved(scan(PartStream(stream, *part, self.alive), names), part[0]) for part in parts])
        finally:
            stream.close()
        problems = (*found.problems, overclaimed_problem(address, entry, parts, reader.space.room))
        lost = reader.lost(entry)
        hits, counts = merge([found])
        facts = ContentFacts(
            size=entry.size,
            md5="",
            sha1="",
            sha256="",
            content_type=content_type,
            hits=hits,
            counts=counts,
            problems=problems,
            coverage=sum_coverage([found, *([skipped("yara", 0)] if self._detectors.yara is not None else [])]),
        )
        told = (lost_problem(address, entry.size, lost),) if lost else ()
        return EntryResult(entry_id, f"entry-{entry_id}", relative(facts, address), content_type, None, told)


def _text_problem(content: _Content, error: Exception) -> Problem:
    return Problem(
        content.names.address,
        "content/extract",
        Reason.LIMIT if isinstance(error, MemoryError) else Reason.CRASHED,
        f"text of {content.content_type.name} not extracted: {type(error).__name__}",
        "the raw bytes were searched",
        len(content.data),
    )


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
