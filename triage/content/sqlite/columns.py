"""Names of columns, from the words that made a table."""

from __future__ import annotations

import re

MAX_SQL = 1 << 20
_TOKEN = re.compile(
    r"""\s+|--[^\n]*|/\*.*?(?:\*/|$)|"(?:[^"]|"")*"|'(?:[^']|'')*'|`(?:[^`]|``)*`|\[[^\]]*\]|\w+|.""", re.S
)
_CONSTRAINTS = frozenset({"constraint", "primary", "unique", "check", "foreign"})


def columns_of(sql: str) -> tuple[tuple[str, ...], int, bool]:
    """What ``CREATE TABLE`` says.

    Returns:
        Names of the columns that are stored; the number of the one that stands for the row number, -1 where none;
        whether the table has no row numbers (WITHOUT ROWID), then its key columns come first.
    """
    tokens = [token for token in _TOKEN.findall(sql[:MAX_SQL]) if not token.isspace() and token[:2] not in ("--", "/*")]
    if "(" not in tokens:
        return (), -1, False
    start = tokens.index("(") + 1
    parts, behind = _parts(tokens, start)
    names: list[str] = []
    keys: list[str] = []
    listed_keys: list[str] = []
    rowid = -1
    for part in parts:
        words = [token.lower() for token in part]
        if words[0] in _CONSTRAINTS:
            if "primary" in words and "(" in words:
                listed, _ = _parts(part, words.index("(") + 1)
                keys = listed_keys = [_plain(item[0]) for item in listed if item]
            continue
        if ("generated" in words or "as" in words) and "stored" not in words:
            continue
        if "primary" in words:
            keys = keys or [_plain(part[0])]
            if words[1:2] == ["integer"] and "desc" not in words:  # with it the number is stored: an old error, kept
                rowid = len(names)
        names.append(_plain(part[0]))
    if len(listed_keys) == 1 and rowid < 0 and listed_keys[0] in names:
        number = names.index(listed_keys[0])
        typed = next((part for part in parts if _plain(part[0]) == listed_keys[0]), [])
        if [token.lower() for token in typed[1:2]] == ["integer"]:
            rowid = number
    tail = [token.lower() for token in tokens[behind:]]
    if "without" in tail and "rowid" in tail:
        first = [name for name in dict.fromkeys(keys) if name in names]
        return (*first, *(name for name in names if name not in first)), -1, True
    return tuple(names), rowid, False


def _parts(tokens: list[str], start: int) -> tuple[list[list[str]], int]:
    """Lists of tokens between commas up to the closing bracket, and the index behind it."""
    parts: list[list[str]] = [[]]
    depth = 1
    index = start
    while index < len(tokens):
        token = tokens[index]
        index += 1
        if token == "(":
            depth += 1
        elif token == ")":
            depth -= 1
            if not depth:
                break
        if token == "," and depth == 1:
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part], index


def _plain(token: str) -> str:
    """A name without its quotes."""
    if len(token) > 1 and token[0] in "\"'`[":
        return token[1:-1].replace(token[0] * 2, token[0])
    return token
