"""What the parts of one scan share: plan, case, who watches, and what was counted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from triage.case import Case
from triage.model.problem import Problem
from triage.model.volume import EvidenceSource
from triage.pipeline.messages import SourceRef
from triage.pipeline.options import ScanPlan
from triage.pipeline.progress import Observer


@dataclass(slots=True)
class Tally:
    """Counts of one run: entries and bytes examined, problems met."""

    entries: int = 0
    bytes: int = 0
    problems: int = 0


class Run:
    """One run over one case.

    Args:
        plan: What to do.
        case: Open for writing.
        observer: Who watches.

    Attributes:
        tally: What was counted so far.
        started: Seconds of the monotonic clock.
    """

    def __init__(self, plan: ScanPlan, case: Case, observer: Observer) -> None:
        self.plan = plan
        self.case = case
        self.observer = observer
        self.tally = Tally()
        self.started = time.monotonic()

    def reference(self, source: EvidenceSource) -> SourceRef:
        """How another process opens a source."""
        return SourceRef(source.paths, source.name, self.plan.as_raw, self.plan.keychain)

    def remember(self, problems: Sequence[Problem]) -> None:
        """Write problems to the case, and tell them."""
        with self.case.transaction():
            for problem in problems:
                self.case.add_problem(problem)
        self.tell(problems)

    def tell(self, problems: Sequence[Problem]) -> None:
        """Count problems that are in the case, and show them to who watches."""
        self.tally.problems += len(problems)
        for problem in problems:
            self.observer.problem(problem)
