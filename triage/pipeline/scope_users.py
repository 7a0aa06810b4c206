"""To whom an entry belongs: by the home folder that it lies in, and by its owner as the file system states it.

Windows ``/Users``, ``/Documents and Settings``; macOS ``/Users``; Linux and Unix ``/home`` and its usual other places;
iOS ``/private/var/mobile``; Android by the number of the profile. What a user threw away lies under the SID or the
number of the user. A home folder at the root of a volume of its own has no name to go by: ``paths`` or the owner must
name it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from triage.model.entry import Entry
from triage.ruleset.path_glob import comparable

_HOMES = (
    r"/(?:system/volumes/data/)?users/{0}",
    r"/(?:windows\.old(?:\.\d+)?/)?(?:users|documents and settings)/{0}",
    r"/(?:home|export/home|usr/home|var/home)/{0}",
)
_SYSTEM_HOMES = {
    "root": (r"/root", r"/(?:private/)?var/root"),
    "mobile": (r"/(?:private/)?var/mobile", r"/mobile"),
}
_SID_FOLDERS = (r"/(?:\$recycle\.bin|recycler)/{0}",)
_NUMBER_FOLDERS = (r"/\.trash(?:es)?/{0}", r"/\.trash-{0}")
_PROFILE_FOLDERS = (
    r"/(?:data/)?(?:user|user_de|media|system/users|(?:system|misc|vendor)_[cd]e)/{0}",
    r"/(?:storage/emulated|mnt/user)/{0}",
)
_FIRST_PROFILE = (
    r"/data/data",
    r"/data/(?=\w+(?:\.\w+)+/)\w+(?:\.\w+)+",  # the data volume by itself: a package at once
    r"/sdcard",
    r"/storage/self/primary",
    r"/apps",
)

OwnerTest = Callable[[str], bool]


class User:
    """One user that a scope file names.

    Args:
        text: Name of a home folder, SID, ``uid:N`` or ``android:N``.

    Attributes:
        text: As given.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        folders, self._owns = _told_by(text)
        self._folders = re.compile("(?:" + "|".join(folders) + r")(?:/|\Z)")

    def has_folder(self, path: str) -> bool:
        """Whether a folded path lies in a folder of the user."""
        return self._folders.match(path) is not None

    def owns(self, owner: str) -> bool:
        """Whether an owner, as the file system states it, is the user."""
        return bool(owner) and self._owns(owner)

    def has(self, entry: Entry) -> bool:
        """Whether an entry is the user's, by its place or its owner."""
        return self.owns(entry.owner) or self.has_folder(comparable(entry.address.path, True))


def _told_by(text: str) -> tuple[tuple[str, ...], OwnerTest]:
    """Patterns of folders, and a test of owners."""
    kind, _, number = text.partition(":")
    folded = comparable(text.encode("utf-8", "surrogateescape"), True)
    if kind == "uid" and number.isdecimal():
        number = str(int(number))
        owners = re.compile(rf"{number}(?: \(|\Z)")
        return tuple(f.format(number) for f in _NUMBER_FOLDERS), lambda owner: owners.match(owner) is not None
    if kind == "android" and number.isdecimal():
        number = str(int(number))
        folders = tuple(f.format(number) for f in _PROFILE_FOLDERS)
        return (*folders, *_FIRST_PROFILE) if number == "0" else folders, lambda owner: False
    if folded.startswith("s-1-"):
        return tuple(f.format(re.escape(folded)) for f in _SID_FOLDERS), lambda owner: owner.lower() == folded
    named = tuple(f.format(re.escape(folded)) for f in _HOMES)
    # Some containers state a name beside the number: ``501 (mobile)``.
    return (*named, *_SYSTEM_HOMES.get(folded, ())), lambda owner: owner.lower().endswith(f"({folded})")
