"""Where each of many byte patterns ends, in one pass.

Hyperscan where it is installed; elsewhere the same patterns as strings of YARA rules, slower, with the same places.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from triage.detectors.cache import cache_key, cached
from triage.errors import RuleError

Buffer = bytes | bytearray | memoryview


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


class HyperscanEngine:
    """A hyperscan database.

    Args:
        patterns: What to look for.
        cache: Folder for the compiled database.
    """

    name = "hyperscan"

    def __init__(self, patterns: Sequence[Pattern], cache: Path | None) -> None:
        self._database: Any = None
        if patterns:
            sources = json.dumps([(p.source.decode("latin-1"), p.identity, p.caseless) for p in patterns]).encode()
            key = cache_key("keywords", metadata.version("hyperscan").encode(), _platform().encode(), sources)
            self._database = cached(cache, key, self._load, lambda: self._build(patterns))

    @staticmethod
    def _load(blob: bytes) -> Any:
        import hyperscan

        try:
            database = hyperscan.loadb(blob, hyperscan.HS_MODE_BLOCK)
            database.scratch = hyperscan.Scratch(database)
        except hyperscan.error:  # made for another processor or version
            return None
        return database

    @staticmethod
    def _build(patterns: Sequence[Pattern]) -> tuple[Any, bytes]:
        import hyperscan

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

        if self._database is not None:
            self._database.scan(data, match_event_handler=matched)
        return found, ends


class YaraEngine:
    """The same over YARA rules with a string for each pattern."""

    name = "yara"
    _STRINGS = 9000

    def __init__(self, patterns: Sequence[Pattern], cache: Path | None) -> None:
        import yara

        self._rules = []
        for start in range(0, len(patterns), self._STRINGS):
            strings = "\n".join(
                f"$p{pattern.identity} = /{_capturing(pattern.source)}/{'is' if pattern.caseless else 's'}"
                for pattern in patterns[start : start + self._STRINGS]
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


def make_engine(patterns: Sequence[Pattern], cache: Path | None) -> Engine:
    """The fastest engine that is installed."""
    if importlib.util.find_spec("hyperscan") is not None:
        return HyperscanEngine(patterns, cache)
    return YaraEngine(patterns, cache)


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
