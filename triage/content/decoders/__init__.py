"""Files that hold files. The order of the tuple is the order in which decoders are asked.

A decoder is one module with a function ``decode``; see :mod:`triage.content.decoders.interface`.
"""

from __future__ import annotations

import importlib
import importlib.util

from triage.content.decoders.interface import Budget, Data, DecodeFunction, Decoder, Member, Yield, problem
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason

_ROOM = "triage.content.decoders."
_OFFICE = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument"
_PREFETCH = frozenset(("application/x-ms-prefetch", "application/x-ms-compressed-prefetch"))
_OLE = frozenset(
    (
        "application/x-ole-storage",
        "application/msword",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        "application/vnd.visio",
        "application/vnd.ms-publisher",
        "application/x-jumplist",
    )
)

DECODERS: tuple[Decoder, ...] = (
    Decoder(
        "zip",
        _ROOM + "zip",
        frozenset(
            (
                "application/zip",
                "application/vnd.openxmlformats-package",
                _OFFICE + "wordprocessingml.document",
                _OFFICE + "spreadsheetml.sheet",
                _OFFICE + "presentationml.presentation",
                "application/vnd.ms-visio.drawing",
                "application/vnd.ms-xpsdocument",
                _ODF,
                _ODF + ".text",
                _ODF + ".spreadsheet",
                _ODF + ".presentation",
                "application/epub+zip",
                "application/java-archive",
                "application/vnd.android.package-archive",
                "application/x-chrome-extension",
            )
        ),
        "ZIP archives and packages made of them: Office, OpenDocument, EPUB, JAR, APK",
    ),
    Decoder(
        "sqlite",
        _ROOM + "sqlite",
        frozenset(("application/vnd.sqlite3", "application/x-sqlite-wal")),
        "SQLite databases and their logs: rows as text, by conversation, deleted ones too, and the files in them",
    ),
    Decoder("gzip", _ROOM + "gzip", frozenset(("application/gzip",)), "gzip files"),
    Decoder("tar", _ROOM + "tar", frozenset(("application/x-tar",)), "tar archives: v7, ustar, GNU, pax"),
    Decoder(
        "compressed",
        _ROOM + "compressed",
        frozenset(("application/x-bzip2", "application/x-xz", "application/x-lzma", "application/zlib")),
        "files that are one bzip2, xz, LZMA or zlib stream",
    ),
    Decoder(
        "pdf",
        _ROOM + "pdf",
        frozenset(("application/pdf",)),
        "PDF: text by page, annotations, forms, metadata, earlier revisions, attachments",
        documents=frozenset(("application/pdf",)),
        needs="pypdfium2",
    ),
    Decoder(
        "eml",
        _ROOM + "eml",
        frozenset(("message/rfc822",)),
        "mail messages (EML, EMLX, MHTML): headers, bodies, attachments",
        documents=frozenset(("message/rfc822",)),
    ),
    Decoder(
        "ole",
        _ROOM + "ole",
        _OLE,
        "Word, Excel, PowerPoint before 2007 and other OLE2 files: texts, metadata, embedded files",
        documents=_OLE,
    ),
    Decoder("mbox", _ROOM + "mbox", frozenset(("application/mbox",)), "mailboxes in one file (mbox): each mail"),
    Decoder(
        "msg",
        _ROOM + "msg",
        frozenset(("application/vnd.ms-outlook",)),
        "Outlook messages (MSG): headers, bodies, properties, attachments",
        documents=frozenset(("application/vnd.ms-outlook",)),
    ),
    Decoder(
        "tnef",
        _ROOM + "tnef",
        frozenset(("application/vnd.ms-tnef",)),
        "winmail.dat (TNEF): headers, bodies, attachments",
        documents=frozenset(("application/vnd.ms-tnef",)),
    ),
    Decoder(
        "pst",
        _ROOM + "pst",
        frozenset(("application/vnd.ms-outlook-pst",)),
        "Outlook stores (PST, OST): each message with its folders as path",
        needs="pypff",
    ),
    Decoder(
        "plist",
        _ROOM + "plist",
        frozenset(("application/x-bplist",)),
        "binary property lists, archives of objects too: values and data",
        documents=frozenset(("application/x-bplist",)),
    ),
    Decoder(
        "lnk",
        _ROOM + "lnk",
        frozenset(("application/x-ms-shortcut",)),
        "Windows shortcuts: target, volume, machine, times",
        documents=frozenset(("application/x-ms-shortcut",)),
    ),
    Decoder("prefetch", _ROOM + "prefetch", _PREFETCH, "Windows prefetch files, packed ones too", documents=_PREFETCH),
)
_BY_MIME = {mime: decoder for decoder in DECODERS for mime in decoder.mimes}
DOCUMENT_MIMES = tuple(sorted(mime for decoder in DECODERS for mime in decoder.documents))
"""Types that are one document with its parts although a decoder opens them."""
_DISK_IMAGE_MARK = b"koly"
_ZIP_END = b"PK\x05\x06"
_ZIP_TAIL = 65535 + 22


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield | None:
    """Open a content that holds files.

    Args:
        content_type: What :func:`~triage.content.identify.identify` says; only its own table steers decoding, never
            libmagic, so that results do not differ by machine.
        data: The whole content.
        address: Of the content; members get its :meth:`~triage.model.address.Address.child`.
        budget: Shared along the chain of containers and counted down.

    Returns:
        Members and problems, read as they are asked for; None where the content holds no files.
    """
    if bytes(data[-512:-508]) == _DISK_IMAGE_MARK:
        # Its first bytes are those of whatever compression its first block has; the mark lies at the end.
        content_type = ContentType("application/x-apple-diskimage", "Apple disk image", "signature")
    decoder = _BY_MIME.get(content_type.mime) if content_type.source != "libmagic" else None
    if decoder is not None:
        return _within_depth(decoder, content_type, data, address, budget)
    appended = _has_zip_behind(data)
    from triage.content.decoders import unread

    is_unread = content_type.mime in unread.MIMES and content_type.source != "libmagic"
    if not appended and not is_unread:
        return None
    return _beside(appended, is_unread, content_type, data, address, budget)


def _within_depth(decoder: Decoder, content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """Run a decoder unless the chain of containers is too long or the budget is spent."""
    if len(address.members) >= budget.max_depth:
        message = f"container in {len(address.members)} containers, deeper than the limit"
        yield problem(address, decoder.name, Reason.LIMIT, message, lost=len(data))
        return
    budget.enter(len(data))
    if budget.is_spent:
        yield problem(address, decoder.name, Reason.LIMIT, budget.spent_words, lost=len(data))
        return
    if decoder.needs and importlib.util.find_spec(decoder.needs) is None:
        message = f"not opened, only its raw bytes were searched: {content_type.name}"
        hint = f"install the module that reads it: {decoder.needs}"
        yield problem(address, decoder.name, Reason.UNSUPPORTED, message, lost=len(data), hint=hint)
        return
    function: DecodeFunction = importlib.import_module(decoder.module).decode
    yield from function(content_type, data, address, budget)


def _beside(
    appended: bool, is_unread: bool, content_type: ContentType, data: Data, address: Address, budget: Budget
) -> Yield:
    """Contents of another type: with an archive behind their own data, or not opened at all."""
    from triage.content.decoders import unread

    if appended:
        yield from _within_depth(DECODERS[0], content_type, data, address, budget)
    if is_unread:
        yield from unread.decode(content_type, data, address, budget)


def _has_zip_behind(data: Data) -> bool:
    """Whether the content, of another type, ends in a ZIP archive: a self-extracting one, or one in a picture."""
    if len(data) < 52 or bytes(data[-_ZIP_TAIL:]).rfind(_ZIP_END) < 0:
        return False
    from triage.content.decoders.zip_structure import find_directories, read_central, read_local

    for directory in find_directories(data):
        first = next(read_central(data, directory), None)
        if first is not None and read_local(data, first.offset + directory.shift) is not None:
            return True
    return False


__all__ = ["DECODERS", "DOCUMENT_MIMES", "Budget", "Decoder", "Member", "decode"]
