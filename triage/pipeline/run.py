"""What the parts of one scan share: plan, case, who watches, and what was counted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from triage.case import Case
from triage.evidence.inner_images import InnerImage
from triage.model.problem import Problem
from triage.model.volume import EvidenceSource
from triage.pipeline.left_out import stored_places
from triage.pipeline.messages import SourceRef
from triage.pipeline.options import ScanPlan
from triage.pipeline.progress import Observer
from triage.pipeline.readers import stored_readers
from triage.pipeline.scope_match import ScopeMatcher


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
        matcher: Decides what is in scope; None where everything is.
    """

    def __init__(self, plan: ScanPlan, case: Case, observer: Observer) -> None:
        self.plan = plan
        self.matcher = ScopeMatcher(plan.scope) if plan.scope is not None else None
        self.case = case
        self.observer = observer
        self.tally = Tally()
        self.started = time.monotonic()
        self._images: dict[int, tuple[InnerImage, ...]] = {}

    def inner_images(self, number: int) -> tuple[InnerImage, ...]:
        """The images inside a source that were opened; asked of the case once until :meth:`images_changed`."""
        if number not in self._images:
            self._images[number] = self.case.inner_images(number)
        return self._images[number]

    def images_changed(self) -> None:
        """More images were opened."""
        self._images.clear()

    def reference(self, source: EvidenceSource) -> SourceRef:
        """How another process opens a source."""
        number = next(number for number, known in self.case.evidence() if known.name == source.name)
        images = self.inner_images(number)
        volumes = tuple(volume for _, volume, _ in self.case.volumes(number))
        readers = tuple(stored_readers(self.case, source.name).items())
        left_out = stored_places(self.case, source.name)
        return SourceRef(
            source.paths, source.name, self.plan.as_raw, self.plan.keychain, images, volumes, readers, left_out
        )

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
