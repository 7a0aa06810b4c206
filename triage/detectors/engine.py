"""Presence of many byte patterns in one pass.

Hyperscan where it is installed; elsewhere the same patterns as strings of one YARA rule, slower, with the same answer.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from triage.detectors.cache import cache_key, cached
from triage.errors import RuleError

Buffer = bytes | bytearray | memoryview


class HyperscanEngine:
    """A hyperscan database: each pattern is told once.

    Args:
        patterns: Byte patterns; the position is the identity.
        cache: Folder for the compiled database.
    """

    name = "hyperscan"

    def __init__(self, patterns: Sequence[bytes], cache: Path | None) -> None:
        sources = json.dumps([pattern.decode("latin-1") for pattern in patterns]).encode()
        key = cache_key("keywords", metadata.version("hyperscan").encode(), _platform().encode(), sources)
        self._database: Any = cached(cache, key, self._load, lambda: self._build(patterns))

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
    def _build(patterns: Sequence[bytes]) -> tuple[Any, bytes]:
        import hyperscan

        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        flags = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL
        count = len(patterns)
        try:
            database.compile(expressions=list(patterns), ids=list(range(count)), elements=count, flags=[flags] * count)
        except hyperscan.error as error:
            raise RuleError(
                f"the keyword terms do not compile together: {error}", hint="`triage rules check`"
            ) from error
        return database, hyperscan.dumpb(database)

    def present(self, data: Buffer) -> list[int]:
        """Identities of the patterns that occur, ascending."""
        found: set[int] = set()
        add = found.add

        def matched(identity: int, start: int, end: int, flags: int, context: Any) -> None:
            add(identity)

        self._database.scan(data, match_event_handler=matched)
        return sorted(found)


class YaraEngine:
    """The same over one YARA rule with a string for each pattern."""

    name = "yara"
    _STRINGS = 9000

    def __init__(self, patterns: Sequence[bytes], cache: Path | None) -> None:
        import yara

        self._rules = []
        for start in range(0, len(patterns), self._STRINGS):
            strings = "\n".join(
                f"$p{start + number} = /{pattern.decode('latin-1')}/s"
                for number, pattern in enumerate(patterns[start : start + self._STRINGS])
            )
            self._rules.append(yara.compile(source=f"rule r {{ strings:\n{strings}\ncondition: any of them }}"))

    def present(self, data: Buffer) -> list[int]:
        """Identities of the patterns that occur, ascending."""
        found: set[int] = set()
        for rules in self._rules:
            for match in rules.match(data=bytes(data)):
                found.update(int(string.identifier[2:]) for string in match.strings)
        return sorted(found)


Engine = HyperscanEngine | YaraEngine


def make_engine(patterns: Sequence[bytes], cache: Path | None) -> Engine:
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
