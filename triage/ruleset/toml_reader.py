"""TOML rule files: parsed, with every complaint at its line and column.

``tomllib`` does the parsing (TOML 1.0, UTF-8). :class:`Fields` reads one table key by key and knows the place of each.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from triage.ruleset.files import RuleFile
from triage.ruleset.issues import Complaints, shown
from triage.ruleset.toml_positions import TomlPath, TomlPositions

_AT = re.compile(r" ?\(at (?:line (\d+), column (\d+)|end of document)\)$")
_TYPE_NAMES = {
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


class TomlFile:
    """One parsed file.

    Attributes:
        file: Where it is from.
        data: The document.
    """

    def __init__(self, file: RuleFile, text: str, data: dict[str, Any]) -> None:
        self.file = file
        self.data = data
        self._text = text

    @cached_property
    def positions(self) -> TomlPositions:
        """Positions of keys and values, found at the first complaint."""
        return TomlPositions(self._text)


def read_toml(file: RuleFile, complaints: Complaints) -> TomlFile | None:
    """Parse a file.

    Returns:
        None where it does not parse and ``complaints`` is not strict.

    Raises:
        RuleSyntaxError: It does not parse, with line and column, when ``complaints`` is strict.
    """
    data = file.data.removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _end(data[: error.start].decode("utf-8"))
        message = f"not UTF-8: byte 0x{data[error.start]:02x}"
        complaints.error("toml-encoding", message, path=file.shown, line=line, column=column, hint="save it as UTF-8")
        return None
    try:
        return TomlFile(file, text, tomllib.loads(text))
    except RecursionError:
        complaints.error("toml-syntax", "nested too deeply", path=file.shown, line=1, column=1)
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        line, column, message = _place_of(str(error), text)
        complaints.error("toml-syntax", message, path=file.shown, line=line, column=column)
    return None


def _place_of(message: str, text: str) -> tuple[int, int, str]:
    match = _AT.search(message)
    if match is None:
        return 1, 1, shown(message[:1].lower() + message[1:])
    line, column = (int(match[1]), int(match[2])) if match[1] else _end(text)
    bare = message[: match.start()]
    return line, column, shown(bare[:1].lower() + bare[1:], limit=200)


def _end(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1


def nearest(word: str, known: Iterable[str]) -> str:
    """Hint that names the known word most like ``word``, or all of them where none is near and they are few."""
    candidates = sorted(known)
    match = difflib.get_close_matches(word[:80], candidates, n=1, cutoff=0.6)
    if match:
        return f"did you mean `{match[0]}`?"
    return "known here: " + ", ".join(f"`{name}`" for name in candidates) if 0 < len(candidates) <= 24 else ""


class Fields:
    """One table of a TOML file, read key by key.

    Every reader gives the default where the key is absent or its value does not fit; the latter, and the absence of a
    key that is ``required``, is a complaint.

    Args:
        toml: The file.
        path: Path of the table.
        table: The table.
        complaints: Takes what is wrong.
    """

    def __init__(self, toml: TomlFile, path: TomlPath, table: dict[str, Any], complaints: Complaints) -> None:
        self.toml = toml
        self.path = path
        self.table = table
        self.complaints = complaints

    @classmethod
    def of(cls, toml: TomlFile, key: str, complaints: Complaints) -> Fields:
        """The table under a top-level key; an empty one, with a complaint, where it is no table."""
        value = toml.data.get(key, {})
        fields = cls(toml, (key,), value if isinstance(value, dict) else {}, complaints)
        if not isinstance(value, dict):
            fields.complain("wrong-type", f"`{key}` must be a table: `[{key}]`")
        return fields

    @classmethod
    def each(cls, toml: TomlFile, key: str, complaints: Complaints) -> Iterator[Fields]:
        """The tables of an array ``[[key]]`` in stored order."""
        values = toml.data.get(key, [])
        if not isinstance(values, list):
            cls(toml, (key,), {}, complaints).complain("wrong-type", f"`{key}` must be a list of tables: `[[{key}]]`")
            return
        for index, value in enumerate(values):
            fields = cls(toml, (key, index), value if isinstance(value, dict) else {}, complaints)
            if isinstance(value, dict):
                yield fields
            else:
                fields.complain("wrong-type", f"`{key}` must be a list of tables: `[[{key}]]`", value=True)

    def complain(
        self,
        code: str,
        message: str,
        key: str | None = None,
        *,
        value: bool = False,
        hint: str = "",
        warning: bool = False,
        index: int | None = None,
    ) -> None:
        """Report something about this table.

        Args:
            code: Code of the complaint.
            message: What is wrong.
            key: Key concerned, None for the table.
            value: Point at the value, not at the key.
            hint: What to do.
            warning: Not an error.
            index: Character of the value (a text) or element (a list) to point at.
        """
        if warning and self.complaints.strict:
            return
        path = self.path if key is None else (*self.path, key)
        positions = self.toml.positions
        if index is not None and key is not None and isinstance(self.table.get(key), list):
            line, column = positions.value((*path, index))
        elif index is not None:
            line, column = positions.inside(path, index)
        else:
            line, column = positions.value(path) if value else positions.key(path)
        report = self.complaints.warn if warning else self.complaints.error
        report(code, message, path=self.toml.file.shown, line=line, column=column, hint=hint)

    def known(self, keys: Iterable[str]) -> None:
        """Complain of every key that is not among ``keys``, naming the nearest."""
        allowed = frozenset(keys)
        for key in self.table:
            if key not in allowed:
                self.complain("unknown-key", f"unknown key: `{shown(key)}`", key, hint=nearest(key, allowed))

    def _typed(self, key: str, kinds: tuple[type, ...], *, required: bool) -> Any:
        if key not in self.table:
            if required:
                self.complain("missing-key", f"missing key: `{key}`")
            return None
        value = self.table[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            self.complain("wrong-type", f"`{key}` must be {_TYPE_NAMES[kinds[0]]}", key, value=True)
            return None
        return value

    def text(self, key: str, default: str = "", *, required: bool = False, filled: bool = False) -> str:
        """A text; ``filled``: not empty."""
        value = self._typed(key, (str,), required=required)
        if value is None:
            return default
        if filled and not value.strip():
            self.complain("out-of-range", f"`{key}` must not be empty", key, value=True)
            return default
        return str(value)

    def choice(self, key: str, allowed: Sequence[str], default: str, *, required: bool = False) -> str:
        """One of the allowed texts."""
        value = self._typed(key, (str,), required=required)
        if value is None:
            return default
        if value not in allowed:
            message = f"`{key}` cannot be `{shown(value)}`"
            self.complain("unknown-value", message, key, value=True, hint=nearest(value, allowed))
            return default
        return str(value)

    def number(self, key: str, default: float, low: float, high: float, *, required: bool = False) -> float:
        """A number from ``low`` to ``high``."""
        value = self._typed(key, (float, int), required=required)
        if value is None:
            return default
        if not low <= value <= high:
            self.complain(
                "out-of-range", f"`{key}` must be {low:g} to {high:g}: {shown(str(value), 30)}", key, value=True
            )
            return default
        return float(value)

    def whole(self, key: str, default: int, low: int, high: int, *, required: bool = False) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self._typed(key, (int,), required=required)
        if value is None:
            return default
        if not low <= value <= high:
            self.complain("out-of-range", f"`{key}` must be {low} to {high}: {shown(str(value), 30)}", key, value=True)
            return default
        return int(value)

    def flag(self, key: str, default: bool = False, *, required: bool = False) -> bool:
        """True or false."""
        value = self._typed(key, (bool,), required=required)
        return default if value is None else bool(value)

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """A list of texts; others in it are complaints and left out."""
        values = self._typed(key, (list,), required=required)
        out: list[str] = []
        for index, value in enumerate(values or ()):
            if isinstance(value, str):
                out.append(value)
            else:
                self.complain("wrong-type", f"`{key}` must be a list of texts", key, index=index)
        return tuple(out)
