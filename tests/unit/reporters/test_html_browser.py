"""The HTML report in a real browser; skipped where there is none."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chromium import FLAGS, Browser, find_chromium
from tests.support.documents import empty_document, line, make_document, make_finding, many_findings
from tests.support.hostile import HOSTILE_NAMES, hostile_document
from triage.model.address import escape_name
from triage.model.document import Document
from triage.reporters import render
from triage.reporters.html_data import MAX_LINES
from triage.reporters.sanitise import visible

BINARY = find_chromium()
pytestmark = pytest.mark.skipif(BINARY is None, reason="needs chromium")
PATHS = "Array.from(document.querySelectorAll('#list .body .path bdi:last-child'), (e) => e.textContent)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert BINARY is not None
    with Browser(BINARY) as opened:
        opened.screen(1280, 900)
        yield opened


def write(folder: Path, document: Document) -> Path:
    path = folder / "report.html"
    with path.open("w", encoding="utf-8", newline="") as out:
        render("html", document, out)
    return path


def load(browser: Browser, folder: Path, document: Document, fragment: str = "") -> None:
    browser.messages.clear()
    browser.requests.clear()
    browser.open(write(folder, document), fragment)


def choose(browser: Browser, name: str, value: str) -> None:
    browser.evaluate(
        f"(() => {{ const e = document.getElementById({name!r}); e.value = {value!r};"
        " e.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def status(browser: Browser) -> str:
    return str(browser.evaluate("document.getElementById('status').textContent"))


def test_o01_hostile_names_run_nothing_and_load_nothing(browser: Browser, tmp_path: Path) -> None:
    load(browser, tmp_path, hostile_document())
    assert browser.evaluate("document.documentElement.dataset.findings") == str(len(HOSTILE_NAMES))
    browser.evaluate("document.querySelectorAll('button.head').forEach((head) => head.click())")
    assert browser.evaluate("document.querySelectorAll('.detail').length") == len(HOSTILE_NAMES)
    assert browser.messages == []
    assert browser.requests == [(tmp_path / "report.html").as_uri()]
    assert browser.evaluate("document.querySelectorAll('script:not([type])').length") == 1
    assert browser.evaluate("document.querySelectorAll('img, iframe, object, embed, base, link').length") == 0
    assert browser.evaluate("[...document.querySelectorAll('a')].every((a) => a.getAttribute('href').startsWith('#'))")
    names = browser.evaluate("[...document.querySelectorAll('*')].flatMap((e) => e.getAttributeNames())")
    assert not [name for name in names if name.startswith("on")]
    shown = browser.evaluate(PATHS)
    for path, name in zip(shown, HOSTILE_NAMES, strict=True):
        whole = visible("p2:" + escape_name(name))
        assert path == whole or ("…" in path and whole.startswith(path.partition("…")[0]))


def test_o01_dump_dom_of_a_plain_headless_run(tmp_path: Path) -> None:
    """Without a debugger attached, as a reader would open it."""
    assert BINARY is not None
    path = write(tmp_path, make_document())
    command = [BINARY, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--dump-dom"]
    done = subprocess.run([*command, path.as_uri()], capture_output=True, timeout=120, check=True, env=os.environ)
    page = done.stdout.decode("utf-8")
    assert 'data-findings="8"' in page
    assert page.count('class="finding"') == 8
    assert "паспорта остава при мен" in page
    assert b"CONSOLE" not in done.stderr
    assert b"Uncaught" not in done.stderr


def test_without_javascript_the_static_list_stays(browser: Browser, tmp_path: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        load(browser, tmp_path, make_document())
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
        assert browser.evaluate("document.querySelectorAll('#static .finding').length") == 8
        assert browser.evaluate("document.getElementById('controls').hidden") is True
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_details_add_up_and_mark_the_match(browser: Browser, tmp_path: Path) -> None:
    document = make_document()
    load(browser, tmp_path, document, f"#{document.findings[1].id}")
    cells = browser.evaluate("[...document.querySelectorAll('.open .sum td.n')].map((c) => c.textContent)")
    numbers = [float(cell.replace("\u2212", "-")) for cell in cells]
    assert round(sum(numbers[:-1]), 6) == numbers[-1] == document.findings[1].score
    assert browser.evaluate("document.querySelector('.open .sum mark').textContent") == "لا تخرجي من البيت"
    assert browser.evaluate("getComputedStyle(document.querySelector('.open .sum .passage')).direction") == "rtl"
    assert browser.evaluate("document.querySelector('.open .escape').textContent") == "\\u200e"
    assert "عنوان" not in browser.evaluate("document.body.textContent")


def test_lines_that_are_left_out_are_summed_so_that_the_table_adds_up(browser: Browser, tmp_path: Path) -> None:
    lines = tuple(line(f"hit {n}", 0.002 + n / 100_000, indicator="x", matched="m") for n in range(70))
    finding = make_finding(lines=(*lines, line("cap", -0.01, kind="adjustment")))
    load(browser, tmp_path, make_document((finding,)), f"#{finding.id}")
    cells = browser.evaluate("[...document.querySelectorAll('.open .sum td.n')].map((c) => c.textContent)")
    assert len(cells) == MAX_LINES + 2
    numbers = [float(cell.replace("\u2212", "-")) for cell in cells]
    assert round(sum(numbers[:-1]), 6) == numbers[-1] == finding.score
    assert "31 more lines" in browser.evaluate("document.querySelector('.open .sum').textContent")


def test_keys_move_open_close_filter_and_leave(browser: Browser, tmp_path: Path) -> None:
    load(browser, tmp_path, make_document())
    focused = "document.activeElement.closest('li') && document.activeElement.closest('li').dataset.place"
    for key, place in (("j", "0"), ("j", "1"), ("j", "2"), ("k", "1")):
        browser.key(key, key)
        assert browser.evaluate(focused) == place
    browser.key("Enter", "\r")
    assert browser.evaluate("document.querySelectorAll('.detail').length") == 1
    assert browser.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    browser.key("Escape")
    assert browser.evaluate("document.querySelectorAll('.detail').length") == 0
    assert browser.evaluate(focused) == "1"
    browser.key("/", "/")
    assert browser.evaluate("document.activeElement.id") == "text"
    for letter in "jobs":
        browser.key(letter, letter)
    assert browser.evaluate("document.getElementById('text').value") == "jobs"
    assert status(browser) == "No finding passes the filter. (8 in all)"
    browser.key("Escape")
    assert status(browser) == "1–8 of 8"
    browser.key("Escape")
    assert browser.evaluate("document.activeElement === document.body")


def test_text_filter_finds_excerpts_reasons_paths_and_digests(browser: Browser, tmp_path: Path) -> None:
    document = make_document()
    load(browser, tmp_path, document)
    for query, count in (
        ("ПАСПОРТА остава", 1), ("debt bondage", 3), ("viberpc", 1), ("名单", 1), ("جوازك", 1),
        (document.findings[4].hashes["sha256"], 1), ("debt nosuchword", 0), ("", 8),
    ):  # fmt: skip
        choose(browser, "text", query)
        assert browser.evaluate("document.querySelectorAll('#list .finding').length") == count, query


@pytest.mark.parametrize(
    ("name", "label", "count"),
    [
        ("priority", "high and above", 3), ("element", "act (3)", 3),
        ("indicator", "Debt ledger or debt bondage (3)", 3),
        ("language", "bg (1)", 1), ("state", "deleted (1)", 1), ("evidence", "stick.dd (2)", 2),
        ("unit", "document (4)", 4),
    ],
)  # fmt: skip
def test_each_filter(browser: Browser, tmp_path: Path, name: str, label: str, count: int) -> None:
    load(browser, tmp_path, make_document())
    value = browser.evaluate(
        f"[...document.getElementById({name!r}).options].find((o) => o.textContent === {label!r}).value"
    )
    choose(browser, name, value)
    assert browser.evaluate("document.querySelectorAll('#list .finding').length") == count
    browser.evaluate("document.getElementById('clear').click()")
    assert status(browser) == "1–8 of 8"


@pytest.mark.parametrize(
    ("order", "ranks"),
    [
        ("rank", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("score", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("urgency", [1, 2, 3, 6, 4, 5, 7, 8]),
        ("time", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("path", [6, 7, 4, 3, 5, 8, 1, 2]),
    ],
)
def test_each_sort(browser: Browser, tmp_path: Path, order: str, ranks: list[int]) -> None:
    load(browser, tmp_path, make_document())
    choose(browser, "sort", order)
    shown = browser.evaluate("[...document.querySelectorAll('#list .rank')].map((e) => Number(e.textContent))")
    if order == "path":
        paths = browser.evaluate(PATHS)
        assert paths == sorted(paths)
    else:
        assert shown == ranks


def test_many_findings_come_in_pages_and_keys_cross_them(browser: Browser, tmp_path: Path) -> None:
    load(browser, tmp_path, make_document(tuple(many_findings(3000))))
    assert status(browser) == "1–50 of 3,000"
    assert browser.evaluate("document.querySelectorAll('.finding').length") == 50
    browser.evaluate("document.querySelectorAll('button.head')[49].focus()")
    browser.key("j", "j")
    assert status(browser) == "51–100 of 3,000"
    assert browser.evaluate("document.activeElement.closest('li').dataset.place") == "50"
    browser.key("k", "k")
    assert browser.evaluate("document.activeElement.closest('li').dataset.place") == "49"
    choose(browser, "text", "002987")
    assert browser.evaluate(PATHS)[0].endswith("002987.bin")
    assert browser.messages == []


def test_links_of_page_one_open_their_finding_through_any_filter(browser: Browser, tmp_path: Path) -> None:
    document = make_document()
    load(browser, tmp_path, document)
    choose(browser, "text", "nosuchword")
    browser.evaluate("document.querySelector('.answers a.id').click()")
    browser.evaluate("new Promise((done) => setTimeout(done, 50))")
    assert browser.evaluate("document.querySelector('.open').dataset.place") == "0"
    load(browser, tmp_path, document, "#f-000000000000")
    assert browser.messages == []


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("make", [make_document, hostile_document, empty_document])
def test_p05_nothing_is_wider_than_the_screen(browser: Browser, tmp_path: Path, width: int, make: object) -> None:
    browser.screen(width, 800)
    try:
        load(browser, tmp_path, make())  # type: ignore[operator]
        browser.evaluate("document.querySelectorAll('button.head').forEach((head) => head.click())")
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
    finally:
        browser.screen(1280, 900)


def test_dark_scheme_and_print_change_the_colours(browser: Browser, tmp_path: Path) -> None:
    load(browser, tmp_path, make_document())
    ground = "getComputedStyle(document.body).backgroundColor"
    light = browser.evaluate(ground)
    browser.screen(1280, 900, dark=True)
    assert browser.evaluate(ground) != light
    browser.screen(1280, 900)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate("getComputedStyle(document.getElementById('controls')).display") == "none"
    assert browser.evaluate(ground) == "rgb(255, 255, 255)"
    browser.call("Emulation.setEmulatedMedia", media="")


def test_the_page_is_the_same_bytes_twice() -> None:
    one, two = io.StringIO(), io.StringIO()
    render("html", make_document(), one)
    render("html", make_document(), two)
    assert one.getvalue() == two.getvalue()
