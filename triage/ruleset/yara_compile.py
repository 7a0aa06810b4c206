"""The YARA compiler as a judge: what a source defines, or why it does not compile.

Nothing of the engine leaves this module; scanning compiles the same text again. Results can be kept in a cache folder,
by digest of text and engine version, since a collection of thousands of rules takes seconds to compile.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triage.ruleset.yara_tokens import EXTERNALS, outline, place, tokens

SAMPLE_TIMEOUT = 20
_FORMAT = 1
_LINE = re.compile(r"^(?:line (\d+)|[^\n]*?\((\d+)\)): (.*)$", re.DOTALL)
_QUOTED = re.compile(r'"([^"]+)"|(?<!\w)(\$\w+)')


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule as the compiler sees it. ``meta`` holds texts only; of a key that comes twice, the last."""

    name: str
    private: bool
    is_global: bool
    tags: tuple[str, ...]
    meta: dict[str, str]


@dataclass(frozen=True, slots=True)
class CompilerNote:
    """An error or warning: line of the source (1-based, 0 unknown), column (0 unknown) and text."""

    line: int
    column: int
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the compiler says.

    Attributes:
        rules: In the order of the source; empty where it does not compile.
        error: Why it does not compile, None where it does.
        warnings: In the order of the compiler.
    """

    rules: tuple[CompiledRule, ...] = ()
    error: CompilerNote | None = None
    warnings: tuple[CompilerNote, ...] = ()


def judge(text: str, cache_dir: Path | None = None) -> Verdict:
    """Compile a source, or read what was said of the same source before.

    Args:
        text: The source, without includes.
        cache_dir: Folder for results, made when needed; a folder that cannot be used costs only time.
    """
    if cache_dir is None:
        return _compile(text)
    import yara

    key = hashlib.sha256(f"{_FORMAT}\0{yara.__version__}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()
    kept_at = cache_dir / f"yara-{key}.json"
    kept = _read_kept(kept_at)
    if kept is not None:
        return kept
    verdict = _compile(text)
    if verdict.error is None:
        _keep(kept_at, verdict)
    return verdict


class SampleRunner:
    """Runs samples against the rules of one source.

    Args:
        text: A source that compiles.
    """

    def __init__(self, text: str) -> None:
        import yara

        self._timeout_error: type[Exception] = yara.TimeoutError
        self._rules = yara.compile(source=text, includes=False, externals=dict.fromkeys(EXTERNALS, ""))

    def matching(self, data: bytes, externals: Mapping[str, str]) -> frozenset[str] | None:
        """Names of the rules that match ``data``; None where it takes longer than ``SAMPLE_TIMEOUT`` seconds.

        Args:
            data: Content.
            externals: Values of external variables, those not named are empty.
        """
        values = dict.fromkeys(EXTERNALS, "") | dict(externals)
        try:
            matches = self._rules.match(data=data, externals=values, timeout=SAMPLE_TIMEOUT)
        except self._timeout_error:
            return None
        return frozenset(match.rule for match in matches)


def _compile(text: str) -> Verdict:
    import yara

    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        return Verdict(error=CompilerNote(line, nul - text.rfind("\n", 0, nul), "NUL character in the source"))
    try:
        compiled = yara.compile(
            source=text, includes=False, error_on_warning=False, externals=dict.fromkeys(EXTERNALS, "")
        )
    except (yara.Error, UnicodeEncodeError, ValueError) as error:
        return Verdict(error=_first_error(text) or _note(str(error), text))
    rules = tuple(
        CompiledRule(
            name=rule.identifier,
            private=bool(rule.is_private),
            is_global=bool(rule.is_global),
            tags=tuple(rule.tags),
            meta={str(key): _as_text(value) for key, value in rule.meta.items()},
        )
        for rule in compiled
    )
    return Verdict(rules, None, tuple(_note(warning, text) for warning in compiled.warnings))


def _first_error(text: str) -> CompilerNote | None:
    """The first error of a source of several rules: the binding tells only the last.

    What is wrong in the first rules stays wrong whatever follows, so the shortest part that fails can be halved for.
    """
    import yara

    ends = [rule.end for rule in outline(text).rules if rule.end > 0][:-1]
    found: CompilerNote | None = None
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high) // 2
        part = text[: ends[middle]]
        try:
            yara.compile(source=part, includes=False, externals=dict.fromkeys(EXTERNALS, ""))
            low = middle + 1
        except (yara.Error, UnicodeEncodeError, ValueError) as error:
            found = _note(str(error), part)
            high = middle
    return found


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _note(message: str, source: str) -> CompilerNote:
    match = _LINE.match(message)
    if match is None:
        return CompilerNote(0, 0, message)
    line = int(match[1] or match[2])
    if line < 1:  # the compiler forgets the line at the end of the source
        line = source.rstrip().count("\n") + 1
    return CompilerNote(*_place(source, line, match[3]), match[3])


def _place(source: str, line: int, message: str) -> tuple[int, int]:
    """Line and column of what a message names: in its line, else before it in the same rule.

    The compiler sees at the end of a rule that a string is not defined or not used, and names that line.
    """
    lines = source.split("\n")
    line = min(line, len(lines))
    start = sum(len(each) + 1 for each in lines[: line - 1])
    end = start + len(lines[line - 1])
    named = {(first or second).strip("$#@!") for first, second in _QUOTED.findall(message)}
    rule = max((found.keyword for found in outline(source).rules if found.keyword < end), default=0)
    before: tuple[int, int] | None = None
    for token in tokens(source):
        if token.start >= end:
            break
        if token.text.strip('$#@!"') in named and token.start >= min(rule, start):
            before = place(source, token.start)
            if token.start >= start:
                break
    return before or (line, len(lines[line - 1]) - len(lines[line - 1].lstrip()) + 1)


def _read_kept(place: Path) -> Verdict | None:
    """A kept result, or None where there is none that holds what it should."""
    try:
        kept: dict[str, Any] = json.loads(place.read_bytes())
        rules = tuple(
            CompiledRule(
                str(rule["name"]),
                rule["private"] is True,
                rule["global"] is True,
                tuple(map(str, rule["tags"])),
                {str(key): str(value) for key, value in rule["meta"].items()},
            )
            for rule in kept["rules"]
        )
        notes = tuple(CompilerNote(int(line), int(column), str(text)) for line, column, text in kept["warnings"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return Verdict(rules, None, notes)


def _keep(place: Path, verdict: Verdict) -> None:
    kept = {
        "rules": [
            {"name": r.name, "private": r.private, "global": r.is_global, "tags": r.tags, "meta": r.meta}
            for r in verdict.rules
        ],
        "warnings": [(note.line, note.column, note.text) for note in verdict.warnings],
    }
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place.parent, prefix="yara-")
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(kept, out)
        os.replace(temporary, place)
