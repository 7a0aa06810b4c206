"""Compiled databases kept between runs.

A file is named by the digest of what it was compiled from (sources, library versions) and holds the SHA-256 of its
content in front of it. One that does not hold is ignored and made anew; a cache that cannot be written costs time only.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Kept = TypeVar("Kept")


def cache_key(kind: str, *parts: bytes) -> str:
    """A name for what was compiled from ``parts``, in order."""
    digest = hashlib.sha256(kind.encode())
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return f"{kind}-{digest.hexdigest()[:40]}.bin"


def read_cached(folder: Path | None, key: str) -> bytes | None:
    """The content under a key, None where there is none that holds."""
    if folder is None:
        return None
    try:
        data = (folder / key).read_bytes()
    except OSError:
        return None
    body = data[32:]
    return body if len(data) > 32 and hashlib.sha256(body).digest() == data[:32] else None


def write_cached(folder: Path | None, key: str, body: bytes) -> None:
    """Keep a content under a key; whole or not at all."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=folder)
    except OSError:
        return
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(hashlib.sha256(body).digest() + body)
        os.replace(temporary, folder / key)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def cached(
    folder: Path | None, key: str, load: Callable[[bytes], Kept | None], build: Callable[[], tuple[Kept, bytes]]
) -> Kept:
    """What belongs to a key: loaded from the cache, else built and kept.

    Of several processes that need the same, one builds while the others wait and then load.

    Args:
        folder: The cache, None for none.
        key: From :func:`cache_key`.
        load: Makes the thing from kept bytes; None where they do not serve.
        build: Makes the thing anew, with the bytes to keep.
    """
    blob = read_cached(folder, key)
    found = load(blob) if blob is not None else None
    if found is not None:
        return found
    with _exclusive(folder, key):
        blob = read_cached(folder, key)
        found = load(blob) if blob is not None else None
        if found is None:
            found, made = build()
            write_cached(folder, key, made)
        return found


@contextlib.contextmanager
def _exclusive(folder: Path | None, key: str) -> Iterator[None]:
    """While inside, no other process builds what belongs to the key; a cache that cannot be written costs time only."""
    descriptor = -1
    if folder is not None and fcntl is not None:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(folder / f"{key}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)
