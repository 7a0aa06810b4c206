"""What a scope left out, in words that every report shares, and as values for JSON."""

from __future__ import annotations

from typing import Any

from triage.model.scope import LeftOut, ScopeReason, ScopeReport
from triage.reporters.overview import human_size

SCOPE_WORDS = {
    ScopeReason.EVIDENCE: "evidence that the scope does not name",
    ScopeReason.VOLUME: "volumes that the scope does not name",
    ScopeReason.PATH: "outside the paths",
    ScopeReason.USER: "of other users",
    ScopeReason.TYPE: "of other types, by name",
    ScopeReason.TIME: "of other times",
    ScopeReason.UNDATED: "without a time",
    ScopeReason.SPACE: "space that no file owns",
    ScopeReason.SLACK: "slack",
    ScopeReason.OVERWRITTEN: "deleted, and other files have their bytes by now",
    ScopeReason.EXCLUDED_EVIDENCE: "excluded evidence",
    ScopeReason.EXCLUDED_VOLUME: "excluded volumes",
    ScopeReason.EXCLUDED_PATH: "in excluded paths",
    ScopeReason.EXCLUDED_USER: "of excluded users",
    ScopeReason.EXCLUDED_TYPE: "of excluded types, by name",
    ScopeReason.TYPE_BY_CONTENT: "of other types, by their first bytes",
    ScopeReason.EXCLUDED_TYPE_BY_CONTENT: "of excluded types, by their first bytes",
    ScopeReason.ARCHIVE: "archives of other types, opened for their members alone",
}
"""Words for the reasons; a test keeps the keys equal to :class:`ScopeReason`."""


def summary_line(scope: ScopeReport) -> str:
    """What was left out, in one sentence."""
    parts = []
    whole = len(scope.evidence) + len(scope.volumes)
    if whole:
        parts.append("1 source or volume" if whole == 1 else f"{whole:,} sources or volumes")
    if scope.left_out:
        parts.append(f"{scope.left_out:,} entr{'y' if scope.left_out == 1 else 'ies'}")
    members = sum(part.count for part in scope.members)
    if members:
        parts.append(f"{members:,} member{'' if members == 1 else 's'} of archives")
    text = (
        f"{' and '.join(parts)} out of scope ({human_size(scope.bytes_left_out)})" if parts else "nothing was left out"
    )
    if scope.withheld.entries:
        text += f"; {scope.withheld.entries:,} withheld as privileged ({human_size(scope.withheld.bytes)})"
    return f"Scope {scope.name}: {text}."


def lines(scope: ScopeReport) -> list[str]:
    """Everything that was left out, a line for each source, volume and reason; then what nothing matched."""
    out = []
    for name, reason, size in (*scope.evidence, *scope.volumes):
        out.append(f"{name}, {human_size(size)}: {SCOPE_WORDS[reason]}; not opened, or not listed")
    out += [_counted("entry", "entries", part) for part in scope.entries]
    out += [_counted("member of an archive", "members of archives", part) for part in scope.members]
    if scope.heads_read:
        out.append(f"of {scope.heads_read:,} of these the first 64 KiB were read, to tell the type")
    if scope.withheld.entries:
        held = human_size(scope.withheld.bytes)
        out.append(f"privileged, withheld: {scope.withheld.entries:,}, {held}; a filter team can look at these")
    out += [f"nothing on the evidence matches {text}: look for a slip in the scope file" for text in scope.unmatched]
    return out


def _counted(one: str, many: str, part: LeftOut) -> str:
    return f"{part.count:,} {one if part.count == 1 else many}, {human_size(part.bytes)}: {SCOPE_WORDS[part.reason]}"


def scope_dict(scope: ScopeReport | None) -> dict[str, Any] | None:
    """The scope in JSON, null where there is none."""
    if scope is None:
        return None
    return {
        "name": scope.name,
        "authority": scope.authority,
        "sha256": scope.digest,
        "rules": list(scope.rules),
        "evidence": [_whole(*item) for item in scope.evidence],
        "volumes": [_whole(*item) for item in scope.volumes],
        "entries": [_left_out(part) for part in scope.entries],
        "members": [_left_out(part) for part in scope.members],
        "heads_read": scope.heads_read,
        "in_scope": scope.examined,
        "withheld": {
            "entries": scope.withheld.entries,
            "bytes": scope.withheld.bytes,
            "addresses": list(scope.withheld.addresses),
        },
        "unmatched": list(scope.unmatched),
    }


def _whole(name: str, reason: ScopeReason, size: int) -> dict[str, Any]:
    return {"name": name, "reason": reason.value, "bytes": size}


def _left_out(part: LeftOut) -> dict[str, Any]:
    return {"reason": part.reason.value, "count": part.count, "bytes": part.bytes}
