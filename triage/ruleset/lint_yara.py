"""What can be said of YARA files beyond their compiling: metadata, samples, slow patterns, global rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from triage.errors import RuleSyntaxError
from triage.ruleset.files import SAMPLES
from triage.ruleset.issues import Complaints, shown, shown_path
from triage.ruleset.samples import Sample, find_samples, read_sample
from triage.ruleset.yara_compile import CompiledRule, SampleRunner
from triage.ruleset.yara_file import YaraPack, YaraPlaces, rule_place

REQUIRED_META = ("description", "role", "weight", "confidence", "version", "author", "licence")


def lint_yara(packs: Sequence[YaraPack], roots: Sequence[tuple[Path, bool]], complaints: Complaints) -> None:
    """Report on every file.

    Args:
        packs: Files that compile.
        roots: Folders that may hold samples, and whether they ship with the program.
        complaints: Takes what is wrong.
    """
    for pack in packs:
        _lint_pack(pack, complaints)
    for root, shipped in roots:
        _lint_samples([pack for pack in packs if pack.file.root == root], root, shipped, complaints)


def _lint_pack(pack: YaraPack, complaints: Complaints) -> None:
    places = YaraPlaces(pack.text, complaints)
    for note in pack.verdict.warnings:
        places.note("yara-slow", note, warning=True)
    for rule in pack.verdict.rules:
        start = rule_place(pack.text, rule.name)
        if rule.is_global and len(pack.verdict.rules) > 1:
            message = f"rule `{rule.name}` is global: no other rule of the file hits where it does not"
            places.at("yara-global-rule", message, start, warning=True)
        if pack.file.shipped and not rule.private:
            _lint_meta(pack, rule, places, start)


def _lint_meta(pack: YaraPack, rule: CompiledRule, places: YaraPlaces, start: int) -> None:
    missing = [key for key in REQUIRED_META if not rule.meta.get(key, "").strip()]
    if "indicator" not in rule.meta:
        missing.insert(0, "indicator")
    for key in missing:
        hint = 'empty for a rule with role `note`: `indicator = ""`' if key == "indicator" else ""
        places.at("yara-meta-missing", f"rule `{rule.name}` has no `{key}`", start, hint=hint)
    info = pack.rules[rule.name]
    if rule.meta.get("confidence") == "low" and info.weight > 0.5:
        message = f"rule `{rule.name}`: weight {info.weight:g} with low confidence"
        places.at("low-confidence-weight", message, rule_place(pack.text, rule.name, "weight"), warning=True)


def _lint_samples(packs: Sequence[YaraPack], root: Path, shipped: bool, complaints: Complaints) -> None:
    found = find_samples(root)
    by_stem = {pack.file.stem: pack for pack in packs}
    runners: dict[str, SampleRunner] = {}
    report = complaints.error if shipped else complaints.warn
    for stem, (samples, others) in found.items():
        rules = by_stem[stem].rules if stem in by_stem else {}
        for path in others:
            report(
                "sample-orphan", "not a name of a sample", path=shown_path(path), hint=f"`<Rule>.hit.hex` in `{stem}`"
            )
        for sample in samples:
            if sample.rule in rules:
                if stem not in runners:
                    runners[stem] = SampleRunner(by_stem[stem].source.text)
                _run_sample(runners[stem], sample, complaints)
            elif _ours(stem, packs, shipped):
                message = f"no rule `{sample.rule}` in a YARA file `{shown(stem)}`"
                report("sample-orphan", message, path=shown_path(sample.path))
    for pack in packs if shipped else ():
        kinds = {(sample.rule, sample.hit) for sample in found.get(pack.file.stem, ((), ()))[0]}
        places = YaraPlaces(pack.text, complaints)
        for rule in pack.rules:
            for hit, suffix in ((True, "hit"), (False, "miss")):
                if (rule, hit) not in kinds:
                    where = f"{SAMPLES}/yara/{pack.file.stem}/{rule}.{suffix}.hex"
                    message = f"rule `{rule}` without a sample that must {'hit' if hit else 'not hit'}"
                    places.at("sample-missing", message, rule_place(pack.text, rule), hint=f"add `{where}`")


def _ours(stem: str, packs: Sequence[YaraPack], shipped: bool) -> bool:
    """Whether samples without a rule are worth a word: not where the user named only one file of a folder."""
    return shipped or any(pack.file.stem == stem for pack in packs)


def _run_sample(runner: SampleRunner, sample: Sample, complaints: Complaints) -> None:
    path = shown_path(sample.path)
    try:
        data, externals = read_sample(sample)
    except RuleSyntaxError as error:
        complaints.error("sample-syntax", error.detail, path=path, line=error.line, column=error.column)
        return
    names = runner.matching(data, externals)
    if names is None:
        complaints.error("sample-too-costly", f"rule `{sample.rule}` takes too long on it", path=path)
    elif sample.hit and sample.rule not in names:
        complaints.error("sample-not-hit", f"rule `{sample.rule}` does not hit its sample", path=path)
    elif not sample.hit and sample.rule in names:
        complaints.error("miss-hit", f"rule `{sample.rule}` hits what it must not", path=path)
