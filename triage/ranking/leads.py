"""Third and fourth answer of page one: whom else to look for, and what to image next.

Selectors (phone numbers, accounts, wallets) are not extracted, so the third answer names the places that hold them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from triage.model.document import Answer, EvidenceReport
from triage.model.finding import Finding
from triage.model.problem import Problem, Reason

WHOM = "Whom else to look for?"
NEXT = "What to image next?"

LISTED = 12

_PEOPLE = re.compile(
    r"\b(?:chats?|messages?|messengers?|messaging|whatsapp|telegram|viber|signal|wechat|line|sms|contacts?|accounts?"
    r"|address ?books?|call ?logs?|mail|wallets?|passports?|visas?|identity|mrz|sim)\b",
)
_STORES = re.compile(
    r"\b(?:encrypted|encryption|containers?|veracrypt|truecrypt|luks|bitlocker|filevault|keepass|password safe|vault"
    r"|backups?|disk images?|virtual disks?|cloud|dropbox|onedrive|icloud|mega|rclone|wallets?)\b",
)
_PEOPLE_PLACES = ("chat.", "sms_calls_contacts", "email", "cloud_sync", "account_fleet")
_NEXT_PLACES = ("phone_backup_on_pc", "cloud_sync", "encrypted_container", "crypto_wallet", "surveillance")
_PEOPLE_TYPES = {
    "text/vcard": "contact files (vCard)",
    "application/mbox": "mailboxes",
    "message/rfc822": "mail messages",
    "application/vnd.ms-outlook-pst": "Outlook mail stores",
}
_NEXT_TYPES = {
    "application/x-android-backup": "Android backups",
    "application/x-keepass": "KeePass password safes",
    "application/x-luks": "LUKS volumes in files",
    "application/x-apple-encrypted-dmg": "encrypted Apple disk images",
    "application/x-vmdk": "VMware disks",
    "application/x-virtualbox-vdi": "VirtualBox disks",
    "application/x-vhd": "Virtual PC disks",
    "application/x-vhdx": "Hyper-V disks",
    "application/x-qcow": "QEMU disks",
    "application/x-ewf": "forensic images",
}


def whom_else(findings: Sequence[Finding], types: Mapping[str, int], places: Mapping[str, int]) -> Answer:
    """Where numbers, accounts and documents of other persons are, as far as seen."""
    items = [f"{number} x {note}" for note, number in _notes(findings, _PEOPLE)]
    items += _by_type(types, _PEOPLE_TYPES)
    items += _by_place(places, _PEOPLE_PLACES)
    documents = [finding for finding in findings if _has(finding, "identity.third_party_docs")]
    if documents:
        items.insert(0, f"{_files(len(documents))} with identity-document data: count the distinct holders")
    verdict = "phone numbers, accounts and wallets are not extracted by this version; "
    verdict += (
        "they stand in:" if items else "no chat, contact, account or document store was noted in what could be read"
    )
    return Answer(WHOM, verdict, tuple(items[:LISTED]), tuple(finding.id for finding in documents[:1]))


def what_next(
    findings: Sequence[Finding],
    evidence: Sequence[EvidenceReport],
    problems: Sequence[Problem],
    types: Mapping[str, int],
    places: Mapping[str, int],
) -> Answer:
    """Stores that need a key or an image of their own, and what may vanish."""
    items = []
    for report in evidence:
        for volume in report.volumes:
            if volume.encryption:
                items.append(f"encrypted volume {report.source.name} {volume.name}: {volume.encryption}; find the key")
            elif volume.unsupported:
                items.append(f"volume {report.source.name} {volume.name} not readable here: {volume.unsupported}")
    locked = [problem for problem in problems if problem.reason is Reason.ENCRYPTED and not problem.examined_anyway]
    if locked:
        shown = ", ".join(problem.address for problem in locked[:3]) + (" ..." if len(locked) > 3 else "")
        items.append(f"{len(locked)} encrypted: {shown}; ask for passwords before the device is returned")
    items += [f"{number} x {note}" for note, number in _notes(findings, _STORES)]
    items += _by_type(types, _NEXT_TYPES)
    items += _by_place(places, _NEXT_PLACES)
    vanishing = [finding for finding in findings if _has(finding, "anon.tooling")]
    if vanishing:
        items.append(
            f"{_files(len(vanishing))} with wording on deletion, second phones or anonymity: what is on other devices "
            "and in accounts may vanish, so secure it soon; it proves nothing"
        )
    verdict = (
        "in this order, as far as it was noted:"
        if items
        else "nothing that asks for it was noted in what could be read"
    )
    return Answer(NEXT, verdict, tuple(items[:LISTED]))


def _notes(findings: Sequence[Finding], pattern: re.Pattern[str]) -> list[tuple[str, int]]:
    """Notes that speak of something, with the number of files, most first."""
    counted: Counter[str] = Counter()
    for finding in findings:
        counted.update({note for note in finding.notes if pattern.search(note.replace("_", " ").lower())})
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def _by_type(types: Mapping[str, int], names: Mapping[str, str]) -> list[str]:
    return [f"{types[mime]} {name}" for mime, name in names.items() if types.get(mime)]


def _by_place(places: Mapping[str, int], wanted: tuple[str, ...]) -> list[str]:
    found = [(name, number) for name, number in sorted(places.items()) if name.startswith(wanted) and number]
    return [f"{_files(number)} at {name}" for name, number in found]


def _has(finding: Finding, indicator: str) -> bool:
    return any(line.indicator == indicator and line.contribution > 0 for line in finding.lines)


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"
