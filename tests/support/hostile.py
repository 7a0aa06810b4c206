"""A document that is hostile wherever text from evidence, rules or options can stand."""

from __future__ import annotations

from pathlib import Path

from tests.support.documents import line, make_document, make_finding
from triage.model.document import Answer, Document, EvidenceReport, RunInfo
from triage.model.finding import Finding
from triage.model.problem import Problem, Reason
from triage.model.volume import Allocation, EvidenceSource, Volume

HOSTILE_NAMES: tuple[bytes, ...] = (
    b"/esc\x1b[31mred\x1b]0;title\x07\x1b]52;c;AAAA\x07.txt",
    b"/cr\rlf\nnul\x00bs\x08.txt", b"/c1\xc2\x9b31m\xc2\x85.txt",
    "/\u202egpj.exe".encode(), "/zero\u200bwidth\u2060\ufeff.txt".encode(), ("/pile" + "\u0301" * 300).encode(),
    b"/" + b"A" * 65536, b"/not\xff\xfeutf8\xed\xa0\x80.txt", b"/[red]x[/x].exe", b"/{0}%s{{ 7*7 }}{% x %}",
    b"/$(reboot);`id`",
    b"/<script>alert(1)</script>.html", b"/</script><script>alert(2)</script>", b"/](javascript:alert(3))",
    b"/\"onmouseover=alert(4) '.txt", b"/=cmd|' /C calc'!A1", b"/+1+1;=2+2", b"/-1", b"/@SUM(A1)", b"/\t=1",
    b"/CON", b"/NUL.txt ",
    "/line\u2028para\u2029.txt".encode(), "/\U000e0041tag\u3164filler\u00ad.txt".encode(),
    "/тест‏العربية中文.txt".encode(),
    b"/<!--<script>", b"/]]>", b"/&lt;b&gt;&amp;",
)  # fmt: skip
"""Names that break printers: controls, bidi, piles, markup, templates, formulas, length, bad UTF-8."""


def hostile_findings() -> tuple[Finding, ...]:
    """A finding for each hostile name, with the same bytes as text of its lines and its other fields."""
    out = []
    for rank, name in enumerate(HOSTILE_NAMES, 1):
        text = name.decode("utf-8", "surrogateescape")
        raw = text[1:]
        lines = (
            line(raw[:300], 0.5, indicator="control.debt_bondage", rule=f"user/{raw[:40]}#1", language=raw[:20],
                 excerpt=f"before {raw} after", matched=raw, offset=2**63, length=2**31, count=10**6, element="means",
                 address=f"{raw} p2:{raw}", encoding=raw[:20]),
            line(f"cap because of {raw[:100]}", -0.05, kind="adjustment"),
        )  # fmt: skip
        out.append(
            make_finding(
                rank, path=name, lines=lines, evidence=f"image{raw[:100]}", owner=raw[:100], type=raw[:60],
                type_name=raw[:60], innocent=(raw[:200],), caveats=(raw[:200],), notes=(raw[:200],),
                damped_by=(raw[:80],), also_at=(f"x p1:{raw[:200]}",), size=2**63 - 1, meta_address=2**63,
                urgency=rank % 3, times={"mtime": "2024-03-20T21:40:00"},
            )
        )  # fmt: skip
    return tuple(out)


def hostile_document() -> Document:
    """A document that is hostile wherever text from evidence or rules can stand."""
    found = hostile_findings()
    bad = "\x1b[2J\u202e</script><script>alert(5)</script>\udcff=1+1"
    path = Path("/tmp", bad.replace("/", "_"))
    source = EvidenceSource(f"image{bad}", (path,), bad, 2**63, {"md5": bad}, {bad: bad})
    volume = Volume(bad, 2**62, 2**63, Allocation.ALLOCATED, bad, bad, bad, 512, "", bad)
    return make_document(
        found,
        state="partial",
        pending=12,
        evidence=(EvidenceReport(source, (volume,), 1, 1, 1, 1),),
        answers=(Answer(bad, bad, (bad, "javascript:alert(6)"), (found[0].id, "javascript:alert(7)")),),
        problems=(Problem(bad, bad, Reason.CORRUPT, bad, bad, 2**63),),
        options={"x": bad},
        versions={"x": bad},
        extra={"x": bad},
        run=RunInfo(bad, bad, 1.0, bad, 1, (bad,)),
    )
