"""Exit codes of every command."""

from __future__ import annotations

from enum import IntEnum

from triage.errors import CaseError, EvidenceError, ReportError, RuleError, ScopeError, TriageError


class ExitCode(IntEnum):
    """What a script can rely on; 1 is left to a crash of ours."""

    COMPLETE = 0
    USAGE = 2
    NOT_ALL_EXAMINED = 3
    EVIDENCE_NOT_OPENED = 4
    RULES_INVALID = 5
    OUTPUT_NOT_WRITTEN = 6
    FINDINGS = 10
    FINDINGS_AND_NOT_ALL_EXAMINED = 13
    INTERRUPTED = 130


def exit_code_for(error: TriageError) -> ExitCode:
    """The code for an error that ends a command."""
    if isinstance(error, EvidenceError):
        return ExitCode.EVIDENCE_NOT_OPENED
    if isinstance(error, RuleError):
        return ExitCode.RULES_INVALID
    if isinstance(error, ScopeError):
        return ExitCode.USAGE
    if isinstance(error, (ReportError, CaseError)):
        return ExitCode.OUTPUT_NOT_WRITTEN
    return ExitCode.NOT_ALL_EXAMINED


def exit_code_for_result(*, incomplete: bool, found: bool) -> ExitCode:
    """The code for a result.

    Args:
        incomplete: Something was not examined.
        found: A finding stands at or above ``--fail-on``.
    """
    if incomplete and found:
        return ExitCode.FINDINGS_AND_NOT_ALL_EXAMINED
    if found:
        return ExitCode.FINDINGS
    return ExitCode.NOT_ALL_EXAMINED if incomplete else ExitCode.COMPLETE
