"""Keyword packs: ``[pack]`` and ``[[term]]`` of a TOML file, checked key by key.

A shipped pack must name everything. A user's own pack needs only terms: identity and name come from the file name, the
language is ``und``, the indicator the built-in ``user.keyword``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from triage.model.rules import Indicator, KeywordTerm, PackInfo, RuleInfo
from triage.ruleset.indicator_file import USER_KEYWORD
from triage.ruleset.issues import Complaints, shown
from triage.ruleset.normalise import NORMALISATIONS
from triage.ruleset.regex_parse import RegexFault, parse_regex
from triage.ruleset.text_codecs import is_text_encoding
from triage.ruleset.toml_reader import Fields, TomlFile, nearest

TRUST = {"high": 1.0, "medium": 0.8, "low": 0.5}
MATCHES = ("word", "word-start", "substring")
STATES = ("active", "draft")
MAX_TERM = 500
MAX_PATTERN = 4000
USER_WEIGHT = 0.8
PACK_KEYS = (
    "id", "name", "version", "licence", "author", "language", "scripts", "state", "reviewed_by", "match", "normalise",
    "encodings", "confidence", "review",
)  # fmt: skip
TERM_KEYS = (
    "term", "kind", "indicator", "weight", "confidence", "match", "case_sensitive", "role", "note", "sample", "miss",
)  # fmt: skip
_REQUIRED = ("id", "name", "version", "licence", "author", "language", "match", "confidence")
_TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_ID = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")


@dataclass(frozen=True, slots=True)
class Term:
    """One term with what only checks need.

    Attributes:
        keyword: For the detector.
        info: For ranking.
        confidence: ``high``, ``medium`` or ``low``.
        sample: Text that must hit, empty where there is none; likewise ``miss``, that must not.
        place: Path of the term in its file, empty for a word list.
        line: Line in a word list, 0 otherwise.
    """

    keyword: KeywordTerm
    info: RuleInfo
    confidence: str
    sample: str = ""
    miss: str = ""
    place: tuple[str | int, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class KeywordHead:
    """The ``[pack]`` table.

    Attributes:
        id: Identity, ``keywords/bg`` or ``user/...``.
        active: Used without being named by language.
        named: The file itself states the identity.
        others: As :class:`~triage.model.rules.PackInfo` and :class:`~triage.model.rules.KeywordTerm` have them.
    """

    id: str
    name: str
    version: str = ""
    licence: str = ""
    language: str = "und"
    active: bool = True
    reviewed: str = ""
    match: str = "word"
    normalise: tuple[str, ...] = ("nfkc", "casefold")
    encodings: tuple[str, ...] = ()
    confidence: str = "high"
    named: bool = False

    def info(self, sha256: str, rules: int, *, enabled: bool) -> PackInfo:
        """The record of the pack for the case."""
        return PackInfo(
            id=self.id,
            kind="keywords",
            version=self.version,
            licence=self.licence,
            language=self.language,
            name=self.name,
            sha256=sha256,
            rules=rules,
            enabled=enabled,
            reviewed=self.reviewed,
        )


def read_head(toml: TomlFile, complaints: Complaints) -> KeywordHead:
    """The head of a pack.

    Raises:
        RuleSyntaxError: It is not valid, when ``complaints`` is strict.
    """
    Fields(toml, (), toml.data, complaints).known(("pack", "term"))
    fields = Fields.of(toml, "pack", complaints)
    fields.known(PACK_KEYS)
    shipped = toml.file.shipped
    read = {
        key: fields.text(key, required=shipped and key in _REQUIRED, filled=key in _REQUIRED) for key in PACK_KEYS[:5]
    }
    language = fields.text("language", "und", required=shipped)
    if not _TAG.fullmatch(language):
        fields.complain("out-of-range", f"not a language tag: `{shown(language)}`", "language", value=True)
        language = "und"
    if read["id"] and not _ID.fullmatch(read["id"]):
        message = f"not an identity: `{shown(read['id'])}`"
        fields.complain("out-of-range", message, "id", value=True, hint="letters, digits, `.`, `-`, `_`, parted by `/`")
        read["id"] = ""
    name = read["id"] or (f"keywords/{toml.file.stem}" if shipped else toml.file.stem)
    fields.texts("scripts")
    fields.text("review")
    return KeywordHead(
        id=name if shipped or name.startswith("user/") else f"user/{name}",
        name=read["name"] or toml.file.stem,
        version=read["version"],
        licence=read["licence"],
        language=language,
        active=fields.choice("state", STATES, "active", required=shipped) == "active" or not shipped,
        reviewed=fields.text("reviewed_by"),
        match=fields.choice("match", MATCHES, "word", required=shipped),
        normalise=_normalise(fields),
        encodings=_encodings(fields),
        confidence=fields.choice("confidence", tuple(TRUST), "high", required=shipped),
        named=bool(read["id"]),
    )


def _normalise(fields: Fields) -> tuple[str, ...]:
    if "normalise" not in fields.table:
        return ("nfkc", "casefold")
    out: list[str] = []
    for index, name in enumerate(fields.texts("normalise")):
        if name in NORMALISATIONS:
            out.append(name)
        else:
            message = f"unknown normalisation: `{shown(name)}`"
            hint = nearest(name, NORMALISATIONS)
            fields.complain("unknown-normalisation", message, "normalise", index=index, hint=hint)
    return tuple(out)


def _encodings(fields: Fields) -> tuple[str, ...]:
    out: list[str] = []
    for index, name in enumerate(fields.texts("encodings")):
        if is_text_encoding(name):
            out.append(name)
        else:
            message = f"not a text encoding that Python knows: `{shown(name)}`"
            fields.complain(
                "unknown-encoding", message, "encodings", index=index, hint="for instance `cp1251`, `koi8-r`"
            )
    return tuple(out)


def read_terms(
    toml: TomlFile, head: KeywordHead, indicators: Mapping[str, Indicator], complaints: Complaints
) -> tuple[Term, ...]:
    """The terms of a pack in stored order; the n-th of the file keeps its number where another is refused.

    Raises:
        EmptyRuleSetError: There is none, when ``complaints`` is strict.
        RuleSyntaxError: One is not valid, likewise.
    """
    reader = _TermReader(toml, head, indicators)
    out: list[Term] = []
    for fields in Fields.each(toml, "term", complaints):
        term = reader.read(fields)
        if term is not None:
            out.append(term)
    if not toml.data.get("term"):
        complaints.error("empty-pack", "no `[[term]]` in the pack", path=toml.file.shown, line=1, column=1)
    return tuple(out)


@dataclass(slots=True)
class _TermReader:
    toml: TomlFile
    head: KeywordHead
    indicators: Mapping[str, Indicator]
    _seen: dict[tuple[str, str, bool], int] = field(default_factory=dict)

    def read(self, fields: Fields) -> Term | None:
        fields.known(TERM_KEYS)
        number = int(fields.path[1]) + 1
        text = fields.text("term", required=True)
        kind = fields.choice("kind", ("literal", "regex"), "literal", required=self.toml.file.shipped)
        sensitive = fields.flag("case_sensitive")
        if not self._usable(fields, text, kind) or not self._new(fields, text, kind, sensitive, number):
            return None
        head = self.head
        confidence = fields.choice("confidence", tuple(TRUST), head.confidence)
        rule = f"{head.id}#{number}"
        # A pattern states its own boundaries; those of the pack are for its literals.
        match = fields.choice("match", MATCHES, "substring" if kind == "regex" else head.match)
        role = fields.choice("role", ("evidence", "context"), "evidence")
        keyword = KeywordTerm(rule, text, kind, match, sensitive, head.normalise, head.encodings)
        info = RuleInfo(
            id=rule,
            detector="keywords",
            pack=head.id,
            indicator=self._indicator(fields, role),
            weight=fields.number("weight", USER_WEIGHT, 0.0, 1.0, required=self.toml.file.shipped),
            trust=TRUST[confidence],
            language=head.language,
            gloss=fields.text("note") or text,
            role=role,
            meta={"term": text, "confidence": confidence},
        )
        sample, miss = fields.text("sample", filled=True), fields.text("miss", filled=True)
        return Term(keyword, info, confidence, sample, miss, fields.path)

    def _indicator(self, fields: Fields, role: str) -> str:
        shipped = self.toml.file.shipped
        name = fields.text("indicator", "" if shipped else USER_KEYWORD, required=shipped and role == "evidence")
        if name in self.indicators or (not name and role == "context"):
            return name
        if name or "indicator" in fields.table:
            message = f"unknown indicator: `{shown(name)}`"
            fields.complain("unknown-indicator", message, "indicator", value=True, hint=nearest(name, self.indicators))
        return ""

    def _usable(self, fields: Fields, text: str, kind: str) -> bool:
        if "term" not in fields.table or not isinstance(fields.table["term"], str):
            return False
        if kind == "literal":
            fault = literal_fault(text)
        elif self.toml.file.shipped and fields.complaints.strict:
            fault = None  # two thousand long patterns cost half a second of every scan; the check reads them all
        else:
            fault = regex_fault(text, thorough=not fields.complaints.strict)
        longest = MAX_PATTERN if kind == "regex" else MAX_TERM
        if fault is None and len(text) > longest:
            fault = RegexFault("term-too-long", f"longer than {longest} characters: {len(text)}", 0)
        if fault is not None:
            fields.complain(fault.code, fault.message, "term", index=fault.position, hint=fault.hint)
        return fault is None

    def _new(self, fields: Fields, text: str, kind: str, sensitive: bool, number: int) -> bool:
        folded = text if sensitive or kind == "regex" else unicodedata.normalize("NFKC", text).casefold()
        first = self._seen.setdefault((folded, kind, sensitive), number)
        if first != number:
            line, _ = self.toml.positions.value(("term", first - 1, "term"))
            message = f"the same term as in line {line}: `{shown(text)}`"
            fields.complain("duplicate-term", message, "term", value=True, hint="keep one of them")
        return first == number


def literal_fault(text: str) -> RegexFault | None:
    """Why a literal cannot be looked for, or None."""
    for index, character in enumerate(text):
        if unicodedata.category(character) == "Cc":
            return RegexFault("term-control", f"control character U+{ord(character):04X} in a literal", index)
    if not any(c.isprintable() and not c.isspace() for c in text):
        return RegexFault("term-blank", "the term holds no visible character", 0)
    return None


def regex_fault(text: str, *, thorough: bool) -> RegexFault | None:
    """Why a pattern cannot be looked for, or None.

    Args:
        text: The pattern.
        thorough: Ask Python's compiler too. It takes whatever our parser takes, which tests hold, and takes longer.
    """
    node = parse_regex(text)
    if isinstance(node, RegexFault):
        return node
    if not thorough:
        return None
    try:
        re.compile(text, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:  # our parser should have seen it
        return RegexFault("regex-syntax", f"Python refuses it: {error}", 0)
    return None
