"""Scope files: what an order allows to be looked at, written down once, in TOML, checked key by key.

``docs/guide.md`` has the format. Every complaint names file, line and column; a file that limits nothing, or that
leaves open what becomes of bytes without an owner or a date, is refused.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from triage.errors import RuleError, ScopeError
from triage.model.scope import NameCase, Privileged, Scope, Selection, TimeLimit, TimeRange
from triage.ruleset.files import RuleFile
from triage.ruleset.issues import Complaints, shown, shown_path
from triage.ruleset.keyword_file import MATCHES, MAX_TERM, literal_fault
from triage.ruleset.path_glob import GlobFault, path_fault
from triage.ruleset.text_codecs import is_text_encoding
from triage.ruleset.toml_reader import Fields, TomlFile, nearest, read_toml

MAX_BYTES = 1 << 20
TABLES = ("scope", "include", "exclude", "times", "privileged")
LISTS = ("evidence", "volumes", "paths", "users", "types")
TIMES = ("mtime", "atime", "ctime", "crtime")
SHORTEST_TERM = 3
"""Letters and digits of a privileged term; a shorter one stands in nearly every file."""
ENCODINGS = (
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp437", "cp850", "cp852",
    "cp866", "koi8-r", "koi8-u", "iso8859-2", "iso8859-5", "iso8859-15", "iso8859-16", "mac-roman", "cp874", "gb18030",
    "big5", "euc-jp", "shift_jis", "euc-kr",
)  # fmt: skip
"""Legacy code pages in which privileged terms are looked for where the file names none."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MEDIA = (
    "application", "audio", "chemical", "font", "image", "inode", "message", "model", "multipart", "text", "video",
)  # fmt: skip
_SID = re.compile(r"S-1-\d+(-\d+)+", re.IGNORECASE)
_NUMBERED = re.compile(r"(uid|android):\d{1,10}")
_VOLUME = re.compile(r"[a-z*?\[][a-z0-9.*?\[\]!-]*")
_MEDIA_TYPE = re.compile(r"([a-z*?]+|x-[a-z*?-]+)/([a-z0-9*?.+_-]+)")
_ENDING = re.compile(r"\.[^/\\*?\[\]\s]+")


def read_scope(path: Path) -> Scope:
    """Read and check a scope file.

    Raises:
        ScopeError: It cannot be read or does not hold; the message has file, line and column.
    """
    try:
        complaints = Complaints(strict=True)
        toml = read_toml(_file(path, complaints), complaints)
        if toml is None:  # for the type checker: a strict reader raises
            raise ScopeError(f"not a scope file: {shown_path(path)}")
        return _scope(toml, complaints)
    except RuleError as error:
        raise ScopeError(error.message, hint=error.hint) from error


def _file(path: Path, complaints: Complaints) -> RuleFile:
    name = shown_path(path)
    try:
        status = path.stat()  # before opening: a FIFO would wait for ever
        if not stat.S_ISREG(status.st_mode):
            complaints.error("path-not-readable", "not a regular file", path=name)
        if status.st_size > MAX_BYTES:
            complaints.error("file-too-large", f"larger than {MAX_BYTES >> 10} KiB: {status.st_size}", path=name)
        data = path.read_bytes()
    except FileNotFoundError:
        raise ScopeError(f"{name}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise ScopeError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return RuleFile(path, path.name, path.parent, "toml", shipped=False, explicit=True, data=data)


def _scope(toml: TomlFile, complaints: Complaints) -> Scope:
    Fields(toml, (), toml.data, complaints).known(TABLES)
    head = Fields.of(toml, "scope", complaints)
    head.known(("name", "authority", "note", "space", "slack", "case"))
    include = _selection(Fields.of(toml, "include", complaints))
    exclude = _selection(Fields.of(toml, "exclude", complaints), members=True)
    times = _times(Fields.of(toml, "times", complaints)) if "times" in toml.data else None
    privileged = _privileged(Fields.of(toml, "privileged", complaints)) if "privileged" in toml.data else None
    owned = [names for part in (include, exclude) for names in (part.paths, part.users, part.types) if names]
    if not any((include != Selection(), exclude != Selection(), times, privileged)):
        head.complain("out-of-range", "the file limits nothing", hint="add `[include]`, `[exclude]` or `[times]`")
    if (owned or times) and "space" not in head.table:
        message = "missing key: `space`: space that no file owns has no path, user, type or time"
        head.complain("missing-key", message, hint="`space = true` searches all of it, `space = false` none")
    _contradictions(toml, include, exclude, complaints)
    return Scope(
        name=head.text("name", required=True, filled=True),
        authority=head.text("authority"),
        note=head.text("note"),
        include=include,
        exclude=exclude,
        times=times,
        space=head.flag("space", True),
        slack=head.flag("slack", True),
        name_case=NameCase(head.choice("case", tuple(NameCase), NameCase.FILE_SYSTEM)),
        privileged=privileged,
        text=toml.file.data.decode("utf-8-sig"),
        digest=hashlib.sha256(toml.file.data).hexdigest(),
    )


def _contradictions(toml: TomlFile, include: Selection, exclude: Selection, complaints: Complaints) -> None:
    for key in LISTS:
        names: tuple[str, ...] = getattr(exclude, key)
        for index, name in enumerate(names):
            if name.casefold() in {other.casefold() for other in getattr(include, key)}:
                fields = Fields(toml, ("exclude",), toml.data["exclude"], complaints)
                fields.complain("duplicate-id", f"`{shown(name)}` is included and excluded", key, index=index)


# --- lists ----------------------------------------------------------------------------------------------------------
def _selection(fields: Fields, *, members: bool = False) -> Selection:
    fields.known(LISTS)
    if fields.table == {} and fields.path[0] in fields.toml.data:
        fields.complain("out-of-range", f"`[{fields.path[0]}]` names nothing", hint="leave the table out")
    return Selection(
        evidence=_texts(fields, "evidence", _name_fault),
        volumes=_texts(fields, "volumes", _volume_fault),
        paths=_texts(fields, "paths", lambda text: path_fault(text, members=members)),
        users=_texts(fields, "users", _user_fault),
        types=_texts(fields, "types", _type_fault),
    )


def _texts(fields: Fields, key: str, fault_of: Callable[[str], GlobFault | None]) -> tuple[str, ...]:
    """A list that is not empty, each text of it checked, none twice."""
    values = fields.texts(key)
    if key in fields.table and not values:
        message = f"`{key}` is empty"
        fields.complain("out-of-range", message, key, value=True, hint="an empty list would be no limit: leave it out")
    for index, text in enumerate(values):
        fault = fault_of(text)
        if fault is None and text in values[:index]:
            fault = GlobFault(f"`{shown(text)}` stands there twice")
        if fault is not None:
            line, column = fields.toml.positions.inside((*fields.path, key, index), fault.position)
            fields.complaints.error(
                "out-of-range", fault.message, path=fields.toml.file.shown, line=line, column=column, hint=fault.hint
            )
    return values


def _name_fault(text: str) -> GlobFault | None:
    if not text.strip():
        return GlobFault("an empty name")
    if "/" in text:
        return GlobFault("evidence is named by its file name", text.index("/"), "`laptop.E01`, without its folder")
    return path_fault("/" + text.replace("\\", "_").replace("**", "*")) if text not in (".", "..") else None


def _volume_fault(text: str) -> GlobFault | None:
    evidence, _, volume = text.rpartition(" ")
    if not _VOLUME.fullmatch(volume):
        hint = "`p2` in any evidence, `laptop.E01 p2` in one; `triage info` lists them"
        return GlobFault(f"not the name of a volume: `{shown(volume)}`", 0, hint)
    return _name_fault(evidence) if evidence else None


def _user_fault(text: str) -> GlobFault | None:
    hint = "the name of a home folder, a SID (`S-1-5-21-...`), `uid:1000` or `android:10`"
    if _SID.fullmatch(text) or _NUMBERED.fullmatch(text):
        return None
    if text.lower().startswith(("uid:", "android:", "s-1-")):
        return GlobFault(f"not a user: `{shown(text)}`", 0, hint)
    for character in "/\\*?[":
        if character in text:
            return GlobFault(f"`{character}` in the name of a user", text.index(character), hint)
    return None if text.strip() else GlobFault("an empty name", 0, hint)


def _type_fault(text: str) -> GlobFault | None:
    hint = "a media type (`image/*`, `application/pdf`) or an ending of names (`.jpg`)"
    if _ENDING.fullmatch(text):
        return None
    match = _MEDIA_TYPE.fullmatch(text.lower())
    if match is None:
        return GlobFault(f"not a type: `{shown(text)}`", 0, hint)
    if not (match[1].startswith("x-") or set(match[1]) & set("*?") or match[1] in _MEDIA):
        return GlobFault(f"no such kind of media: `{shown(match[1])}`", 0, nearest(match[1], _MEDIA))
    return None


# --- times ----------------------------------------------------------------------------------------------------------
def _times(fields: Fields) -> TimeLimit:
    fields.known(("of", "undated", "ranges"))
    of = _texts(fields, "of", _time_fault)
    if "of" not in fields.table:
        fields.complain("missing-key", "missing key: `of`", hint=f"some of {', '.join(TIMES)}; one inside is enough")
    ranges = fields.table.get("ranges")
    if not isinstance(ranges, list) or not ranges:
        fields.complain(
            "missing-key" if ranges is None else "wrong-type",
            "`ranges` must be a list of `{ from = ..., before = ... }`",
            None if ranges is None else "ranges",
            value=True,
        )
    return TimeLimit(
        of=of,
        ranges=tuple(_range(fields, index, value) for index, value in enumerate(ranges or ())),
        undated_in=fields.choice("undated", ("in", "out"), "out", required=True) == "in",
    )


def _time_fault(text: str) -> GlobFault | None:
    return None if text in TIMES else GlobFault(f"no such time: `{shown(text)}`", 0, nearest(text, TIMES))


def _range(fields: Fields, index: int, value: object) -> TimeRange:
    table = value if isinstance(value, dict) else {}
    inner = Fields(fields.toml, (*fields.path, "ranges", index), table, fields.complaints)
    if not isinstance(value, dict):
        inner.complain("wrong-type", "a range must be `{ from = ..., before = ... }`", value=True)
    inner.known(("from", "before"))
    if not table:
        inner.complain("missing-key", "a range needs `from` or `before`")
    start, end = _moment(inner, "from"), _moment(inner, "before")
    if start is not None and end is not None and end <= start:
        inner.complain("out-of-range", "the range ends before it begins", "before", value=True)
    return TimeRange(_since_1970(start), _since_1970(end), _wall_clock(start), _wall_clock(end))


def _moment(fields: Fields, key: str) -> datetime | None:
    value = fields.table.get(key)
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        message = f"`{key}` must be a date with time and zone"
        fields.complain("wrong-type", message, key, value=True, hint="for instance 2024-01-01T00:00:00+01:00")
    return value if isinstance(value, datetime) else None


def _since_1970(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _wall_clock(moment: datetime | None) -> int | None:
    return None if moment is None else _since_1970(moment.replace(tzinfo=UTC))


# --- privileged terms -----------------------------------------------------------------------------------------------
def _privileged(fields: Fields) -> Privileged:
    fields.known(("terms", "match", "encodings", "show_path"))
    terms = _texts(fields, "terms", _term_fault)
    if "terms" not in fields.table:
        fields.complain("missing-key", "missing key: `terms`")
    return Privileged(
        terms=terms,
        match=fields.choice("match", MATCHES, "word"),
        encodings=_encodings(fields),
        show_path=fields.flag("show_path"),
    )


def _encodings(fields: Fields) -> tuple[str, ...]:
    if "encodings" not in fields.table:
        return ENCODINGS
    return _texts(fields, "encodings", _encoding_fault)


def _encoding_fault(name: str) -> GlobFault | None:
    if is_text_encoding(name):
        return None
    return GlobFault(f"not a text encoding that Python knows: `{shown(name)}`", 0, "for instance `cp1251`, `koi8-r`")


def _term_fault(text: str) -> GlobFault | None:
    fault = literal_fault(text)
    if fault is not None:
        return GlobFault(fault.message, fault.position, fault.hint)
    if len(text) > MAX_TERM:
        return GlobFault(f"longer than {MAX_TERM} characters: {len(text)}")
    if text != text.strip():
        return GlobFault("a term that begins or ends with a blank")
    if sum(character.isalnum() for character in text) < SHORTEST_TERM and not _is_dense(text):
        return GlobFault(f"fewer than {SHORTEST_TERM} letters or digits: it would withhold nearly everything")
    return None


def _is_dense(text: Sequence[str]) -> bool:
    """Two characters of a script that writes a word with one or two."""
    return sum(ord(character) >= 0x2E80 for character in text) >= 2
