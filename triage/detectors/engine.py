"""Where each of many byte patterns ends, in one pass.

Hyperscan where it is installed; elsewhere the same patterns as strings of YARA rules, slower, with the same places.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from triage.detectors.cache import cache_key, cached
from triage.detectors.passages import Buffer
from triage.errors import RuleError

_NOTHING = b"no patterns"
_EMPTY = object()


@dataclass(frozen=True, slots=True)
class Pattern:
    """One byte pattern.

    Attributes:
        source: A regular expression of byte escapes, classes, groups and counts, so that all engines read it alike.
        identity: Under which its matches are told.
        caseless: Letters of ASCII match in both cases.
    """

    source: bytes
    identity: int
    caseless: bool = False

    @classmethod
    def of(cls, raw: bytes, identity: int) -> Pattern:
        """A byte string as a pattern."""
        return cls(escape_bytes(raw), identity)


def escape_bytes(raw: bytes) -> bytes:
    """Bytes as hex escapes."""
    return b"".join(b"\\x%02x" % byte for byte in raw)


@dataclass(frozen=True, slots=True)
class Store:
    """Where compiled databases are kept, and by what name.

    Attributes:
        folder: The cache folder, None for none.
        origin: Digest of what the patterns come from; the patterns themselves are not looked at then.
    """

    folder: Path | None
    origin: str


class HyperscanEngine:
    """A hyperscan database.

    Args:
        role: Tells databases of one origin apart.
        patterns: Gives what to look for; asked only where no database is kept.
        store: Where the database is kept.
    """

    name = "hyperscan"

    def __init__(self, role: str, patterns: Callable[[], Sequence[Pattern]], store: Store) -> None:
        parts = (role, store.origin, metadata.version("hyperscan"), _platform())
        key = cache_key("keywords", *(part.encode() for part in parts))
        self._database: Any = cached(store.folder, key, self._load, lambda: self._build(patterns()))

    @staticmethod
    def _load(blob: bytes) -> Any:
        import hyperscan

        if blob == _NOTHING:
            return _EMPTY
        try:
            database = hyperscan.loadb(blob, hyperscan.HS_MODE_BLOCK)
            database.scratch = hyperscan.Scratch(database)
        except hyperscan.error:  # made for another processor or version
            return None
        return database

    @staticmethod
    def _build(patterns: Sequence[Pattern]) -> tuple[Any, bytes]:
        import hyperscan

        if not patterns:
            return _EMPTY, _NOTHING
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        try:
            database.compile(
                expressions=[pattern.source for pattern in patterns],
                ids=[pattern.identity for pattern in patterns],
                elements=len(patterns),
                flags=[
                    hyperscan.HS_FLAG_DOTALL | (hyperscan.HS_FLAG_CASELESS if pattern.caseless else 0)
                    for pattern in patterns
                ],
            )
        except hyperscan.error as error:
            raise RuleError(
                f"the keyword terms do not compile together: {error}", hint="`triage rules check`"
            ) from error
        return database, hyperscan.dumpb(database)

    def events(self, data: Buffer) -> tuple[list[int], list[int]]:
        """Identities of matches and where each ends, ascending by end."""
        found: list[int] = []
        ends: list[int] = []
        add, end_at = found.append, ends.append

        def matched(identity: int, start: int, end: int, flags: int, context: Any) -> None:
            add(identity)
            end_at(end)

        if self._database is not _EMPTY:
            self._database.scan(data, match_event_handler=matched)
        return found, ends


class YaraEngine:
    """The same over YARA rules with a string for each pattern."""

    name = "yara"
    _STRINGS = 9000

    def __init__(self, role: str, patterns: Callable[[], Sequence[Pattern]], store: Store) -> None:
        import yara

        self._rules = []
        every = patterns()
        for start in range(0, len(every), self._STRINGS):
            strings = "\n".join(
                f"$p{pattern.identity} = /{_capturing(pattern.source)}/{'is' if pattern.caseless else 's'}"
                for pattern in every[start : start + self._STRINGS]
            )
            self._rules.append(yara.compile(source=f"rule r {{ strings:\n{strings}\ncondition: any of them }}"))

    def events(self, data: Buffer) -> tuple[list[int], list[int]]:
        """Identities of matches and where each ends, ascending by end."""
        found = sorted(
            (instance.offset + instance.matched_length, int(string.identifier[2:]))
            for rules in self._rules
            for match in rules.match(data=bytes(data))
            for string in match.strings
            for instance in string.instances
        )
        return [identity for _, identity in found], [end for end, _ in found]


def _capturing(source: bytes) -> str:
    """A pattern with plain groups, the only ones that YARA knows."""
    return source.decode("latin-1").replace("(?:", "(")


Engine = HyperscanEngine | YaraEngine


def make_engine(role: str, patterns: Callable[[], Sequence[Pattern]], store: Store) -> Engine:
    """The fastest engine that is installed, for patterns that are asked for only where no database is kept."""
    if importlib.util.find_spec("hyperscan") is not None:
        return HyperscanEngine(role, patterns, store)
    return YaraEngine(role, patterns, store)


@lru_cache(maxsize=1)
def _platform() -> str:
    """What a compiled database depends on beside its sources."""
    import platform

    try:
        flags = next(
            line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(("flags", "Features"))
        )
    except (OSError, StopIteration):
        flags = ""
    return platform.machine() + flags
