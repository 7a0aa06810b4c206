"""Line and column of every key and value of a TOML file.

The standard parser throws positions away; this one keeps nothing else. It reads text that ``tomllib`` has accepted
(TOML 1.0) and is run only when there is a complaint to place. A path is a tuple of keys and indices:
``("pack", "id")``, ``("term", 3, "weight")``, ``("pack", "encodings", 0)``.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

TomlPath = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'')
_LONG = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}|\'\'\'(?:[^\']|\'(?!\'\'))*\'{3,5}', re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\n]*")
_SPACES = re.compile(r"[ \t]*")


class TomlPositions:
    """Positions in one TOML text.

    Args:
        text: The text; anything that ``tomllib`` accepts.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._keys: dict[TomlPath, int] = {(): 0}
        self._values: dict[TomlPath, int] = {}
        self._counts: dict[TomlPath, int] = {}
        try:
            self._document()
        except (IndexError, RecursionError):  # stranger than expected: what was seen so far still has its place
            pass

    def key(self, path: TomlPath) -> tuple[int, int]:
        """Line and column (1-based) of a key or a table header; of the nearest parent where it is not there."""
        while path not in self._keys:
            path = path[:-1]
        return self.place(self._keys[path])

    def value(self, path: TomlPath) -> tuple[int, int]:
        """Line and column (1-based) of a value; of the key or parent where it is not there."""
        return self.place(self._values[path]) if path in self._values else self.key(path)

    def inside(self, path: TomlPath, index: int) -> tuple[int, int]:
        """Line and column of a character of a text value, exact for a literal string on one line.

        Args:
            path: A text value.
            index: Character of the value, from 0.
        """
        start = self._values.get(path)
        if start is None or self._text[start : start + 1] != "'" or self._text.startswith("'''", start):
            return self.value(path)
        return self.place(start + 1 + index)

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column (1-based) of an offset in characters."""
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def _document(self) -> None:
        table: TomlPath = ()
        position = self._skip(0)
        while position < len(self._text):
            if self._text[position] == "[":
                table, position = self._header(position)
            else:
                position = self._pair(table, position)
            position = self._skip(position)

    def _header(self, position: int) -> tuple[TomlPath, int]:
        start = position
        is_array = self._text.startswith("[[", position)
        names, position = self._names(position + (2 if is_array else 1))
        path: TomlPath = ()
        for name in names[:-1]:
            path = self._enter((*path, name))
        path = (*path, names[-1])
        if is_array:
            self._counts[path] = self._counts.get(path, 0) + 1
        path = self._enter(path)
        self._keys.setdefault(path, start)
        if is_array:
            self._keys.setdefault(path[:-1], start)
        return path, position + (2 if is_array else 1)

    def _enter(self, path: TomlPath) -> TomlPath:
        count = self._counts.get(path, 0)
        return (*path, count - 1) if count else path

    def _names(self, position: int) -> tuple[list[str], int]:
        """The parts of a dotted key, and the position behind it and its blanks."""
        names: list[str] = []
        while True:
            position = self._spaces(position)
            bare = _BARE.match(self._text, position)
            quoted = None if bare else _QUOTED.match(self._text, position)
            if bare:
                names.append(bare[0])
                position = bare.end()
            elif quoted:
                names.append(next(iter(tomllib.loads(f"{quoted[0]}=0"))))
                position = quoted.end()
            else:
                raise IndexError(position)
            position = self._spaces(position)
            if self._text[position] != ".":
                return names, position
            position += 1

    def _pair(self, table: TomlPath, position: int) -> int:
        start = self._spaces(position)
        names, position = self._names(start)
        path: TomlPath = table
        for name in names:
            path = (*path, name)
            self._keys.setdefault(path, start)
        return self._value(path, self._spaces(position + 1))

    def _value(self, path: TomlPath, position: int) -> int:
        self._keys.setdefault(path, position)
        self._values[path] = position
        first = self._text[position]
        if first == "[":
            return self._array(path, position + 1)
        if first == "{":
            return self._inline(path, position + 1)
        for pattern in (_LONG, _QUOTED, _SCALAR):
            match = pattern.match(self._text, position)
            if match:
                return match.end()
        raise IndexError(position)

    def _array(self, path: TomlPath, position: int) -> int:
        index = 0
        while True:
            position = self._skip(position)
            if self._text[position] == "]":
                return position + 1
            position = self._skip(self._value((*path, index), position))
            index += 1
            if self._text[position] == ",":
                position += 1

    def _inline(self, path: TomlPath, position: int) -> int:
        while True:
            position = self._spaces(position)
            if self._text[position] == "}":
                return position + 1
            position = self._spaces(self._pair(path, position))
            if self._text[position] == ",":
                position += 1

    def _skip(self, position: int) -> int:
        match = _BLANK.match(self._text, position)
        return match.end() if match else position

    def _spaces(self, position: int) -> int:
        match = _SPACES.match(self._text, position)
        return match.end() if match else position
