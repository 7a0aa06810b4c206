"""The report for a terminal: what to do next comes first, nothing hostile comes through, and it fits."""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.documents import empty_document, evidence_reports, line, make_document, make_finding, many_findings
from tests.support.hostile import hostile_document
from triage.model.document import Document
from triage.reporters.sanitise import cell_width
from triage.reporters.table import render_table

ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


class Ascii(io.StringIO):
    encoding = "ascii"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def table(document: Document, **options: object) -> str:
    out = io.StringIO()
    render_table(document, out, **options)  # type: ignore[arg-type]
    return out.getvalue()


def test_the_first_line_says_what_to_do_next() -> None:
    document = make_document()
    first = " ".join(table(document).split("\n\n")[0].split())
    assert first == (
        f"Read {document.findings[0].id} first: 2 findings point to a person who may be at risk now. "
        "2 critical, 1 high, 1 medium, 3 low, 1 info. The run is complete. 5 things could not be examined (61.0 GiB)."
    )


def test_a_finding_has_rank_priority_score_urgency_path_id_and_reasons() -> None:
    document = make_document(evidence=evidence_reports()[:1])
    text = table(document, width=120)
    assert re.search(r"1  critical   0\.96  !!  p2:/Users/Greg/AppData/Roaming/ViberPC/359880000141/viber\.db\n", text)
    assert re.search(rf"{document.findings[0].id} +Withholding of identity documents, Debt ledger or debt bond", text)
    assert "Next: triage show CASE " + document.findings[0].id in text


def test_two_sources_are_told_apart() -> None:
    assert "stick.dd p2:/DCIM" in table(make_document(), width=120)


def test_what_was_not_examined_is_counted_with_the_biggest() -> None:
    text = table(make_document())
    assert "2 encrypted, 47.2 GiB\n    the biggest: laptop.E01 p3\n" in text
    assert "14 contents (9.0 GiB) not seen by keywords" in text
    assert "1 examined in full, with a remark in the report" in text
    assert "Not examined" not in table(empty_document())


def test_only_the_top_is_listed_and_the_rest_is_counted() -> None:
    document = make_document(tuple(many_findings(1234)))
    text = table(document, limit=20)
    assert text.count("f-") == 20 + 2
    assert "... and 1,214 more in the case" in text
    assert "f-" not in table(document, limit=0).split("\n\n")[1]


@pytest.mark.parametrize("width", [20, 40, 59, 60, 80, 200])
@pytest.mark.parametrize("make", [make_document, hostile_document, empty_document])
def test_p05_no_line_is_wider_than_the_terminal(width: int, make: object) -> None:
    text = table(make(), width=width).rpartition("Next:")  # type: ignore[operator]
    for shown in (text[0] or text[2]).split("\n"):
        assert cell_width(shown) <= width, shown
        assert shown == shown.rstrip()


@pytest.mark.parametrize("width", [40, 80])
def test_n01_n04_hostile_names_are_inert(width: int) -> None:
    text = table(hostile_document(), width=width, limit=100)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]x[/x].exe" in text
    assert "{0}%s{{ 7*7 }}{% x %}" in text
    assert "$(reboot);`id`" in text


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=80).filter(lambda name: b"/" not in name))
def test_property_any_name_renders_without_a_control(name: bytes) -> None:
    document = make_document((make_finding(path=b"/" + name),), answers=())
    text = table(document, width=80)
    assert not [character for character in text if ord(character) < 32 and character != "\n"]


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def coloured(out: io.StringIO) -> bool:
        render_table(make_document(), out, width=80)
        return "\x1b[" in out.getvalue()

    assert coloured(Tty())
    assert not coloured(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured(Tty())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not coloured(Tty())
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not coloured(io.StringIO())


def test_colour_changes_nothing_but_colour() -> None:
    out = io.StringIO()
    render_table(hostile_document(), out, width=80, colour=True)
    assert "\x1b[" in out.getvalue()
    assert ANSI.sub("", out.getvalue()) == table(hostile_document(), width=80)


def test_width_is_that_of_the_terminal_else_columns_else_80(monkeypatch: pytest.MonkeyPatch) -> None:
    document = make_document()
    assert table(document) == table(document, width=80)
    monkeypatch.setenv("COLUMNS", "50")
    assert table(document) == table(document, width=50)
    monkeypatch.setenv("COLUMNS", "wide")
    assert table(document) == table(document, width=80)
    monkeypatch.delenv("COLUMNS")
    leader, follower = os.openpty()
    with os.fdopen(leader, "rb"), os.fdopen(follower, "w") as terminal:
        import fcntl
        import struct
        import termios

        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 44, 0, 0))
        from triage.reporters.table import Terminal

        assert Terminal(terminal).width == 44


def test_p05_a_stream_that_holds_only_ascii_gets_escapes() -> None:
    out = Ascii()
    render_table(make_document(evidence=evidence_reports()[:1]), out, width=100)
    assert out.getvalue().isascii()
    assert "\\u5de5\\u4f5c" in out.getvalue()


def test_the_case_is_quoted_in_the_next_command() -> None:
    assert "triage show 'my case; rm -rf' f-" in table(make_document(), case="my case; rm -rf")


def test_unknown_urgency_and_broken_score_do_not_stop_the_report() -> None:
    odd = replace(make_finding(lines=(line("x", 0.5),)), urgency=7, score=float("nan"))
    assert "nan" in table(make_document((odd,)))
