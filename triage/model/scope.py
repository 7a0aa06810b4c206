"""What an order of a court allows to be looked at, as data, and what was left out because of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class ScopeReason(StrEnum):
    """Why something is out of scope.

    Those that begin with ``excluded`` are ordered by ``[exclude]``. Those that end with ``by-content`` took the first
    bytes of a file, and ``archive`` took all of it: it was opened for members that are in scope. Nothing was read for
    others.
    """

    EVIDENCE = "evidence"
    VOLUME = "volume"
    PATH = "path"
    USER = "user"
    TYPE = "type"
    TIME = "time"
    UNDATED = "undated"
    SPACE = "space"
    SLACK = "slack"
    OVERWRITTEN = "overwritten"
    EXCLUDED_EVIDENCE = "excluded-evidence"
    EXCLUDED_VOLUME = "excluded-volume"
    EXCLUDED_PATH = "excluded-path"
    EXCLUDED_USER = "excluded-user"
    EXCLUDED_TYPE = "excluded-type"
    TYPE_BY_CONTENT = "type-by-content"
    EXCLUDED_TYPE_BY_CONTENT = "excluded-type-by-content"
    ARCHIVE = "archive"


class NameCase(StrEnum):
    """Whether the case of letters in paths counts."""

    FILE_SYSTEM = "file-system"
    IGNORE = "ignore"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class Selection:
    """What ``[include]`` or ``[exclude]`` names; an empty list names nothing.

    Attributes:
        evidence: Globs over names of evidence.
        volumes: Globs over names of volumes (``p2``, ``laptop.E01 p2``).
        paths: Globs over paths in a volume; a folder names what is in it.
        users: Names of home folders, SIDs, ``uid:N``, ``android:N``.
        types: Media types (``image/*``) and endings of names (``.jpg``).
    """

    evidence: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A stretch of time, half-open.

    Attributes:
        start: First moment inside, nanoseconds since 1970 UTC; None for no limit. Likewise ``end``, the first moment
            that is no longer inside.
        local_start: The same moment as the wall clock of the zone that the file states, for file systems that store
            no zone; likewise ``local_end``.
    """

    start: int | None
    end: int | None
    local_start: int | None
    local_end: int | None


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """Which times must lie where.

    Attributes:
        of: Names of the times that count: ``mtime``, ``atime``, ``ctime``, ``crtime``; one of them inside is enough.
        ranges: Where.
        undated_in: Whether an entry with none of these times is in scope.
    """

    of: tuple[str, ...]
    ranges: tuple[TimeRange, ...]
    undated_in: bool


@dataclass(frozen=True, slots=True)
class Privileged:
    """Terms that stop an entry from being shown.

    Attributes:
        terms: Literal texts.
        match: ``word``, ``word-start`` or ``substring``.
        encodings: Legacy code pages to look in, beside UTF-8 and UTF-16.
        show_path: Whether reports state the address of what is withheld.
    """

    terms: tuple[str, ...]
    match: str = "word"
    encodings: tuple[str, ...] = ()
    show_path: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope file.

    Attributes:
        name: What it is called, for instance the number of the warrant.
        authority: Who ordered it, empty where not stated; likewise ``note``.
        include: What may be looked at; an empty list there is no limit.
        exclude: What may not, whatever ``include`` says.
        times: Limit by time, None for none.
        space: Whether space that no file owns is in scope.
        slack: Whether the slack behind a file in scope is.
        name_case: Whether the case of letters in paths counts.
        privileged: None where no term is named.
        text: The file as it was read.
        digest: SHA-256 of the bytes of the file, hex.
    """

    name: str
    authority: str = ""
    note: str = ""
    include: Selection = field(default_factory=Selection)
    exclude: Selection = field(default_factory=Selection)
    times: TimeLimit | None = None
    space: bool = True
    slack: bool = True
    name_case: NameCase = NameCase.FILE_SYSTEM
    privileged: Privileged | None = None
    text: str = ""
    digest: str = ""

    @property
    def asks_content_type(self) -> bool:
        """Whether a decision may need the first bytes of a file: a media type is named."""
        return any("/" in name for name in (*self.include.types, *self.exclude.types))

    @property
    def limits_files(self) -> bool:
        """Whether files of a volume in scope may be out of it."""
        lists = (self.include.paths, self.include.users, self.include.types)
        return bool(any(lists) or self.exclude.paths or self.exclude.users or self.exclude.types or self.times)

    @property
    def limits_types(self) -> bool:
        """Whether only some types are in scope, so that bytes without a type are not."""
        return bool(self.include.types)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A number of things that are out of scope for one reason.

    Attributes:
        reason: Why.
        count: Entries, or members of archives.
        bytes: Bytes of these, as far as known.
    """

    reason: ScopeReason
    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Withheld:
    """Entries that are in scope and hold a privileged term, so that nothing of them is shown.

    Attributes:
        entries: How many, members of archives among them.
        bytes: Bytes of these.
        addresses: Where they are, sorted; masked where the scope file asks for it.
    """

    entries: int = 0
    bytes: int = 0
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScopeReport:
    """What a scope did to a case.

    Attributes:
        name: As the scope file states; likewise ``authority``.
        digest: SHA-256 of the scope file.
        rules: Every limit in words, without the privileged terms.
        evidence: Sources that were not opened: name, reason, bytes of their files.
        volumes: Volumes that were not listed: evidence and name, reason, bytes.
        entries: Entries that were listed and not read, by reason.
        members: Members of archives that were not examined, by reason.
        withheld: What holds a privileged term.
        examined: Entries with bytes that are in scope.
        unmatched: Limits that nothing on the evidence matched, in words.
    """

    name: str
    authority: str
    digest: str
    rules: tuple[str, ...]
    evidence: tuple[tuple[str, ScopeReason, int], ...] = ()
    volumes: tuple[tuple[str, ScopeReason, int], ...] = ()
    entries: tuple[LeftOut, ...] = ()
    members: tuple[LeftOut, ...] = ()
    withheld: Withheld = field(default_factory=Withheld)
    examined: int = 0
    unmatched: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing on the evidence is in scope, so nothing was read."""
        return not self.examined and not self.withheld.entries

    @property
    def heads_read(self) -> int:
        """Entries out of scope whose first bytes were read to tell their type."""
        told = (ScopeReason.TYPE_BY_CONTENT, ScopeReason.EXCLUDED_TYPE_BY_CONTENT)
        return sum(part.count for part in self.entries if part.reason in told)

    @property
    def left_out(self) -> int:
        """Entries that were listed and not read."""
        return sum(part.count for part in self.entries)

    @property
    def bytes_left_out(self) -> int:
        """Bytes of entries, volumes and sources that are out of scope."""
        whole = sum(size for _, _, size in (*self.evidence, *self.volumes))
        return whole + sum(part.bytes for part in self.entries)
