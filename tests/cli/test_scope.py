"""What is out of scope is never read: planted words in every state, two images that differ there alone, and the calls of the system."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.support.disk_image import boot_record, mbr_entry, put
from tests.support.fat_image import CLUSTER, fat_image
from tests.support.planted import RULES
from triage.case import verify_audit_log

EXCLUDE = """[scope]
name = "Warrant 7"
authority = "a court"
space = false
[exclude]
paths = ["/law/**", "**/*.zip!/law/**"]
"""


def word(name):
    return f"zzplanted {name}".encode()


def archive(text=b"zzplanted member out"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as made:
        for name, data in {"law/letter.txt": text, "open.txt": b"zzplanted member in"}.items():
            made.writestr(zipfile.ZipInfo(name, (2024, 3, 1, 0, 0, 0)), data)
    return out.getvalue()


def stick(out=b"zzplanted", *, filler=b"."):
    """A file system with a word in every state, in scope and out of it; ``out`` are the words out of scope."""
    files = {
        "in.txt": word("live in").ljust(700, b"."),
        "law/out.txt": (out + b" live").ljust(700, filler),
        "gone in.txt": word("deleted in").ljust(3000, b"."),
        "law/gone out.txt": (out + b" deleted").ljust(300_000, filler),
        "both.zip": archive(out + b" member out"),
    }
    fat = bytearray(fat_image(files, deleted=("gone in.txt", "law/gone out.txt")))
    put(fat, fat.index(word("live in")) + 900, word("slack in"))
    put(fat, fat.index(out + b" live" + filler) + 900, out + b" slack out")
    put(fat, len(fat) - 9 * CLUSTER, out + b" space")
    return bytes(fat)


@pytest.fixture
def scan(triage, tmp_path):
    """Scans an image with a scope; gives the process, the findings and the summary."""

    def run(image, scope, *options, case="c", name="stick.dd", shipped=False, **changes):
        path = tmp_path / "evidence" / name
        path.parent.mkdir(exist_ok=True)
        if image is not None:
            path.write_bytes(image)
        (tmp_path / "planted.toml").write_text(RULES)
        (tmp_path / "scope.toml").write_text(scope)
        rules = ("--rules", "planted.toml", "--no-shipped-rules")
        more = () if "--scope" in options or "TRIAGE_SCOPE" in changes else ("--scope", "scope.toml")
        arguments = ("scan", path, "--case", case, *rules, "--quiet", "--format", "jsonl", *more, *options)
        result = triage(*arguments, **changes)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        summary = next((line["summary"] for line in lines if "summary" in line), None)
        return result, [line for line in lines if "rank" in line], summary

    return run


def places(findings):
    return {finding["address"].split(" ", 1)[1] for finding in findings}


def reasons(summary, kind="entries"):
    return {part["reason"]: part["count"] for part in summary["scope"][kind]}


# --- words in every state -------------------------------------------------------------------------------------------
def test_without_a_scope_every_word_is_found(scan, triage, tmp_path):
    scan(stick(), EXCLUDE)
    result = triage(
        "scan", "evidence/stick.dd", "--case", "all", "--rules", "planted.toml", "--no-shipped-rules", "--quiet",
        "--format", "jsonl", "--workers", "1",
    )  # fmt: skip
    found = places([json.loads(line) for line in result.stdout.splitlines()[:-1]])
    assert {"p1:/law/out.txt", "p1:/law/gone out.txt", "p1:/law/out.txt$slack"} <= found
    assert any("!/law/letter.txt" in place for place in found) and any("$unallocated" in place for place in found)


def test_out_of_scope_is_nothing_found_in_any_state(scan, tmp_path):
    result, findings, summary = scan(stick(), EXCLUDE)
    assert result.returncode == 0, result.stderr  # it was ordered, so it is no failure
    assert places(findings) == {
        "p1:/in.txt", "p1:/gone in.txt", "p1:/in.txt$slack", "p1:/both.zip!/open.txt",
    }  # fmt: skip
    assert reasons(summary)["excluded-path"] == 2
    assert reasons(summary)["space"] >= 1
    assert reasons(summary, "members") == {"excluded-path": 1}
    assert summary["scope"]["withheld"]["entries"] == 0
    rows = [row for row in summary["evidence"][0]["coverage"][0]["rows"] for row in row["not_examined"]]
    assert sum(row["bytes"] for row in rows if row["reason"] == "out_of_scope") > 300_000
    text = (tmp_path / "c" / "report.html").read_text()
    assert "Warrant 7" in text and "in excluded paths" in text


def test_bytes_out_of_scope_change_nothing(scan, tmp_path):
    """Two images that differ in nothing but what is out of scope give the same reports, byte for byte."""

    def stripped(case):
        document = json.loads((tmp_path / case / "report.json").read_text())
        return {key: value for key, value in document.items() if key not in ("run", "audit_head")}

    _, _, first = scan(stick(), EXCLUDE, case="one")
    before = stick()
    after = stick(b"othertext", filler=b"#")
    # The checksum of the member in the archive stands in what is read; the rest may differ at will.
    assert len(before) == len(after)
    scan(after, EXCLUDE, case="two")
    one, two = stripped("one"), stripped("two")
    for document in (one, two):
        for finding in document["findings"]:
            finding.pop("hashes")
    assert one == two
    assert first["scope"]["in_scope"] == one["scope"]["in_scope"]


def test_free_space_ends_where_a_deleted_file_out_of_scope_begins(scan, tmp_path):
    """Free space is in scope and the deleted file is not: nothing of it is read with the piece in front of it."""
    files = {
        "a.txt": b"." * 3000,
        "law/gone.txt": (b"zzplanted deleted" * 3000),
        "b.txt": b"." * 9,
    }
    image = bytearray(fat_image(files, deleted=("a.txt", "law/gone.txt")))
    put(image, image.index(b"zzplanted deleted") - 300, b"nothing")
    put(image, len(image) - 3 * CLUSTER, word("space in"))
    scope = EXCLUDE.replace("space = false", "space = true")
    result, findings, summary = scan(bytes(image), scope)
    assert result.returncode == 0, result.stderr
    assert all("$unallocated" in place for place in places(findings)) and len(findings) == 1
    assert reasons(summary) == {"excluded-path": 1}


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_no_call_of_the_system_reads_what_is_out_of_scope(tmp_path):
    """Every read of the image by every process, against the places of two files out of scope, live and deleted.

    Formats keep their signatures at fixed places of a disk, so a file that lies on one is touched by opening the
    image; what opening alone reads is taken from ``info``. The library that walks file systems reads 64 KiB at a time
    around metadata, so the borders of the files do not count.
    """
    size, margin = 2_000_000, 65536
    files = {
        "in.txt": word("live in").ljust(5000, b"."),
        "law/out.bin": b"O" * size,
        "law/gone.bin": b"G" * size,
        "z.txt": b"z" * 5000,
    }
    image = fat_image(files, deleted=("law/gone.bin",), kib=5000)
    starts = [image.index(letter * size) for letter in (b"O", b"G")]
    closed = [(start + margin, start + size - margin) for start in starts]
    (tmp_path / "stick.dd").write_bytes(image)
    (tmp_path / "planted.toml").write_text(RULES)
    (tmp_path / "scope.toml").write_text(EXCLUDE)
    rules = ("--rules", "planted.toml", "--no-shipped-rules", "--quiet", "--format", "none")
    opening = _touched(tmp_path, closed, "info", "stick.dd")
    scoped = _touched(tmp_path, closed, "scan", "stick.dd", "--case", "scoped", *rules, "--scope", "scope.toml")
    everything = _touched(tmp_path, closed, "scan", "stick.dd", "--case", "all", *rules)
    assert scoped - opening == set()
    assert len(everything - opening) > 2  # the same without a scope: the method sees reads


def _touched(folder, closed, *arguments):
    """Stretches inside ``closed`` that a command read of the image, by any of its processes."""
    trace = folder / "trace"
    traced = ("strace", "-f", "-y", "-s", "0", "-e", "trace=pread64,preadv,preadv2,read,readv,mmap", "-o", str(trace))
    command = [*traced, sys.executable, "-m", "triage", *arguments]
    environment = {**os.environ, "COLUMNS": "80", "TRIAGE_CACHE": str(folder / "cache")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=900)
    assert done.returncode in (0, 3), done.stderr
    calls = trace.read_text()
    reads = re.findall(r"pread64\(\d+<[^>]*stick\.dd>, .*, (\d+), (\d+)\) = \d+", calls)
    assert reads and not re.search(r"(?:mmap|preadv2?|\breadv?)\([^<\n]*<[^>\n]*stick\.dd>", calls)
    spans = {(int(offset), int(offset) + int(length)) for length, offset in reads}
    return {(low, high) for low, high in spans for begin, end in closed if low < end and high > begin}


# --- what is told ---------------------------------------------------------------------------------------------------
def test_the_scope_stands_in_the_audit_log_with_its_text(scan, tmp_path):
    _, _, summary = scan(stick(), EXCLUDE)
    lines = [json.loads(line) for line in (tmp_path / "c" / "audit.jsonl").read_text().splitlines()]
    applied = next(line["details"] for line in lines if line["event"] == "scope-applied")
    assert applied["text"] == EXCLUDE and applied["digest"] == summary["scope"]["sha256"]
    listed = next(
        line["details"] for line in lines if line["event"] == "volume-listed" and line["details"]["volume"] == "p1"
    )
    assert listed["out_of_scope"]["excluded-path"] == 2
    kept = next(line["details"] for line in lines if line["event"] == "scope-kept")
    assert kept["entries"]["excluded-path"][0] == 2 and kept["members"] == {"excluded-path": [1, 20]}
    assert verify_audit_log(tmp_path / "c" / "audit.jsonl")[0] == len(lines)


def test_a_case_goes_on_with_its_own_scope_alone(scan, triage, tmp_path):
    scan(stick(), EXCLUDE)
    assert scan(None, EXCLUDE)[0].returncode == 0
    for scope in (EXCLUDE.replace("Warrant 7", "Warrant 8"), EXCLUDE.replace('/law/**", ', '/law/a/**", ')):
        result, _, _ = scan(None, scope)
        assert result.returncode == 2 and b"was made with the scope `Warrant 7`" in result.stderr
    result = triage(
        "scan", "evidence/stick.dd", "--case", "c", "--rules", "planted.toml", "--no-shipped-rules", "--quiet"
    )
    assert result.returncode == 2 and b"cannot go on without one" in result.stderr


def test_a_case_without_a_scope_gets_none_later(scan, triage, tmp_path):
    scan(stick(), EXCLUDE, case="other")
    arguments = ("scan", "evidence/stick.dd", "--case", "c", "--rules", "planted.toml", "--no-shipped-rules", "--quiet")
    assert triage(*arguments, "--format", "none").returncode in (0, 3)
    result = triage(*arguments, "--scope", "scope.toml")
    assert result.returncode == 2 and b"without a scope" in result.stderr


def test_u07_a_scope_that_leaves_nothing_is_no_clean_result(scan, tmp_path):
    scope = '[scope]\nname = "W"\nspace = false\n[include]\npaths = ["/no/such/folder/**"]\n'
    result, findings, summary = scan(stick(), scope)
    assert result.returncode == 2 and not findings
    assert b"nothing was read" in result.stderr and b"/no/such/folder/**" in result.stderr
    assert "nothing was read" in summary["headline"] and summary["scope"]["in_scope"] == 0
    assert summary["scope"]["unmatched"] == ["[include] paths: /no/such/folder/**"]


def test_u07_a_scope_without_the_evidence_opens_nothing(scan, tmp_path):
    result, _, _ = scan(stick(), '[scope]\nname = "W"\n[include]\nevidence = ["other.E01"]\n')
    assert result.returncode == 2 and b"nothing was opened" in result.stderr
    assert not (tmp_path / "c").exists()


def test_sources_and_volumes_out_of_scope_are_not_listed_and_are_told(scan, triage, tmp_path):
    fat = stick()
    disk = bytearray(64 * 512 + len(fat))
    put(disk, 0, boot_record(mbr_entry(0x06, 64, len(fat) // 512)))
    put(disk, 64 * 512, fat)
    put(disk, 20 * 512, word("gap"))
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "other.dd").write_bytes(stick())
    scope = '[scope]\nname = "W"\n[include]\nvolumes = ["p1"]\n[exclude]\nevidence = ["other*"]\n'
    result, findings, summary = scan(bytes(disk), scope, tmp_path / "evidence" / "other.dd")
    assert result.returncode == 0, result.stderr
    assert findings and all(finding["evidence"] == "stick.dd" for finding in findings)
    assert [source["name"] for source in summary["evidence"]] == ["stick.dd"]
    assert [(item["name"], item["reason"]) for item in summary["scope"]["evidence"]] == [
        ("other.dd", "excluded-evidence")
    ]
    (gap,) = summary["scope"]["volumes"]
    assert gap["reason"] == "volume" and gap["bytes"] == 64 * 512 and "$gap@0" in gap["name"]
    assert not any("$gap" in place for place in places(findings))


def test_the_scope_comes_from_the_configuration_and_the_environment_too(scan, tmp_path):
    _, found, _ = scan(stick(), EXCLUDE, "--workers", "1", TRIAGE_SCOPE="scope.toml")
    assert "p1:/in.txt" in places(found) and "p1:/law/out.txt" not in places(found)
    (tmp_path / "lab.toml").write_text('scope = "scope.toml"\n')
    _, found, _ = scan(None, EXCLUDE, "--config", "lab.toml", case="d", TRIAGE_SCOPE="scope.toml")
    assert "p1:/in.txt" in places(found) and "p1:/law/out.txt" not in places(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[scope]\nname = "W"\nspace = false\n[exclude]\npaths = ["law"]\n', "scope.toml:5:10: a path must begin"),
        ('[scope]\nname = "W"\n[exclude]\npaths = ["/law"]\n', "scope.toml:1:1: missing key: `space`"),
    ],
)
def test_a_scope_file_that_does_not_hold_is_a_usage_error_and_nothing_is_opened(scan, tmp_path, text, said):
    result, _, _ = scan(stick(), text)
    assert result.returncode == 2 and said in result.stderr.decode()
    assert not (tmp_path / "c").exists()


# --- show -----------------------------------------------------------------------------------------------------------
def test_show_gives_nothing_of_what_is_out_of_scope(scan, triage):
    scan(stick(), EXCLUDE)
    shown = triage("show", "c", "stick.dd p1:/law/out.txt")
    assert shown.returncode == 2 and not shown.stdout and b"out of scope (excluded-path)" in shown.stderr


# --- privileged -----------------------------------------------------------------------------------------------------
PRIVILEGED = """[scope]
name = "W"
[privileged]
terms = ["Dr. Anna Weber"]
"""


def with_letters():
    files = {
        "in.txt": word("in"),
        "letter.txt": b"zzplanted To Dr. Anna Weber, in confidence",
        "Dr_Anna-Weber/1.txt": word("by its folder"),
        "wide.txt": "zzplanted dr. anna weber".encode("utf-16-le"),
        "gone.txt": b"zzplanted DR. ANNA WEBER",
        "both.zip": archive(b" Dr. Anna Weber zzplanted"),
    }
    return fat_image(files, deleted=("gone.txt",))


def test_what_is_privileged_is_counted_and_nowhere_shown(scan, triage, tmp_path):
    result, findings, summary = scan(with_letters(), PRIVILEGED)
    assert result.returncode == 0, result.stderr
    assert places(findings) == {"p1:/in.txt", "p1:/both.zip!/open.txt"}
    withheld = summary["scope"]["withheld"]
    assert withheld["entries"] == 5 and withheld["bytes"] > 0
    for name in ("report.json", "report.html"):
        text = (tmp_path / "c" / name).read_text()
        for secret in ("confidence", "letter", "Anna", "wide.txt", "gone.txt", "by its folder"):
            assert secret not in text, (name, secret)
    for address in ("p1:/letter.txt", "p1:/Dr_Anna-Weber/1.txt", "p1:/both.zip!/law/letter.txt"):
        shown = triage("show", "c", address)
        assert shown.returncode == 2 and not shown.stdout and b"withheld" in shown.stderr, address


def test_the_address_is_told_where_the_file_says_so(scan):
    _, _, summary = scan(with_letters(), PRIVILEGED + "show_path = true\n")
    addresses = summary["scope"]["withheld"]["addresses"]
    assert "stick.dd p1:/letter.txt" in addresses and "stick.dd p1:/both.zip!/law/letter.txt" in addresses


def test_the_result_does_not_depend_on_the_number_of_workers(scan, tmp_path):
    scope = EXCLUDE + '[privileged]\nterms = ["Dr. Anna Weber"]\n'
    image = with_letters()

    def report(case):
        document = json.loads((tmp_path / case / "report.json").read_text())
        return {key: value for key, value in document.items() if key not in ("run", "audit_head")}

    scan(image, scope, "--workers", "1", case="one")
    scan(image, scope, "--workers", "3", case="three")
    assert report("one") == report("three")
