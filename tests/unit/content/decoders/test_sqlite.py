"""SQLite databases: what the program itself says is in them, and what it no longer says."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.content.decoders import decode
from triage.content.decoders.interface import Budget, Member
from triage.content.identify import identify
from triage.content.sqlite import Database, deleted_rows, log_rows
from triage.content.sqlite.columns import columns_of
from triage.content.sqlite.records import varint
from triage.errors import CorruptStructureError
from triage.model.address import Address
from triage.model.problem import Problem


def made(path, *statements, many=(), pragma=()):
    """The bytes of a database."""
    with closing(sqlite3.connect(path)) as connection:
        for setting in ("secure_delete=OFF", *pragma):
            connection.execute(f"PRAGMA {setting}")
        for statement in statements:
            connection.execute(statement)
        for statement, rows in many:
            connection.executemany(statement, rows)
            connection.commit()
        connection.commit()
    return path.read_bytes()


def opened(data, name=b"x.db"):
    kind = identify(data[:65536], len(data), name)
    found = list(decode(kind, memoryview(data), Address("e", "p1", b"/x.db"), Budget()) or ())
    members = {item.name.decode(): item.data.decode() for item in found if isinstance(item, Member)}
    return members, [item for item in found if isinstance(item, Problem)]


values = st.one_of(
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=300),
    st.binary(max_size=300),
)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(values, values), max_size=40),
    page=st.sampled_from([512, 1024, 4096, 65536]),
    encoding=st.sampled_from(["UTF-8", "UTF-16le", "UTF-16be"]),
    big=st.integers(0, 40_000),
)
def test_rows_are_those_that_sqlite_reads(tmp_path_factory, rows, page, encoding, big):
    path = tmp_path_factory.mktemp("db") / "x.db"
    data = made(
        path,
        "CREATE TABLE t (a, b)",
        "CREATE TABLE k (b TEXT, a TEXT PRIMARY KEY) WITHOUT ROWID",
        many=[
            ("INSERT INTO t VALUES (?, ?)", [*rows, ("x" * big, b"y" * big)]),
            ("INSERT INTO k VALUES (?, ?)", [(f"v{n}", f"{n:04}" * 20) for n in range(len(rows))]),
        ],
        pragma=(f"page_size={page}", f"encoding='{encoding}'"),
    )
    with closing(sqlite3.connect(path)) as connection:
        wanted = connection.execute("SELECT rowid, a, b FROM t ORDER BY rowid").fetchall()
        keyed = connection.execute("SELECT a, b FROM k ORDER BY a").fetchall()
    database = Database(data)
    tables = {table.name: table for table in database.tables()}
    found = [(row.rowid, *row.values) for row in database.rows(tables["t"])]
    assert [tuple(map(repr, row)) for row in found] == [tuple(map(repr, row)) for row in wanted]
    assert tables["k"].columns == ("a", "b")
    assert sorted(row.values for row in database.rows(tables["k"])) == keyed
    assert not database.damage


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (_id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL DEFAULT 'a, b')",
        "CREATE TABLE t (a INT, b DECIMAL(10, 2) CHECK (b > 0 AND (a, b) <> (1, 2)), PRIMARY KEY (a))",
        'CREATE TABLE "t" ("select" TEXT, [from it] INT, `x``y` BLOB, "a""b" INT, CONSTRAINT c UNIQUE ("select"))',
        "CREATE TABLE t (id integer primary key, /* comment, (odd */ name TEXT -- more, words\n, last REAL)",
        "CREATE TABLE t (a INTEGER, b TEXT, c AS (a + 1), d INT GENERATED ALWAYS AS (a * 2) STORED, PRIMARY KEY(a))",
        "CREATE TABLE t (a TEXT, b TEXT, c TEXT, PRIMARY KEY (c, a)) WITHOUT ROWID",
        "CREATE TABLE t (id INTEGER PRIMARY KEY DESC, b)",
    ],
)
def test_columns_are_those_that_sqlite_stores(tmp_path, sql):
    data = made(tmp_path / "x.db", sql)
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        info = connection.execute("PRAGMA table_xinfo(t)").fetchall()
    stored = [name for _, name, _, _, _, _, hidden in info if hidden in (0, 3)]
    names, rowid, is_index = columns_of(sql)
    if is_index:
        keys = [name for _, name, _, _, _, key, _ in sorted(info, key=lambda row: row[5]) if key]
        stored = [*keys, *(name for name in stored if name not in keys)]
    assert list(names) == stored
    alias = ("integer primary key" in sql.lower() and "DESC" not in sql) or "PRIMARY KEY(a)" in sql
    assert (rowid >= 0) is alias
    assert Database(data).tables()[0].name == "t"


def chat(path, gone=(), extra=()):
    rows = [(1_700_000_000_000 + n * 1000, f"peer{n % 3}", f"message number {n} zürich") for n in range(600)]
    return made(
        path,
        "CREATE TABLE message (_id INTEGER PRIMARY KEY, timestamp INTEGER, chat TEXT, body TEXT)",
        many=[
            ("INSERT INTO message (timestamp, chat, body) VALUES (?, ?, ?)", rows),
            ("DELETE FROM message WHERE _id = ?", [(number,) for number in gone]),
            *extra,
        ],
    )


def test_a_conversation_is_read_in_windows_with_times_and_row_numbers(tmp_path):
    members, problems = opened(chat(tmp_path / "x.db"))
    assert problems == []
    mine = {name: text for name, text in members.items() if name.startswith("message[chat=peer1]#")}
    assert len(mine) == 2
    text = mine["message[chat=peer1]#2-449"]
    assert text.startswith("timestamp: 2023-11-14 22:13:21Z | chat: peer1 | body: message number 1 zürich\n")
    assert all("peer0" not in text and "peer2" not in text for text in mine.values())
    assert sum(text.count("\n") for text in members.values()) == 600


def test_deleted_rows_are_told_apart_from_those_that_are_there(tmp_path):
    gone = [3, 40, 41, 42, 99, 300, 301, 555]
    members, _ = opened(chat(tmp_path / "x.db", gone))
    live = "".join(text for name, text in members.items() if "(deleted)" not in name)
    dead = "".join(text for name, text in members.items() if "(deleted)" in name)
    for number in range(1, 601):
        words = f"message number {number - 1} zürich"
        assert (words in live) is (number not in gone), number
    found = [number for number in gone if f"message number {number - 1} zürich" in dead]
    assert len(found) >= 7, found
    assert all(f"message number {number - 1} zürich" not in dead for number in range(1, 601) if number not in gone)


def test_a_table_that_was_emptied_is_still_read(tmp_path):
    data = chat(tmp_path / "x.db", range(1, 601))
    database = Database(data)
    tables = database.tables()
    assert [row for table in tables for row in database.rows(table)] == []
    bodies = {value for found in deleted_rows(database, tables) for value in found.row.values if isinstance(value, str)}
    words = {f"message number {n} zürich" for n in range(600)}
    assert len(words & bodies) > 500


def test_rows_that_are_only_in_the_log(tmp_path):
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT)")
        connection.execute("INSERT INTO note (body) VALUES ('first words')")
        connection.commit()
        connection.execute("UPDATE note SET body = 'other words'")
        connection.commit()
        log = (tmp_path / "x.db-wal").read_bytes()
    rows = [found.row.values[1] for found in log_rows(log) if len(found.row.values) == 2]
    assert rows == ["first words", "other words"]
    members, problems = opened(log, b"x.db-wal")
    assert problems == []
    assert "first words" in "".join(members.values())
    assert "other words" in "".join(members.values())


def test_files_kept_in_rows_are_members(tmp_path):
    data = made(
        tmp_path / "x.db",
        "CREATE TABLE part (id INTEGER PRIMARY KEY, name TEXT, data BLOB)",
        many=[
            ("INSERT INTO part VALUES (?, ?, ?)", [(7, "a.zip", b"PK\x03\x04" + bytes(100)), (8, "b", b"plain text")])
        ],
    )
    kind = identify(data[:65536], len(data), b"x")
    found = {item.name: item.data for item in decode(kind, data, Address("e", "p1", b"/x"), Budget()) or ()}
    assert found[b"part#7.data"] == b"PK\x03\x04" + bytes(100)
    assert b"data: plain text" in found[b"part#7-8"]


def test_a_budget_stops_it_and_that_is_told(tmp_path):
    data = chat(tmp_path / "x.db")
    kind = identify(data[:65536], len(data), b"x")
    found = list(decode(kind, data, Address("e", "p1", b"/x"), Budget(remaining_bytes=30_000)) or ())
    assert isinstance(found[-1], Problem)
    assert sum(len(item.data) for item in found if isinstance(item, Member)) <= 30_000


def test_numbers_of_variable_length():
    for value in (0, 1, 127, 128, 16383, 16384, 1 << 35, (1 << 56) - 1):
        raw = bytearray([value & 0x7F])
        rest = value >> 7
        while rest:
            raw.insert(0, rest & 0x7F | 0x80)
            rest >>= 7
        assert varint(bytes(raw) + b"\x00", 0) == (value, len(raw))
    assert varint(b"\xff" * 9, 0) == (-1, 9)
    assert varint(b"\x80\x80", 0) == (-1, 0)


@pytest.mark.parametrize("seed", range(60))
def test_damage_costs_what_is_damaged_and_never_raises(tmp_path, seed):
    chaos = random.Random(seed)
    data = bytearray(chat(tmp_path / "x.db", range(1, 600, 7)))
    for _ in range(chaos.randrange(1, 60)):
        at = chaos.randrange(16, len(data))
        data[at : at + chaos.randrange(1, 5)] = chaos.randbytes(chaos.randrange(1, 5))
    if seed % 3 == 0:
        del data[chaos.randrange(100, len(data)) :]
    members, _ = opened(bytes(data))
    assert sum(map(len, members.values())) < 40 * len(data)


def test_a_tree_that_comes_back_to_itself_ends(tmp_path):
    data = bytearray(chat(tmp_path / "x.db"))
    root = Database(data).tables()[0].root
    place = (root - 1) * 4096
    assert data[place] == 5
    data[place + 8 : place + 12] = root.to_bytes(4, "big")
    members, problems = opened(bytes(data))
    assert members
    assert any("does not hold" in problem.message for problem in problems)


def test_what_is_no_database_is_refused():
    with pytest.raises(CorruptStructureError):
        Database(b"SQLite format 3\x00")
    with pytest.raises(CorruptStructureError, match="page size"):
        Database(b"SQLite format 3\x00" + bytes(100))


def test_numbers_are_read_as_what_they_stand_for(tmp_path):
    """Two steps: the chat, then whose it is."""
    data = made(
        tmp_path / "x.db",
        "CREATE TABLE jid (_id INTEGER PRIMARY KEY, user TEXT, server TEXT)",
        "CREATE TABLE chat (_id INTEGER PRIMARY KEY, jid_row_id INTEGER UNIQUE, hidden INTEGER)",
        "CREATE TABLE message (_id INTEGER PRIMARY KEY, chat_row_id INTEGER, from_me INTEGER, text_data TEXT)",
        many=[
            ("INSERT INTO jid VALUES (?, ?, ?)", [(5, "359880000141", "s.whatsapp.net"), (6, "44770", "g.us")]),
            ("INSERT INTO chat VALUES (?, ?, 0)", [(1, 6), (2, 5)]),
            ("INSERT INTO message VALUES (?, ?, ?, ?)", [(n, 1 + n % 2, n % 2, f"words {n}") for n in range(1, 21)]),
        ],
    )
    members, _ = opened(data)
    assert (
        "chat_row_id: 2 (359880000141, s.whatsapp.net) | from_me: 1 | text_data: words 1\n"
        in members["message[chat_row_id=2]#1-19"]
    )


def test_what_another_table_says_of_a_row_stands_with_it(tmp_path):
    data = made(
        tmp_path / "x.db",
        "CREATE TABLE Contact (ContactID INTEGER PRIMARY KEY, Name TEXT, Number TEXT)",
        "CREATE TABLE ChatInfo (ChatID INTEGER PRIMARY KEY, Name TEXT)",
        "CREATE TABLE Events (EventID INTEGER PRIMARY KEY, TimeStamp INTEGER, ChatID INTEGER, ContactID INTEGER)",
        "CREATE TABLE Messages (EventID INTEGER PRIMARY KEY, Type INTEGER, Body TEXT)",
        many=[
            ("INSERT INTO Contact VALUES (?, ?, ?)", [(1, "Anna", "+3591"), (2, "Boris", "+3592")]),
            ("INSERT INTO ChatInfo VALUES (?, ?)", [(7, "the flat"), (8, "")]),
            (
                "INSERT INTO Events VALUES (?, ?, ?, ?)",
                [(n, 1_700_000_000_000 + n, 7 + n % 2, 1 + n % 2) for n in range(1, 31)],
            ),
            ("INSERT INTO Messages VALUES (?, 1, ?)", [(n, f"words {n}") for n in range(1, 31)]),
        ],
    )
    members, _ = opened(data)
    text = members["Messages[ChatID=7]#2-30"]
    assert (
        "Body: words 2 | TimeStamp: 2023-11-14 22:13:20Z | ChatID: 7 (the flat) | ContactID: 1 (Anna, +3591)\n" in text
    )
    assert "words 3\n" not in text
