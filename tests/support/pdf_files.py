"""PDF files made by hand: objects, streams, a table of offsets, and later revisions."""

from __future__ import annotations

import zlib


class PdfFile:
    """A PDF while it is made; object 1 is the catalogue, 2 the page tree, 3 the font."""

    def __init__(self) -> None:
        self.objects: dict[int, bytes] = {
            3: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
        }
        self.pages: list[int] = []
        self.catalog = b""
        self.info: dict[str, str] = {}

    def add(self, body: bytes) -> int:
        """Add an object."""
        number = max(max(self.objects), 3) + 1
        self.objects[number] = body
        return number

    def add_stream(self, data: bytes, extra: bytes = b"") -> int:
        """Add a compressed stream."""
        packed = zlib.compress(data)
        return self.add(b"<</Length %d/Filter/FlateDecode%s>>stream\n%s\nendstream" % (len(packed), extra, packed))

    def add_page(self, *lines: str, extra: bytes = b"", operators: bytes = b"") -> int:
        """Add a page with lines of text, in Windows-1252."""
        content = b"BT /F1 12 Tf 72 720 Td 14 TL " + operators
        for line in lines:
            escaped = line.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
            content += b"(" + escaped + b") Tj T* "
        stream = self.add_stream(content + b"ET")
        page = self.add(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>"
                        b"/Contents %d 0 R%s>>" % (stream, extra))  # fmt: skip
        self.pages.append(page)
        return page

    def add_attachment(self, name: str, data: bytes) -> None:
        """Attach a file by the name tree."""
        stream = self.add_stream(data, b"/Type/EmbeddedFile/Params<</ModDate(D:20240320214000Z)/Size %d>>" % len(data))
        spec = self.add(b"<</Type/Filespec/F(%s)/EF<</F %d 0 R>>>>" % (name.encode(), stream))
        self.catalog += b"/Names<</EmbeddedFiles<</Names[(%s) %d 0 R]>>>>" % (name.encode(), spec)

    def _numbered(self) -> dict[int, bytes]:
        kids = b" ".join(b"%d 0 R" % page for page in self.pages)
        return {
            1: b"<</Type/Catalog/Pages 2 0 R" + self.catalog + b">>",
            2: b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(self.pages), kids),
            **self.objects,
        }

    def bytes(self, before: bytes = b"") -> bytes:
        """The file; behind ``before``, an earlier revision, as a change of it."""
        out = bytearray(before or b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
        objects = self._numbered()
        info = b""
        if self.info:
            number = max(objects) + 1
            pairs = b"".join(b"/%s(%s)" % (key.encode(), value.encode("latin-1")) for key, value in self.info.items())
            objects[number] = b"<<" + pairs + b">>"
            info = b"/Info %d 0 R" % number
        places = {}
        for number, body in objects.items():
            places[number] = len(out)
            out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
        start = len(out)
        out += b"xref\n0 1\n0000000000 65535 f \n"
        for number, place in places.items():
            out += b"%d 1\n%010d 00000 n \n" % (number, place)
        previous = b"/Prev %d" % before.rfind(b"xref\n0 1") if before else b""
        out += b"trailer<</Size %d/Root 1 0 R%s%s>>\nstartxref\n%d\n%%%%EOF\n" % (
            max(places) + 1,
            info,
            previous,
            start,
        )
        return bytes(out)
