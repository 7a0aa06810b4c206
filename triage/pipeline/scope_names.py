"""Privileged terms in the names of what is listed: such an entry is withheld before a byte of it is read."""

from __future__ import annotations

import re
import unicodedata

from triage.model.address import Address
from triage.model.scope import Privileged


class PrivilegedNames:
    """Privileged terms in names of files and folders.

    Blanks, ``_``, ``-``, ``.`` and ``+`` count alike, so that ``Dr_Weber-2024.pdf`` holds ``Dr. Weber``.
    """

    def __init__(self, privileged: Privileged) -> None:
        left = "" if privileged.match == "substring" else r"(?<![^\W_])"
        right = r"(?![^\W_])" if privileged.match == "word" else ""
        words = "|".join(re.escape(text) for term in privileged.terms if (text := _words(term)))
        self._pattern = re.compile(f"{left}(?:{words}){right}") if words else re.compile(r"(?!)")

    def hold(self, address: Address) -> bool:
        """Whether the name of an entry, of a folder above it or of its place in archives holds a term."""
        return any(self.hold_name(name) for name in (address.path, address.stream, *address.members) if name)

    def hold_name(self, name: bytes) -> bool:
        """Whether one name or path does."""
        return self.hold_text(name.decode("utf-8", "surrogateescape"))

    def hold_text(self, text: str) -> bool:
        """Whether a text made of names does, for instance a message."""
        return self._pattern.search(_words(text)) is not None


_PARTED = re.compile(r"[\s_.+\-]+")


def _words(text: str) -> str:
    if text.isascii():
        return _PARTED.sub(" ", text.lower()).strip()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _PARTED.sub(" ", folded).strip()
