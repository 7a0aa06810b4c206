"""YARA files: one pack and one namespace a file, each rule with its meaning."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from triage.model.rules import Indicator, PackInfo, RuleInfo, YaraSource
from triage.ruleset.files import RuleFile
from triage.ruleset.issues import Complaints
from triage.ruleset.text_codecs import UTF16_MARKS
from triage.ruleset.yara_compile import CompiledRule, CompilerNote, Verdict, judge
from triage.ruleset.yara_include import YaraText, decode_yara, read_yara_text
from triage.ruleset.yara_meta import shipped_info, user_info
from triage.ruleset.yara_tokens import EXTERNALS, outline, place


@dataclass(frozen=True, slots=True)
class YaraPack:
    """One file that compiles.

    Attributes:
        file: Where it is from.
        source: For the detector.
        rules: Meaning of its rules by rule name, private ones left out, in the order of the source.
        info: Record for the case.
        text: Source with its origin and outline.
        verdict: Of the compiler.
    """

    file: RuleFile
    source: YaraSource
    rules: dict[str, RuleInfo]
    info: PackInfo
    text: YaraText
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class YaraPlaces:
    """Complains at places of a source, told as places of the files it is made of."""

    text: YaraText
    complaints: Complaints

    def note(self, code: str, note: CompilerNote, *, warning: bool = False) -> None:
        """Report what the compiler said."""
        self._report(code, note.text, note.line or 1, note.column or 1, "", warning=warning)

    def at(self, code: str, message: str, offset: int, *, hint: str = "", warning: bool = False) -> None:
        """Report something at an offset of the source, in characters."""
        line, column = place(self.text.text, offset)
        self._report(code, message, line, column, hint, warning=warning)

    def _report(self, code: str, message: str, line: int, column: int, hint: str, *, warning: bool) -> None:
        path, own_line = self.text.origin(line)
        report = self.complaints.warn if warning else self.complaints.error
        report(code, message, path=path, line=own_line, column=column, hint=hint)


@dataclass(frozen=True, slots=True)
class _RuleComplaint:
    places: YaraPlaces
    rule: str

    def __call__(self, code: str, key: str, message: str, *, hint: str = "", warning: bool = False) -> None:
        if warning and self.places.complaints.strict:
            return
        offset = rule_place(self.places.text, self.rule, key)
        self.places.at(code, f"rule `{self.rule}`: {message}", offset, hint=hint, warning=warning)


def rule_place(text: YaraText, rule: str, key: str = "") -> int:
    """Offset of a metadata key of a rule, else of its name, else of the source."""
    for found in text.outline.rules:
        if found.name == rule:
            return found.meta.get(key, found.start)
    return 0


def uses_externals(text: YaraText) -> bool:
    """Whether the condition of any rule reads an external variable."""
    return any(name in text.text for name in EXTERNALS) and any(rule.externals for rule in text.outline.rules)


def read_yara(
    file: RuleFile,
    namespace: str,
    indicators: Mapping[str, Indicator],
    loaded: frozenset[str],
    complaints: Complaints,
    cache_dir: Path | None = None,
) -> YaraPack | None:
    """Read and compile one file.

    Args:
        file: The file.
        namespace: For its rules: ``wallets``, ``user/lab``.
        indicators: The catalogue.
        loaded: Real paths of the YARA files that are loaded by themselves.
        complaints: Takes what is wrong.
        cache_dir: Keeps what the compiler said.

    Returns:
        None where it does not compile and ``complaints`` is not strict.

    Raises:
        RuleSyntaxError: It does not compile, or its metadata do not fit, when ``complaints`` is strict.
    """
    before = len(complaints.issues)
    text = read_yara_text(file, loaded, complaints)
    for path in text.latin1:
        complaints.warn(
            "yara-encoding", "not UTF-8, read as Latin-1", path=path, line=1, column=1, hint="save it as UTF-8"
        )
    if any(issue.severity == "error" for issue in complaints.issues[before:]):
        return None  # an include is missing: what the compiler says would mislead
    places = YaraPlaces(text, complaints)
    if "/*" in text.text and text.outline.unclosed >= 0:
        places.at("yara-syntax", "comment that never ends: what follows would be lost", text.outline.unclosed)
        return None
    verdict = judge(text.text, cache_dir)
    if verdict.error is not None:
        places.note("yara-syntax", verdict.error)
        return None
    pack_id = f"yara/{file.stem}" if file.shipped else f"user/yara/{namespace.partition('/')[2]}"
    read = shipped_info if file.shipped else user_info
    rules = {
        rule.name: read(rule, f"yara/{namespace}#{rule.name}", pack_id, indicators, _RuleComplaint(places, rule.name))
        for rule in verdict.rules
        if not rule.private
    }
    return YaraPack(
        file=file,
        source=YaraSource(namespace, file.shown, text.text, uses_externals(text)),
        rules=rules,
        info=_pack_info(pack_id, file, verdict, len(rules)),
        text=text,
        verdict=verdict,
    )


def _pack_info(pack_id: str, file: RuleFile, verdict: Verdict, count: int) -> PackInfo:
    return PackInfo(
        id=pack_id,
        kind="yara",
        version=_common(verdict.rules, "version"),
        licence=_common(verdict.rules, "licence") or _common(verdict.rules, "license"),
        language="und",
        name=file.stem,
        sha256=hashlib.sha256(file.data).hexdigest(),
        rules=count,
        enabled=True,
    )


def _common(rules: tuple[CompiledRule, ...], key: str) -> str:
    """The value that all rules with this key share, empty where they differ."""
    values = {rule.meta[key] for rule in rules if key in rule.meta}
    return values.pop() if len(values) == 1 else ""


def index_targets(file: RuleFile, loaded: frozenset[str]) -> frozenset[str]:
    """Real paths that a file includes, where it holds nothing else and all are loaded by themselves; else none."""
    if b"include" not in file.data and not file.data.startswith(UTF16_MARKS):
        return frozenset()
    found = outline(decode_yara(file.data)[0])
    targets = frozenset(
        os.path.realpath(file.path.parent / include.name.replace("\0", "_")) for include in found.includes
    )
    return frozenset() if found.rules or not targets <= loaded - {file.real} else targets
