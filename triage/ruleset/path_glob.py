r"""Globs over paths in a volume, as scope files have them.

A pattern begins with ``/`` (from the root of the volume) or ``**/`` (anywhere). Between slashes ``*`` stands for any
characters, ``?`` for one, ``[a-z]`` for one of these, ``[!a-z]`` for any other; ``**`` alone between slashes stands for
any number of folders, none too. A pattern that names a folder names everything in it. ``\xNN`` is a byte of the name,
as addresses write it; there is no other use of a backslash, and braces stand for themselves.

Names are compared as Unicode in normal form C, so that a name of HFS+ is the name that a keyboard writes; where case
does not count, folded.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from triage.model.address import unescape_name

MAX_PATTERN = 1000
"""Characters of a pattern."""
_ESCAPE = re.compile(r"\\x[0-9a-f]{2}")
_ANY = "**"


@dataclass(frozen=True, slots=True)
class GlobFault:
    """What is wrong with a pattern: the message, the character it begins at, and what to do."""

    message: str
    position: int = 0
    hint: str = ""


@dataclass(frozen=True, slots=True)
class PathGlob:
    """One pattern, compiled.

    Attributes:
        text: As written.
        parts: Its components: None for ``**``, else a pattern over one name.
        folded: Compare folded names.
        whole: Over a whole folded path, at the end of a name or in front of a slash.
    """

    text: str
    parts: tuple[re.Pattern[str] | None, ...]
    folded: bool
    whole: re.Pattern[str]

    def matches(self, path: str) -> bool:
        """Whether a path, or a folder above it, fits. ``path`` must come from :func:`comparable`."""
        return self.whole.match(path) is not None

    def may_match_below(self, path: str) -> bool:
        """Whether something in the folder (or archive) at ``path`` could fit, beside by ``path`` itself."""
        names = [name for name in path.split("/") if name]
        places = _skipped({0}, self.parts)
        for name in names:
            if len(self.parts) in places:
                return True
            following = set()
            for place in places:
                part = self.parts[place]
                if part is None:
                    following.add(place)
                elif part.fullmatch(name):
                    following.add(place + 1)
            places = _skipped(following, self.parts)
        return bool(places)


def _skipped(places: set[int], parts: tuple[re.Pattern[str] | None, ...]) -> set[int]:
    """Places in a pattern that are reached without a name: those behind each ``**`` too."""
    out = set()
    for place in places:
        out.add(place)
        while place < len(parts) and parts[place] is None:
            place += 1
            out.add(place)
    return out


def comparable(path: bytes, folded: bool) -> str:
    """A path of evidence as patterns are compared with it; bytes that are not UTF-8 stay as they are."""
    if path.isascii():
        text = path.decode("ascii")
        return text.lower() if folded else text
    return _comparable(path.decode("utf-8", "surrogateescape"), folded)


def _comparable(text: str, folded: bool) -> str:
    text = unicodedata.normalize("NFC", text)
    return unicodedata.normalize("NFC", text.casefold()) if folded else text


def path_fault(text: str, *, members: bool = False) -> GlobFault | None:
    """Why a pattern over paths does not hold, None where it does.

    Args:
        text: The pattern.
        members: Names of members of archives may follow, behind ``!/``.
    """
    hint = "`/Users/Greg/**` from the root of a volume, `**/*.pdf` anywhere"
    if len(text) > MAX_PATTERN:
        return GlobFault(f"longer than {MAX_PATTERN} characters: {len(text)}")
    if not text.strip():
        return GlobFault("an empty path names nothing", hint=hint)
    if re.match(r"[A-Za-z]:", text):
        return GlobFault("a drive letter is no part of a path on a volume", 0, "`C:\\Users` is `/Users` on its volume")
    backslash = _ESCAPE.sub("    ", text).find("\\")
    if backslash >= 0:
        return GlobFault("a backslash in a path", backslash, "folders are parted by `/`; a byte of a name is `\\xNN`")
    if not text.startswith(("/", "**/")) and text != _ANY:
        return GlobFault("a path must begin with `/` or `**/`", 0, hint)
    return _parts_fault(text, members=members)


def _parts_fault(text: str, *, members: bool = False) -> GlobFault | None:
    if "!/" in text and not members:
        message = "a path into an archive"
        hint = "only `[exclude]` names members of archives; a file is in scope as a whole"
        return GlobFault(message, text.index("!/"), hint)
    return _names_fault(text)


def _names_fault(text: str) -> GlobFault | None:
    position = 1 if text.startswith("/") else 0
    trimmed = text.rstrip("/") or "/"
    if trimmed == "/":
        return None
    for name in trimmed[position:].split("/"):
        if not name:
            return GlobFault("two slashes in a row", position)
        if name in (".", ".."):
            return GlobFault(f"`{name}` is no name on a volume", position)
        if _ANY in name and name != _ANY:
            return GlobFault("`**` must stand alone between slashes", position + name.index(_ANY))
        fault = _class_fault(name, position)
        if fault is not None:
            return fault
        position += len(name) + 1
    return None


def _class_fault(name: str, position: int) -> GlobFault | None:
    """What is wrong with the ``[...]`` of a name."""
    at = 0
    while (at := name.find("[", at)) >= 0:
        end = _class_end(name, at)
        if end < 0:
            return GlobFault("`[` without `]`", position + at, "a bracket itself is written `[[]`")
        body = name[at + 1 : end].removeprefix("!")
        for low, high in re.findall(r"(.)-(.)", body):
            if low > high:
                return GlobFault(f"a range that ends before it begins: `{low}-{high}`", position + at)
        at = end + 1
    return None


def _class_end(name: str, start: int) -> int:
    """Place of the ``]`` that ends a class, -1 where none does; one right behind the opening stands for itself."""
    first = start + 1
    if name[first : first + 1] == "!":
        first += 1
    return name.find("]", first + 1)


def compile_glob(text: str, *, folded: bool) -> PathGlob:
    """A pattern ready to compare.

    Args:
        text: One in which :func:`path_fault` finds nothing.
        folded: Whether the case of letters does not count.
    """
    names = [name for name in text.split("/") if name]
    sources = [None if name == _ANY else _name_source(name, folded, "[^/]", r"(?=/|\Z)") for name in names]
    parts = tuple(None if source is None else re.compile(source) for source in sources)
    return PathGlob(text, parts, folded, re.compile(_path_source(sources)))


def _path_source(sources: list[str | None]) -> str:
    """Regular expression for a path that begins as the names say.

    What follows a ``**`` is taken where it first stands, for good: a pattern has no end that a later place could fit
    better, and evidence with long paths costs no more than one look at each name.
    """
    out = []
    open_groups = 0
    for source in sources:
        if source is None:
            out.append(")" * open_groups)
            out.append("(?>(?:/[^/]+)*?")
            open_groups = 1
        else:
            out.append("/" + source)
    if sources and sources[-1] is None:  # what is in the folder, not the folder's own name
        out.append("/[^/]")
    elif not sources:
        out.append("/")
    return "".join(out) + ")" * open_groups


def compile_name(text: str) -> re.Pattern[str]:
    """A glob over one text that is no path (name of evidence or volume, media type), case ignored."""
    return re.compile(_name_source(text, True, ".", r"\Z"), re.DOTALL)


def _name_source(name: str, folded: bool, any_one: str, end: str) -> str:
    """Regular expression for a glob over one name; linear in the name, whatever the number of stars."""
    pieces = [""]
    at = 0
    while at < len(name):
        character = name[at]
        closing = _class_end(name, at) if character == "[" else -1
        if character == "*":
            pieces.append("")
        elif character == "?":
            pieces[-1] += any_one
        elif closing > 0:
            pieces[-1] += _class_source(name[at + 1 : closing], folded, any_one)
            at = closing
        else:
            run = at + 1
            while run < len(name) and name[run] not in "*?[":
                run += 1
            pieces[-1] += re.escape(_literal(name[at:run], folded))
            at = run - 1
        at += 1
    first, *middle = pieces
    if not middle:
        return first + end
    between = "".join(f"(?>{any_one}*?{piece})" for piece in middle[:-1])
    return f"{first}{between}{any_one}*{middle[-1]}{end}"


def _class_source(body: str, folded: bool, any_one: str) -> str:
    negated = body.startswith("!")
    body = re.sub(r"[\\\[\]^&~|]", lambda match: "\\" + match[0], _comparable(body.removeprefix("!"), folded))
    return f"[^{'' if any_one == '.' else '/'}{body}]" if negated else f"[{body}]"


def _literal(text: str, folded: bool) -> str:
    raw = unescape_name(text) if "\\" in text else text.encode("utf-8", "surrogateescape")
    return _comparable(raw.decode("utf-8", "surrogateescape"), folded)
