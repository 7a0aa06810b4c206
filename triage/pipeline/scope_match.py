"""Whether something is in scope, by what is known of it before any byte of it is read.

Exclusions come first and win. Names in ``[exclude]`` are compared without regard to case, so that nothing escapes an
order by its spelling; names in ``[include]`` as the file system compares them. ``case`` in the scope file changes both.
"""

from __future__ import annotations

from enum import Enum

from triage.model.address import Address
from triage.model.entry import Entry
from triage.model.scope import NameCase, Scope, ScopeReason, TimeLimit
from triage.model.times import Times
from triage.pipeline.scope_lists import Limits
from triage.pipeline.scope_names import PrivilegedNames
from triage.ruleset.path_glob import comparable

FOLDING = frozenset((
    "ntfs", "fat12", "fat16", "fat32", "exfat", "hfs", "hfs+", "apfs", "iso9660", "ad1", "l01", "lx01",
))  # fmt: skip
"""File systems, and logical images of these, in which two names that differ by case alone are one."""
OVERWRITTEN = "part of its bytes now belongs to another file"
"""Caveat of a deleted entry that is left out because reading it would read another file."""
ARCHIVE_ENDINGS = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz", ".lzma", ".tlz", ".z")


class TypeVerdict(Enum):
    """What types say of an entry."""

    IN = "in"
    OUT = "out"
    EXCLUDED = "excluded"
    ASK_CONTENT = "ask content"


class ScopeMatcher:
    """Decides by metadata alone.

    Args:
        scope: The scope.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        exact = scope.name_case is NameCase.EXACT
        self._exclude_folded = not exact
        self._include = Limits(scope.include, (True, False))
        self._exclude = Limits(scope.exclude, (self._exclude_folded,))
        self.names = PrivilegedNames(scope.privileged) if scope.privileged is not None else None

    # --- whole sources and volumes ----------------------------------------------------------------------------------
    def evidence(self, name: str) -> ScopeReason | None:
        """Why a source is out of scope, None where it is not."""
        if self._exclude.has_evidence(name):
            return ScopeReason.EXCLUDED_EVIDENCE
        if self.scope.include.evidence and not self._include.has_evidence(name):
            return ScopeReason.EVIDENCE
        return None

    def volume(self, evidence: str, volume: str) -> ScopeReason | None:
        """Why a volume is out of scope, None where it is not."""
        if self._exclude.has_volume(evidence, volume):
            return ScopeReason.EXCLUDED_VOLUME
        if self.scope.include.volumes and not self._include.has_volume(evidence, volume):
            return ScopeReason.VOLUME
        return None

    # --- entries ----------------------------------------------------------------------------------------------------
    def entry(self, entry: Entry, file_system: str, *, inside: bool = False) -> ScopeReason | None:
        """Why an entry is out of scope, None where it is not, or where its type is to be asked.

        Args:
            entry: As listed.
            file_system: Name of the file system that it lies in, for the case of letters.
            inside: It lies in a disk image that is a file in scope: paths and users of ``[include]`` are met by that.
        """
        if OVERWRITTEN in entry.caveats:
            return ScopeReason.OVERWRITTEN
        if entry.address.is_bare_space:
            return self.space(entry.address.space)
        if entry.address.space:
            return self._carved(entry.address)
        path = comparable(entry.address.path, self._exclude_folded)
        if self._exclude.has_path(path, self._exclude_folded):
            return ScopeReason.EXCLUDED_PATH
        if self._exclude.has_user(entry):
            return ScopeReason.EXCLUDED_USER
        verdict = self.type_by_name(entry.address)
        if verdict is TypeVerdict.EXCLUDED:
            return ScopeReason.EXCLUDED_TYPE
        if self.scope.include.paths and not inside and not self._included_path(entry.address.path, file_system):
            return ScopeReason.PATH
        if self.scope.include.users and not inside and not self._include.has_user(entry):
            return ScopeReason.USER
        when = self._time(entry.times, self.scope.times)
        return ScopeReason.TYPE if when is None and verdict is TypeVerdict.OUT else when

    def space(self, kind: str) -> ScopeReason | None:
        """Why bytes that are no file's content are out of scope; they have no type, so a limit to types leaves them."""
        if kind == "slack" and not self.scope.slack:
            return ScopeReason.SLACK
        if kind != "slack" and not self.scope.space:
            return ScopeReason.SPACE
        return ScopeReason.TYPE if self.scope.limits_types else None

    def _carved(self, address: Address) -> ScopeReason | None:
        """The same for a file carved from space: it has a type, and no path, owner or time."""
        if not self.scope.space:
            return ScopeReason.SPACE
        verdict = self.type_by_name(address)
        if verdict is TypeVerdict.EXCLUDED:
            return ScopeReason.EXCLUDED_TYPE
        return ScopeReason.TYPE if verdict is TypeVerdict.OUT else None

    def nothing_below(self, path: bytes, file_system: str) -> bool:
        """Whether no limit by path lets anything below a folder be in scope."""
        excluded = comparable(path, self._exclude_folded)
        if self._exclude.has_path(excluded, self._exclude_folded):
            return True
        if not self.scope.include.paths:
            return False
        folded = self._folds(file_system)
        text = comparable(path, folded)
        return not self._include.has_path(text, folded) and not self._include.may_have_below(text, folded)

    def _included_path(self, path: bytes, file_system: str) -> bool:
        folded = self._folds(file_system)
        return self._include.has_path(comparable(path, folded), folded)

    def _folds(self, file_system: str) -> bool:
        if self.scope.name_case is NameCase.FILE_SYSTEM:
            return file_system.lower() in FOLDING
        return self.scope.name_case is NameCase.IGNORE

    def _time(self, times: Times, limit: TimeLimit | None) -> ScopeReason | None:
        if limit is None:
            return None
        stored = [value for name in limit.of if (value := getattr(times, name)) is not None]
        if not stored:
            return None if limit.undated_in else ScopeReason.UNDATED
        for part in limit.ranges:
            start, end = (part.start, part.end) if times.zone_known else (part.local_start, part.local_end)
            if any((start is None or value >= start) and (end is None or value < end) for value in stored):
                return None
        return ScopeReason.TIME

    # --- types ------------------------------------------------------------------------------------------------------
    def type_by_name(self, address: Address) -> TypeVerdict:
        """What the ending of a name says; archives are opened to reach their members whatever is asked for."""
        name = comparable(address.name, True)
        include, exclude = self._include.types, self._exclude.types
        if exclude.has_ending(name):
            return TypeVerdict.EXCLUDED
        if include and not include.has_ending(name):
            asks = include.has_media or exclude.has_media or name.endswith(ARCHIVE_ENDINGS)
            return TypeVerdict.ASK_CONTENT if asks else TypeVerdict.OUT
        return TypeVerdict.ASK_CONTENT if exclude.has_media else TypeVerdict.IN

    def type_by_content(self, address: Address, mime: str) -> TypeVerdict:
        """What the media type says of what the ending leaves open."""
        include, exclude = self._include.types, self._exclude.types
        if exclude.has_type(mime):
            return TypeVerdict.EXCLUDED
        if include and not include.has_ending(comparable(address.name, True)) and not include.has_type(mime):
            return TypeVerdict.OUT
        return TypeVerdict.IN

    # --- members of archives ----------------------------------------------------------------------------------------
    def member(self, address: Address, times: Times, *, embedded: bool = False) -> ScopeReason | None:
        """Why a member of an archive in scope is out, by its name and its own times.

        Args:
            address: Of the member.
            times: As the archive states them.
            embedded: It is a file in a document or database, which are in scope as a whole: exclusions alone count.

        Returns:
            None where it is in scope, or where its type is to be asked. A member without a time has its archive's.
        """
        folded = self._exclude_folded
        if self._exclude.has_path(_chain(address, folded), folded):
            return ScopeReason.EXCLUDED_PATH
        if any(self._exclude.has_folder_of_user("/" + _cleaned(name, True)) for name in address.members):
            return ScopeReason.EXCLUDED_USER
        verdict = self.type_by_name(address)
        if verdict is TypeVerdict.EXCLUDED:
            return ScopeReason.EXCLUDED_TYPE
        if embedded:
            return None
        limit = self.scope.times
        has_time = limit is not None and any(getattr(times, name) is not None for name in limit.of)
        when = self._time(times, limit) if has_time else None
        return ScopeReason.TYPE if when is None and verdict is TypeVerdict.OUT else when

    def depends_on_place(self, address: Address) -> bool:
        """Whether members of an archive may be out of scope because of where the archive lies."""
        folded = self._exclude_folded
        return self._exclude.may_have_below(_chain(address, folded) + "!", folded)

    @property
    def limits_members(self) -> bool:
        """Whether members of an archive in scope may be out, or withheld."""
        exclude = self.scope.exclude
        return bool(
            exclude.paths
            or exclude.users
            or exclude.types
            or self.scope.include.types
            or self.scope.times
            or self.scope.privileged
        )

    def unused(self) -> tuple[str, ...]:
        """Limits that nothing matched, in words."""
        return (*self._include.unused("include"), *self._exclude.unused("exclude"))


def _chain(address: Address, folded: bool) -> str:
    """Path of a member with those of the archives around it, comparable."""
    parts = [comparable(address.path, folded), *(_cleaned(name, folded) for name in address.members)]
    return "!/".join(parts)


def _cleaned(name: bytes, folded: bool) -> str:
    """Name of a member as a path: whatever program wrote it, from the root of its archive."""
    names = name.replace(b"\\", b"/").split(b"/")
    return comparable(b"/".join(part for part in names if part not in (b"", b".", b"..")), folded)
