"""The main job from outside: what is found, written, repeated and survived."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.fat_image import fat_image

QUICK = ("--workers", "2", "--quiet")


def findings(result):
    return [json.loads(line) for line in result.stdout.splitlines()][:-1]


def summary(result):
    return json.loads(result.stdout.splitlines()[-1])["summary"]


def test_the_evidence_ranks_first_and_copies_are_one_finding(triage, stick):
    result = triage("scan", stick, "--case", "c", "--format", "jsonl", *QUICK)
    found = findings(result)
    assert found[0]["path"] in ("p1:/house/chat.txt", "p1:/house/copy of chat.txt")
    assert len(found[0]["also_at"]) == 1
    assert "means" in found[0]["elements"]
    assert [finding["rank"] for finding in found] == list(range(1, len(found) + 1))
    assert any(finding["path"] == "p1:/gone.txt" and finding["state"] == "deleted" for finding in found)
    assert not any("cake" in finding["path"] for finding in found)


def test_every_line_of_a_score_adds_up(triage, stick):
    for finding in findings(triage("scan", stick, "--case", "c", "--format", "jsonl", *QUICK)):
        lines = [*finding["reasons"], *finding["adjustments"]]
        assert sum(line["contribution"] for line in lines) == pytest.approx(finding["score"], abs=1e-6)


def test_offsets_point_at_the_matched_text(triage, stick, tmp_path):
    content = b"[03/03/2024, 19:02:11] V: passports"
    image = stick.read_bytes()
    start = image.index(content)
    for finding in findings(triage("scan", stick, "--case", "c", "--format", "jsonl", *QUICK)):
        if "chat" in finding["path"]:
            for reason in finding["reasons"]:
                piece = image[start + reason["offset"] : start + reason["offset"] + reason["length"]]
                assert reason["matched"] in piece.decode()


def test_hashes_are_those_of_the_file(triage, stick):
    found = findings(triage("scan", stick, "--case", "c", "--format", "jsonl", *QUICK))
    from tests.cli.conftest import CHAT

    assert found[0]["hashes"] == {
        "md5": hashlib.md5(CHAT).hexdigest(),
        "sha1": hashlib.sha1(CHAT).hexdigest(),
        "sha256": hashlib.sha256(CHAT).hexdigest(),
    }


@pytest.mark.parametrize("workers", ["1", "3"])
def test_r9_the_number_of_workers_changes_nothing(triage, stick, workers):
    one = triage("scan", stick, "--case", "one", "--workers", "2", "--quiet", "--format", "jsonl")
    two = triage("scan", stick, "--case", "two", "--workers", workers, "--quiet", "--format", "jsonl")
    assert one.stdout.splitlines()[:-1] == two.stdout.splitlines()[:-1]
    first, second = summary(one), summary(two)
    for part in (first, second):
        part.pop("run")
        part.pop("audit_head", None)
    assert first == second


def test_the_same_command_again_gives_the_same(triage, stick):
    one = triage("scan", stick, "--case", "c", "--format", "jsonl", *QUICK)
    two = triage("scan", stick, "--case", "c", "--format", "jsonl", *QUICK)
    assert one.stdout.splitlines()[:-1] == two.stdout.splitlines()[:-1]


def test_other_rules_do_not_continue_a_case(triage, stick, keyword_rules):
    triage("scan", stick, "--case", "c", *QUICK)
    result = triage("scan", stick, "--case", "c", "--rules", keyword_rules, *QUICK)
    assert result.returncode == 6
    assert b"other rules" in result.stderr


def test_rules_of_ones_own_find(triage, quiet_stick, keyword_rules):
    result = triage("scan", quiet_stick, "--case", "c", "--rules", keyword_rules, "--format", "jsonl", *QUICK)
    assert [finding["path"] for finding in findings(result)] == ["p1:/cake.txt"]


def test_yara_sees_whole_files_and_names(triage, quiet_stick, tmp_path):
    (tmp_path / "r.yar").write_text(
        'rule whole { condition: uint16(0) == 0x7041 and filesize == 32 and filename == "cake.txt" and extension == ".txt" }\n'
        'rule other_name { condition: filename == "pie.txt" }\n'
    )
    result = triage("scan", quiet_stick, "--case", "c", "--rules", "r.yar", "--format", "jsonl", *QUICK)
    assert [(finding["path"], [r["rule"] for r in finding["reasons"]]) for finding in findings(result)] == [
        ("p1:/cake.txt", ["yara/r#whole"])
    ] or "whole" in str(findings(result))


def test_reports_are_in_the_case_and_in_every_format(triage, stick, tmp_path):
    triage("scan", stick, "--case", "c", "--format", "none", *QUICK)
    html = (tmp_path / "c" / "report.html").read_text("utf-8")
    assert "Content-Security-Policy" in html
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?https?:", html)
    assert json.loads((tmp_path / "c" / "report.json").read_text("utf-8"))["findings"]
    rows = list(csv.reader(io.StringIO(triage("report", "c", "--format", "csv").stdout.decode("utf-8-sig"))))
    assert len(rows) > 1
    assert triage("report", "c", "--format", "html").stdout.startswith(b"<!")
    assert b"chat.txt" in triage("report", "c").stdout


def test_a_case_reports_without_its_image(triage, stick):
    triage("scan", stick, "--case", "c", *QUICK)
    before = triage("report", "c", "--format", "jsonl").stdout
    stick.unlink()
    assert triage("report", "c", "--format", "jsonl").stdout == before
    result = triage("show", "c", "1")
    assert result.returncode == 0
    assert b"does not open" in result.stderr


def test_show_explains_a_finding(triage, stick):
    triage("scan", stick, "--case", "c", *QUICK)
    shown = triage("show", "c", "1").stdout.decode()
    assert "passports" in shown
    assert re.search(r"^[0-9a-f]{8}  ", shown, re.M)
    assert "icat" in shown
    identity = json.loads(triage("show", "c", "1", "--format", "json").stdout)["id"]
    assert triage("show", "c", identity).returncode == 0
    assert triage("show", "c", "f-000").returncode == 6


def test_the_commands_that_show_gives_do_what_they_say(triage, stick):
    if shutil.which("icat") is None:
        pytest.skip("icat (sleuthkit) is not installed")
    triage("scan", stick, "--case", "c", *QUICK)
    shown = triage("show", "c", "1", COLUMNS="400").stdout.decode()
    command = next(
        line.strip() for line in shown.splitlines() if line.strip().startswith("icat") and "sha256sum" in line
    )
    output = subprocess.run(["bash", "-c", command], capture_output=True, cwd=stick.parent).stdout.decode()
    digest = json.loads(triage("show", "c", "1", "--format", "json").stdout)["hashes"]["sha256"]
    assert digest in output


def test_o08_evidence_is_not_touched(triage, stick):
    stick.chmod(0o444)
    before = (hashlib.sha256(stick.read_bytes()).digest(), stick.stat().st_mtime_ns, sorted(os.listdir(stick.parent)))
    triage("scan", stick, "--case", "c", *QUICK)
    triage("show", "c", "1")
    after = (hashlib.sha256(stick.read_bytes()).digest(), stick.stat().st_mtime_ns, sorted(os.listdir(stick.parent)))
    assert before == after


def test_o08_a_tracer_sees_evidence_opened_for_reading_only(stick, tmp_path, cache):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    log = tmp_path / "trace"
    command = [
        "strace",
        "-f",
        "-e",
        "trace=open,openat,openat2,creat,connect",
        "-o",
        log,
        sys.executable,
        "-m",
        "triage",
    ]
    subprocess.run(
        [*command, "scan", stick, "--case", "c", *QUICK],
        cwd=tmp_path, env={**os.environ, "TRIAGE_CACHE": str(cache)}, capture_output=True, timeout=180,
    )  # fmt: skip
    text = log.read_text("utf-8", "replace")
    opened = [line for line in text.splitlines() if "stick.dd" in line and "open" in line]
    assert opened
    assert all("O_RDONLY" in line for line in opened)
    assert not [line for line in text.splitlines() if "AF_INET" in line]


def test_o05_a_closed_pipe_is_quiet(stick, tmp_path, cache):
    command = f"{sys.executable} -m triage scan {stick} --case c --quiet --format jsonl | head -c 10"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=tmp_path, env={**os.environ, "TRIAGE_CACHE": str(cache)}, capture_output=True,
    )  # fmt: skip
    assert result.stderr == b""
    assert (tmp_path / "c" / "report.html").exists()


def test_n01_n04_names_from_evidence_are_inert_on_the_terminal(triage, tmp_path):
    text = b"passports stay in the office until your debt is paid. nobody leaves the house\n"
    image = tmp_path / "e" / "names.dd"
    image.parent.mkdir()
    names = ["[red]a[/x].txt", "\u202egpj.txt", "=cmd|' /C x'!A1.txt", "{{ x }}.txt", "$(x);rm.txt", "%s%n.txt"]
    image.write_bytes(fat_image({name.replace("/", "_"): text + name.encode() for name in names}))
    result = triage("scan", image, "--case", "c", *QUICK)
    assert result.returncode == 0
    assert b"\xe2\x80\xae" not in result.stdout + result.stderr
    assert b"\x1b" not in result.stdout
    assert b"[red]" in result.stdout
    html = (tmp_path / "c" / "report.html").read_bytes()
    assert b"\xe2\x80\xae" not in html


def test_p02_a_killed_worker_costs_one_entry_which_is_named(tmp_path, cache):
    files = {f"f/{index}.txt": b"%d words and words\n" % index * 800 for index in range(150)}
    image = tmp_path / "many" / "many.dd"
    image.parent.mkdir()
    image.write_bytes(fat_image(files, kib=6144))
    command = [
        sys.executable,
        "-m",
        "triage",
        "scan",
        str(image),
        "--case",
        "c",
        "--workers",
        "1",
        "--quiet",
        "--format",
        "jsonl",
    ]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "TRIAGE_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    killed = False
    while process.poll() is None and not killed:
        audit = tmp_path / "c" / "audit.jsonl"
        if audit.exists() and b"volume-listed" in audit.read_bytes():
            for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    time.sleep(0.7)
                    try:
                        os.kill(int(pid), signal.SIGKILL)
                        killed = True
                    except ProcessLookupError:
                        continue
                    break
        time.sleep(0.01)
    stdout, _ = process.communicate(timeout=120)
    assert process.returncode in (0, 3)
    report = json.loads(stdout.splitlines()[-1])["summary"]
    assert report["state"] == "complete"
    audit = (tmp_path / "c" / "audit.jsonl").read_text()
    if killed and '"entry":"many.dd' in audit:
        assert any(
            "died" in problem["message"] and problem["address"].startswith("many.dd p1:/f/")
            for problem in report["problems"]
        )


def test_p05_a_narrow_dumb_terminal_in_the_c_locale(triage, stick):
    result = triage("scan", stick, "--case", "c", *QUICK, TERM="dumb", COLUMNS="40", LANG="C", LC_ALL="C", NO_COLOR="1")
    assert result.returncode == 0
    assert max(len(line) for line in result.stdout.decode().splitlines()) <= 40


def test_p05_without_a_home(triage, stick):
    result = triage("scan", stick, "--case", "c", *QUICK, HOME="/nonexistent", XDG_CACHE_HOME="", TRIAGE_CACHE="")
    assert result.returncode == 0


def test_a_file_of_noise_is_told_with_the_reasons_and_raises_nothing(triage, tmp_path):
    """It may be a container of VeraCrypt; it may be anything, so it is stated and no more."""
    import random

    noise = random.Random(5).randbytes(600 << 10)
    (tmp_path / "n.dd").write_bytes(fat_image({"holiday": noise, "other.bin": noise[:-1]}))
    result = triage("scan", "n.dd", "--case", "c", "--quiet", "--format", "jsonl")
    findings = [line for line in map(json.loads, result.stdout.splitlines()) if "rank" in line]
    assert [(finding["path"], finding["priority"]) for finding in findings] == [("p1:/holiday", "info")]
    gloss, reasons = findings[0]["notes"]
    assert "could be an encrypted container" in gloss
    assert "random test data" in gloss
    assert "size of 614400 bytes is a multiple of 512" in reasons
    assert "chi-square" in reasons
