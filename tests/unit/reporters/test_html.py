"""The HTML report as a file: offline, closed by its policy, readable without JavaScript, accessible."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import triage.reporters
from tests.support.documents import empty_document, make_document, many_findings
from tests.support.hostile import hostile_document
from triage.model.document import Answer, Document
from triage.reporters.html import MAX_ITEMS, STATIC_FINDINGS, asset, render_html

FOLDER = Path(triage.reporters.__file__).parent
MEDIA = {"img", "link", "iframe", "object", "embed", "video", "audio", "base", "source", "svg", "picture", "canvas"}
NEVER = (
    "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "DOMParser", "fetch(",
    "XMLHttpRequest", "import(", "WebSocket", "http:", "https:", ".src", ".href", "setAttribute(\"on",
)  # fmt: skip
VOID = {"meta", "input", "br", "hr", "img", "link", "col"}


def page(document: Document, **options: bool) -> str:
    out = io.StringIO()
    render_html(document, out, **options)
    return out.getvalue()


class Reader(HTMLParser):
    """Collects elements with their attributes, ids, and text outside of script and style."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in self.raw:
            self.raw[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]][-1] += data
        else:
            self.text += data


DOCUMENTS = pytest.mark.parametrize("make", [make_document, hostile_document, empty_document])


@DOCUMENTS
def test_the_page_is_well_formed_with_unique_ids_and_labels(make: object) -> None:
    reader = Reader(page(make()))  # type: ignore[operator]
    assert reader.open == []
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in reader.elements:
        if tag in ("input", "select"):
            assert attributes["id"] in ids
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids
    headings = [int(tag[1]) for tag, _ in reader.elements if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))


@DOCUMENTS
def test_o01_nothing_comes_from_outside_and_no_handler_or_style_is_inline(make: object) -> None:
    reader = Reader(page(make()))  # type: ignore[operator]
    for tag, attributes in reader.elements:
        assert tag not in MEDIA
        assert "src" not in attributes
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        if "href" in attributes:
            assert re.fullmatch(r"#[\w-]+", attributes["href"] or ""), attributes


@DOCUMENTS
def test_o01_the_policy_names_the_only_script_and_the_only_style(make: object) -> None:
    reader = Reader(page(make()))  # type: ignore[operator]
    policy = next(a["content"] or "" for _, a in reader.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    scripts = [a for tag, a in reader.elements if tag == "script"]
    assert [a.get("type") for a in scripts].count(None) == 1
    assert all(a["type"] == "application/json" for a in scripts if "type" in a)
    assert len(reader.raw["style"]) == 1
    for kind, text in (("script", reader.raw["script"][-1]), ("style", reader.raw["style"][0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_o01_assets_never_parse_markup_or_code() -> None:
    for name in ("data.js", "finding.js", "page.js"):
        text = asset(name)
        for word in NEVER:
            assert word not in text, (name, word)
    for path in (*FOLDER.glob("assets/*"), *FOLDER.glob("templates/*")):
        text = path.read_text(encoding="utf-8")
        assert "//www" not in text
        assert not re.search(r"https?://|url\(|@import", text), path
        assert "|safe" not in text.replace(" ", "")


def test_o01_the_page_itself_names_no_address_of_the_network() -> None:
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?\s*(?:https?:)?//", page(make_document()))


def test_page_one_comes_first_and_answers_the_five_questions_in_order() -> None:
    document = make_document()
    reader = Reader(page(document))
    places = [reader.text.index(answer.question) for answer in document.answers]
    assert places == sorted(places)
    assert places[-1] < reader.text.index("Evidence and coverage")
    for answer in document.answers:
        assert answer.verdict in reader.text


def test_page_one_stays_short_whatever_it_is_given() -> None:
    document = make_document(tuple(many_findings(400)))
    answer = document.answers[0]
    assert len(answer.items) > 50
    text = Reader(page(document)).text
    assert f"and {len(answer.items) - MAX_ITEMS} more" in text


def test_items_of_page_one_link_their_findings() -> None:
    document = make_document()
    text = page(document)
    for finding in document.findings[:3]:
        assert f'href="#{finding.id}"' in text


def test_an_identity_in_an_item_is_its_link_and_unknown_ones_are_text() -> None:
    one, two = make_document().findings[:2]
    answer = Answer(
        "Q", "V", (f"a [{one.id}, critical] b f-000000000000", "c", "d"), (one.id, two.id, "f-000000000000")
    )
    text = page(make_document(answers=(answer,)))
    link = '<a class="id" href="#{0}">{0}</a>'
    assert f"<li><bdi>a [{link.format(one.id)}, critical] b f-000000000000</bdi></li>" in text
    assert f"See {link.format(two.id)}" in text
    assert "#f-000000000000" not in text


def test_selectors_are_masked_everywhere_with_a_note_or_nowhere() -> None:
    values = ("+359 88 000 0141", "+962 79 000 0123", "maria.k@example.com", "359880000141", "+40 712 345 678")
    masked = page(make_document())
    assert not [value for value in values if value in masked]
    assert "are masked here" in masked
    plain = page(make_document(), masked=False)
    assert not [value for value in values if value not in plain]
    assert "are masked here" not in plain


def test_what_was_not_examined_is_in_the_head_and_in_its_own_part() -> None:
    text = Reader(page(make_document())).text
    assert "5 things could not be examined (61.0 GiB)." in text
    assert "encrypted volume: BitLocker" in text
    assert "examined in full" in text
    assert "PARTIAL, 12 entries waiting" in Reader(page(make_document(state="partial", pending=12))).text


def test_without_javascript_the_top_findings_are_readable() -> None:
    document = make_document(tuple(many_findings(STATIC_FINDINGS + 10)), answers=())
    reader = Reader(page(document))
    for finding in document.findings[:STATIC_FINDINGS]:
        assert finding.path in reader.text
    assert document.findings[STATIC_FINDINGS].path not in reader.text
    assert "паспорта остава при мен" in reader.text


def test_rules_versions_options_and_method_are_stated() -> None:
    text = Reader(page(make_document())).text
    for part in ("12" * 32, "34" * 32, "keywords/bg", "Not used: keywords/km.", "20260715", "max-file-size", "lab-7",
                 "critical from 0.8", "no clearance", "innocent readings"):  # fmt: skip
        assert part in text, part


def test_an_empty_document_says_that_this_is_no_clearance() -> None:
    text = Reader(page(empty_document())).text
    assert "that is no clearance" in text
    assert "No finding." in text


def test_no_word_of_judgement_is_in_our_own_texts() -> None:
    ours = " ".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("templates/*"))
    assert not re.search(r"\b(?:guilty|trafficker|perpetrator|suspect|criminal)\b", ours, re.IGNORECASE)


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_contrast_is_aa_in_light_and_dark(scheme: int) -> None:
    """WCAG 2.1 AA: 4.5 to 1 for text."""
    blocks = re.findall(r":root \{(.*?)\}", asset("report.css"), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[0]))
    if scheme:
        colours |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[1]))
    pairs = [(text, ground) for text in ("ink", "quiet", "accent", "warn", "alarm", "high", "medium", "critical")
             for ground in ("paper", "ground")]  # fmt: skip
    pairs += [("ink", "alarm-ground"), ("alarm", "alarm-ground"), ("quiet", "alarm-ground"), ("accent", "alarm-ground")]
    pairs += [("mark-ink", "mark"), *(("on-badge", name) for name in ("critical", "high", "medium"))]
    for text, ground in pairs:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
