"""The audit log of a case: what was run, on what, with which versions, rules and options.

``audit.jsonl`` holds one JSON object a line. Each line carries the SHA-256 of the line before it (``previous``, 64
zeros for the first) and its own (``digest``): the SHA-256 of the canonical JSON of the line without ``digest``. A line
that is edited, cut out or moved breaks the chain at that place.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from triage.errors import CaseError, OutputNotWritableError

GENESIS = "0" * 64


def _canonical(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode("ascii")


def _digest(record: Mapping[str, object]) -> str:
    return hashlib.sha256(_canonical({key: value for key, value in record.items() if key != "digest"})).hexdigest()


class AuditLog:
    """Appends to the audit log of one case.

    Args:
        path: The log; made when missing.

    Raises:
        CaseError: The existing log is broken, so nothing may be appended to it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number, self.head = 0, GENESIS
        if path.exists():
            self._number, self.head = verify_audit_log(path)

    def append(self, event: str, **details: object) -> None:
        """Write one line and flush it to the disk.

        Args:
            event: Kebab-case name of what happened.
            details: JSON values; never a secret.

        Raises:
            OutputNotWritableError: The disk does not take it.
        """
        record: dict[str, object] = {
            "number": self._number + 1,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": event,
            "details": details,
            "previous": self.head,
        }
        record["digest"] = _digest(record)
        try:
            with open(self._path, "ab") as handle:
                handle.write(_canonical(record) + b"\n")
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            raise OutputNotWritableError(
                f"cannot write the audit log: {self._path}: {error.strerror}", hint="free space or choose another case"
            ) from error
        self._number += 1
        self.head = str(record["digest"])


def verify_audit_log(path: Path) -> tuple[int, str]:
    """Check the chain of a log.

    Returns:
        Number of lines and digest of the last one (64 zeros for an empty log).

    Raises:
        CaseError: Names the first bad line.
    """
    previous = GENESIS
    number = 0
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise CaseError(f"cannot read the audit log: {path}: {error.strerror}") from error
    if lines and lines[-1]:
        raise CaseError(f"audit log ends in the middle of a line: {path}:{len(lines)}")
    for line in lines[:-1]:
        number += 1
        try:
            record = json.loads(line)
            sound = (
                record["number"] == number and record["previous"] == previous and record["digest"] == _digest(record)
            )
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise CaseError(f"audit log does not hold at line {number}: {path}")
        previous = record["digest"]
    return number, previous
