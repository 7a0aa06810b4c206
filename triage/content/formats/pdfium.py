"""PDFium, as far as text, annotations, forms, attachments and metadata of a PDF need it.

PDFium is a large C++ library: this runs in a worker process that may die. Nothing is rendered, no script runs (the
builds hold no engine for them), nothing is fetched. Every length is asked for before a buffer is made, and bounded.
Source: the public headers of PDFium (``fpdfview.h``, ``fpdf_text.h``, ``fpdf_annot.h``, ``fpdf_attachment.h``).
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import Any

METADATA = ("Title", "Author", "Subject", "Keywords", "Creator", "Producer", "CreationDate", "ModDate")
_ANNOTATION_KEYS = (b"T", b"Subj", b"Contents")
_WIDGET, _LINK, _POPUP, _IMAGE_OBJECT = 20, 2, 16, 3
_FIELD_KEYS = (b"TU", b"V", b"DV")
_MAX_STRING = 1 << 20
_MAX_ANNOTATIONS = 5000
_MAX_BOOKMARKS = 10_000
_MAX_SCRIPTS = 1000
_MAX_OPTIONS = 500
_MAX_OBJECTS = 1000
PASSWORD_ERROR = 4

_initialised: list[Any] = []


def _library() -> Any:
    """The library, loaded and initialised on first use."""
    if not _initialised:
        raw = importlib.import_module("pypdfium2.raw")
        raw.FPDF_InitLibrary()
        _initialised.append(raw)
    return _initialised[0]


class PdfNotOpenedError(Exception):
    """PDFium does not open a document; never leaves this room.

    Attributes:
        needs_password: The document is encrypted and none of the passwords opens it.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"PDFium error {code}")
        self.needs_password = code == PASSWORD_ERROR


class Pdf:
    """One open document; a context manager.

    Args:
        data: The whole document; kept until it is closed, since PDFium reads from it.
        passwords: Tried in order.

    Raises:
        PdfNotOpenedError: No password opens it, or it is none.
    """

    def __init__(self, data: bytes, passwords: tuple[bytes, ...] = (b"",)) -> None:
        self._raw = _library()
        self._data = data
        self._document: Any = None
        self._form: Any = None
        self._form_info: Any = None
        code = 0
        for password in passwords or (b"",):
            self._document = self._raw.FPDF_LoadMemDocument64(data, len(data), password or None)
            if self._document:
                break
            code = int(self._raw.FPDF_GetLastError())
            if code != PASSWORD_ERROR:
                break
        if not self._document:
            raise PdfNotOpenedError(code)
        self.page_count: int = max(int(self._raw.FPDF_GetPageCount(self._document)), 0)
        self.is_encrypted: bool = self._raw.FPDF_GetSecurityHandlerRevision(self._document) >= 0

    def __enter__(self) -> Pdf:
        """The document itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self._form:
            self._raw.FPDFDOC_ExitFormFillEnvironment(self._form)
        if self._document:
            self._raw.FPDF_CloseDocument(self._document)
        self._document = self._form = None

    # --- strings ----------------------------------------------------------------------------------------------------
    @staticmethod
    def _wide(call: Callable[[Any, int], int]) -> str:
        """A string of UTF-16 that a function writes into a buffer of so many bytes; it gives the length needed."""
        length = int(call(None, 0))
        if not 2 < length <= _MAX_STRING:
            return ""
        buffer = (ctypes.c_ushort * ((length + 1) // 2))()
        call(buffer, length)
        return bytes(buffer)[:length].decode("utf-16-le", "replace").rstrip("\0")

    @staticmethod
    def _narrow(call: Callable[[Any, int], int]) -> str:
        """The same of bytes that end in a zero."""
        length = int(call(None, 0))
        if not 1 < length <= _MAX_STRING:
            return ""
        buffer = ctypes.create_string_buffer(length)
        call(buffer, length)
        return buffer.raw[:length].rstrip(b"\0").decode("utf-8", "replace")

    # --- of the document --------------------------------------------------------------------------------------------
    def metadata(self) -> Iterator[tuple[str, str]]:
        """Entries of the information dictionary that are there."""
        for key in METADATA:
            name = key.encode()
            value = self._wide(partial(self._raw.FPDF_GetMetaText, self._document, name))
            if value:
                yield key, value

    def outline(self) -> Iterator[str]:
        """Titles of the outline, in its order; a bounded number, each node once."""
        raw = self._raw
        seen: set[int | None] = set()
        stack: list[Any] = []
        node = raw.FPDFBookmark_GetFirstChild(self._document, None)
        while (node or stack) and len(seen) < _MAX_BOOKMARKS:
            if not node:
                node = raw.FPDFBookmark_GetNextSibling(self._document, stack.pop())
                continue
            place = ctypes.cast(node, ctypes.c_void_p).value
            if place in seen:
                node = None
                continue
            seen.add(place)
            mark = node
            title = self._wide(partial(raw.FPDFBookmark_GetTitle, mark))
            if title:
                yield title
            stack.append(node)
            node = raw.FPDFBookmark_GetFirstChild(self._document, node)

    def scripts(self) -> Iterator[str]:
        """Scripts of the document, as text; none is run."""
        raw = self._raw
        for number in range(min(max(raw.FPDFDoc_GetJavaScriptActionCount(self._document), 0), _MAX_SCRIPTS)):
            action = raw.FPDFDoc_GetJavaScriptAction(self._document, number)
            if action:
                text = self._wide(partial(raw.FPDFJavaScriptAction_GetScript, action))
                raw.FPDFDoc_CloseJavaScriptAction(action)
                if text:
                    yield text

    def xfa_packets(self, limit: int) -> Iterator[tuple[str, bytes]]:
        """Names and XML of the parts of an XFA form, of at most ``limit`` bytes each."""
        raw = self._raw
        for number in range(min(max(raw.FPDF_GetXFAPacketCount(self._document), 0), 100)):
            name = self._narrow(partial(raw.FPDF_GetXFAPacketName, self._document, number))
            data = self._file(
                partial(raw.FPDF_GetXFAPacketContent, self._document, number),
                limit,
            )
            if data:
                yield name, data

    # --- attachments ------------------------------------------------------------------------------------------------
    @property
    def attachment_count(self) -> int:
        """Files in the name tree; a claim."""
        return max(int(self._raw.FPDFDoc_GetAttachmentCount(self._document)), 0)

    def attachment(self, number: int) -> Any:
        """One of them, None where it cannot be had."""
        return self._raw.FPDFDoc_GetAttachment(self._document, number) or None

    def attachment_name(self, attachment: Any) -> str:
        """Name as stored."""
        return self._wide(partial(self._raw.FPDFAttachment_GetName, attachment))

    def attachment_date(self, attachment: Any, key: bytes) -> str:
        """A date as stored (``D:2024...``), empty where there is none."""
        return self._wide(partial(self._raw.FPDFAttachment_GetStringValue, attachment, key))

    def attachment_data(self, attachment: Any, limit: int) -> bytes | None:
        """The bytes, None where they are more than ``limit`` or cannot be had."""
        return self._file(partial(self._raw.FPDFAttachment_GetFile, attachment), limit)

    def _file(self, call: Callable[[Any, int, Any], int], limit: int) -> bytes | None:
        """Bytes that a function writes into a buffer; it states the length needed."""
        length = ctypes.c_ulong(0)
        if not call(None, 0, ctypes.byref(length)) or length.value > limit:
            return None
        if not length.value:
            return b""
        buffer = ctypes.create_string_buffer(length.value)
        if not call(buffer, length.value, ctypes.byref(length)):
            return None
        return buffer.raw[: length.value]

    # --- pages ------------------------------------------------------------------------------------------------------
    def page(self, number: int) -> Any:
        """A page, counted from 0, to be closed with :meth:`close_page`; None where it does not load."""
        return self._raw.FPDF_LoadPage(self._document, number) or None

    def close_page(self, page: Any) -> None:
        """Close it."""
        self._raw.FPDF_ClosePage(page)

    def text(self, page: Any, limit: int) -> tuple[str, int]:
        """Text of a page, hidden layers too, and how many characters it has in all.

        Args:
            page: The page.
            limit: Characters at most.
        """
        raw = self._raw
        text_page = raw.FPDFText_LoadPage(page)
        if not text_page:
            return "", 0
        try:
            count = max(int(raw.FPDFText_CountChars(text_page)), 0)
            wanted = min(count, limit)
            # A character may be two units of UTF-16, and a zero stands at the end.
            buffer = (ctypes.c_ushort * (2 * wanted + 2))()
            written = int(raw.FPDFText_GetText(text_page, 0, wanted, buffer)) if wanted else 0
            return bytes(buffer)[: 2 * max(written - 1, 0)].decode("utf-16-le", "replace"), count
        finally:
            raw.FPDFText_ClosePage(text_page)

    def has_objects(self, page: Any) -> tuple[bool, bool]:
        """Whether a page holds anything, and whether it holds a picture among its first objects."""
        raw = self._raw
        count = max(int(raw.FPDFPage_CountObjects(page)), 0)
        kinds = {
            int(raw.FPDFPageObj_GetType(raw.FPDFPage_GetObject(page, number)))
            for number in range(min(count, _MAX_OBJECTS))
        }
        return count > 0, _IMAGE_OBJECT in kinds

    def annotations(self, page: Any) -> Iterator[tuple[str, Any]]:
        """What people wrote on a page: comments, form fields and links.

        Yields:
            Text of one annotation, and its attachment or None.
        """
        raw = self._raw
        for number in range(min(max(int(raw.FPDFPage_GetAnnotCount(page)), 0), _MAX_ANNOTATIONS)):
            annotation = raw.FPDFPage_GetAnnot(page, number)
            if not annotation:
                continue
            try:
                kind = int(raw.FPDFAnnot_GetSubtype(annotation))
                parts = self._annotation_parts(annotation, kind) if kind != _POPUP else []
                attachment = raw.FPDFAnnot_GetFileAttachment(annotation) or None
                yield "\n".join(dict.fromkeys(part for part in parts if part)), attachment
            finally:
                raw.FPDFPage_CloseAnnot(annotation)

    def _annotation_parts(self, annotation: Any, kind: int) -> list[str]:
        raw = self._raw

        def value(key: bytes) -> str:
            return self._wide(partial(raw.FPDFAnnot_GetStringValue, annotation, key))

        parts = [value(key) for key in _ANNOTATION_KEYS]
        if kind == _WIDGET:
            parts = [value(key) for key in _FIELD_KEYS] + parts
            form = self._forms()
            if form:
                for call in (raw.FPDFAnnot_GetFormFieldName, raw.FPDFAnnot_GetFormFieldValue):
                    parts.append(self._wide(partial(call, form, annotation)))
                for number in range(min(max(int(raw.FPDFAnnot_GetOptionCount(form, annotation)), 0), _MAX_OPTIONS)):
                    parts.append(self._wide(partial(raw.FPDFAnnot_GetOptionLabel, form, annotation, number)))
        if kind == _LINK:
            action = raw.FPDFLink_GetAction(raw.FPDFAnnot_GetLink(annotation))
            if action:
                parts.append(self._narrow(partial(raw.FPDFAction_GetURIPath, self._document, action)))
        return parts

    def _forms(self) -> Any:
        """The form of the document; no action of it is run."""
        if self._form is None:
            self._form_info = self._raw.FPDF_FORMFILLINFO(version=1)
            form = self._raw.FPDFDOC_InitFormFillEnvironment(self._document, self._form_info)
            self._form = form or False
        return self._form
