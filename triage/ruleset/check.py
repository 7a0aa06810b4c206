"""Everything that can be said of a set of rules, for ``triage rules check``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from triage.ruleset.compile import compile_files
from triage.ruleset.files import all_files
from triage.ruleset.issues import Complaints, RuleIssue
from triage.ruleset.lint_keywords import lint_keywords
from triage.ruleset.lint_yara import lint_yara
from triage.ruleset.loader import check_paths


def check_rules(user_paths: Sequence[Path] = (), *, shipped: bool = True) -> list[RuleIssue]:
    """Check rules as a load does, all packs, and lint them; every sample is run.

    Args:
        user_paths: As for :func:`~triage.ruleset.loader.load_rules`.
        shipped: Check the keyword packs and YARA rules that ship with the program too.

    Returns:
        Every complaint, by path, line and column; no error among them means that a load succeeds.
    """
    complaints = Complaints(strict=False)
    files, own = all_files(user_paths, complaints, shipped=shipped)
    compiled = compile_files(files, complaints, everything=True)
    if not complaints.has_errors:  # else the path may be empty only because of them
        check_paths(own, compiled, complaints)
        if not any(pack.count for pack in compiled.keywords) and not any(pack.rules for pack in compiled.yara):
            complaints.error("no-rules", "no rules: nothing to look for", hint="name rules, or use those that ship")
    lint_keywords(compiled.keywords, complaints)
    roots = dict.fromkeys((pack.file.root, pack.file.shipped) for pack in compiled.yara)
    lint_yara(compiled.yara, list(roots), complaints)
    return sorted(set(complaints.issues))
