"""What a scan is asked to do, and the limits that keep it alive."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from triage.evidence.keychain import Keychain
from triage.model.rules import RuleSet
from triage.model.scope import Scope

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for each entry; each one that is reached becomes a problem in the report.

    Attributes:
        whole_bytes: Largest content that is read whole, for YARA and decoders. Above it digests, keywords and the
            type are still taken, in windows.
        decode_bytes: Bytes that all members below one entry may unpack to, in sum.
        decode_members: Members below one entry, in sum.
        decode_depth: Containers inside containers.
        seconds: Wall clock for one entry before its worker is killed, beside ``seconds_per_mib``.
        seconds_per_mib: Added for each MiB of the entry.
        walk_seconds: Wall clock for opening one directory before the walk is killed.
        yara_seconds: Asked of the YARA engine for one content.
        worker_bytes: Address space of a worker.
    """

    whole_bytes: int = 64 * MIB
    decode_bytes: int = 256 * MIB
    decode_members: int = 20_000
    decode_depth: int = 8
    seconds: float = 60.0
    seconds_per_mib: float = 2.0
    walk_seconds: float = 120.0
    yara_seconds: int = 30
    worker_bytes: int = 4096 * MIB

    def entry_seconds(self, size: int) -> float:
        """Wall clock for an entry of ``size`` bytes."""
        return self.seconds + self.seconds_per_mib * size / MIB


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """One scan.

    Attributes:
        sources: The evidence, one tuple of segment paths a source.
        case: The case folder.
        rules: What to look for.
        workers: Worker processes.
        limits: Limits for each entry.
        space: Search unallocated space, gaps and slack too.
        as_raw: Take images that no layer claims as raw bytes.
        cache: Folder for compiled rule databases, None for none.
        keychain: Secrets for what is encrypted.
        scope: What may be looked at, None for everything.
        command: The command line, for the audit log; without secrets.
    """

    sources: tuple[tuple[Path, ...], ...]
    case: Path
    rules: RuleSet
    workers: int = field(default_factory=lambda: available_cores())
    limits: Limits = field(default_factory=Limits)
    as_raw: bool = False
    space: bool = True
    cache: Path | None = None
    keychain: Keychain = field(default_factory=Keychain)
    command: tuple[str, ...] = ()
    scope: Scope | None = None

    def result_options(self) -> dict[str, str]:
        """The options that change the result, as text; a case is resumed only with the same."""
        options = {name: str(value) for name, value in asdict(self.limits).items() if name not in _CLOCK_LIMITS}
        options["as_raw"] = str(self.as_raw).lower()
        options["space"] = str(self.space).lower()
        if self.scope is not None:
            options["scope"] = self.scope.digest
        return options


_CLOCK_LIMITS = {"seconds", "seconds_per_mib", "walk_seconds", "worker_bytes"}


def available_cores() -> int:
    """Cores that this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # not Linux
        return max(1, os.cpu_count() or 1)


def default_cache() -> Path | None:
    """The user's cache folder for compiled rules, None where there is no home."""
    base = os.environ.get("TRIAGE_CACHE") or os.environ.get("XDG_CACHE_HOME")
    try:
        if os.environ.get("TRIAGE_CACHE"):
            return Path(str(base))
        return (Path(base) if base else Path.home() / ".cache") / "triage"
    except RuntimeError:
        return None
