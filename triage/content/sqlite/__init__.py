"""SQLite databases, read page by page: rows with their place in the file, and what deletion left of others."""

from __future__ import annotations

from triage.content.sqlite.database import Database, Table
from triage.content.sqlite.deleted import deleted_rows
from triage.content.sqlite.log import log_rows
from triage.content.sqlite.records import Row

__all__ = ["Database", "Row", "Table", "deleted_rows", "log_rows"]
