"""What ships in ``rules/``: complete, bounded, and quiet on the sentences of ordinary life."""

import re
import tomllib
from pathlib import Path

import pytest

from triage.ruleset import check_rules, load_rules

RULES = Path(__file__).parents[2] / "rules"
ACTIVE = (
    "ar", "bg", "de", "en", "es", "fr", "hi", "hu", "it", "pl", "pt", "ro", "ru", "th", "tr", "uk", "vi", "zh-Hans",
    "zh-Hant",
)  # fmt: skip
# Found by other means: hash sets, groups of pictures, the language-free list.
NOT_BY_WORDS = {"media.known_hash", "exploit.photo_sets", "exploit.price_menu"}
INNOCENT = tomllib.loads((Path(__file__).parent / "innocent.toml").read_text("utf-8"))


def pack(language, name=""):
    path = RULES / "keywords" / language / f"{language}{name}.toml"
    return tomllib.loads(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def ruleset():
    return load_rules()


def test_the_linter_has_nothing_to_say():
    assert check_rules() == []


@pytest.mark.parametrize("language", ACTIVE)
def test_an_active_language_covers_every_indicator_with_composed_patterns(language, ruleset):
    terms = pack(language, "-composed")["term"]
    assert len(terms) >= 60
    covered = {term["indicator"] for term in terms}
    catalogue = {name for name in ruleset.indicators if not name.startswith("user.")}
    assert catalogue - NOT_BY_WORDS <= covered


@pytest.mark.parametrize("language", ACTIVE)
def test_context_packs_damp_and_nothing_else_does(language):
    assert {term["role"] for term in pack(language, "-context")["term"]} == {"context"}
    for name in ("", "-composed"):
        assert all(term.get("role", "evidence") == "evidence" for term in pack(language, name)["term"])


def test_drafts_are_off(ruleset):
    packs = {info.id: info for info in ruleset.packs if info.kind == "keywords"}
    on = {info.language for info in packs.values() if info.enabled}
    assert on == {*ACTIVE, "und"}
    assert not packs["keywords/yo"].enabled


def _patterns():
    for path in sorted((RULES / "keywords").glob("*/*.toml")):
        for number, term in enumerate(tomllib.loads(path.read_text("utf-8"))["term"], 1):
            if term["kind"] == "regex":
                yield f"{path.stem}#{number}", term


def test_every_gap_of_a_pattern_is_bounded():
    for name, term in _patterns():
        bare = re.sub(r"\\.|\[(?:\\.|[^\]])+\]", "x", term["term"])
        assert "*" not in bare, name
        assert "+" not in bare, name
        for low, comma, high in re.findall(r"\{(\d+)(,?)(\d*)\}", bare):
            assert high or not comma, name
            assert int(high or low) <= 60, name


def test_every_pattern_hits_its_sample_and_not_its_counter_sample():
    for name, term in _patterns():
        pattern = re.compile(term["term"], 0 if term.get("case_sensitive") else re.IGNORECASE)
        assert pattern.search(term["sample"]), name
        if "miss" in term:
            assert not pattern.search(term["miss"]), name


@pytest.mark.parametrize("language", sorted(INNOCENT))
def test_sentences_of_ordinary_life_are_hit_by_nothing_heavy(language):
    heavy = []
    for name in ("", "-composed"):
        for number, term in enumerate(pack(language, name)["term"], 1):
            if term["weight"] >= 0.45:
                text = term["term"] if term["kind"] == "regex" else rf"\b{re.escape(term['term'])}\b"
                pattern = re.compile(text, re.IGNORECASE)
                heavy += [(f"{language}{name}#{number}", s) for s in INNOCENT[language] if pattern.search(s)]
    assert heavy == []


def test_presence_rules_never_raise(ruleset):
    raising = {name for name, info in ruleset.rules.items() if info.detector == "yara" and info.role == "evidence"}
    assert raising == {
        "yara/document_scans#IdentityCardMachineReadableZone",
        "yara/document_scans#IdentityTemplate",
        "yara/document_scans#PassportMachineReadableZone",
        "yara/document_scans#PassportPageText",
        "yara/document_scans#SeveralMachineReadableZones",
    }


@pytest.mark.parametrize(
    ("stem", "rule", "secret"),
    [
        ("encrypted_containers", "BitLockerRecoveryKeyText", b"000011-000022"),
        ("wallets", "SeedPhrase", b"alpha"),
        ("anonymity_tools", "WireGuardProfile", b"AAAA"),
        ("chat_databases", "SignalDesktopKey", b"0000"),
    ],
)
def test_matched_strings_of_a_secret_rule_do_not_hold_the_secret(stem, rule, secret):
    yara = pytest.importorskip("yara")
    names = ("filename", "filepath", "extension", "filetype", "owner")
    source = (RULES / "yara" / f"{stem}.yar").read_text("utf-8")
    compiled = yara.compile(source=source, externals=dict.fromkeys(names, ""))
    sample = RULES / "samples" / "yara" / stem / f"{rule}.hit.txt"
    data = sample.read_bytes()
    assert secret in data
    (match,) = [match for match in compiled.match(data=data) if match.rule == rule]
    shown = [instance.matched_data for string in match.strings for instance in string.instances]
    assert not any(secret in text for text in shown)


def test_the_profile_for_lawful_sex_work_leaves_control_alone(ruleset):
    profile = load_rules(profile="legal-sex-work").profile
    assert profile.indicator_factor["exploit.sex_ad"] < 0.5
    for name, factor in profile.indicator_factor.items():
        assert factor < 1
        assert ruleset.indicators[name].element != "means"
        assert ruleset.indicators[name].urgency == 0
