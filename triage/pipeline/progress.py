"""How a scan tells what it is doing, without knowing who listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from triage.model.finding import Finding
from triage.model.problem import Problem


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a scan stands.

    Attributes:
        entries_done: Entries examined or given up in this run.
        entries_total: Entries that this run had to do.
        bytes_done: Bytes of those.
        bytes_total: Bytes of all.
        seconds: Since the examination began, by the monotonic clock.
        problems: Problems so far.
    """

    entries_done: int
    entries_total: int
    bytes_done: int
    bytes_total: int
    seconds: float
    problems: int

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.bytes_done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far; None before anything is known."""
        return (self.bytes_total - self.bytes_done) / self.rate if self.rate else None


class Observer(Protocol):
    """Someone who watches a scan; every call must return quickly."""

    def opened(self, name: str, volumes: int) -> None:
        """An evidence source was opened."""

    def searching(self, name: str, done: int, total: int) -> None:
        """So many bytes that no volume owns are searched for lost volumes."""

    def listing(self, name: str, volume: str, entries: int) -> None:
        """So many entries of a volume are listed."""

    def progress(self, progress: Progress) -> None:
        """Work was done."""

    def top(self, findings: tuple[Finding, ...]) -> None:
        """The findings as they stand."""

    def problem(self, problem: Problem) -> None:
        """Something was not examined."""


class SilentObserver:
    """Watches without a word."""

    def opened(self, name: str, volumes: int) -> None:
        """Nothing."""

    def searching(self, name: str, done: int, total: int) -> None:
        """Nothing."""

    def listing(self, name: str, volume: str, entries: int) -> None:
        """Nothing."""

    def progress(self, progress: Progress) -> None:
        """Nothing."""

    def top(self, findings: tuple[Finding, ...]) -> None:
        """Nothing."""

    def problem(self, problem: Problem) -> None:
        """Nothing."""
