"""Units become findings: order, identity, bands, notes, caveats, and the people who must not come out on top."""

import random

import pytest

from tests.support.units import (
    CONVERSATION,
    FILLER,
    INDICATORS,
    RULE_OF,
    RULES,
    finding_of,
    make_hit,
    make_rule,
    make_unit,
    ranked,
    text_unit,
)
from triage.model.finding import Priority
from triage.model.hit import HitCount
from triage.model.rules import Profile
from triage.model.times import Times
from triage.model.unit import UnitPart
from triage.ranking.score import NOTE_SCORE, finding_id

INNOCENT = {
    "aid worker": "Case worker notes. She told us: they took my passport, she owes 4500. Gave her the hotline number.",
    "journalist": "According to police the gang used to keep the passports; no days off, 14 hours a day. "
    "Prosecutors said human trafficking charges follow.",
    "school project": "Homework on human trafficking: typical lures are 'girls wanted' and 'we arrange everything', "
    "then 'until the debt is paid'. Hotline at the end.",
    "hotel clerk": "Front desk hand-over: reservation 14 is here, passports in the safe as usual. "
    "No days off this week.",
    "legal text": "Protocol, article 3: whoever shall keep the passports of another, or say she owes a sum, human "
    "trafficking.",
}


def test_an_evidence_conversation_is_critical_and_urgent_facts_are_told() -> None:
    finding = finding_of(text_unit("/chat.txt", CONVERSATION))
    assert finding.priority is Priority.CRITICAL
    assert finding.elements == ("act", "means", "purpose")
    assert finding.urgency == 1
    assert finding.rank == 1
    assert any(reading.startswith("Withholding of identity documents: ") for reading in finding.innocent)


@pytest.mark.parametrize("who", INNOCENT)
def test_people_who_write_about_it_stay_below_medium_and_below_evidence(who: str) -> None:
    innocent = text_unit("/innocent.txt", INNOCENT[who])
    first, second = ranked(innocent, text_unit("/chat.txt", CONVERSATION))
    assert first.path == "p1:/chat.txt"
    assert second.priority in (Priority.LOW, Priority.INFO)
    assert "context" in second.damped_by
    assert second.urgency == 0


def test_wording_about_danger_in_a_leaflet_is_told_as_quoted() -> None:
    finding = finding_of(text_unit("/aid.txt", INNOCENT["aid worker"]))
    assert finding.urgency == 0
    assert any("raises no urgency" in caveat for caveat in finding.caveats)


def test_one_hotline_in_a_conversation_does_not_bury_it() -> None:
    finding = finding_of(text_unit("/chat.txt", CONVERSATION + "V: she looked up a hotline\n"))
    assert finding.priority in (Priority.CRITICAL, Priority.HIGH)
    assert "context" in finding.damped_by


def test_a_conversation_in_a_large_database_ranks_by_its_best_passage() -> None:
    text = FILLER * 9000 + CONVERSATION + FILLER * 9000
    alone = finding_of(text_unit("/small.db", CONVERSATION, mime="application/vnd.sqlite3"))
    large = finding_of(text_unit("/large.db", text, mime="application/vnd.sqlite3"))
    assert large.priority is Priority.CRITICAL
    assert large.score == pytest.approx(alone.score, abs=0.05)


def test_a_novel_with_the_same_words_spread_out_does_not() -> None:
    rng = random.Random(7)
    phrases = [gloss for gloss, rule in RULE_OF.items() if RULES[rule].role == "evidence"]
    text = "".join(FILLER * rng.randint(30, 70) + rng.choice(phrases) + ", he said.\n" for _ in range(100))
    novel = finding_of(text_unit("/novel.txt", text))
    assert novel.priority in (Priority.LOW, Priority.INFO)
    assert "scattered hits" in novel.damped_by
    assert novel.score < finding_of(text_unit("/chat.txt", CONVERSATION)).score / 3


def test_a_forwarded_leaflet_does_not_hide_the_conversation_beside_it() -> None:
    leaflet = INNOCENT["journalist"] + INNOCENT["school project"] + "Hotline. Case worker. Prosecutors.\n"
    text = leaflet + FILLER * 400 + CONVERSATION
    finding = finding_of(text_unit("/chat.db", text, mime="application/vnd.sqlite3"))
    assert finding.priority is Priority.CRITICAL
    best = next(line for line in finding.lines if line.contribution > 0.2)
    assert best.offset > len(leaflet)


def test_translations_and_dictionaries_fall_far_behind() -> None:
    languages = ("bg", "ro", "ru", "es", "fr", "it", "de", "pl")
    rules = {
        f"keywords/{tag}#1": make_rule(f"keywords/{tag}#1", "control.debt_bondage", 0.7, language=tag)
        for tag in languages
    }
    hits = [make_hit(rule, 100 * index, "until the debt is paid") for index, rule in enumerate(rules)]
    catalogue = finding_of(make_unit("/usr/share/locale/all.po", hits, value=0.05, place="software"), rules=rules)
    own = finding_of(make_unit("/home/u/all.txt", hits), rules=rules)
    assert catalogue.score < 0.05
    assert {"many languages", "reference material", "place"} <= set(catalogue.damped_by)
    assert "many languages" in own.damped_by
    text = "\n".join(gloss for gloss, rule in RULE_OF.items() if RULES[rule].role == "evidence")
    words = finding_of(text_unit("/home/u/list.txt", text))
    assert "word list" in words.damped_by
    assert words.priority in (Priority.LOW, Priority.INFO)


def test_a_conversation_hidden_in_a_system_folder_still_comes_out_on_top() -> None:
    hidden = text_unit("/windows/system32/msvc.txt", CONVERSATION, value=0.1, place="system")
    finding = finding_of(hidden)
    assert "place" in finding.damped_by
    assert finding.priority is Priority.CRITICAL
    weak = finding_of(text_unit("/windows/readme.txt", "she owes", value=0.1, place="system"))
    assert weak.score < 0.6 * finding_of(text_unit("/home/readme.txt", "she owes")).score


WORDS = ("she owes", "keep the passports")


def test_order_is_by_score_then_urgency_then_place_then_address_whatever_the_order_given() -> None:
    # Each says it in words of its own: what is repeated steps back.
    own = {name: "\n".join(f"{name * 30}. {line}. {name * 30}" for line in WORDS) for name in "dacbz"}
    units = [text_unit(f"/{name}.txt", own[name]) for name in "dacb"]
    units += [text_unit("/z.txt", own["z"], value=1.0), text_unit("/weak.txt", "she owes")]
    first = ranked(*units)
    assert [finding.path for finding in first] == [f"p1:/{n}.txt" for n in ("z", "a", "b", "c", "d", "weak")]
    assert [finding.rank for finding in first] == [1, 2, 3, 4, 5, 6]
    assert ranked(*reversed(units)) == first


def test_identity_is_from_the_address_and_safe_for_undecodable_names() -> None:
    finding = finding_of(text_unit("/a.txt", "she owes"))
    assert finding.id == finding_id("disk.dd p1:/a.txt")
    assert finding.id.startswith("f-")
    assert len(finding.id) == 14
    assert finding_id("a\udcff") != finding_id("a")


def test_bands_follow_the_profile() -> None:
    unit = text_unit("/a.txt", "she owes money, no days off")
    score = finding_of(unit).score
    assert finding_of(unit, profile=Profile(critical=score)).priority is Priority.CRITICAL
    assert finding_of(unit, profile=Profile(critical=1.1, high=score)).priority is Priority.HIGH
    lowered = Profile(indicator_factor={"control.debt_bondage": 0.1, "exploit.labour_conditions": 0.0})
    assert finding_of(unit, profile=lowered).score < score / 3


def test_notes_alone_are_told_last_and_tiny() -> None:
    rules = RULES | {"yara/x#kdbx": make_rule("yara/x#kdbx", role="note", gloss="KeePass safe", detector="yara")}
    safe = make_unit("/home/u/a.kdbx", [make_hit("yara/x#kdbx", 0, encoding="")], value=0.9)
    system = make_unit("/usr/a.kdbx", [make_hit("yara/x#kdbx", 0, encoding="")], value=0.1)
    first, second, third = ranked(system, safe, text_unit("/a.txt", "full service"), rules=rules)
    assert first.path == "p1:/a.txt"
    assert (second.path, second.priority, second.notes) == (
        "p1:/home/u/a.kdbx",
        Priority.INFO,
        ("KeePass safe (yara/x#kdbx)",),
    )
    assert 0 < third.score < second.score <= NOTE_SCORE
    assert sum(line.contribution for line in second.lines) == second.score


def test_a_note_changes_no_score() -> None:
    rules = RULES | {"yara/x#kdbx": make_rule("yara/x#kdbx", role="note", weight=0.9, detector="yara")}
    plain = text_unit("/a.txt", CONVERSATION)
    hits = (*plain.parts[0].hits, make_hit("yara/x#kdbx", 3, encoding=""))
    noted = make_unit("/a.txt", hits, size=plain.parts[0].size)
    assert finding_of(noted, rules=rules).score == finding_of(plain, rules=rules).score


def test_context_alone_and_unknown_rules_are_no_finding() -> None:
    assert ranked(text_unit("/a.txt", "hotline, reservation")) == ()
    assert ranked(make_unit("/b.txt", [make_hit("keywords/gone#1", 0)])) == ()
    assert ranked(make_unit("/c.txt", [])) == ()


def test_a_rule_without_an_indicator_raises_by_its_own_weight() -> None:
    rules = {"yara/mine#a": make_rule("yara/mine#a", weight=0.9, detector="yara", pack="yara/mine")}
    strong = finding_of(make_unit("/a.txt", [make_hit("yara/mine#a", 0, encoding="")]), rules=rules)
    assert strong.lines[0].label == "gloss of yara/mine#a"
    assert strong.priority is Priority.MEDIUM
    unknown = {"yara/mine#a": make_rule("yara/mine#a", "no.such", 0.9, detector="yara", pack="yara/mine")}
    again = finding_of(make_unit("/a.txt", [make_hit("yara/mine#a", 0, encoding="")]), rules=unknown)
    assert again.score == strong.score


def test_state_and_place_become_caveats() -> None:
    deleted = finding_of(text_unit("/a.txt", "she owes", alloc_name=False, caveats=("shares clusters with /b",)))
    assert deleted.state == "deleted"
    assert deleted.caveats[0] == "shares clusters with /b"
    assert any(caveat.startswith("deleted:") for caveat in deleted.caveats)
    assert any("orphan" in caveat for caveat in finding_of(text_unit("/a", "she owes", orphan=True)).caveats)
    assert any("reused" in caveat for caveat in finding_of(text_unit("/a", "she owes", reused=True)).caveats)
    space = finding_of(text_unit("", "she owes money", space="unallocated"))
    assert any("no file owns" in caveat for caveat in space.caveats)
    low = {"keywords/yo#1": make_rule("keywords/yo#1", "control.debt_bondage", trust=0.5, language="yo")}
    assert any(
        "low confidence" in c for c in finding_of(make_unit("/a", [make_hit("keywords/yo#1", 0)]), rules=low).caveats
    )


def test_counts_that_stopped_at_a_limit_are_told() -> None:
    rule = RULE_OF["she owes"]
    part = UnitPart("disk.dd p1:/a", (make_hit(rule, 0),), (HitCount(rule, 1_000_000, at_least=True),), 500)
    finding = finding_of(make_unit("/a", [], parts=[part]))
    assert finding.lines[0].count == 1_000_000
    assert any("lower bounds" in caveat for caveat in finding.caveats)


def test_parts_of_a_document_are_one_unit() -> None:
    def part(name: str, phrase: str, offset: int) -> UnitPart:
        rule = RULE_OF[phrase]
        return UnitPart(f"disk.dd p1:/a.docx!/{name}", (make_hit(rule, offset, phrase),), (HitCount(rule, 1),), 3000)

    whole = make_unit(
        "/a.docx",
        [],
        kind="document",
        mime="application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        parts=[part("word/document.xml", "keep the passports", 900), part("word/header1.xml", "girls wanted", 10)],
    )
    finding = finding_of(whole)
    assert finding.elements == ("act", "means")
    assert finding.lines[0].address == "disk.dd p1:/a.docx!/word/document.xml"
    assert finding.lines[0].offset == 900


def test_times_hashes_and_copies_are_carried_over() -> None:
    finding = finding_of(text_unit("/a.txt", "she owes", times=Times(mtime=0, zone_known=False), owner="1000"))
    assert finding.times == {"mtime": "1970-01-01T00:00:00"}
    assert (finding.owner, finding.meta_address, finding.hashes) == ("1000", 42, {"md5": "0" * 32})
    assert (finding.evidence, finding.type, finding.unit) == ("disk.dd", "text/plain", "file")
    assert set(INDICATORS) >= {line.indicator for line in finding.lines if line.indicator}
