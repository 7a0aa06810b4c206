"""Who reads the file system of a volume, where the usual reader does not; kept in the case, so that all read alike."""

from __future__ import annotations

from triage.case import Case

KEY = "readers"
"""In the case's ``meta``: by name of the source, the reader by name of the volume."""


def stored_readers(case: Case, source: str) -> dict[str, str]:
    """Readers by name of the volume, of one source.

    Args:
        case: Open.
        source: Name of the source.
    """
    found = case.meta(KEY, {})
    inner = found.get(source, {}) if isinstance(found, dict) else {}
    return {str(volume): str(reader) for volume, reader in inner.items()} if isinstance(inner, dict) else {}


def store_reader(case: Case, source: str, volume: str, reader: str) -> None:
    """Remember the reader of a volume, the empty one for the usual; inside a transaction."""
    found = case.meta(KEY, {})
    known = dict(found) if isinstance(found, dict) else {}
    readers = stored_readers(case, source)
    if readers.get(volume, "") == reader:
        return
    readers.pop(volume, None)
    case.set_meta(KEY, {**known, source: {**readers, volume: reader} if reader else readers})
