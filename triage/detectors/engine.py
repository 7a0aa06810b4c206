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

from triage.detectors.cache import cache_key, read_cached, write_cached

Buffer = bytes | bytearray | memoryview


class HyperscanEngine:
    """A hyperscan database: each pattern is told once.

    Args:
        patterns: Byte patterns; the position is the identity.
        cache: Folder for the compiled database.
    """

    name = "hyperscan"

    def __init__(self, patterns: Sequence[bytes], cache: Path | None) -> None:
        import hyperscan

        self._database: Any
        key = cache_key(
            "keywords",
            metadata.version("hyperscan").encode(),
            str(_platform()).encode(),
            json.dumps([p.decode("latin-1") for p in patterns]).encode(),
        )
        blob = read_cached(cache, key)
        if blob is not None:
            try:
                self._database = hyperscan.loadb(blob, hyperscan.HS_MODE_BLOCK)
                self._database.scratch = hyperscan.Scratch(self._database)
                return
            except hyperscan.error:
                pass
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        flags = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL
        self._database.compile(
            expressions=list(patterns),
            ids=list(range(len(patterns))),
            elements=len(patterns),
            flags=[flags] * len(patterns),
        )
        write_cached(cache, key, hyperscan.dumpb(self._database))

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
