"""The five answers of page one: what they say, and what they never say."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.units import CONVERSATION, INDICATORS, RULES, make_hit, make_rule, make_unit, ranked, text_unit
from triage.model.content import Coverage
from triage.model.document import Answer, EvidenceReport
from triage.model.finding import Finding
from triage.model.problem import Problem, Reason
from triage.model.rules import PackInfo
from triage.model.times import Times
from triage.model.volume import Allocation, EvidenceSource, Volume
from triage.ranking.page_one import BEST, LISTED, device_score, page_one

DAY = 86_400 * 1_000_000_000
URGENT = "V: they won't let me leave, call +359 88 000 0141\n"


def answers(findings: tuple[Finding, ...] = (), **more: object) -> tuple[Answer, ...]:
    """The five answers."""
    return page_one(findings, indicators=INDICATORS, **more)  # type: ignore[arg-type]


def pack(language: str, *, enabled: bool = True) -> PackInfo:
    """A keyword pack of a language."""
    return PackInfo(f"keywords/{language}", "keywords", "1", "Apache-2.0", language, language, "", 1, enabled)


def report(*volumes: Volume) -> EvidenceReport:
    """A source with these volumes: 10 entries, 8 examined."""
    return EvidenceReport(EvidenceSource("disk.dd", (Path("disk.dd"),), "raw", 1000), volumes, 10, 8, 1000, 900)


def test_there_are_five_in_a_fixed_order() -> None:
    assert [answer.question for answer in answers()] == [
        "Is someone at risk now?",
        "Hold or release the device?",
        "Whom else to look for?",
        "What to image next?",
        "What was not examined?",
    ]


def test_nothing_found_is_said_and_is_no_clearance() -> None:
    at_risk, hold, *_ = answers()
    assert at_risk.verdict == "none found in what could be read"
    assert "that is no clearance" in hold.verdict
    assert "device score 0.00" in hold.verdict
    problem = Problem("disk.dd p1:/a", "x", Reason.CORRUPT, "broken")
    assert "not examined" in answers(problems=[problem])[0].verdict
    assert "not examined" in answers(pending=3)[0].verdict
    assert "not examined" not in answers(problems=[replace(problem, examined_anyway=True)])[0].verdict


def test_urgent_wording_is_listed_newest_first_with_time_quote_gloss_and_file() -> None:
    day = 19_800 * DAY
    found = ranked(
        text_unit("/old.txt", CONVERSATION + URGENT, times=Times(mtime=day)),
        text_unit("/new.txt", URGENT, times=Times(mtime=day + 5 * DAY)),
        text_unit("/local.txt", URGENT, times=Times(crtime=day + 2 * DAY, zone_known=False)),
        text_unit("/none.txt", URGENT, times=Times()),
        text_unit("/quiet.txt", "she owes"),
    )
    answer = answers(found)[0]
    assert answer.verdict.startswith("4 files hold wording that somebody may be at risk now")
    assert [item.rpartition(" in ")[2].split(" ")[0] for item in answer.items] == [
        "p1:/new.txt", "p1:/local.txt", "p1:/old.txt", "p1:/none.txt",
    ]  # fmt: skip
    by_id = {finding.id: finding.path for finding in found}
    assert [by_id[name] for name in answer.finding_ids] == [
        "p1:/new.txt",
        "p1:/local.txt",
        "p1:/old.txt",
        "p1:/none.txt",
    ]
    first = answer.items[0]
    assert first.startswith("2024-03-23T00:00:00Z by the device's clock: ")
    assert "they won't let me leave" in first
    assert "Person asking for help or at risk now" in first
    assert "0141" not in first
    assert "•141" in first
    assert "zone not stored" in answer.items[1]
    assert answer.items[3].startswith("no time stored")


def test_what_a_place_or_type_speaks_against_comes_last_however_new() -> None:
    rules = RULES | {"k#1": make_rule("k#1", "urgent.victim_distress", 0.45)}
    weak = make_unit("/windows/a.dat", [make_hit("k#1", 0)], value=0.0, place="system", times=Times(mtime=20_000 * DAY))
    found = ranked(weak, text_unit("/old.txt", URGENT, times=Times(mtime=DAY)), rules=rules)
    assert [finding.urgency for finding in found] == [2, 2]
    assert "p1:/old.txt" in answers(found)[0].items[0]


def test_a_long_list_is_cut_and_says_so() -> None:
    found = ranked(*(text_unit(f"/{number:02}.txt", URGENT) for number in range(LISTED + 3)))
    answer = answers(found)[0]
    assert len(answer.items) == LISTED + 1
    assert answer.items[-1] == "3 more findings with urgency 2"
    assert len(answer.finding_ids) == LISTED


@pytest.mark.parametrize(
    ("texts", "band"),
    [
        ([CONVERSATION], "priority"),
        (["keep the passports, passports in the safe, until the debt is paid"], "examine"),
        (["no days off"], "routine"),
        (["full service"], "nothing found"),
        (["no days off"] * 30, "routine"),
    ],
)
def test_the_band_of_the_device(texts: list[str], band: str) -> None:
    found = ranked(*(text_unit(f"/{number}.txt", text) for number, text in enumerate(texts)))
    assert answers(found)[1].verdict.startswith(band)


def test_the_device_score_saturates_is_never_a_mean_and_weak_findings_do_not_pile_up() -> None:
    strong = ranked(text_unit("/a.txt", CONVERSATION))
    weak = ranked(*(text_unit(f"/{number}.txt", "no days off") for number in range(200)))
    assert device_score(strong) > 0.75
    assert device_score((*strong, *weak)) >= device_score(strong)
    assert device_score(weak) == device_score(weak[:BEST]) < 0.6
    assert device_score(()) == 0.0


def test_reasons_elements_and_innocent_readings_are_given() -> None:
    found = ranked(
        text_unit("/a.txt", CONVERSATION),
        text_unit("/b.txt", "no days off"),
        text_unit("/c.txt", "girls wanted"),
        text_unit("/d.txt", "two girls available"),
    )
    answer = answers(found)[1]
    assert answer.items[0].startswith("critical 1.00: ")
    assert "Withholding of identity documents" in answer.items[0]
    assert answer.items[3] == "elements: act in 2 findings, means in 1 finding, purpose in 3 findings"
    reading = "Withholding of identity documents: lawful forms of withholding of identity documents"
    assert f"innocent reading: {reading}" in answer.items
    assert answer.finding_ids == tuple(finding.id for finding in found[:3])


def test_whom_else_names_the_stores_and_says_what_is_not_done() -> None:
    assert "not extracted" in answers()[2].verdict
    assert "was noted" in answers()[2].verdict
    rules = RULES | {
        "yara/chat#viber": make_rule("yara/chat#viber", role="note", gloss="Viber message database", detector="yara"),
        "k#mrz": make_rule("k#mrz", "identity.third_party_docs", 0.85),
    }
    chat = [make_unit(f"/{n}.db", [make_hit("yara/chat#viber", 0, encoding="")]) for n in range(2)]
    scans = make_unit("/scans.txt", [make_hit("k#mrz", 0)])
    found = ranked(*chat, scans, rules=rules)
    answer = answers(found, types={"text/vcard": 3}, places={"chat.viber": 2, "photo": 9})[2]
    assert answer.items == (
        "1 file with identity-document data: count the distinct holders",
        "2 x Viber message database (yara/chat#viber)",
        "3 contact files (vCard)",
        "2 files at chat.viber",
    )
    assert answer.finding_ids == (next(f.id for f in found if f.path == "p1:/scans.txt"),)


def test_what_next_names_volumes_containers_and_what_may_vanish() -> None:
    assert answers()[3].verdict == "nothing that asks for it was noted in what could be read"
    locked = Volume("p2", 0, 1, Allocation.ALLOCATED, "gpt", encryption="BitLocker")
    foreign = Volume("p3", 0, 1, Allocation.ALLOCATED, "gpt", unsupported="APFS container")
    plain = Volume("p1", 0, 1, Allocation.ALLOCATED, "gpt", file_system="ntfs")
    rules = RULES | {
        "yara/enc#kdbx": make_rule("yara/enc#kdbx", role="note", gloss="KeePass password safe", detector="yara"),
        "k#wipe": make_rule("k#wipe", "anon.tooling", 0.5),
    }
    found = ranked(
        make_unit("/a.kdbx", [make_hit("yara/enc#kdbx", 0, encoding="")]),
        make_unit("/w.txt", [make_hit("k#wipe", 0)]),
        rules=rules,
    )
    problems = [Problem(f"disk.dd p1:/{n}.zip", "content/zip", Reason.ENCRYPTED, "password") for n in range(4)]
    answer = answers(
        found,
        evidence=[report(plain, locked, foreign)],
        problems=problems,
        types={"application/x-android-backup": 1},
        places={"phone_backup_on_pc": 1},
    )[3]
    text = "\n".join(answer.items)
    assert "encrypted volume disk.dd p2: BitLocker; find the key" in text
    assert "volume disk.dd p3 not readable here: APFS container" in text
    assert "4 encrypted: disk.dd p1:/0.zip, disk.dd p1:/1.zip, disk.dd p1:/2.zip ...;" in text
    assert "1 x KeePass password safe (yara/enc#kdbx)" in text
    assert "1 Android backups" in text
    assert "1 file at phone_backup_on_pc" in text
    assert "may vanish" in text
    assert "p1" not in answer.items[0]


def test_not_examined_counts_reasons_types_and_languages() -> None:
    problems = [
        Problem("disk.dd p1:/a", "x", Reason.CORRUPT, "broken", bytes_not_examined=2048),
        Problem("disk.dd p1:/b", "x", Reason.CORRUPT, "broken more", bytes_not_examined=4096),
        Problem("disk.dd p1:/c", "x", Reason.TIMEOUT, "slow"),
        Problem("disk.dd p1:/d", "x", Reason.CRASHED, "read at last", examined_anyway=True),
    ]
    found = ranked(
        make_unit("/a", [make_hit("k/bg#1", 0), make_hit("k/und#1", 90)]),
        rules={
            "k/bg#1": make_rule("k/bg#1", "control.debt_bondage", language="bg"),
            "k/und#1": make_rule("k/und#1", "control.debt_bondage", language="und"),
        },
    )
    answer = answers(
        found,
        problems=problems,
        pending=7,
        coverage=[Coverage("keywords", 5, 50), Coverage("yara", 4, 40, 1, 3 << 20)],
        evidence=[replace(report(), entries=20)],
        packs=[pack("en"), pack("bg"), pack("am", enabled=False), pack("und")],
        types={"image/jpeg": 900, "image/png": 100, "audio/opus": 2, "text/plain": 5, "application/pdf": 1},
    )[4]
    assert answer.verdict == "7 entries wait; 3 things were not examined (6.0 KiB)"
    assert answer.items == (
        "7 entries still wait: run the same scan again to go on",
        "corrupt: 2, 6.0 KiB; for instance disk.dd p1:/b: broken more",
        "timeout: 1; for instance disk.dd p1:/c: slow",
        "detector yara skipped 1 contents (3.0 MiB)",
        "disk.dd: 5 of 20 entries hold nothing to examine (folders, links, empty, reused) or were given up",
        "1,000 pictures: no text recognition: ledgers on paper, screenshots and document scans were not read",
        "2 sound files: voice notes were not transcribed",
        "1 PDF files: compressed text inside was not decoded",
        "languages searched: bg, en; wording in any other language was not",
        "lists switched off (drafts or not asked for): am",
        "interpreters needed for: bg",
    )


def test_everything_read_is_said_too() -> None:
    answer = answers()[4]
    assert answer.verdict.startswith("everything that was listed was read")
    assert answer.items == ()


def test_nobody_is_called_anything() -> None:
    rules = RULES | {
        "yara/chat#viber": make_rule("yara/chat#viber", role="note", gloss="Viber database", detector="yara")
    }
    found = ranked(
        text_unit("/a.txt", CONVERSATION + URGENT),
        text_unit("/b.txt", "took my passport, sold the girl, two girls available, hotline"),
        make_unit("/c.db", [make_hit("yara/chat#viber", 0, encoding="")]),
        rules=rules,
    )
    made = answers(
        found,
        problems=[Problem("disk.dd p1:/a", "x", Reason.ENCRYPTED, "password")],
        pending=1,
        evidence=[report()],
        packs=[pack("en")],
        types={"image/png": 1, "text/vcard": 1},
    )
    for answer in made:
        for text in (answer.question, answer.verdict, *answer.items):
            assert not [
                word for word in ("victim", "traffick", "guilty", "suspect", "offender") if word in text.lower()
            ]


def test_text_from_evidence_is_shown_on_one_safe_line() -> None:
    text = "they won't let me leave\r\n\x1b]0;owned\x07 \u202eevil"
    found = ranked(text_unit("/a\x1b[2J\n.txt", text))
    for answer in answers(found):
        for item in answer.items:
            assert item.isprintable()
