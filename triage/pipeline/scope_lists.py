"""The lists of a scope file ready to compare, and which of their limits ever matched something."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from triage.model.entry import Entry
from triage.model.scope import Selection
from triage.pipeline.scope_users import User
from triage.ruleset.path_glob import comparable, compile_glob, compile_name


@dataclass(slots=True)
class _Named:
    """Limits of one list, and which of them matched something."""

    texts: Sequence[str]
    used: set[int] = field(default_factory=set)

    def any(self, fits: Callable[[int], bool]) -> bool:
        """Whether any limit fits; each is tried until it once did, so that one that never does is known."""
        found = False
        for index in range(len(self.texts)):
            if (not found or index not in self.used) and fits(index):
                self.used.add(index)
                found = True
        return found

    @property
    def unused(self) -> list[str]:
        """Those that fitted nothing."""
        return [text for index, text in enumerate(self.texts) if index not in self.used]


class Limits:
    """One of the two tables with lists, ready to compare."""

    def __init__(self, names: Selection, folded: tuple[bool, ...]) -> None:
        self.evidence, self.volumes = _Named(names.evidence), _Named(names.volumes)
        self.paths, self.users = _Named(names.paths), _Named(names.users)
        self._evidence = [compile_name(text) for text in names.evidence]
        self._volumes = [_volume(text) for text in names.volumes]
        self._globs = {fold: [compile_glob(text, folded=fold) for text in names.paths] for fold in folded}
        self._users = [User(text) for text in names.users]
        self.types = Types(names.types)

    def has_evidence(self, name: str) -> bool:
        """Whether a source is named."""
        return self.evidence.any(lambda index: self._evidence[index].match(_folded(name)) is not None)

    def has_volume(self, evidence: str, volume: str) -> bool:
        """Whether a volume, or one that it lies in, is named."""
        parts = volume.split(".")
        names = [".".join(parts[: count + 1]) for count in range(len(parts))]

        def fits(index: int) -> bool:
            source, wanted = self._volumes[index]
            return (source is None or source.match(_folded(evidence)) is not None) and any(map(wanted.match, names))

        return self.volumes.any(fits)

    def has_path(self, path: str, folded: bool) -> bool:
        """Whether a path, comparable, is named."""
        globs = self._globs[folded]
        return self.paths.any(lambda index: globs[index].matches(path))

    def may_have_below(self, path: str, folded: bool) -> bool:
        """Whether something below a path may be named."""
        return any(glob.may_match_below(path) for glob in self._globs[folded])

    def has_user(self, entry: Entry) -> bool:
        """Whether an entry belongs to a user that is named."""
        if not self._users:
            return False
        path = comparable(entry.address.path, True)
        return self.users.any(lambda index: self._users[index].owns(entry.owner) or self._users[index].has_folder(path))

    def has_folder_of_user(self, path: str) -> bool:
        """Whether a folded path lies in a folder of a user that is named."""
        return self.users.any(lambda index: self._users[index].has_folder(path))

    def unused(self, table: str) -> list[str]:
        """Limits that fitted nothing, in words; types are told apart elsewhere and not counted."""
        named = {"evidence": self.evidence, "volumes": self.volumes, "paths": self.paths, "users": self.users}
        return [f"[{table}] {key}: {text}" for key, limits in named.items() for text in limits.unused]


class Types:
    """Types of one table.

    Args:
        names: Media types and endings of names.

    Attributes:
        has_media: A media type is named, so that content may have to be asked.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._endings = tuple(_folded(name) for name in names if "/" not in name)
        self._media = [compile_name(name.casefold()) for name in names if "/" in name]
        self.has_media = bool(self._media)

    def __bool__(self) -> bool:
        return bool(self._endings or self._media)

    def has_ending(self, name: str) -> bool:
        """Whether a folded name ends as named."""
        return name.endswith(self._endings)

    def has_type(self, mime: str) -> bool:
        """Whether a media type is named."""
        return any(pattern.match(mime.lower()) for pattern in self._media)


def _folded(text: str) -> str:
    return comparable(text.encode("utf-8", "surrogateescape"), True)


def _volume(text: str) -> tuple[re.Pattern[str] | None, re.Pattern[str]]:
    evidence, _, volume = text.rpartition(" ")
    return compile_name(evidence) if evidence else None, compile_name(volume)
