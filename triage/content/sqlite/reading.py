"""Rows as a person reads them: a line each, by conversation where a table is one, times as times.

No schema is known beforehand: what a column means is told from its name and its values, so that the database of a
program nobody has heard of reads like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from triage.content.sqlite.records import MAX_COLUMNS, Row, Value

WINDOW_ROWS = 150
WINDOW_CHARACTERS = 12_000
MAX_VALUE = 100_000
"""Characters of one value."""
_CONVERSATION = re.compile(
    r"(?i)chat|thread|conv|dialog|room|channel|remote_jid|^jid$|peer|buddy|partner|address|recipient|group_?id|^z?user$"
)
_DIRECTION = re.compile(r"(?i)from_?me|outgoing|incoming|direction|^z?type$|sender|is_sent|^out$")
_SHORT = 10_000
"""Whole numbers below are flags and counters: they are shown only where they may say who wrote to whom."""
_TIME = re.compile(r"(?i)time|date|stamp|sent|received|created|modified|updated|visit|expire|^ts$|_at$|_on$")
_EPOCHS = (
    (1, 0, 631_152_000, 4_102_444_800),  # seconds since 1970
    (1_000, 0, 631_152_000, 4_102_444_800),  # thousandths
    (1_000_000, 0, 631_152_000, 4_102_444_800),  # millionths
    (1_000_000_000, 0, 631_152_000, 4_102_444_800),  # billionths (Apple since 2017 counts them from 2001, below)
    (1_000_000, -11_644_473_600, 631_152_000, 4_102_444_800),  # millionths since 1601 (Chrome)
    (10_000_000, -11_644_473_600, 631_152_000, 4_102_444_800),  # ticks since 1601 (Windows)
    (1, 978_307_200, 1_136_073_600, 4_102_444_800),  # seconds since 2001 (Apple)
    (1_000_000_000, 978_307_200, 1_136_073_600, 4_102_444_800),  # billionths since 2001
)
"""Units in a second, seconds between their zero and 1970, and the earliest and latest moment that counts."""


@dataclass(frozen=True, slots=True)
class Window:
    """Rows that are read together.

    Attributes:
        conversation: Column and value that they share, empty where none.
        first: Row number of the first; -1 where it is lost.
        last: Row number of the last.
        text: A line for each.
        offset: Of the record of the first in the file.
    """

    conversation: str
    first: int
    last: int
    text: str
    offset: int


class Reading:
    """How the rows of a table read.

    Args:
        columns: Names; values beyond them have none.
        sample: Rows to learn from.

    Attributes:
        conversation: Number of the column by which rows belong together; -1 where none does.
        words: What values of a column stand for, by its number.
    """

    def __init__(self, columns: Sequence[str], sample: Sequence[Row]) -> None:
        self._columns = columns
        self.words: dict[int, dict[Value, str]] = {}
        self._times = {
            index: epoch
            for index, name in enumerate(columns)
            if _TIME.search(name) and (epoch := _epoch(_numbers(sample, index))) is not None
        }
        self.conversation = self._conversation(sample)
        self._short = {index for index, name in enumerate(columns) if _DIRECTION.search(name)} | {self.conversation}
        if not columns:
            self._short |= set(range(MAX_COLUMNS))

    def windows(self, rows: Iterable[Row]) -> Iterator[Window]:
        """Rows cut into windows, those of a conversation together, in the order of the table."""
        open_windows: dict[str, _Open] = {}
        for row in rows:
            line = self.line(row)
            if not line:
                continue
            key = self._key(row)
            window = open_windows.setdefault(key, _Open())
            if window.lines and window.is_full(len(line)):
                yield window.close(key)
                window = open_windows[key] = _Open()
            window.add(row, line)
        for key, window in open_windows.items():
            if window.lines:
                yield window.close(key)

    def line(self, row: Row) -> str:
        """The values of a row; empty where none of them is text."""
        parts: list[str] = []
        has_text = False
        for index, value in enumerate(row.values):
            shown = self._shown(index, value)
            if not shown:
                continue
            has_text |= isinstance(value, (str, bytes)) and any(map(str.isalpha, shown[:200]))
            name = self._columns[index] if index < len(self._columns) else f"column {index + 1}"
            parts.append(f"{name}: {shown}")
        return " | ".join(parts) if has_text else ""

    def _shown(self, index: int, value: Value) -> str:
        if value is None or value == "":
            return ""
        words = self.words.get(index, {}).get(value, "")
        if words:
            return words if value in words.split(", ") else f"{value!s} ({words})"
        if isinstance(value, bytes):
            return _text_of(value)
        if isinstance(value, str):
            return value[:MAX_VALUE]
        epoch = self._times.get(index)
        moment = _moment(float(value), epoch) if epoch is not None else ""
        return moment or ("" if abs(value) < _SHORT and index not in self._short else f"{value}")

    def _conversation(self, sample: Sequence[Row]) -> int:
        """The column by which rows belong together; -1 where none does."""
        for index, name in enumerate(self._columns):
            if not _CONVERSATION.search(name):
                continue
            values = [row.values[index] for row in sample if index < len(row.values)]
            distinct = {value for value in values if isinstance(value, (str, int)) and value != ""}
            stated = sum(value is not None and value != "" for value in values)
            if distinct and stated >= max(1.5 * len(distinct), len(values) / 2):
                return index
        return -1

    def _key(self, row: Row) -> str:
        if not 0 <= self.conversation < len(row.values):
            return ""
        value = row.values[self.conversation]
        return f"{self._columns[self.conversation]}={str(value)[:64]}"


class _Open:
    """A window that rows are added to."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._size = 0
        self._first = self._last = -1
        self._offset = 0

    def is_full(self, more: int) -> bool:
        return len(self.lines) >= WINDOW_ROWS or self._size + more > WINDOW_CHARACTERS

    def add(self, row: Row, line: str) -> None:
        if not self.lines:
            self._first, self._offset = row.rowid, row.offset
        self.lines.append(line)
        self._size += len(line) + 1
        self._last = row.rowid

    def close(self, key: str) -> Window:
        return Window(key, self._first, self._last, "\n".join(self.lines) + "\n", self._offset)


def _numbers(sample: Sequence[Row], index: int) -> list[float]:
    values = [row.values[index] for row in sample if index < len(row.values)]
    return [float(value) for value in values if isinstance(value, (int, float)) and value]


def _epoch(numbers: Sequence[float]) -> int | None:
    """The way of counting time under which most numbers are moments of our days."""
    if not numbers:
        return None
    for number, (units, zero, earliest, latest) in enumerate(_EPOCHS):
        fits = sum(earliest <= value / units + zero <= latest for value in numbers)
        if fits >= 0.8 * len(numbers):
            return number
    return None


def _moment(value: float, epoch: int) -> str:
    units, zero, earliest, latest = _EPOCHS[epoch]
    seconds = value / units + zero
    if not earliest <= seconds <= latest:
        return ""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(seconds))
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")


def _text_of(raw: bytes) -> str:
    """A blob that is text; empty for any other."""
    if not 1 < len(raw) <= MAX_VALUE:
        return ""
    for encoding in ("utf-8", "utf-16-le"):
        if encoding == "utf-16-le" and (len(raw) % 2 or raw[1::2].count(0) < len(raw) // 4):
            continue
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if all(character >= " " or character in "\t\r\n" for character in text):
            return text
    return ""
