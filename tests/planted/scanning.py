"""Scans as a user makes them."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.planted.strings import write_rules
from triage.case import Case
from triage.model.entry import Entry


def scan(disk: Path, scratch: Path, *options: str, name: str = "case") -> Path:
    """The case of a scan with the planted words alone."""
    case = scratch / name
    rules = write_rules(scratch / "rules")
    command = [sys.executable, "-m", "triage", "scan", disk, "--case", case, "--rules", rules, "--no-shipped-rules",
               "--quiet", "--format", "none", *options]  # fmt: skip
    done = subprocess.run([str(word) for word in command], cwd=scratch, capture_output=True)
    assert done.returncode in (0, 3), done.stderr.decode()
    return case


def entries_of(case: Path) -> list[Entry]:
    """Everything that was listed."""
    with contextlib.closing(sqlite3.connect(case / "case.db")) as database, Case.open(case) as opened:
        return [opened.entry(number) for (number,) in database.execute("SELECT id FROM entries ORDER BY id")]
