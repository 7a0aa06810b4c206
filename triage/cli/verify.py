"""``triage verify``: does the evidence still have its digests, does the case hold together."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from triage.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from triage.evidence.digest_lists import Expected
    from triage.reporters.verify import Verified

LINE_SECONDS = 10.0
DRAW_SECONDS = 0.25


class VerifyFormat(StrEnum):
    """Formats of what was found."""

    TABLE = "table"
    JSON = "json"


def verify(
    targets: list[Path] = typer.Argument(..., metavar="CASE|EVIDENCE...", help="Case folders, or disk images."),
    md5: str = typer.Option("", "--md5", metavar="HEX", help="MD5 that the media must have."),
    sha1: str = typer.Option("", "--sha1", metavar="HEX", help="SHA-1 that the media must have."),
    sha256: str = typer.Option("", "--sha256", metavar="HEX", help="SHA-256 that the media must have."),
    digest: list[str] = typer.Option([], "--digest", metavar="HEX", help="Digest that the media must have, by length."),
    digest_file: list[Path] = typer.Option(
        [], "--digest-file", metavar="FILE", help="md5sum or hashdeep list, or report of an imaging program."
    ),
    beside: bool = typer.Option(True, "--beside/--no-beside", help="Use lists and reports beside the image."),
    format: VerifyFormat = typer.Option(VerifyFormat.TABLE, "--format", "-f", help="Format."),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No progress."),
) -> None:
    """Check images (stated digests against what is read) or cases (the audit log).

    Leaves with 4 where a digest differs, with 3 where something could not be read or compared.

    Example: triage verify laptop.E01
    """
    cases = [target for target in targets if (target / "case.db").exists()]
    typed = [(md5, "--md5", "md5"), (sha1, "--sha1", "sha1"), (sha256, "--sha256", "sha256")]
    typed += [(text, "--digest", "") for text in digest]
    for folder in cases:
        _verify_case(folder)
    images = [target for target in targets if target not in cases]
    if images:
        _verify_images(images, [item for item in typed if item[0]], digest_file, beside, format, quiet)


def _verify_case(folder: Path) -> None:
    from triage.case import Case, verify_audit_log
    from triage.errors import CaseError

    with Case.open(folder) as case:
        lines, head = verify_audit_log(folder / "audit.jsonl")
        if not lines:
            raise CaseError(f"the audit log is empty: {folder}", hint="the case was changed outside of this program")
        print(f"audit log: {lines} lines, the chain holds, head {head}")
        print(f"state: {case.meta('state')}")


def _verify_images(
    images: list[Path],
    typed: list[tuple[str, str, str]],
    lists: list[Path],
    beside: bool,
    format: VerifyFormat,
    quiet: bool,
) -> None:
    from triage.cli.messages import say, say_error
    from triage.errors import EvidenceError
    from triage.evidence import group_sources
    from triage.evidence.digest_lists import read_digest_file
    from triage.reporters.verify import render_verify, render_verify_json

    sources = group_sources(images)
    if typed and len(sources) > 1:
        raise typer.BadParameter("a digest on the command line is for one image; give a list with --digest-file")
    given = [_parse(*item) for item in typed]
    read = [(path, read_digest_file(path)) for path in lists]
    found: list[Verified] = []
    failed = interrupted = False
    for paths in sources:
        try:
            found.append(_verify_one(paths, given, read, beside, quiet))
        except EvidenceError as error:
            say_error(error)
            failed = True
        except KeyboardInterrupt:
            say(f"interrupted: {paths[0].name} was not read to its end, nothing is known of it")
            interrupted = True
            break
    if format is VerifyFormat.JSON and (found or not interrupted):
        render_verify_json(found, sys.stdout)
    elif found:
        render_verify(found, sys.stdout)
    sys.stdout.flush()
    if interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    verdicts = {item.verdict for item in found}
    if failed or "mismatch" in verdicts:
        raise typer.Exit(ExitCode.EVIDENCE_NOT_OPENED)
    if verdicts - {"match", "no-digest"}:
        raise typer.Exit(ExitCode.NOT_ALL_EXAMINED)


def _parse(text: str, option: str, algorithm: str) -> Expected:
    from triage.errors import UnsupportedFormatError
    from triage.evidence.digest_lists import parse_digest

    try:
        return parse_digest(text, option, algorithm)
    except UnsupportedFormatError as error:
        raise typer.BadParameter(f"{error.message}: {error.hint}") from error


def _verify_one(
    paths: tuple[Path, ...],
    given: Sequence[Expected],
    lists: Sequence[tuple[Path, Sequence[Expected]]],
    beside: bool,
    quiet: bool,
) -> Verified:
    """Read one image to its end.

    Raises:
        EvidenceError: It does not open.
    """
    from triage.evidence import open_evidence
    from triage.evidence.containers.segment_file import shown_name
    from triage.evidence.digest_lists import digests_beside
    from triage.reporters.verify import Verified

    names = {shown_name(path) for path in paths}
    missing = tuple(
        shown_name(path) for path, entries in lists if not any(entry.file in ("", *names) for entry in entries)
    )
    expected = [*given, *(entry for _, entries in lists for entry in entries)]
    if beside:
        expected += [entry for entry in digests_beside(paths[0]) if entry.file in ("", *names)]
    with open_evidence(paths, as_raw=True, layers=False) as opened:
        progress = _Progress(opened.source.name, quiet)
        try:
            result = opened.verify(progress, expected)
        finally:
            progress.close()
        return Verified(opened.source, result, missing)


class _Progress:
    """How far the reading is, on standard error: drawn anew on a terminal, a line now and then elsewhere."""

    def __init__(self, name: str, quiet: bool) -> None:
        self._name = name
        self._quiet = quiet
        self._live = sys.stderr.isatty()
        self._began = self._last = time.monotonic()
        self._drawn = False

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._quiet or now - self._last < (DRAW_SECONDS if self._live else LINE_SECONDS):
            return
        from triage.cli.progress import clock
        from triage.reporters.sanitise import safe_line

        self._last = now
        rate = done / max(now - self._began, 1e-9)
        left = clock((total - done) / rate if rate else None)
        line = safe_line(f"{self._name}: {done / max(total, 1):4.0%}  {rate / 1048576:.0f} MiB/s  {left} left")
        self._drawn = self._live
        print(f"\r\x1b[K{line}" if self._live else line, end="" if self._live else "\n", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the line away."""
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)
