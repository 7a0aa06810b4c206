r"""Where a piece of evidence is: a chain that can be printed, parsed, compared and opened again.

Text form::

    laptop.E01 p2:/Users/Greg/a.zip!/inner/list.txt     evidence, volume, path, then "!/" per container stepped into
    laptop.E01 p2:/a.txt:stream                         alternate data stream
    laptop.E01 p2:/a.txt$slack                          slack behind the end of a file
    laptop.E01 p2:$unallocated@4096+65536               space that no file owns: offset in the volume and length, bytes
    laptop.E01 p0:$gap@1024+512                         p0 is the image as a whole
    laptop.E01 p2:$carved@4096+52341.zip!/list.txt      a file found by its structure in such space, and what it holds
    laptop.E01 p3.luks1.lv2:/home/x                     volumes that layers open

Names in evidence are bytes and may hold anything. In the text form, bytes that are not valid UTF-8, control, format
(bidi, zero-width) and unassigned characters become ``\xNN`` per byte, a backslash becomes ``\x5c``, and characters that
would read as syntax are written the same way: ``:`` inside names, ``!`` before a slash, a leading or trailing blank,
``$`` where the name ends in ``$slack``. So every address round-trips and is safe to print as plain text; markup and
spreadsheet formulas remain the concern of the reporter.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace

from triage.model.packed import Packed

_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")
_SPACE = re.compile(
    r"(?s)^\$(?:(unallocated|gap|volume_slack|carved)@(\d+)\+(\d+))(?:\.([a-z0-9-]{1,16}))?(?:!/(.*))?$"
)
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp", "Co"})
_SLACK = "$slack"
CARVED = "carved"
"""Space in which a file was found by its structure; ``length`` is up to the end of its last byte in the volume."""


def escape_name(raw: bytes, *, syntax: bool = True) -> str:
    r"""Text for the bytes of a name, reversible by :func:`unescape_name`.

    Args:
        raw: The name as stored, any bytes.
        syntax: Also escape what would read as address syntax (``:``, ``!`` before a slash).

    Returns:
        Printable text without control, bidi or zero-width characters.
    """
    if raw.isascii() and raw.isalnum():
        return raw.decode("ascii")
    out: list[str] = []
    text = raw.decode("utf-8", "surrogateescape")
    for index, character in enumerate(text):
        if "\udc80" <= character <= "\udcff":
            out.append(f"\\x{ord(character) - 0xDC00:02x}")
        elif character == "\\" or (
            syntax and (character == ":" or (character == "!" and text[index + 1 : index + 2] in ("/", "")))
        ):
            out.append(f"\\x{ord(character):02x}")
        elif character.isascii() and character.isprintable():
            out.append(character)
        elif unicodedata.category(character) in _UNSAFE_CATEGORIES or (character != " " and character.isspace()):
            out.extend(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
        else:
            out.append(character)
    shown = "".join(out)
    if syntax and shown.endswith(_SLACK):
        shown = shown[: -len(_SLACK)] + "\\x24slack"
    if syntax and shown.endswith(" "):
        shown = shown[:-1] + "\\x20"
    return shown


def unescape_name(text: str) -> bytes:
    """The bytes that :func:`escape_name` showed as ``text``."""
    out = bytearray()
    position = 0
    for match in _ESCAPE.finditer(text):
        out += text[position : match.start()].encode("utf-8", "surrogateescape")
        out.append(int(match[1], 16))
        position = match.end()
    out += text[position:].encode("utf-8", "surrogateescape")
    return bytes(out)


def carved_path(offset: int, extension: str) -> bytes:
    """The name that a carved file is given.

    Args:
        offset: Of its first byte in the volume.
        extension: By its structure: letters, digits and hyphens, without a dot.
    """
    return f"/carved-{offset}.{extension}".encode("ascii")


@dataclass(frozen=True, slots=True, order=True)
class Address(Packed):
    """One place in evidence.

    Attributes:
        evidence: Name of the evidence source, for instance ``laptop.E01``.
        volume: ``p1``, ``p2`` ... in the order of the partition table; ``p0`` is the image as a whole. A bare file
            system is ``p1``. What a layer opens inside has its name behind a dot: ``p2.lv1``, ``p2.vss3``.
        path: Absolute path in the volume as stored bytes, beginning with ``/``; empty for space that no file owns, and
            as :func:`carved_path` makes it for a file found there.
        stream: Name of an alternate data stream or resource fork (``rsrc``), empty for the default data.
        members: One name for each container stepped into, as stored bytes.
        space: ``""``, ``slack``, or ``unallocated``, ``gap``, ``volume_slack``, ``carved`` with ``offset`` and
            ``length``.
        offset: Bytes from the start of the volume, for space only.
        length: Bytes, for space only.
    """

    evidence: str
    volume: str
    path: bytes = b""
    stream: bytes = b""
    members: tuple[bytes, ...] = ()
    space: str = ""
    offset: int = 0
    length: int = 0

    @property
    def local(self) -> str:
        """The address without the evidence source: ``p2:/Users/...``."""
        if self.space and self.space != "slack":
            text = f"{self.volume}:${self.space}@{self.offset}+{self.length}"
            if self.space == CARVED:
                text += "." + self.path.rpartition(b".")[2].decode("ascii")
        else:
            text = f"{self.volume}:{escape_name(self.path)}"
        if self.stream:
            text += ":" + escape_name(self.stream)
        for member in self.members:
            text += "!/" + escape_name(member)
        return text + (_SLACK if self.space == "slack" else "")

    @property
    def is_bare_space(self) -> bool:
        """Bytes that are no file: they begin and end anywhere, so nothing can be opened in them."""
        return self.space not in ("", CARVED)

    @property
    def name(self) -> bytes:
        """Last component of the innermost path, as stored bytes."""
        if self.members:
            return self.members[-1].rstrip(b"/").rpartition(b"/")[2]
        return self.path.rpartition(b"/")[2]

    def child(self, member: bytes) -> Address:
        """The address of a member of this container."""
        return replace(self, members=(*self.members, member))

    def __str__(self) -> str:
        return f"{escape_name(self.evidence.encode('utf-8', 'surrogateescape'), syntax=False)} {self.local}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that prints as ``text``.

        Raises:
            ValueError: ``text`` is not an address.
        """
        # Evidence names may hold blanks: the volume is the first " pN:/" or " pN:$" from the left.
        best = re.search(r"(?s)^(.*?) ([a-z]+\d+(?:\.[a-z]+\d+)*):(?=[/$])", text)
        if best is None:
            raise ValueError(f"not an address: {text!r}")
        evidence = unescape_name(best[1]).decode("utf-8", "surrogateescape")
        rest = text[best.end() :]
        space = _SPACE.match(rest)
        if space and (space[1] == CARVED) == bool(space[4]):
            offset, length = int(space[2]), int(space[3])
            carved = carved_path(offset, space[4]) if space[4] else b""
            inside = tuple(map(unescape_name, space[5].split("!/"))) if space[5] is not None else ()
            return cls(evidence, best[2], carved, members=inside, space=space[1], offset=offset, length=length)
        slack = rest.endswith(_SLACK)
        if slack:
            rest = rest[: -len(_SLACK)]
        outer, *members = re.split(r"!/", rest)
        path, _, stream = outer.partition(":")
        return cls(
            evidence,
            best[2],
            unescape_name(path),
            unescape_name(stream),
            tuple(unescape_name(member) for member in members),
            "slack" if slack else "",
        )
