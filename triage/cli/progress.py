"""Live progress of a scan on standard error: rate, time left, top findings so far."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from triage.model.finding import Finding
from triage.model.problem import Problem
from triage.pipeline.progress import Observer, Progress, SilentObserver
from triage.reporters.sanitise import safe_line

PROBLEMS = 20
LINE_SECONDS = 10.0
BAR = 24


@contextmanager
def watching(quiet: bool) -> Iterator[Observer]:
    """An observer that suits standard error: a live display on a terminal, a line now and then elsewhere."""
    if quiet:
        yield SilentObserver()
    elif sys.stderr.isatty() and not Console(stderr=True).is_dumb_terminal:
        console = Console(stderr=True, highlight=False)
        watcher = LiveObserver()
        with Live(console=console, refresh_per_second=4, transient=True, get_renderable=watcher.render):
            yield watcher
    else:
        yield LineObserver()


def clock(seconds: float | None) -> str:
    """``1:02:03`` or ``02:03``; ``--:--`` for None."""
    if seconds is None:
        return "--:--"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def progress_line(progress: Progress) -> str:
    """One line of plain text."""
    share = progress.bytes_done / progress.bytes_total if progress.bytes_total else 1.0
    return (
        f"{min(share, 1.0):4.0%}  {progress.entries_done:,} of {progress.entries_total:,} files"
        f"  {progress.rate / 1048576:.0f} MiB/s  {clock(progress.seconds_left)} left"
        + (f"  {progress.problems:,} problems" if progress.problems else "")
    )


class LiveObserver:
    """A display that is drawn anew."""

    def __init__(self) -> None:
        self._status = "opening the evidence"
        self._progress: Progress | None = None
        self._top: tuple[Finding, ...] = ()

    def opened(self, name: str, volumes: int) -> None:
        """A source was opened."""
        self._status = f"listing {name}"

    def searching(self, name: str, done: int, total: int) -> None:
        """Lost volumes are searched for."""
        self._status = f"searching {name} for lost volumes: {done / max(total, 1):.0%} of {total >> 20:,} MiB"

    def listing(self, name: str, volume: str, entries: int) -> None:
        """Entries are listed."""
        self._status = f"listing {name} {volume}: {entries:,} entries"

    def progress(self, progress: Progress) -> None:
        """Work was done."""
        self._progress = progress

    def top(self, findings: tuple[Finding, ...]) -> None:
        """The findings as they stand."""
        self._top = findings

    def problem(self, problem: Problem) -> None:
        """Counted in the progress."""

    def render(self) -> Group:
        """What to draw now."""
        if self._progress is None:
            return Group(Text(safe_line(self._status), overflow="ellipsis", no_wrap=True))
        share = self._progress.bytes_done / self._progress.bytes_total if self._progress.bytes_total else 1.0
        filled = min(BAR, int(share * BAR))
        lines = [Text("#" * filled + "-" * (BAR - filled) + " " + progress_line(self._progress), no_wrap=True)]
        if self._top:
            lines.append(Text("top so far:", style="bold"))
        for finding in self._top:
            lines.append(
                Text(
                    safe_line(f"  {finding.priority:<8} {finding.score:.2f}  {finding.path}"),
                    overflow="ellipsis",
                    no_wrap=True,
                )
            )
        return Group(*lines)


class LineObserver:
    """A line every ten seconds, for logs."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._told = 0

    def opened(self, name: str, volumes: int) -> None:
        """A source was opened."""
        self._say(f"opened {name}: {volumes} volumes")

    def searching(self, name: str, done: int, total: int) -> None:
        """Lost volumes are searched for."""
        if self._due():
            self._say(f"searching {name} for lost volumes: {done / max(total, 1):.0%} of {total >> 20:,} MiB")

    def listing(self, name: str, volume: str, entries: int) -> None:
        """Entries are listed."""
        if self._due():
            self._say(f"listing {name} {volume}: {entries:,} entries")

    def progress(self, progress: Progress) -> None:
        """Work was done."""
        if self._due():
            self._say(progress_line(progress))

    def top(self, findings: tuple[Finding, ...]) -> None:
        """Not in a log: the report has them."""

    def problem(self, problem: Problem) -> None:
        """Those of the evidence and of workers, the first few; the report has all."""
        if not problem.stage.startswith(("evidence", "pipeline")):
            return
        self._told += 1
        if self._told <= PROBLEMS:
            self._say(f"problem: {problem.address}: {problem.message}")
        elif self._told == PROBLEMS + 1:
            self._say("problem: further ones are in the report")

    def _due(self) -> bool:
        now = time.monotonic()
        if now - self._last < LINE_SECONDS:
            return False
        self._last = now
        return True

    def _say(self, text: str) -> None:
        print(safe_line(text), file=sys.stderr, flush=True)
