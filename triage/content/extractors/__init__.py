"""Files that hold text which their raw bytes do not show. The order of the tuple is the order of asking.

An extractor is one module with a function ``extract``; see :mod:`triage.content.extractors.interface`.
"""

from __future__ import annotations

import importlib

from triage.content.extractors.interface import Data, ExtractFunction, Extractor
from triage.model.content import ContentType, TextSegment

_ROOM = "triage.content.extractors."

EXTRACTORS: tuple[Extractor, ...] = (
    Extractor("rtf", _ROOM + "rtf", ("application/rtf",), "RTF documents"),
    Extractor("escapes", _ROOM + "escapes", ("application/json",), "JSON with letters behind escapes"),
    Extractor(
        "markup",
        _ROOM + "markup",
        ("text/html", "application/xhtml+xml", "application/xml", "text/xml", "application/x-plist", "+xml"),
        "HTML, XML, SVG and the XML parts of Office and OpenDocument files",
    ),
    Extractor(
        "cards", _ROOM + "cards", ("text/vcard", "text/calendar"), "vCard and iCalendar with folded or escaped text"
    ),
    Extractor("plain_text", _ROOM + "plain_text", ("text/plain",), "plain text in UTF-32"),
)
_BY_MIME = {mime: extractor for extractor in EXTRACTORS for mime in extractor.mimes}


def extract(content_type: ContentType, data: Data) -> tuple[TextSegment, ...]:
    """Text of a content, with the way back to its bytes.

    Args:
        content_type: What :func:`~triage.content.identify.identify` says; only its own table steers extraction.
        data: The whole content.

    Returns:
        Segments in the order of the content; empty where the text says no more than the raw bytes.
    """
    if content_type.source == "libmagic":
        return ()
    extractor = _BY_MIME.get(content_type.mime)
    if extractor is None and content_type.mime.endswith("+xml"):
        extractor = _BY_MIME["+xml"]
    if extractor is None:
        return ()
    function: ExtractFunction = importlib.import_module(extractor.module).extract
    return function(content_type, data)


__all__ = ["EXTRACTORS", "Extractor", "extract"]
