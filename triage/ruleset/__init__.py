"""Rules on disk: found, checked, and turned into plain data with one digest."""

from __future__ import annotations

from triage.ruleset.check import check_rules
from triage.ruleset.issues import RuleIssue
from triage.ruleset.loader import load_rules

__all__ = ["RuleIssue", "check_rules", "load_rules"]
