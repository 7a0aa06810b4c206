"""Tables of ``case.db``.

Facts only: what lies on the evidence and which rules hit it. Scores are computed from these by ``ranking`` whenever
someone looks; ``findings`` keeps the last computation for readers that have only SQL. A content stands once, whatever
the number of its names; members of archives hang on contents, so that a copy of an archive has the members too.

``entries.part`` is the number of a part of the disk (``model/coverage.py``), ``disk`` how many bytes of it the entry
answers for, ``slack`` those behind it; each byte of a volume is answered for once. ``unread`` are bytes of the entry
that could not be read, ``why`` is the reason for which it was closed. ``accounting`` has the bytes of each volume.
"""

from __future__ import annotations

VERSION = 3

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, paths TEXT NOT NULL, container TEXT NOT NULL,
    size INTEGER NOT NULL, stored_hashes TEXT NOT NULL, details TEXT NOT NULL);
CREATE TABLE volumes (
    id INTEGER PRIMARY KEY, evidence INTEGER NOT NULL REFERENCES evidence, position INTEGER NOT NULL,
    name TEXT NOT NULL, image_offset INTEGER NOT NULL, length INTEGER NOT NULL, allocation TEXT NOT NULL,
    system TEXT NOT NULL, description TEXT NOT NULL, file_system TEXT NOT NULL, block_size INTEGER NOT NULL,
    encryption TEXT NOT NULL, unsupported TEXT NOT NULL, parent TEXT NOT NULL, opened INTEGER NOT NULL,
    walked INTEGER NOT NULL DEFAULT 0);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, volume INTEGER NOT NULL REFERENCES volumes, path BLOB NOT NULL, stream BLOB NOT NULL,
    space TEXT NOT NULL, span_offset INTEGER NOT NULL, span_length INTEGER NOT NULL,
    type TEXT NOT NULL, size INTEGER NOT NULL, meta_address INTEGER NOT NULL, attribute_type INTEGER NOT NULL,
    attribute_id INTEGER NOT NULL, flags INTEGER NOT NULL, mtime INTEGER, atime INTEGER, ctime INTEGER,
    crtime INTEGER, dtime INTEGER, owner TEXT NOT NULL, image_offset INTEGER NOT NULL, caveats TEXT NOT NULL,
    value REAL NOT NULL DEFAULT 0, place TEXT NOT NULL DEFAULT '', status INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, content INTEGER, part INTEGER NOT NULL DEFAULT 0,
    disk INTEGER NOT NULL DEFAULT 0, slack INTEGER NOT NULL DEFAULT 0, unread INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT '');
CREATE TABLE contents (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, md5 TEXT NOT NULL,
    sha1 TEXT NOT NULL, sha256 TEXT NOT NULL, mime TEXT NOT NULL, type_name TEXT NOT NULL,
    type_source TEXT NOT NULL, extension_agrees INTEGER, named_by INTEGER NOT NULL,
    withheld INTEGER NOT NULL DEFAULT 0);
CREATE TABLE children (
    parent INTEGER NOT NULL REFERENCES contents, position INTEGER NOT NULL, member BLOB NOT NULL,
    content INTEGER NOT NULL REFERENCES contents, part_of_document INTEGER NOT NULL, mtime INTEGER,
    PRIMARY KEY (parent, position)) WITHOUT ROWID;
CREATE TABLE left_out (
    content INTEGER NOT NULL REFERENCES contents, reason TEXT NOT NULL, members INTEGER NOT NULL,
    bytes INTEGER NOT NULL);
CREATE TABLE hits (
    content INTEGER NOT NULL, entry INTEGER NOT NULL DEFAULT 0, rule TEXT NOT NULL, file_offset INTEGER NOT NULL,
    length INTEGER NOT NULL, encoding TEXT NOT NULL, matched TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
    string_id TEXT NOT NULL);
CREATE TABLE counts (
    content INTEGER NOT NULL, entry INTEGER NOT NULL DEFAULT 0, rule TEXT NOT NULL, count INTEGER NOT NULL,
    at_least INTEGER NOT NULL);
CREATE TABLE problems (
    content INTEGER, address TEXT NOT NULL, stage TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
    hint TEXT NOT NULL, bytes INTEGER NOT NULL, examined_anyway INTEGER NOT NULL);
CREATE TABLE coverage (
    detector TEXT PRIMARY KEY, examined INTEGER NOT NULL, examined_bytes INTEGER NOT NULL, skipped INTEGER NOT NULL,
    skipped_bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE accounting (
    volume INTEGER PRIMARY KEY REFERENCES volumes, totals TEXT NOT NULL, is_whole INTEGER NOT NULL,
    is_pool INTEGER NOT NULL, map BLOB NOT NULL);
CREATE TABLE images (entry INTEGER PRIMARY KEY, evidence INTEGER NOT NULL REFERENCES evidence, name TEXT NOT NULL);
CREATE TABLE findings (rank INTEGER PRIMARY KEY, id TEXT NOT NULL, address TEXT NOT NULL, priority TEXT NOT NULL,
    score REAL NOT NULL, urgency INTEGER NOT NULL);
CREATE INDEX entries_status ON entries (status) WHERE status = 0;
CREATE INDEX entries_content ON entries (content) WHERE content IS NOT NULL;
CREATE INDEX children_content ON children (content);
"""

# Bits of entries.flags.
ALLOC_NAME, ALLOC_INODE, ORPHAN, VIRTUAL, REUSED, ZONE_KNOWN = 1, 2, 4, 8, 16, 32

# Values of entries.status. OUT_OF_SCOPE: not read, or no more of it than its type took; ``why`` has the reason.
# WITHHELD: in scope, and it holds a privileged term, in its name or its content.
PENDING, EXAMINED, CLOSED, NOT_APPLICABLE, OUT_OF_SCOPE, WITHHELD = 0, 1, 2, 3, 4, 5
