"""Synthetic documents for the tests of everything that prints or reads one.

All persons, numbers, places and texts are invented: phone numbers are from ranges that regulators set aside for fiction
or that no operator uses, mail addresses are below example.com. No text is from a real case.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from triage.model.address import Address
from triage.model.content import Coverage
from triage.model.coverage import CoverageRow, CoverageTable, Part, Unexamined
from triage.model.document import Answer, Document, EvidenceReport, RunInfo
from triage.model.finding import PRIORITIES, Finding, Priority, ScoreLine
from triage.model.problem import Problem, Reason
from triage.model.rules import Indicator, PackInfo, Profile
from triage.model.volume import Allocation, EvidenceSource, Volume

LAPTOP = "laptop.E01"
STICK = "stick.dd"

_CATALOGUE = (
    ("recruit.false_job", "Deceptive or implausible job offer", "act", 0.40, 0, "Lawful recruitment agencies, news."),
    ("trade.person_sale", "Sale, purchase or handover of a person", "act", 0.90, 2, "Fiction, news, game trading."),
    ("move.rotation", "Rotation of persons between places", "act", 0.35, 0, "Touring artists, sports teams."),
    ("control.document_retention", "Withholding of identity documents", "means", 0.80, 1, "Hotels, banks, employers."),
    ("control.debt_bondage", "Debt ledger or debt bondage", "means", 0.75, 1, "Private loans, household accounts."),
    ("control.threat_family", "Threat against the family", "means", 0.70, 2, "Quarrels, fiction, quoted messages."),
    ("control.confinement", "Restriction of movement", "means", 0.75, 2, "Quarantine, shift plans, pets."),
    ("exploit.sex_ad", "Commercial-sex advertising for others", "purpose", 0.35, 0, "An independent worker's ads."),
    ("exploit.third_party_mgmt", "Third-party management of earnings", "purpose", 0.65, 0, "Couriers, taxi dispatch."),
    ("exploit.labour_conditions", "Forced-labour conditions", "purpose", 0.50, 0, "Complaints about a lawful job."),
    ("finance.value_transfer", "Informal, prepaid or crypto value transfer", "other", 0.35, 0, "Remittances home."),
    ("urgent.victim_distress", "Person asking for help or at risk now", "other", 0.80, 2, "Quarrels, fiction."),
)  # fmt: skip

INDICATORS = {
    row[0]: Indicator(row[0], row[1], row[2], base_weight=row[3], urgency=row[4], innocent=row[5]) for row in _CATALOGUE
}

# (path, evidence, state, type, type for people, [(rule, indicator, language, gloss, before, match, after, share)], ...)
_TEXTS: tuple[tuple[str, str, str, str, str, int, tuple[tuple[str, str, str, str, str, str, str, float], ...]], ...] = (
    (
        "/Users/Greg/AppData/Roaming/ViberPC/359880000141/viber.db", LAPTOP, "allocated",
        "application/vnd.sqlite3", "SQLite database", 2,
        (
            ("keywords/bg#12", "control.document_retention", "bg", "keep the passport", "утре идва новата, ти ",
             "паспорта остава при мен", ", докато не върне всичко. Телефон +359 88 000 0141", 0.31),
            ("keywords/bg#112", "control.debt_bondage", "bg", "you still owe", "Колко пъти да ти казвам: ",
             "дължиш ми още", " 3000 лева и 200 за билета, до 20.03.2024", 0.24),
            ("keywords/bg#48", "control.threat_family", "bg", "we know where your mother lives",
             "не се прави на умна. ", "знаем къде живее майка ти", " и сестра ти също", 0.22),
            ("keywords/bg#77", "exploit.third_party_mgmt", "bg", "client is waiting", "в 22 ч. хотела, ",
             "клиентът чака", ", после ми пращаш парите", 0.12),
        ),
    ),
    (
        "/data/com.whatsapp/databases/msgstore.db", LAPTOP, "deleted", "application/vnd.sqlite3", "SQLite database", 2,
        (
            ("keywords/ar#31", "control.confinement", "ar", "you do not leave the house", "قلت لك ",
             "لا تخرجي من البيت", " حتى أرجع. الرقم ‎+962 79 000 0123", 0.33),
            ("keywords/ar#7", "control.document_retention", "ar", "your passport is with me", "",
             "جوازك عندي", " إلى أن تدفعي الدين كله", 0.29),
            ("keywords/ar#40", "urgent.victim_distress", "ar", "help me please", "أنا خائفة، ",
             "ساعدوني من فضلكم", "، لا أعرف أين أنا", 0.21),
        ),
    ),
    (
        "/Users/Greg/Documents/2024/工作/名单.xlsx", LAPTOP, "allocated",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "Excel workbook", 1,
        (
            ("keywords/zh-Hans#18", "control.debt_bondage", "zh-Hans", "debt still owed", "编号3，", "还欠债",
             "28000元,每月扣除 (maria.k@example.com)", 0.28),
            ("keywords/zh-Hans#64", "exploit.labour_conditions", "zh-Hans", "no pay until the debt is worked off",
             "规定：", "还清之前没有工资", "，护照统一保管", 0.26),
        ),
    ),
    (
        "/Users/Greg/Desktop/notes.txt", LAPTOP, "allocated", "text/plain", "Text", 0,
        (
            ("keywords/en#9", "exploit.third_party_mgmt", "en", "she keeps a share", "2 girls in flat 4, ",
             "you take 60 she takes 40", ", call +44 7700 900123 after 6 pm", 0.30),
            ("keywords/en#201", "move.rotation", "en", "rotate between cities", "", "swap them every two weeks",
             " so nobody asks", 0.16),
        ),
    ),
    (
        "/Users/Greg/Downloads/anunt.docx", LAPTOP, "allocated",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "Word document", 0,
        (
            ("keywords/ro#5", "recruit.false_job", "ro", "no experience or language needed", "Lucru în hotel, ",
             "nu se cere experiență", ", transport plătit de noi, plecare imediată. Tel. +40 712 345 678", 0.27),
        ),
    ),
    (
        "/$OrphanFiles/OrphanFile-4711", STICK, "orphan", "text/plain", "Text", 1,
        (
            ("keywords/ru#22", "control.debt_bondage", "ru", "work off the debt", "пока не ", "отработаешь долг",
             ", никуда не поедешь", 0.21),
            ("keywords/und#4", "finance.value_transfer", "und", "TRON address", "перевод на ",
             "TXYZ-invented-address", " USDT", 0.05),
        ),
    ),
    (
        "/DCIM/anuncios/lista_precios.html", STICK, "allocated", "text/html", "HTML", 0,
        (
            ("keywords/es#61", "exploit.sex_ad", "es", "new in town", "¡", "recién llegada a la ciudad",
             "! 1 h 120, 30 min 70, WhatsApp 600 000 123", 0.14),
        ),
    ),
    (
        "/Users/Greg/Pictures/thumbs.html", LAPTOP, "allocated", "text/html", "HTML", 0,
        (
            ("keywords/vi#3", "recruit.false_job", "vi", "easy work, high pay", "", "việc nhẹ lương cao",
             " ở nước ngoài", 0.08),
        ),
    ),
)  # fmt: skip


def line(label: str, contribution: float, **values: object) -> ScoreLine:
    """A hit line, or with ``kind="adjustment"`` another one."""
    return replace(ScoreLine(str(values.pop("kind", "hit")), label, contribution), **values)  # type: ignore[arg-type]


def make_finding(rank: int = 1, *, path: bytes = b"/a.txt", evidence: str = LAPTOP, **values: object) -> Finding:
    """A finding whose lines add up; any field can be given."""
    address = Address(evidence, "p2", path)
    digest = hashlib.sha256(str(address).encode("utf-8", "surrogateescape")).hexdigest()
    lines = values.pop("lines", None) or (
        line("keep the passport", 0.4, indicator="control.document_retention", rule="keywords/en#1", element="means",
             language="en", weight=0.7, matched="passport", excerpt="her passport stays", offset=4, length=8, count=1,
             address=str(address), encoding="utf-8"),
        line("one element of three", -0.1, kind="adjustment"),
    )  # fmt: skip
    score = round(sum(part.contribution for part in lines), 6)  # type: ignore[attr-defined]
    base = Finding(
        rank=rank, id="f-" + digest[:12], address=str(address), path=address.local, evidence=evidence, unit="file",
        type="text/plain", type_name="Text", size=5120, state="allocated", times={"mtime": "2024-03-20T21:40:00Z"},
        hashes={"md5": digest[:32], "sha1": digest[:40], "sha256": digest}, priority=band(score), score=score,
        urgency=0, elements=("means",), lines=tuple(lines),  # type: ignore[arg-type]
    )  # fmt: skip
    return replace(base, **values)  # type: ignore[arg-type]


def band(score: float) -> Priority:
    """The priority of a score in the default profile."""
    for bound, priority in zip((0.8, 0.6, 0.35, 0.12), PRIORITIES, strict=False):
        if score >= bound:
            return priority
    return Priority.INFO


def sample_findings() -> tuple[Finding, ...]:
    """Eight findings in eight languages, in rank order, from critical to info."""
    out = []
    for rank, (path, evidence, state, mime, kind, urgency, hits) in enumerate(_TEXTS, 1):
        address = str(Address(evidence, "p2", path.encode()))
        lines = []
        elements = []
        for index, (rule, indicator, language, gloss, before, match, after, share) in enumerate(hits):
            element = INDICATORS[indicator].element
            if element not in elements and element != "other":
                elements.append(element)
            lines.append(
                line(gloss, share, indicator=indicator, element=element, rule=rule, weight=0.7, language=language,
                     excerpt=before + match + after, matched=match, offset=1200 + 4096 * index,
                     length=len(match.encode()), count=1 + index, address=address, encoding="utf-8")
            )  # fmt: skip
        if len(elements) > 1:
            lines.append(line(f"{len(elements)} elements of the offence covered", 0.07, kind="adjustment"))
        else:
            lines.append(line("one element only: needs a second one", -0.02, kind="adjustment"))
        innocent = tuple(dict.fromkeys(INDICATORS[part.indicator].innocent for part in lines if part.indicator))
        out.append(
            make_finding(
                rank, path=path.encode(), evidence=evidence, state=state, type=mime, type_name=kind, urgency=urgency,
                lines=tuple(lines), elements=tuple(sorted(elements, key=("act", "means", "purpose").index)),
                innocent=innocent, size=10**rank, meta_address=1000 + rank, owner="S-1-5-21-1000",
                unit="file" if rank % 2 else "document",
                caveats=("content of a deleted file: clusters may have been reused",) if state != "allocated" else (),
                also_at=(f"{evidence} p2:/Backup/{rank}.bin",) if rank == 3 else (),
                damped_by=("occurs in many files",) if rank == 7 else (),
                times={"mtime": f"2024-03-{20 - rank:02d}T21:40:00Z", "crtime": f"2024-02-{20 - rank:02d}T08:00:00Z"},
            )
        )  # fmt: skip
    return tuple(out)


def evidence_reports() -> tuple[EvidenceReport, ...]:
    """A laptop image with an encrypted and an unsupported volume, and a bare stick."""
    laptop = EvidenceSource(
        LAPTOP, (Path("/evidence/laptop.E01"), Path("/evidence/laptop.E02")), "ewf", 256_060_514_304,
        {"md5": "9e107d9d372bb6826bd81d3542a419d6", "sha1": "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"},
        {"examiner": "Ivanova", "acquired": "2024-03-22T10:00:00Z", "sectors": "500118192"},
    )  # fmt: skip
    volumes = (
        Volume("p0", 0, 1_048_576, Allocation.METADATA, "gpt", "Safety Table"),
        Volume("p1", 1_048_576, 104_857_600, Allocation.ALLOCATED, "gpt", "EFI system partition", "fat32", 512),
        Volume("p2", 105_906_176, 200_000_000_000, Allocation.ALLOCATED, "gpt", "Basic data partition", "ntfs", 4096),
        Volume("p3", 200_105_906_176, 50_000_000_000, Allocation.ALLOCATED, "gpt", "Basic data partition",
               encryption="BitLocker"),
        Volume("p4", 250_105_906_176, 5_000_000_000, Allocation.ALLOCATED, "gpt", "Linux filesystem data",
               unsupported="ZFS: no reader for this file system"),
    )  # fmt: skip
    stick = EvidenceSource(STICK, (Path("/evidence/stick.dd"),), "raw", 8_000_000_000)
    bare = Volume("p1", 0, 8_000_000_000, Allocation.ALLOCATED, "bare", "", "fat32", 32768)
    return (
        EvidenceReport(laptop, volumes, 412_345, 398_001, 180_000_000_000, 171_234_567_890, coverage()),
        EvidenceReport(stick, (bare,), 1_204, 1_204, 3_000_000_000, 3_000_000_000),
    )


def coverage() -> tuple[CoverageTable, ...]:
    """The bytes of the laptop, and of a volume in a layer."""
    rows = (
        CoverageRow(Part.ALLOCATED, 180_000_000_000, 171_234_567_890,
                    {Unexamined.LIMIT: 8_765_432_000, Unexamined.FAILED: 110}),
        CoverageRow(Part.UNALLOCATED, 14_956_457_984, 14_956_457_984),
        CoverageRow(Part.GAP, 1_048_576, 1_048_576),
        CoverageRow(Part.METADATA, 6_103_007_744, 0, {Unexamined.STRUCTURE: 6_103_007_744}),
        CoverageRow(Part.ENCRYPTED, 50_000_000_000, 0, {Unexamined.ENCRYPTED: 50_000_000_000}),
        CoverageRow(Part.OPENED, 5_000_000_000, 0, {}, 5_000_000_000),
    )  # fmt: skip
    inner = (
        CoverageRow(Part.ALLOCATED, 3_999_999_000, 3_999_999_000),
        CoverageRow(Part.SLACK, 1000, 0, {Unexamined.SPACE_OFF: 1000}),
    )
    return (
        CoverageTable("", "", "media", sum(row.bytes for row in rows), rows, 4096),
        CoverageTable("p4.lv1", "ext4, root", "volume", 4_000_000_000, inner),
    )


def problems() -> tuple[Problem, ...]:
    """One of several kinds, one of them recovered."""
    return (
        Problem(f"{LAPTOP} p2:/Users/Greg/backup.7z", "content/identify", Reason.ENCRYPTED, "members are encrypted",
                "give the password with --password", 734_003_200),
        Problem(f"{LAPTOP} p2:/Users/Greg/movie.mkv", "pipeline/examine", Reason.LIMIT, "larger than the limit: 4 GiB",
                "raise --max-file-size", 9_663_676_416),
        Problem(f"{LAPTOP} p2:/Windows/big.bin", "detectors/yara", Reason.TIMEOUT, "took longer than 30 s", "",
                52_428_800),
        Problem(f"{LAPTOP} p2:/odd.doc", "pipeline/worker", Reason.CRASHED, "the worker died with signal 11", "",
                40_960, examined_anyway=True),
        Problem(f"{LAPTOP} p3", "evidence/volumes", Reason.ENCRYPTED, "encrypted volume: BitLocker",
                "give the recovery key with --key-file", 50_000_000_000),
        Problem(f"{LAPTOP} p4", "evidence/volumes", Reason.UNSUPPORTED, "no reader for this file system: ZFS", "",
                5_000_000_000),
    )  # fmt: skip


def answers(findings: tuple[Finding, ...]) -> tuple[Answer, ...]:
    """The five answers of page one for the sample findings."""
    urgent = tuple(finding for finding in findings if finding.urgency >= 2)
    return (
        Answer(
            "Someone at risk now?",
            f"Possibly: {len(urgent)} findings need a reader." if urgent else "None found in what could be read.",
            tuple(
                f"2024-03-19T21:40:00Z: “{finding.lines[0].matched}” ({finding.lines[0].label}), {finding.path}"
                for finding in urgent
            ),
            tuple(finding.id for finding in urgent),
        ),
        Answer(
            "Hold or release the device?", "Priority: hold for full examination.",
            ("Withholding of identity documents in three languages", "Act, means and purpose are all covered",
             "Innocent reading to rule out: hotels, banks and employers copy documents"),
        ),
        Answer(
            "Whom else to look for?", "4 numbers and 1 mail address occur in more than one finding.",
            ("+359 88 000 0141 in 3 findings", "+962 79 000 0123 in 2 findings", "maria.k@example.com in 1 finding"),
            tuple(finding.id for finding in findings[:3]),
        ),
        Answer(
            "What to image next?", "The phone behind the Viber account, and the cloud backup.",
            ("Viber on a phone ending in 141: disappearing messages are on",
             "BitLocker volume p3 needs a recovery key"),
        ),
        Answer(
            "What was not examined?", "5 things, 61.1 GiB: encrypted, unsupported or beyond a limit.",
            ("BitLocker volume p3 (46.6 GiB)", "ZFS volume p4 (4.7 GiB)", "No OCR, no voice notes",
             "Interpreters needed: Bulgarian, Arabic, Chinese"),
        ),
    )  # fmt: skip


def packs() -> tuple[PackInfo, ...]:
    """Three packs, one of them off."""
    return (
        PackInfo("keywords/bg", "keywords", "1.0.0", "Apache-2.0", "bg", "Bulgarian", "ab" * 32, 52, True),
        PackInfo("keywords/km", "keywords", "1.0.0", "Apache-2.0", "km", "Khmer (draft)", "cd" * 32, 25, False),
        PackInfo("yara/wallets", "yara", "1.0.0", "Apache-2.0", "und", "Wallets", "ef" * 32, 7, True, "2026-01"),
    )


def make_document(findings: tuple[Finding, ...] | None = None, **values: object) -> Document:
    """A document around ``findings`` (the sample ones by default); any field can be given."""
    found = sample_findings() if findings is None else findings
    counts: dict[str, int] = {}
    for finding in found:
        counts[finding.priority.value] = counts.get(finding.priority.value, 0) + 1
    base = Document(
        schema="1.1", tool_version="0.1.0", state="complete", evidence=evidence_reports(), findings=found,
        answers=answers(found), counts=counts, problems=problems(),
        coverage=(Coverage("keywords", 398_001, 171_234_567_890, 14, 9_716_105_216),
                  Coverage("yara", 397_999, 171_000_000_000, 16, 9_768_534_016)),
        packs=packs(), indicators=INDICATORS, profile=Profile(), rules_digest="12" * 32, audit_head="34" * 32,
        options={"profile": "default", "max-file-size": "4 GiB"},
        versions={"python": "3.11.2", "pytsk3": "20260715", "yara-python": "4.5.4"},
        run=RunInfo("2026-11-24T08:00:00Z", "2026-11-24T08:31:07Z", 1867.25, "lab-7", 4,
                    ("triage", "scan", "laptop.E01")),
    )  # fmt: skip
    return replace(base, **values)  # type: ignore[arg-type]


def empty_document() -> Document:
    """Nothing found, everything examined."""
    return make_document((), problems=(), coverage=(Coverage("keywords", 10, 1000),), answers=answers(()))


def many_findings(count: int, seed: int = 1) -> Iterator[Finding]:
    """``count`` findings in rank order, scores falling, texts from the sample."""
    chance = random.Random(seed)
    sample = sample_findings()
    for rank in range(1, count + 1):
        base = sample[chance.randrange(len(sample))]
        total = 0.98 * (1 - (rank - 1) / count) + 0.01
        own = sum(part.contribution for part in base.lines)
        lines = tuple(replace(part, contribution=round(part.contribution * total / own, 6)) for part in base.lines)
        path = f"/Users/Greg/{chance.choice(('Documents', 'Downloads', 'Pictures', 'AppData/Local'))}/{rank:06d}.bin"
        yield make_finding(
            rank, path=path.encode(), lines=lines, urgency=base.urgency, elements=base.elements, state=base.state,
            type=base.type, type_name=base.type_name, unit=base.unit, innocent=base.innocent,
            size=chance.randrange(10**7),
            times={"mtime": f"20{chance.randrange(10, 25)}-0{chance.randrange(1, 10)}-11T10:00:00Z"},
        )  # fmt: skip
