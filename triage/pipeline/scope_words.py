"""The limits of a scope in words, for reports. Privileged terms are counted, never named."""

from __future__ import annotations

from triage.model.scope import Scope, TimeRange
from triage.model.times import iso_from_ns


def rules_in_words(scope: Scope) -> tuple[str, ...]:
    """Every limit, one a line."""
    out = []
    for table, names in (("in scope", scope.include), ("excluded", scope.exclude)):
        for key in ("evidence", "volumes", "paths", "users", "types"):
            limits: tuple[str, ...] = getattr(names, key)
            if limits:
                out.append(f"{table}: {key} {', '.join(limits)}")
    if scope.times is not None:
        ranges = ", ".join(map(_range, scope.times.ranges))
        undated = "in scope" if scope.times.undated_in else "out of scope"
        out.append(f"in scope: {' or '.join(scope.times.of)} {ranges}; entries without such a time are {undated}")
    carved = ", but has no type: only files carved from it are examined" if scope.space and scope.limits_types else ""
    out.append(f"space that no file owns is {'in scope' if scope.space else 'out of scope'}{carved}")
    if not scope.space or scope.limits_files:
        where = "are not looked for" if not scope.space else "are not looked for on FAT"
        out.append(f"deleted files that only free space tells of {where}: their names would be read out of it")
    untyped = ", but has no type and is not searched" if scope.slack and scope.limits_types else ""
    out.append(f"slack behind files in scope is {'in scope' if scope.slack else 'out of scope'}{untyped}")
    if scope.asks_content_type:
        out.append("types are told by content: of each file that nothing else excludes the first 64 KiB are read")
    if scope.privileged is not None:
        number = len(scope.privileged.terms)
        out.append(f"withheld: what holds one of {number} privileged term{'' if number == 1 else 's'}")
    return tuple(out)


def _range(part: TimeRange) -> str:
    start = f"from {iso_from_ns(part.start)}" if part.start is not None else ""
    end = f"before {iso_from_ns(part.end)}" if part.end is not None else ""
    return " ".join(word for word in (start, end) if word)
