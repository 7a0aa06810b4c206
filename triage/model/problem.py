"""What could not be examined, at which stage, why, and how many bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from triage.model.packed import Packed


class Reason(StrEnum):
    """Why something was not examined."""

    CORRUPT = "corrupt"
    TRUNCATED = "truncated"
    UNSUPPORTED = "unsupported"
    ENCRYPTED = "encrypted"
    LIMIT = "limit"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    LOOP = "loop"
    MISMATCH = "mismatch"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, order=True)
class Problem(Packed):
    """One thing that was not examined as it should have been.

    Attributes:
        address: Text form of the address, or the evidence name.
        stage: Room and unit, for instance ``evidence/ewf``, ``detectors/yara``, ``pipeline/worker``.
        reason: Why.
        message: What happened, lower case, no full stop.
        hint: What to try, empty where nothing helps.
        bytes_not_examined: Bytes concerned, 0 where none or unknown.
        examined_anyway: True where a later try succeeded, so nothing is missing from the result; such a problem
            is told but does not make the run incomplete.
    """

    address: str
    stage: str
    reason: Reason
    message: str
    hint: str = ""
    bytes_not_examined: int = 0
    examined_anyway: bool = False
