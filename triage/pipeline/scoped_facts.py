"""What is told of contents that a scope hides, and of those that it keeps from being searched."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from triage.content.decoders import DECODERS, DOCUMENT_MIMES
from triage.content.decoders.unread import MIMES as UNREAD_MIMES
from triage.errors import EncryptedVolumeError, EvidenceError
from triage.model.address import Address
from triage.model.content import ContentFacts, ContentNames, ContentType, Coverage, Detection
from triage.model.entry import Entry
from triage.model.problem import Problem, Reason
from triage.model.result import EntryResult
from triage.model.rules import KeywordTerm
from triage.model.scope import LeftOut, Privileged, ScopeReason
from triage.pipeline.examine import _Content as Content
from triage.pipeline.images import FORMATS, LEAST_RAW_BYTES, RAW, SEGMENTED
from triage.pipeline.options import Limits

STAGE = "pipeline/scope"
WITHHELD_TYPE = ContentType("application/octet-stream", "withheld", "none")
"""Type of what is withheld: nothing is said of it."""
_OFFICE = (
    "application/vnd.openxmlformats",
    "application/vnd.oasis",
    "application/vnd.ms-visio",
    "application/vnd.ms-xps",
)
_DATABASES = ("application/vnd.sqlite3", "application/x-sqlite-wal")
ARCHIVES = frozenset((
    "application/zip", "application/x-tar", "application/gzip", "application/x-bzip2", "application/x-xz",
    "application/x-lzma", "application/zlib", "application/java-archive", "application/vnd.android.package-archive",
    "application/x-chrome-extension", "application/mbox", "application/vnd.ms-outlook-pst",
))  # fmt: skip
"""Sets of files and of mails: opened for their members whatever types are asked for, and each member is judged."""
CONTAINERS = frozenset(mime for decoder in DECODERS for mime in decoder.mimes) | UNREAD_MIMES
IMAGES = FORMATS | RAW | SEGMENTED
NOTHING = Detection((), (), (), Coverage(""))
NO_NAMES = ContentNames("", "", "")


def is_document(mime: str) -> bool:
    """Whether a type is one document with its parts: in scope or withheld as a whole."""
    return mime in DOCUMENT_MIMES or mime.startswith(_OFFICE) or mime == "application/epub+zip"


def is_whole(mime: str) -> bool:
    """Whether what a content holds is its own: a document, or a database with its rows."""
    return is_document(mime) or mime in _DATABASES


class LeftOutMembers:
    """Counts members that are out of scope, by the archive that holds them and by reason."""

    def __init__(self) -> None:
        self._counts: dict[Address, dict[ScopeReason, list[int]]] = {}

    def add(self, address: Address, reason: ScopeReason, size: int) -> bool:
        """Count a member of so many bytes; always true. Folders have none and do not count."""
        if not address.members[-1].endswith(b"/") or size:
            outer = replace(address, members=address.members[:-1])
            numbers = self._counts.setdefault(outer, {}).setdefault(reason, [0, 0])
            numbers[0] += 1
            numbers[1] += size
        return True

    def take(self, address: Address) -> tuple[LeftOut, ...]:
        """What was counted of an archive, which is then forgotten."""
        return tuple(LeftOut(reason, *numbers) for reason, numbers in sorted(self._counts.pop(address, {}).items()))


def privileged_terms(privileged: Privileged) -> tuple[KeywordTerm, ...]:
    """The terms as the keyword search takes them: letters folded, in every encoding."""
    return tuple(
        KeywordTerm(
            f"scope#{number}", term, "literal", privileged.match, False, ("nfkc", "casefold"), privileged.encodings
        )
        for number, term in enumerate(privileged.terms, 1)
    )


def is_disk_image(content: Content) -> bool:
    """Whether a content will be looked into as a disk image."""
    mime = content.content_type.mime
    return mime in FORMATS | SEGMENTED or (mime in RAW and len(content.data) >= LEAST_RAW_BYTES)


def withheld(content: Content, sha256: str) -> ContentFacts:
    """What is known of a content of which nothing may be shown.

    A member that is withheld by its name is not known by its digest: a copy under another name may be shown.
    """
    content.is_withheld = True
    digest = sha256 or (hashlib.sha256(content.data).hexdigest() if content.is_cleared else "")
    problems = tuple(problem for problem in content.problems if problem.stage == STAGE)
    return ContentFacts(len(content.data), "", "", digest, WITHHELD_TYPE, problems=problems, is_withheld=True)


def not_searched(content: Content) -> Problem:
    """Members could not be opened, so the bytes that hold them were not searched."""
    return Problem(
        content.names.address,
        STAGE,
        Reason.UNSUPPORTED,
        "not all members could be opened and some may be out of scope, so the bytes that hold them were not searched",
        "",
        len(content.data),
    )


def not_cleared(address: str, size: int, error: Exception) -> Problem:
    """Looking for privileged terms failed."""
    return Problem(
        address,
        STAGE,
        Reason.LIMIT if isinstance(error, MemoryError) else Reason.CRASHED,
        f"could not be looked through for privileged terms, so it is withheld: {type(error).__name__}",
        "have a filter team look at it",
        size,
    )


def too_large(entry_id: int, entry: Entry, limits: Limits) -> EntryResult:
    """The outcome of an archive that is too large to be opened."""
    problem = Problem(
        str(entry.address),
        STAGE,
        Reason.LIMIT,
        f"larger than {limits.whole_bytes >> 20} MiB: its members were not opened, and some may be out of scope, so "
        "nothing of it was searched",
        "scan again with a larger --max-whole",
        entry.size,
    )
    return EntryResult(entry_id, "", None, None, None, (problem,), examined=False)


def not_told(entry_id: int, entry: Entry, error: EvidenceError) -> EntryResult:
    """The outcome of an entry whose first bytes cannot be read."""
    reason = Reason.ENCRYPTED if isinstance(error, EncryptedVolumeError) else Reason.UNREADABLE
    message = f"the type cannot be told, so it is open whether it is in scope: {error}"
    problem = Problem(str(entry.address), f"evidence/{error.code}", reason, message, error.hint or "", entry.size)
    return EntryResult(entry_id, "", None, None, None, (problem,), examined=False)
