"""Which document or program a container is: ZIP packages by their member names, OLE2 files by their stream names.

Both look at the head alone, follow a claim for a bounded number of steps, and never raise.
"""

from __future__ import annotations

import re
from struct import unpack_from

from triage.content.kinds import KINDS, Kind

_OLE_STREAMS = {
    "WordDocument": "doc",
    "Workbook": "xls",
    "Book": "xls",
    "PowerPoint Document": "ppt",
    "PP40": "ppt",
    "VisioDocument": "vsd",
    "Quill": "pub",
    "__properties_version1.0": "msg",
    "__nameid_version1.0": "msg",
    "Catalog": "thumbsdb",
    "DestList": "jumplist",
    "EncryptedPackage": "officecrypt",
    "HwpSummaryInformation": "hwp",
    "\x05HwpSummaryInformation": "hwp",
}
_OLE_FOLDED = {name.lower(): key for name, key in _OLE_STREAMS.items()}
_OLE_RANK = ("officecrypt", "msg", "doc", "xls", "ppt", "vsd", "pub", "hwp", "jumplist", "thumbsdb")
_OLE_NAMES = re.compile(
    "|".join(re.escape(name) for name in _OLE_STREAMS if name != "Book").encode("utf-16-le").replace(b"|\0", b"|")
)
_MSI_CLSID = bytes.fromhex("84100c0000000000c000000000000046")
_ZIP_HEADER = re.compile(rb"PK\x03\x04")
_ZIP_FOLDERS = {b"word": "docx", b"xl": "xlsx", b"ppt": "pptx", b"visio": "vsdx"}
_ZIP_FILES = {
    b"AndroidManifest.xml": "apk",
    b"classes.dex": "apk",
    b"resources.arsc": "apk",
    b"FixedDocumentSequence.fdseq": "xps",
    b"FixedDocSeq.fdseq": "xps",
}
_ODF = {b"text": "odt", b"spreadsheet": "ods", b"presentation": "odp"}
_MAX_HEADERS = 48


def zip_package(head: bytes, size: int) -> Kind | None:
    """Which package a ZIP is, by the member names in the head; plain ZIP where none is telling."""
    found = "zip"
    for name, start in _zip_names(head):
        base, _, rest = name.partition(b"/")
        if name == b"mimetype":
            return KINDS[_package_type(head[start : start + 80])]
        if rest and base in _ZIP_FOLDERS and found in ("ooxml", "zip"):
            # Only a package with a list of content types is a document; a folder named "word" proves nothing.
            if found == "ooxml" or b"[Content_Types].xml" in head:
                return KINDS[_ZIP_FOLDERS[base]]
        elif name in _ZIP_FILES:
            return KINDS[_ZIP_FILES[name]]
        elif name == b"[Content_Types].xml":
            found = "ooxml"
        elif name == b"META-INF/MANIFEST.MF" or (name == b"META-INF/" and found == "zip"):
            found = "jar"
    return KINDS[found]


def _zip_names(head: bytes) -> list[tuple[bytes, int]]:
    """Names and data offsets of the members whose local headers the head holds, at most a bounded number."""
    names: list[tuple[bytes, int]] = []
    position = 0
    while len(names) < _MAX_HEADERS:
        match = _ZIP_HEADER.search(head, position)
        if match is None or match.start() + 30 > len(head):
            break
        at = match.start()
        flags, packed = unpack_from("<H", head, at + 6)[0], unpack_from("<I", head, at + 18)[0]
        name_length, extra_length = unpack_from("<HH", head, at + 26)
        start = at + 30 + name_length + extra_length
        names.append((head[at + 30 : at + 30 + name_length], start))
        # Jump over the data where its size is known, so that a stored archive inside does not speak for this one.
        position = start if flags & 8 or packed == 0xFFFFFFFF else start + packed
    return names


def _package_type(declared: bytes) -> str:
    """The kind that the ``mimetype`` member of an ODF or EPUB package declares."""
    if declared.startswith(b"application/epub+zip"):
        return "epub"
    prefix = b"application/vnd.oasis.opendocument."
    if declared.startswith(prefix):
        word = re.match(rb"[a-z]*", declared[len(prefix) :])
        return _ODF.get(word[0] if word else b"", "odf")
    return "odf" if declared.startswith(b"application/vnd.sun.xml.") else "zip"


def ole_document(head: bytes, size: int) -> Kind | None:
    """Which document an OLE2 compound file is, by the stream names of its directory if the head reaches it."""
    if len(head) < 512:
        return KINDS["ole"]
    shift, directory = unpack_from("<H", head, 30)[0], unpack_from("<I", head, 48)[0]
    start = (directory + 1) << shift if shift in (9, 12) else len(head)
    names: set[str] = set()
    for at in range(start, min(start + (1 << 12), len(head) - 127), 128):
        length = unpack_from("<H", head, at + 64)[0]
        kind = head[at + 66]
        if kind == 5 and head[at + 80 : at + 96] == _MSI_CLSID:
            return KINDS["msi"]
        if kind in (1, 2) and 2 < length <= 64:
            names.add(head[at : at + length - 2].decode("utf-16-le", "replace"))
    if start >= len(head):
        names = {match[0].decode("utf-16-le") for match in _OLE_NAMES.finditer(head)}
    keys = {_OLE_FOLDED[name.lower()] for name in names if name.lower() in _OLE_FOLDED}
    return KINDS[next((key for key in _OLE_RANK if key in keys), "ole")]
