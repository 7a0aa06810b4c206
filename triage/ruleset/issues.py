"""What can be wrong with a rule file: every code on one page, and the collector that raises or gathers.

A load stops at the first error (``strict``); a check gathers everything. Codes are kebab-case and stable.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from triage.errors import DuplicateRuleError, EmptyRuleSetError, RuleError, RuleSyntaxError

Severity = Literal["error", "warning"]

CODES: dict[str, str] = {
    # Finding the files.
    "path-not-found": "a rule path does not exist",
    "path-not-readable": "a rule path cannot be read, or is no regular file",
    "file-kind-unknown": "a file handed in as rules is neither YARA, TOML nor a word list",
    "file-too-large": "a rule file is larger than any rule file should be",
    "file-ignored": "a file in a rules folder was not taken for rules",
    "no-rules": "a path, or everything together, holds no rule, so zero hits would mean nothing",
    "rules-not-installed": "the rules that ship with the program are missing",
    # TOML in general.
    "toml-encoding": "a TOML file is not UTF-8",
    "toml-syntax": "a TOML file does not parse",
    "toml-kind-unknown": "a TOML file is none of: keyword pack, indicators, artefacts, profile",
    "unknown-key": "a key that does not exist here",
    "missing-key": "a key that must be there is not",
    "wrong-type": "a value of the wrong type",
    "out-of-range": "a number or text outside its bounds",
    "unknown-value": "a value that is not among those allowed",
    "duplicate-id": "the same identity twice",
    # Catalogue, artefacts, profiles.
    "unknown-indicator": "an indicator that the catalogue does not have",
    "unknown-source": "a source that the catalogue does not have",
    "unknown-class": "an artefact class that the artefact file does not have",
    "unknown-artefact": "an artefact that the artefact file does not have",
    "unknown-profile": "a profile that does not exist",
    "unknown-language": "a language for which there is no pack",
    "threshold-order": "thresholds of a profile that do not fall from critical to low",
    # Keyword packs and word lists.
    "empty-pack": "a pack without a rule",
    "pack-id": "identity of a shipped pack that does not fit its language or folder",
    "unknown-encoding": "an encoding that Python does not know as a text encoding",
    "unknown-normalisation": "a normalisation that the program does not know",
    "list-encoding": "a word list that is neither UTF-8 nor UTF-16 with a byte order mark",
    "term-blank": "a term without a visible character",
    "term-too-long": "a term or line beyond the limit",
    "term-control": "a term with a control character",
    "term-whitespace": "a term that begins or ends with a blank",
    "term-too-short": "a literal so short that it will hit everywhere",
    "duplicate-term": "the same term twice in one pack",
    "term-in-two-packs": "the same term in two packs of a language",
    "low-confidence-weight": "a weight over 0.5 with low confidence",
    "regex-syntax": "a pattern that does not parse",
    "regex-unsupported": "a pattern outside the part that Python and RE2 both read alike",
    "regex-repeat-limit": "repeats over 1000, alone or multiplied by nesting",
    "regex-nested-unbounded": "an unbounded repeat inside an unbounded repeat",
    "regex-matches-empty": "a pattern that matches the empty string, so it matches everywhere",
    "regex-too-large": "a pattern that unfolds to too many states",
    "regex-unbounded-gap": "a gap without bound: it spans anything",
    # YARA.
    "yara-syntax": "a YARA file does not compile",
    "yara-include": "an include that is not allowed, not there, or loops",
    "yara-encoding": "a YARA file that is not UTF-8, read as Latin-1",
    "yara-slow": "the YARA compiler calls a pattern slow",
    "yara-global-rule": "a global rule silences every rule of its file",
    "yara-meta-missing": "a shipped YARA rule without one of the metadata that it must have",
    "yara-meta-value": "metadata of a YARA rule with a value that does not fit",
    # Samples.
    "sample-missing": "a rule without the sample that shows it at work",
    "sample-not-hit": "a sample that must hit and does not",
    "miss-hit": "a sample that must not hit and does",
    "sample-too-costly": "a sample that costs more steps or time than allowed",
    "sample-syntax": "a sample file that does not parse",
    "sample-orphan": "a sample file that belongs to no rule",
}

_RAISES: dict[str, type[RuleError]] = {
    "duplicate-id": DuplicateRuleError,
    "no-rules": EmptyRuleSetError,
    "empty-pack": EmptyRuleSetError,
    "path-not-found": RuleError,
    "path-not-readable": RuleError,
    "unknown-profile": RuleError,
    "unknown-language": RuleError,
    "rules-not-installed": RuleError,
}
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def shown(text: str, limit: int = 80) -> str:
    """Text of a rule file for a message: invisible characters as escapes, cut at ``limit`` characters."""
    cut = text if len(text) <= limit else text[: limit - 3] + "..."
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in _INVISIBLE
        else character
        for character in cut
    )


def shown_path(path: Path) -> str:
    """A path for messages, whole, with invisible and undecodable characters as escapes."""
    return shown(str(path), limit=1 << 16)


@dataclass(frozen=True, slots=True, order=True)
class RuleIssue:
    """One complaint about a rule file.

    Attributes:
        path: The file, or what was handed in.
        line: 1-based, 0 where the complaint is about the file as a whole.
        column: 1-based, in characters, 0 likewise.
        severity: ``error`` or ``warning``.
        code: One of :data:`CODES`.
        message: What is wrong, lower case, no full stop.
        hint: What to do, empty where the message says it.
    """

    path: str
    line: int
    column: int
    severity: Severity
    code: str
    message: str
    hint: str = ""


@dataclass(slots=True)
class Complaints:
    """Takes complaints: raises the first error, or gathers all.

    Attributes:
        strict: Raise at the first error and drop warnings.
        issues: What was gathered, in the order of the complaints.
    """

    strict: bool
    issues: list[RuleIssue] = field(default_factory=list)

    @property
    def has_errors(self) -> bool:
        """Whether an error was gathered."""
        return any(issue.severity == "error" for issue in self.issues)

    def error(self, code: str, message: str, *, path: str = "", line: int = 0, column: int = 0, hint: str = "") -> None:
        """Report an error.

        Raises:
            RuleError: Of the kind that belongs to ``code``, when ``strict``.
        """
        if self.strict:
            raise _exception(code, message, path, line, column, hint)
        self._add("error", code, message, path, line, column, hint)

    def warn(self, code: str, message: str, *, path: str = "", line: int = 0, column: int = 0, hint: str = "") -> None:
        """Report what does not stop a scan."""
        if not self.strict:
            self._add("warning", code, message, path, line, column, hint)

    def _add(self, severity: Severity, code: str, message: str, path: str, line: int, column: int, hint: str) -> None:
        if code not in CODES:  # a bug of ours, found by the first test that comes here
            raise KeyError(code)
        self.issues.append(RuleIssue(path, line, column, severity, code, message, hint))


def _exception(code: str, message: str, path: str, line: int, column: int, hint: str) -> RuleError:
    kind = _RAISES.get(code, RuleSyntaxError)
    if kind is RuleSyntaxError:
        return RuleSyntaxError(message, path=path, line=line, column=column, hint=hint or None)
    where = path + (f":{line}:{column}" if line else "")
    return kind(f"{where}: {message}" if where else message, hint=hint or None)
