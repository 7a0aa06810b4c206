"""From rule files to one :class:`~triage.model.rules.RuleSet`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from triage.model.rules import PackInfo, Profile, RuleInfo, RuleSet
from triage.ruleset.builtin import BUILTIN
from triage.ruleset.compile import Compiled, Extra, compile_files
from triage.ruleset.files import UserFiles, all_files
from triage.ruleset.issues import Complaints, shown

DEFAULT_PROFILE = "default"


def load_rules(
    user_paths: Sequence[Path] = (),
    *,
    profile: str = DEFAULT_PROFILE,
    languages: Sequence[str] | None = None,
    shipped: bool = True,
    cache_dir: Path | None = None,
) -> RuleSet:
    """Read, check and gather all rules of a scan.

    Patterns of shipped packs are taken as they are: that they hold is the business of :func:`check_rules`.

    Args:
        user_paths: Files or folders: YARA (``.yar``, ``.yara``), keyword packs (``.toml``), word lists (``.txt``); a
            ``.toml`` may also hold indicators, artefacts or a profile. All of it is used, whatever its language.
        profile: Name of the profile.
        languages: Languages of shipped keyword packs: None for all that are active, else exactly these, drafts
            included, and ``und``.
        shipped: Use the keyword packs and YARA rules that ship with the program. Its indicators, artefacts and profiles
            are always there.
        cache_dir: Folder that keeps what the YARA compiler said of a source, None for none.

    Returns:
        Plain data that can be pickled; the same files and choices give the same value.

    Raises:
        RuleSyntaxError: A file is not valid: the first error, with file, line and column.
        DuplicateRuleError: Two packs, indicators or profiles share an identity.
        EmptyRuleSetError: A path, or everything together, holds no rule.
        RuleError: A path is missing, or a profile or language is unknown.
    """
    complaints = Complaints(strict=True)
    files, own = all_files(user_paths, complaints, shipped=shipped)
    compiled = compile_files(files, complaints, languages=languages, cache_dir=cache_dir)
    check_paths(own, compiled, complaints)
    chosen = _profile(compiled, profile, complaints)
    rules: dict[str, RuleInfo] = {term.info.id: term.info for pack in compiled.keywords for term in pack.terms}
    for source in compiled.yara:
        rules.update((info.id, info) for info in source.rules.values())
    if not rules:
        complaints.error("no-rules", "no rules: nothing to look for", hint="name rules, or use those that ship")
    if shipped:
        rules.update(BUILTIN)
    return RuleSet(
        indicators=compiled.indicators,
        rules=rules,
        keywords=tuple(term.keyword for pack in compiled.keywords for term in pack.terms),
        yara=tuple(pack.source for pack in compiled.yara if pack.rules),
        packs=_pack_infos(compiled, chosen),
        profile=chosen,
        artefacts=tuple(compiled.artefacts.values()),
        digest=_digest(compiled, chosen, languages),
    )


def check_paths(own: UserFiles, compiled: Compiled, complaints: Complaints) -> None:
    """Complain of every path of the user that gave nothing at all."""
    for path, files in own.by_path.items():
        if not files & compiled.used:
            complaints.error("no-rules", "no rule in it, so zero hits would mean nothing", path=path)


def _profile(compiled: Compiled, name: str, complaints: Complaints) -> Profile:
    if name in compiled.profiles:
        return compiled.profiles[name][0]
    if name != DEFAULT_PROFILE:
        known = sorted({DEFAULT_PROFILE, *compiled.profiles})
        complaints.error("unknown-profile", f"unknown profile: `{shown(name)}`", hint="there are: " + ", ".join(known))
    return Profile()


def _pack_infos(compiled: Compiled, profile: Profile) -> tuple[PackInfo, ...]:
    infos = [
        pack.head.info(hashlib.sha256(pack.file.data).hexdigest(), pack.count, enabled=pack.enabled)
        for pack in compiled.keywords
    ]
    infos += [pack.info for pack in compiled.yara]
    infos += [_extra_info(extra, profile) for extra in compiled.extras]
    return tuple(sorted(infos, key=lambda info: (info.kind, info.id)))


def _extra_info(extra: Extra, profile: Profile) -> PackInfo:
    identity = {"profile": f"profiles/{extra.name}"}.get(extra.kind, f"{extra.kind}/{extra.name}")
    return PackInfo(
        id=identity if extra.file.shipped else f"user/{identity}",
        kind=extra.kind,
        version=extra.version,
        licence="",
        language="und",
        name=extra.name,
        sha256=hashlib.sha256(extra.file.data).hexdigest(),
        rules=extra.count,
        enabled=extra.kind != "profile" or extra.name == profile.name,
    )


def _digest(compiled: Compiled, profile: Profile, languages: Sequence[str] | None) -> str:
    """SHA-256 over names and contents of everything enabled, and the choices of profile and languages."""
    sources = [(pack.file.name, pack.file.data) for pack in compiled.keywords if pack.enabled]
    # Of a YARA file what is compiled: with its includes inside.
    sources += [(pack.file.name, pack.source.text.encode("utf-8")) for pack in compiled.yara]
    sources += [
        (extra.file.name, extra.file.data)
        for extra in compiled.extras
        if extra.kind != "profile" or extra.name == profile.name
    ]
    chosen = "active" if languages is None else ",".join(sorted({language.casefold() for language in languages}))
    digest = hashlib.sha256()
    for name, data in [*sorted(sources), ("\0profile", profile.name.encode()), ("\0languages", chosen.encode())]:
        label = name.encode("utf-8", "backslashreplace")
        digest.update(len(label).to_bytes(8, "big") + label + len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
