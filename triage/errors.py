"""Every exception of the project, on one page.

    TriageError(message, code, hint, address)
    |- EvidenceError          the evidence cannot be opened or read
    |  |- SourceNotFoundError     no such file, not readable, not a regular file
    |  |- UnsupportedFormatError  no layer claims the bytes
    |  |- CorruptStructureError   a structure of the format does not hold
    |  |- EncryptedVolumeError    readable only with a key
    |  |- ReadFailedError         bytes at an offset cannot be read
    |  `- ProcessDiedError        a process that opened it died
    |- RuleError              a rule or pack is not valid
    |  |- RuleSyntaxError         at a file, line and column
    |  |- DuplicateRuleError      the same identity twice
    |  `- EmptyRuleSetError       nothing to look for
    |- DetectorError          a detector failed on one content
    |  `- DetectorTimeoutError    and took too long
    |- LimitExceededError     a stated limit was reached
    |- ScopeError             what may be looked at is not stated, or leaves nothing
    |- CaseError              the case folder cannot be used
    |  |- CaseLockedError         another run holds it
    |  `- CaseVersionError        written by another version
    `- ReportError            a report cannot be written
       `- OutputNotWritableError

Messages are lower case without a full stop, name the value after a colon, and put what to try in ``hint``.
Codes are kebab-case and stable; ``docs/errors.md`` lists them all and a test keeps both lists equal.
"""

from __future__ import annotations


class TriageError(Exception):
    """Base of every error that this project raises on purpose.

    Args:
        message: What went wrong and where, lower case, no full stop.
        hint: What to try, or None.
        address: Text form of the evidence address concerned, or None.
    """

    code = "triage-error"

    def __init__(self, message: str, *, hint: str | None = None, address: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.address = address

    def __str__(self) -> str:
        return self.message


class EvidenceError(TriageError):
    """The evidence cannot be opened or read."""

    code = "evidence-error"


class SourceNotFoundError(EvidenceError):
    """A path does not exist, cannot be read, or is not a regular file."""

    code = "source-not-found"


class UnsupportedFormatError(EvidenceError):
    """No layer claims the bytes."""

    code = "unsupported-format"


class NothingKnownError(UnsupportedFormatError):
    """No image format, no volume system and no file system is known in the bytes."""

    code = "nothing-known"


class CorruptStructureError(EvidenceError):
    """A structure of a format does not hold what its specification asks for."""

    code = "corrupt-structure"


class EncryptedVolumeError(EvidenceError):
    """The bytes can be read only with a key."""

    code = "encrypted-volume"


class ReadFailedError(EvidenceError):
    """Bytes at an offset cannot be read.

    Args:
        message: What went wrong and where.
        hint: What to try, or None.
        address: Text form of the evidence address concerned, or None.
        partial: What could be read from the offset asked for up to the failure.
    """

    code = "read-failed"

    def __init__(
        self, message: str, *, hint: str | None = None, address: str | None = None, partial: bytes = b""
    ) -> None:
        super().__init__(message, hint=hint, address=address)
        self.partial = partial


class ProcessDiedError(EvidenceError):
    """The process that opened the evidence died."""

    code = "process-died"


class RuleError(TriageError):
    """A rule or pack is not valid."""

    code = "rule-error"


class RuleSyntaxError(RuleError):
    """A rule does not parse or compile.

    Args:
        message: What is wrong.
        path: The rule file.
        line: 1-based, 0 when unknown.
        column: 1-based, 0 when unknown.
    """

    code = "rule-syntax"

    def __init__(self, message: str, *, path: str, line: int = 0, column: int = 0, hint: str | None = None) -> None:
        where = path + (f":{line}" if line else "") + (f":{column}" if line and column else "")
        super().__init__(f"{where}: {message}", hint=hint)
        self.path = path
        self.line = line
        self.column = column
        self.detail = message


class DuplicateRuleError(RuleError):
    """The same rule identity occurs twice."""

    code = "duplicate-rule"


class EmptyRuleSetError(RuleError):
    """A rule path holds no rule, so zero hits would mean nothing."""

    code = "empty-rule-set"


class DetectorError(TriageError):
    """A detector failed on one content."""

    code = "detector-error"


class DetectorTimeoutError(DetectorError):
    """A detector took longer than its limit on one content."""

    code = "detector-timeout"


class LimitExceededError(TriageError):
    """A stated limit was reached."""

    code = "limit-exceeded"


class ScopeError(TriageError):
    """What may be looked at is not stated as it must be, is not that of the case, or leaves nothing."""

    code = "scope-error"


class CaseError(TriageError):
    """The case folder cannot be used."""

    code = "case-error"


class CaseLockedError(CaseError):
    """Another run holds the case."""

    code = "case-locked"


class CaseVersionError(CaseError):
    """The case was written by another version of the schema."""

    code = "case-version"


class ReportError(TriageError):
    """A report cannot be written."""

    code = "report-error"


class OutputNotWritableError(ReportError):
    """The place for an output cannot be written."""

    code = "output-not-writable"
