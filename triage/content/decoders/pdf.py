"""PDF documents: the text of each page, what people wrote beside it, and the files inside, through PDFium.

The parts of a PDF are compressed, so a word of it has no place of its own among the bytes. Each part is therefore a
member in UTF-8, addressed by name, and an offset in it counts bytes of that text: ``page 3``, ``page 3 annotations``
(comments, form fields, links), ``outline``, ``metadata``, ``scripts``, ``xfa ...``, and the same of earlier revisions
(``revision at byte 5000 page 3``) where a later one changed them. Layers that are hidden and text that is invisible
are read too. Attached files are members of their own.

Not read: text in pictures (pages that hold nothing else are counted and told), and what fonts without a map show.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from triage.content.decoders.interface import Budget, Data, Member, Yield, numbers_words, problem, shown, text_part
from triage.content.formats.dates import pdf_date
from triage.content.formats.pdfium import Pdf, PdfNotOpenedError
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason
from triage.model.times import Times

_STAGE = "pdf"
MAX_PAGES = 5000
MAX_CHARACTERS = 32 << 20
SECONDS = 40.0
"""Between two pages; within one only the limits of the worker hold."""
MAX_ATTACHMENTS = 1000
MAX_REVISIONS = 5
_END = re.compile(rb"%%EOF")
_HYPHEN = re.compile("[\x02\ufffe](?:\r?\n)?")
_UNMAPPED = re.compile("[\ue000-\uf8ff\ufffd\x01-\x08\x0e-\x1f]")


@dataclass(slots=True)
class _Reading:
    """One document while it is read."""

    address: Address
    budget: Budget
    deadline: float
    characters: int = 0
    texts: set[str] = field(default_factory=set)
    without_text: list[int] = field(default_factory=list)
    not_loaded: list[int] = field(default_factory=list)
    given: int = 0
    stopped: str = ""

    def is_over(self) -> bool:
        """Whether a limit is reached; says which."""
        if not self.stopped:
            if self.budget.is_spent:
                self.stopped = self.budget.spent_words
            elif self.characters >= MAX_CHARACTERS:
                self.stopped = f"the limit of {MAX_CHARACTERS} characters is reached"
            elif time.monotonic() > self.deadline:
                self.stopped = f"the limit of {SECONDS:g} seconds is reached (by the clock)"
        return bool(self.stopped)

    def part(self, name: str, text: str) -> Iterator[Member]:
        """A part, unless it is empty."""
        if text.strip():
            made = text_part(name, text)
            self.given += 1
            self.budget.spend(len(made.data))
            yield made


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """Pages in their order, then what belongs to the document, attachments, and earlier revisions."""
    raw = bytes(data)
    reading = _Reading(address, budget, time.monotonic() + SECONDS)
    try:
        with Pdf(raw) as pdf:
            yield from _pages(pdf, reading, "")
            yield from _document(pdf, reading)
            yield from _attachments(pdf, reading)
            count = pdf.page_count
    except PdfNotOpenedError as error:
        if error.needs_password:
            message = "the PDF is encrypted and has a password, only its raw bytes were searched"
            hint = "open it with its password in another tool"
            yield problem(address, _STAGE, Reason.ENCRYPTED, message, lost=len(raw), hint=hint)
        else:
            message = "the PDF does not open, only its raw bytes were searched"
            yield problem(address, _STAGE, Reason.CORRUPT, message, lost=len(raw))
        return
    for end in _revisions(raw):
        yield from _revision(raw[:end], reading, f"revision at byte {end} ")
    yield from _complaints(reading, raw, count)


def _pages(pdf: Pdf, reading: _Reading, prefix: str) -> Yield:
    """Text and annotations page by page; of an earlier revision only what no later one holds."""
    for number in range(min(pdf.page_count, MAX_PAGES)):
        if reading.is_over():
            return
        page = pdf.page(number)
        if page is None:
            if not prefix:
                reading.not_loaded.append(number + 1)
            continue
        try:
            text, count = pdf.text(page, MAX_CHARACTERS - reading.characters)
            text = _cleaned(text)
            reading.characters += count
            if not prefix and _is_unreadable(text) and any(pdf.has_objects(page)):
                reading.without_text.append(number + 1)
            if not prefix or text not in reading.texts:
                yield from reading.part(f"{prefix}page {number + 1}", text)
            reading.texts.add(text)
            yield from _annotations(pdf, page, reading, f"{prefix}page {number + 1}")
        finally:
            pdf.close_page(page)


def _annotations(pdf: Pdf, page: Any, reading: _Reading, name: str) -> Yield:
    """What people wrote on a page, as one part, and files that they pinned to it."""
    texts = []
    for text, attachment in pdf.annotations(page):
        if text:
            texts.append(text)
        if attachment is not None:
            yield from _attachment(pdf, attachment, reading)
    joined = "\n".join(texts)
    if joined and joined not in reading.texts:
        reading.texts.add(joined)
        yield from reading.part(f"{name} annotations", joined)


def _document(pdf: Pdf, reading: _Reading) -> Yield:
    """What belongs to the document as a whole."""
    yield from reading.part("outline", "\n".join(pdf.outline()))
    yield from reading.part("metadata", "\n".join(f"{key}: {value}" for key, value in pdf.metadata()))
    yield from reading.part("scripts", "\n".join(pdf.scripts()))
    for name, packet in pdf.xfa_packets(reading.budget.allowance(1 << 20)):
        if name not in ("preamble", "postamble", "config", "localeSet"):
            reading.budget.spend(len(packet))
            yield Member(f"xfa {name}".encode("utf-8", "replace"), packet, part_of_document=True)


def _attachments(pdf: Pdf, reading: _Reading) -> Yield:
    """Embedded files by the name tree."""
    count = pdf.attachment_count
    for number in range(min(count, MAX_ATTACHMENTS)):
        if reading.is_over():
            return
        attachment = pdf.attachment(number)
        if attachment is not None:
            yield from _attachment(pdf, attachment, reading)
    if count > MAX_ATTACHMENTS:
        message = f"{count} attachments claimed, the first {MAX_ATTACHMENTS} were examined"
        yield problem(reading.address, _STAGE, Reason.LIMIT, message)


def _attachment(pdf: Pdf, attachment: Any, reading: _Reading) -> Yield:
    """One embedded file."""
    name = pdf.attachment_name(attachment).encode("utf-8", "replace") or b"attachment"
    where = reading.address.child(name)
    times = Times(
        mtime=pdf_date(pdf.attachment_date(attachment, b"ModDate")),
        crtime=pdf_date(pdf.attachment_date(attachment, b"CreationDate")),
    )
    content = pdf.attachment_data(attachment, reading.budget.allowance(1 << 20))
    if content is None:
        message = f"the attachment is larger than the limit, or not there: {shown(name)}"
        yield problem(where, _STAGE, Reason.LIMIT, message)
        return
    reading.budget.spend(len(content))
    yield Member(name, content, times)


def _revisions(raw: bytes) -> list[int]:
    """Ends of earlier revisions, latest first: a PDF that was changed holds its older states in front."""
    ends = [match.end() for match in _END.finditer(raw)]
    if b"/Linearized" in raw[:1024]:
        ends = ends[1:]
    return [end for end in ends[:-1] if end > 512][-MAX_REVISIONS:][::-1]


def _revision(raw: bytes, reading: _Reading, prefix: str) -> Yield:
    """Pages of an earlier revision; one that does not open is no loss, since its bytes are those of the file."""
    try:
        with Pdf(raw) as pdf:
            yield from _pages(pdf, reading, prefix)
    except PdfNotOpenedError:
        return


def _complaints(reading: _Reading, raw: bytes, count: int) -> Yield:
    """What was not read."""
    where, pages = reading.address, min(count, MAX_PAGES)
    if reading.stopped:
        yield problem(where, _STAGE, Reason.LIMIT, f"the rest of the PDF was not read: {reading.stopped}")
    if count > MAX_PAGES:
        message = f"{count} pages claimed, the text of the first {MAX_PAGES} was read"
        yield problem(where, _STAGE, Reason.LIMIT, message)
    if reading.not_loaded:
        message = f"{len(reading.not_loaded)} of {pages} pages do not load: {numbers_words(reading.not_loaded)}"
        yield problem(where, _STAGE, Reason.CORRUPT, message)
    if reading.without_text:
        found = reading.without_text
        message = (
            f"{len(found)} of {pages} pages have no text, as scans have none; OCR is not run: "
            f"{'page' if len(found) == 1 else 'pages'} {numbers_words(found)}"
        )
        yield problem(where, _STAGE, Reason.UNSUPPORTED, message, anyway=True, hint="look at these pages")
    elif not reading.given and not reading.stopped and count:
        message = f"no text was found on {count} pages that seem to be blank"
        yield problem(where, _STAGE, Reason.UNSUPPORTED, message, anyway=True, hint="look at these pages")
    if not count:
        yield problem(where, _STAGE, Reason.CORRUPT, "the PDF has no page, only its raw bytes were searched")
    elif b"%%EOF" not in raw[-65536:]:
        message = "the end of the PDF is missing; the pages that could be found were read"
        yield problem(where, _STAGE, Reason.TRUNCATED, message)


def _cleaned(text: str) -> str:
    """Text with plain line ends and with words joined that were hyphenated at the end of a line."""
    return _HYPHEN.sub("", text).replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _is_unreadable(text: str) -> bool:
    """Whether a page shows no text, or one whose letters the fonts do not name."""
    letters = "".join(text.split())
    return 2 * len(_UNMAPPED.findall(letters)) >= len(letters)
