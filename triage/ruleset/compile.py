"""From rule files to packs: classified, checked, given their identities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from triage.model.rules import Artefact, Indicator, Profile
from triage.ruleset.artefact_file import class_names, read_artefacts
from triage.ruleset.files import RuleFile
from triage.ruleset.indicator_file import BUILT_IN, check_classes, read_indicators
from triage.ruleset.issues import Complaints, shown
from triage.ruleset.keyword_file import KeywordHead, Term, read_head, read_terms
from triage.ruleset.profile_file import read_profile
from triage.ruleset.toml_reader import Fields, TomlFile, nearest, read_toml
from triage.ruleset.word_list import read_word_list
from triage.ruleset.yara_file import YaraPack, index_targets, read_yara

_MARKS: dict[str, tuple[str, ...]] = {
    "keywords": ("pack", "term"),
    "indicators": ("indicator", "source"),
    "artefacts": ("artefact", "classes"),
    "profiles": ("thresholds", "indicator_factor"),
}


@dataclass(frozen=True, slots=True)
class KeywordPack:
    """One keyword pack or word list.

    Attributes:
        file: Where it is from.
        toml: None for a word list.
        head: Its identity and defaults.
        terms: Empty where it is not enabled and nobody asked for its terms.
        enabled: Its terms are used.
        count: Terms that it holds.
    """

    file: RuleFile
    toml: TomlFile | None
    head: KeywordHead
    terms: tuple[Term, ...]
    enabled: bool
    count: int


@dataclass(frozen=True, slots=True)
class Extra:
    """A file that holds no rules but decides what they mean: kind, number of entries, version, and its name."""

    file: RuleFile
    kind: str
    name: str
    version: str
    count: int


@dataclass(slots=True)
class Compiled:
    """Everything that was read.

    Attributes:
        indicators: By identity, built-in ones first.
        artefacts: By identity.
        profiles: By name, each with its file.
        keywords: Shipped packs in the order of files, then the user's.
        yara: Likewise.
        extras: Catalogues, artefacts, profiles.
        used: Real paths of files that gave something.
    """

    indicators: dict[str, Indicator] = field(default_factory=lambda: dict(BUILT_IN))
    artefacts: dict[str, Artefact] = field(default_factory=dict)
    profiles: dict[str, tuple[Profile, RuleFile]] = field(default_factory=dict)
    keywords: list[KeywordPack] = field(default_factory=list)
    yara: list[YaraPack] = field(default_factory=list)
    extras: list[Extra] = field(default_factory=list)
    used: set[str] = field(default_factory=set)


def compile_files(
    files: Sequence[RuleFile],
    complaints: Complaints,
    *,
    languages: Sequence[str] | None = None,
    everything: bool = False,
    cache_dir: Path | None = None,
) -> Compiled:
    """Read and check files.

    Args:
        files: In the order of their packs.
        complaints: Takes what is wrong.
        languages: Of shipped keyword packs: None for the active ones, else exactly these and ``und``.
        everything: Also read the terms of packs that are not enabled.
        cache_dir: Keeps what the YARA compiler said, None for nowhere.

    Raises:
        RuleError: A file is not valid or a language is unknown, when ``complaints`` is strict.
    """
    compiled = Compiled()
    documents: dict[str, list[TomlFile]] = {kind: [] for kind in _MARKS}
    for file in files:
        toml = read_toml(file, complaints) if file.kind == "toml" else None
        kind = _kind(toml, complaints) if toml is not None else ""
        if toml is not None and kind:
            documents[kind].append(toml)
    _read_artefact_files(compiled, documents["artefacts"], complaints)
    _read_catalogues(compiled, documents["indicators"], documents["artefacts"], complaints)
    _read_profiles(compiled, documents["profiles"], complaints)
    lists = [file for file in files if file.kind == "words"]
    heads = _heads(documents["keywords"], lists, complaints)
    _check_languages(languages or (), heads, complaints)
    for file, toml, head in heads:
        pack = _keyword_pack(file, toml, head, compiled, complaints, languages, everything)
        compiled.keywords.append(pack)
        if pack.count:
            compiled.used.add(file.real)
    _read_yara_files(compiled, [file for file in files if file.kind == "yara"], complaints, cache_dir)
    return compiled


def _kind(toml: TomlFile, complaints: Complaints) -> str:
    for kind, marks in _MARKS.items():
        if any(mark in toml.data for mark in marks):
            return kind
    first = next(iter(toml.data), None)
    known = [mark for marks in _MARKS.values() for mark in marks]
    Fields(toml, (), toml.data, complaints).complain(
        "toml-kind-unknown",
        "neither keyword pack, indicators, artefacts nor profile",
        first,
        hint=nearest(first, known) if first else "a keyword pack has `[pack]` and `[[term]]`",
    )
    return ""


def _duplicate(toml: TomlFile, message: str, complaints: Complaints, key: tuple[str | int, ...] = ()) -> None:
    line, column = toml.positions.value(key)
    complaints.error("duplicate-id", message, path=toml.file.shown, line=line, column=column)


def _extra(compiled: Compiled, toml: TomlFile, kind: str, name: str, count: int) -> None:
    version = toml.data.get("version", "")
    compiled.extras.append(Extra(toml.file, kind, name, str(version) if isinstance(version, str | int) else "", count))
    if count:
        compiled.used.add(toml.file.real)


def _read_artefact_files(compiled: Compiled, documents: Sequence[TomlFile], complaints: Complaints) -> None:
    for toml in documents:
        groups = read_artefacts(toml, complaints)
        for index, group in enumerate(groups):
            if group.id in compiled.artefacts:
                message = f"artefact exists already: `{shown(group.id)}`"
                _duplicate(toml, message, complaints, ("artefact", index, "id"))
            compiled.artefacts.setdefault(group.id, group)
        _extra(compiled, toml, "artefacts", toml.file.stem, len(groups))


def _read_catalogues(
    compiled: Compiled, documents: Sequence[TomlFile], artefacts: Sequence[TomlFile], complaints: Complaints
) -> None:
    classes = frozenset(name for toml in artefacts for name in class_names(toml))
    for toml in documents:
        found = read_indicators(toml, complaints, frozenset(compiled.indicators))
        compiled.indicators.update(found)
        if artefacts:
            check_classes(toml, classes, complaints)
        _extra(compiled, toml, "indicators", toml.file.stem, len(found))


def _read_profiles(compiled: Compiled, documents: Sequence[TomlFile], complaints: Complaints) -> None:
    for toml in documents:
        profile = read_profile(toml, compiled.indicators, complaints)
        if profile.name in compiled.profiles:
            _duplicate(toml, f"profile exists already: `{shown(profile.name)}`", complaints, ("name",))
        compiled.profiles.setdefault(profile.name, (profile, toml.file))
        _extra(compiled, toml, "profile", profile.name, 1)


_Head = tuple[RuleFile, TomlFile | None, KeywordHead]


def _heads(documents: Sequence[TomlFile], lists: Sequence[RuleFile], complaints: Complaints) -> list[_Head]:
    """Heads of packs and lists in the order given, with distinct identities."""
    out: list[_Head] = []
    taken: set[str] = set()
    for toml in documents:
        head = read_head(toml, complaints)
        if head.id in taken and head.named:
            message = f"pack exists already: `{shown(head.id)}`"
            _duplicate(toml, message, complaints, ("pack", "id"))
        head = replace(head, id=_free(head.id, taken))
        out.append((toml.file, toml, head))
    for file in lists:
        out.append((file, None, KeywordHead(id=_free(f"user/{file.stem}", taken), name=file.stem)))
    return out


def _free(name: str, taken: set[str]) -> str:
    """``name``, with a number behind it where it is taken; taken from now on."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free


def _check_languages(languages: Sequence[str], heads: Sequence[_Head], complaints: Complaints) -> None:
    known = sorted({head.language for file, _, head in heads if file.shipped} | {"und"})
    folded = {language.casefold() for language in known}
    for language in languages:
        if language.casefold() not in folded:
            message = f"no keyword pack for the language `{shown(language)}`"
            complaints.error("unknown-language", message, hint="there are: " + ", ".join(known))


def _keyword_pack(
    file: RuleFile,
    toml: TomlFile | None,
    head: KeywordHead,
    compiled: Compiled,
    complaints: Complaints,
    languages: Sequence[str] | None,
    everything: bool,
) -> KeywordPack:
    if toml is None:
        terms = read_word_list(file, head, complaints)
        return KeywordPack(file, None, head, terms, True, len(terms))
    named = languages is not None and head.language.casefold() in {language.casefold() for language in languages}
    by_itself = head.active and (languages is None or head.language == "und")
    enabled = not file.shipped or named or by_itself
    if enabled or everything:
        terms = read_terms(toml, head, compiled.indicators, complaints)
        return KeywordPack(file, toml, head, terms, enabled, len(terms))
    stored = toml.data.get("term")
    return KeywordPack(file, toml, head, (), False, len(stored) if isinstance(stored, list) else 0)


def _read_yara_files(
    compiled: Compiled, files: Sequence[RuleFile], complaints: Complaints, cache_dir: Path | None
) -> None:
    loaded = frozenset(file.real for file in files)
    indexes = {file.real: targets for file in files if (targets := index_targets(file, loaded))}
    taken: set[str] = set()
    for file in [file for file in files if file.real not in indexes]:
        _read_yara_file(file, compiled, loaded, taken, complaints, cache_dir)
    waiting = dict(indexes)
    while found := {real for real, targets in waiting.items() if targets & compiled.used}:
        compiled.used |= found
        waiting = {real: targets for real, targets in waiting.items() if real not in found}
    # What is left leads to no rule: indexes that include each other.
    for file in [file for file in files if file.real in waiting]:
        _read_yara_file(file, compiled, loaded, taken, complaints, cache_dir)


def _read_yara_file(
    file: RuleFile,
    compiled: Compiled,
    loaded: frozenset[str],
    taken: set[str],
    complaints: Complaints,
    cache_dir: Path | None,
) -> None:
    name = file.stem if file.shipped else f"user/{file.stem}"
    if file.shipped and name in taken:
        message = f"another YARA file has the same name: `{name}`"
        complaints.error("duplicate-id", message, path=file.shown, line=1, column=1)
    pack = read_yara(file, _free(name, taken), compiled.indicators, loaded, complaints, cache_dir)
    if pack is None:
        return
    compiled.yara.append(pack)
    if pack.rules:
        compiled.used.add(file.real)
    else:
        complaints.warn("empty-pack", "no rule that can hit in the file", path=file.shown, line=1, column=1)
