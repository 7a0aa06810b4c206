"""Examination within a scope: types told by the first bytes, members of archives one by one, privileged terms first.

An archive is opened for its members before anything searches its own bytes. Where a member is out of scope, withheld or
could not be opened, these bytes are not searched: they hold that member. Contents are looked through for privileged
terms before any other detector sees them; where one is found, or where looking failed, nothing further is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from triage.content.decoders import Budget, Member, decode
from triage.content.identify import identify
from triage.detectors.keywords import KeywordDetector
from triage.detectors.yara import YaraDetector
from triage.errors import EvidenceError
from triage.model.address import Address
from triage.model.content import Child, ContentFacts, Detection, TextSegment
from triage.model.entry import Entry
from triage.model.problem import Problem
from triage.model.result import EntryResult
from triage.model.scope import Scope, ScopeReason
from triage.model.times import Times
from triage.pipeline.entry_reading import Reader
from triage.pipeline.examine import HEAD, Detectors, Examiner, Opened
from triage.pipeline.examine import _Content as Content
from triage.pipeline.messages import NORMAL, RAW_ONLY
from triage.pipeline.options import Limits
from triage.pipeline.overclaimed import PartStream, stored_parts
from triage.pipeline.scope_match import ScopeMatcher, TypeVerdict
from triage.pipeline.scoped_facts import (
    ARCHIVES,
    CONTAINERS,
    IMAGES,
    NO_NAMES,
    NOTHING,
    WITHHELD_TYPE,
    LeftOutMembers,
    is_disk_image,
    is_document,
    is_whole,
    not_cleared,
    not_searched,
    not_told,
    privileged_terms,
    too_large,
    withheld,
)


class ScopedExaminer(Examiner):
    """Examines what is in scope.

    Args:
        detectors: As for any examiner.
        limits: Likewise.
        scope: The scope.

    Raises:
        RuleError: A privileged term cannot be looked for.
    """

    def __init__(self, detectors: Detectors, limits: Limits, scope: Scope) -> None:
        super().__init__(detectors, limits)
        self._matcher = ScopeMatcher(scope)
        # Compiled databases hold the terms, so these stay out of the cache folder.
        self._terms = KeywordDetector(privileged_terms(scope.privileged)) if scope.privileged is not None else None
        self._withheld: set[bytes] = set()
        self._through: set[int] = set()
        self._left = LeftOutMembers()
        self._opened: dict[Address, tuple[list[Child], list[Problem]]] = {}

    # --- entries ----------------------------------------------------------------------------------------------------
    def open(self, entry_id: int, entry: Entry, reader: Reader, *, is_image: bool = False) -> Opened | EntryResult:
        """Tell the type of an entry where the scope asks for it, then read it."""
        try:
            verdict = self._type_of(entry, reader)
        except EvidenceError as error:
            return not_told(entry_id, entry, error)
        if isinstance(verdict, ScopeReason):
            return EntryResult(entry_id, "", None, None, examined=False, out_of_scope=verdict)
        is_through = verdict is TypeVerdict.OUT
        if is_through:
            self._through.add(entry_id)
        opened = super().open(entry_id, entry, reader, is_image=is_image)
        if isinstance(opened, Opened):
            opened.content.is_sealed = is_through or (is_image and self._matcher.limits_members)
            return opened
        return self._settled(opened)

    def search(self, opened: Sequence[Opened]) -> None:
        """Search small entries together: those that hold no privileged term and no members."""
        hidden = {entry.sha256 for entry in opened if self._withholds(entry.content)}
        plain = [entry for entry in opened if entry.sha256 not in hidden and not self._has_members(entry.content)]
        if len(plain) > 1:
            super().search(plain)

    def finish(self, opened: Opened, level: int = NORMAL) -> EntryResult:
        """The outcome of an opened entry."""
        is_unlike = self._is_unlike(opened)
        result = super().finish(opened, level)
        if is_unlike and result.facts is not None:  # contents are known by their digest
            result = replace(result, digest=f"{result.digest}~{opened.entry_id}")
        return self._settled(result)

    def with_slack(self, result: EntryResult, slack: Entry, *data: object) -> EntryResult:
        """The outcome with that of the slack; what is not to be shown has none."""
        if self._is_hidden(result):
            return result
        return super().with_slack(result, slack, *data)  # type: ignore[arg-type]

    def _settled(self, result: EntryResult) -> EntryResult:
        """The outcome with what the scope says of it, and without what may not be told."""
        if result.facts is not None and result.facts.is_withheld and result.facts.sha256:
            self._withheld.add(bytes.fromhex(result.facts.sha256))
        if self._is_hidden(result):
            result = replace(result, content_type=WITHHELD_TYPE, named=None)
        if result.entry_id in self._through:
            self._through.discard(result.entry_id)
            result = replace(result, out_of_scope=ScopeReason.ARCHIVE)
        return result

    def _is_hidden(self, result: EntryResult) -> bool:
        if result.facts is not None:
            return result.facts.is_withheld
        return len(result.digest) == 64 and bytes.fromhex(result.digest) in self._withheld

    def _known(self, opened: Opened) -> EntryResult | None:
        opened.content.is_withheld |= opened.sha256 in self._withheld
        return super()._known(opened)

    def _is_unlike(self, opened: Opened) -> bool:
        if opened.entry_id in self._through:
            return True
        content = opened.content
        return self._matcher.depends_on_place(content.address) and self._has_members(content)

    # --- types ------------------------------------------------------------------------------------------------------
    def _type_of(self, entry: Entry, reader: Reader) -> TypeVerdict | ScopeReason:
        """What is to be done by type: IN, OUT for an archive that is opened for its members alone, else a reason.

        Raises:
            EvidenceError: The first bytes cannot be read.
        """
        if entry.address.is_bare_space:
            return TypeVerdict.IN
        verdict = self._matcher.type_by_name(entry.address)
        if verdict is TypeVerdict.ASK_CONTENT:
            stream = reader.open_entry(entry)
            try:
                head = stream.read_at(0, min(HEAD, entry.size))
            finally:
                stream.close()
            mime = identify(head, entry.size, entry.address.name).mime
            verdict = self._matcher.type_by_content(entry.address, mime)
            if verdict is TypeVerdict.OUT and mime in ARCHIVES:
                return TypeVerdict.OUT
        if verdict is TypeVerdict.EXCLUDED:
            return ScopeReason.EXCLUDED_TYPE_BY_CONTENT
        return ScopeReason.TYPE_BY_CONTENT if verdict is TypeVerdict.OUT else TypeVerdict.IN

    # --- contents ---------------------------------------------------------------------------------------------------
    def _facts(self, content: Content, budget: Budget, level: int, sha256: str = "") -> ContentFacts:
        if self._withholds(content):
            return withheld(content, sha256)
        if content.address.members and content.content_type.mime in ARCHIVES:
            verdict = self._matcher.type_by_content(content.address, content.content_type.mime)
            content.is_sealed |= verdict is TypeVerdict.OUT
        if not self._has_members(content):
            return super()._facts(content, budget, level, sha256)
        return self._container_facts(content, budget, level, sha256)

    def _container_facts(self, content: Content, budget: Budget, level: int, sha256: str) -> ContentFacts:
        """Members first; the bytes that hold them only where every member may be seen."""
        address, mime = content.address, content.content_type.mime
        children: list[Child] = []
        problems: list[Problem] = []
        if level < RAW_ONLY:
            outer, budget.refuses = budget.refuses, None if is_whole(mime) else self._refuses
            children = super()._children(content, budget, level, problems)
            budget.refuses = outer
        left = self._left.take(address)
        if any(child.facts.is_withheld and (child.part_of_document or is_document(mime)) for child in children):
            return withheld(content, sha256)
        hides = bool(left) or any(child.facts.is_sealed or child.facts.is_withheld for child in children)
        is_image = is_disk_image(content)
        is_open = level >= RAW_ONLY or any(not problem.examined_anyway for problem in problems)
        is_open = is_open and not is_whole(mime)
        if is_open and not (content.is_sealed or hides or is_image):
            problems.append(not_searched(content))
        content.is_sealed |= hides or is_open or is_image
        if content.is_sealed:
            content.found = [NOTHING]
        elif self._holds_term(content):
            return withheld(content, sha256)
        self._opened[address] = (children, problems)
        facts = super()._facts(content, budget, level, sha256)
        if level >= RAW_ONLY:
            facts = replace(facts, problems=(*facts.problems, *self._opened.pop(address)[1]))
        own = address.members and self._matcher.depends_on_place(address)
        # A member is known by its digest: one whose members depend on the place is not the same elsewhere.
        return replace(facts, left_out=left, is_sealed=content.is_sealed, sha256="" if own else facts.sha256)

    def _children(self, content: Content, budget: Budget, level: int, problems: list[Problem]) -> list[Child]:
        opened = self._opened.pop(content.address, None)
        if opened is None:
            return super()._children(content, budget, level, problems)
        problems.extend(opened[1])
        return opened[0]

    def _members(self, content: Content, budget: Budget) -> Iterator[Member | Problem]:
        embedded = is_whole(content.content_type.mime)
        for member in super()._members(content, budget):
            if isinstance(member, Problem) or member.part_of_document:
                yield member
                continue
            address, size = content.address.child(member.name), len(member.data)
            if not self._refuses(address, size, member.times, embedded=embedded):
                mime = identify(bytes(member.data[:HEAD]), size, address.name).mime
                if not self._refuses_type(address, mime, size, embedded=embedded):
                    yield member

    def _refuses(self, address: Address, size: int, times: Times, *, embedded: bool = False) -> bool:
        """Whether a member is out of scope by what the archive says of it."""
        reason = self._matcher.member(address, times, embedded=embedded)
        return reason is not None and self._left.add(address, reason, size)

    def _refuses_type(self, address: Address, mime: str, size: int, *, embedded: bool) -> bool:
        if embedded and mime.startswith("text/"):  # rows of a database, bodies: what the content itself says
            return False
        verdict = self._matcher.type_by_content(address, mime)
        if verdict is TypeVerdict.EXCLUDED:
            return self._left.add(address, ScopeReason.EXCLUDED_TYPE_BY_CONTENT, size)
        if embedded or verdict is not TypeVerdict.OUT or mime in ARCHIVES:
            return False
        return self._left.add(address, ScopeReason.TYPE_BY_CONTENT, size)

    def _has_members(self, content: Content) -> bool:
        """Whether a content may hold files that are out of scope or withheld although it is in scope."""
        if not self._matcher.limits_members or content.address.is_bare_space:
            return False
        if content.is_sealed or is_disk_image(content):
            return True
        return decode(content.content_type, memoryview(content.data), content.address, Budget()) is not None

    def _run(self, detector: KeywordDetector | YaraDetector, content: Content) -> Detection:
        return NOTHING if content.is_sealed else super()._run(detector, content)

    def _named(self, content: Content) -> Detection | None:
        return None if content.is_sealed or content.is_withheld else super()._named(content)

    # --- privileged terms -------------------------------------------------------------------------------------------
    def _withholds(self, content: Content) -> bool:
        names = self._matcher.names
        if names is not None and content.address.members and names.hold(content.address):
            content.is_withheld = True
        is_one = is_document(content.content_type.mime) or not self._has_members(content)
        if is_one and not content.is_withheld:
            self._holds_term(content)
        return content.is_withheld

    def _holds_term(self, content: Content) -> bool:
        """Look for privileged terms in the bytes of a content and in the text that its format hides."""
        if self._terms is None or content.is_cleared:
            return content.is_withheld
        content.is_cleared = True
        try:
            content.segments = super()._segments(content) if not content.address.is_bare_space else ()
            found = [self._terms.scan(content.data, NO_NAMES), *self._terms.scan_texts(content.segments)]
            content.is_withheld |= any(part.counts for part in found)
        except Exception as error:  # what could not be looked through is not shown
            content.is_withheld = True
            content.problems = [not_cleared(content.names.address, len(content.data), error)]
        return content.is_withheld

    def _segments(self, content: Content) -> tuple[TextSegment, ...]:
        return super()._segments(content) if content.segments is None else content.segments

    # --- large contents ---------------------------------------------------------------------------------------------
    def _examine_large(self, entry_id: int, entry: Entry, reader: Reader, *, is_image: bool) -> EntryResult:
        stream = reader.open_entry(entry)
        try:
            mime = identify(stream.read_at(0, HEAD), entry.size, entry.address.name).mime
            limits = self._matcher.limits_members and not entry.address.is_bare_space
            if limits and (mime in CONTAINERS or entry_id in self._through) and not is_image:
                return too_large(entry_id, entry, self._limits)
            is_image |= limits and mime in IMAGES  # what is in it is looked at one by one
            if self._terms is not None and not is_image:
                parts = stored_parts(entry, reader)
                parts = [(0, entry.size)] if parts is None else parts
                streams = [PartStream(stream, *part, self.alive) for part in parts]
                if any(self._terms.scan_stream(part, NO_NAMES).counts for part in streams):
                    facts = ContentFacts(entry.size, "", "", "", WITHHELD_TYPE, is_withheld=True)
                    return EntryResult(entry_id, f"entry-{entry_id}", facts, WITHHELD_TYPE)
        finally:
            stream.close()
        return super()._examine_large(entry_id, entry, reader, is_image=is_image)
