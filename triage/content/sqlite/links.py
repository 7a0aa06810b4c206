"""What the numbers in a row stand for: rows of other tables, found by the names of columns and tables.

Programs keep who and where apart from what was said: ``message.chat_row_id`` is a row of ``chat``, whose ``jid_row_id``
is one of ``jid``, whose ``user`` is a number of a telephone; or the time and the chat of a message stand in another
table under the same key. No schema declares it, so it is told from names that agree and values that meet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from triage.content.sqlite.database import Table
from triage.content.sqlite.records import Row, Value

MAX_ROWS = 200_000
"""Rows of a table that others are looked up in."""
MOST_TEXTS = 3
LONGEST_TEXT = 80
_PERSON = re.compile(r"(?i)sender|author|contact|from|handle|jid|user|peer|uid$|account|owner|participant|who")
_KEY = re.compile(r"(?i)(?:_?row)?_?(?:id|key)$")
_BESIDE = re.compile(
    r"(?i)chat|thread|conv|dialog|room|peer|time|date|stamp|direction|from|sender|contact|number|jid|user"
)


class Links:
    """Looks up what rows stand for.

    Args:
        rows: Of each table, by its name.
        tables: Of the schema.
    """

    def __init__(self, rows: Mapping[str, Sequence[Row]], tables: Sequence[Table]) -> None:
        self._rows = rows
        self._tables = [table for table in tables if 0 < len(rows.get(table.name, ())) <= MAX_ROWS]
        self._names: dict[tuple[str, int], dict[Value, str]] = {}

    def named(self, table: Table, conversation: int) -> dict[int, dict[Value, str]]:
        """What the values of columns stand for: number of the column to value to words.

        Args:
            table: Whose columns.
            conversation: Number of the column by which its rows belong together, -1 where none.
        """
        out = {}
        for index, name in enumerate(table.columns):
            if index != table.rowid_column and (index == conversation or _PERSON.search(name)):
                found = self._words(table, name, 2)
                if found:
                    out[index] = found
        return out

    def beside(self, table: Table) -> tuple[tuple[str, ...], dict[Value, tuple[Value, ...]], int] | None:
        """Columns of another table that say of whom and when each row is, by a key that both have.

        Returns:
            Names of the columns, their values by key, and the number of the key among the columns of ``table``.
        """
        own = {name.casefold(): index for index, name in enumerate(table.columns)}
        for other in self._tables:
            wanted = [index for index, name in enumerate(other.columns) if _BESIDE.search(name)]
            wanted = [index for index in wanted if other.columns[index].casefold() not in own]
            keys = [
                (own[name.casefold()], index)
                for index, name in enumerate(other.columns)
                if name.casefold() in own and index == other.rowid_column and len(name) > 3
            ]
            if other is table or not wanted or not keys:
                continue
            mine, theirs = keys[0]
            values = {
                row.values[theirs]: tuple(row.values[index] if index < len(row.values) else None for index in wanted)
                for row in self._rows[other.name]
                if theirs < len(row.values)
            }
            met = sum(mine < len(row.values) and row.values[mine] in values for row in self._rows[table.name][:200])
            if met * 2 > min(200, len(self._rows[table.name])):
                return tuple(other.columns[index] for index in wanted), values, mine
        return None

    def _words(self, table: Table, column: str, depth: int) -> dict[Value, str]:
        """Words for each value of a column that points into another table; empty where none fits."""
        for other, key in self._targets(table, column):
            known = self._names.get((other.name, key))
            if known is None:
                known = self._names[other.name, key] = self._described(other, key, depth)
            if known:
                return known
        return {}

    def _targets(self, table: Table, column: str) -> list[tuple[Table, int]]:
        """Tables that a column may point into, with the number of their key, the likeliest first."""
        folded = column.casefold()
        base = _KEY.sub("", folded).rpartition("_")[2]
        same, alike = [], []
        for other in self._tables:
            if other is table:
                continue
            names = [name.casefold() for name in other.columns]
            if folded in names and folded not in ("id", "_id"):
                same.append((other, names.index(folded)))
            elif len(base) > 2 and other.rowid_column >= 0 and other.name.casefold().startswith(base[:4]):
                alike.append((other, other.rowid_column))
        return sorted(same + alike, key=lambda item: len(self._rows[item[0].name]))

    def _described(self, table: Table, key: int, depth: int) -> dict[Value, str]:
        """For each key of a table its short texts, or those of what it points at."""
        rows = self._rows[table.name]
        further = {
            index: found
            for index, name in enumerate(table.columns)
            if depth and index not in (key, table.rowid_column) and _KEY.search(name)
            if (found := self._words(table, name, depth - 1))
        }
        out: dict[Value, str] = {}
        for row in rows:
            if key >= len(row.values) or row.values[key] is None:
                continue
            texts: list[str] = []
            for index, value in enumerate(row.values):
                if index in further:
                    value = further[index].get(value)
                if index != key and isinstance(value, str) and 1 < len(value) <= LONGEST_TEXT and value not in texts:
                    texts.append(value)
            if row.values[key] in out:
                return {}
            if texts:
                out[row.values[key]] = ", ".join(texts[:MOST_TEXTS])
        return out
