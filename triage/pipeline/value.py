"""How much an entry is worth before anything of it has been read.

A value from 0 to 1 from the place of the entry, its type by name, its state and its age: it orders the work, so that
last week's conversation is read before a font of 2009, and ranking damps hits in places that nobody writes in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate

from triage.model.entry import Entry, EntryState
from triage.model.rules import Artefact

_USER_ROOT = re.compile(
    rb"^/(?:users|home|documents and settings)/[^/]+/|^/root/|^/(?:data/)?(?:data/data|user/\d+|user_de/\d+)/"
    rb"|^/(?:data/)?media/\d+/|^/sdcard/|^/private/var/mobile/|^/storage/|^/apps/[^/]+/",
)
_SYSTEM = re.compile(
    rb"^/(?:windows|winnt|program files(?: \(x86\))?|programdata/(?:microsoft|package cache)|usr|bin|sbin|lib\d*|lib64"
    rb"|etc|opt|boot|proc|sys|dev|run|snap|nix|gnu|system|system volume information|vendor|product|odm|apex"
    rb"|applications|library|private/(?:etc|var/(?:db|folders|log))|recovery|perflogs|msocache|\$extend"
    rb"|\$windows\.~bt|var/(?:lib|cache|log))(?:/|$)",
)
_NOISE = re.compile(
    rb"/(?:cache|caches|cache2|code cache|gpucache|node_modules|site-packages|dist-packages|locale|locales|i18n|lang"
    rb"|licenses?|doc|docs?/api|man|fonts|themes?|icons|dictionaries|spell|hunspell|myspell|help|winsxs|assembly"
    rb"|drivers?|driverstore|templates|temp|tmp|crashdumps|\.git|installer|assets/flutter_assets)/"
)
_RECYCLE = re.compile(rb"^/(?:\$recycle\.bin|recycler|recycled|\.trash[^/]*)/|/\.local/share/trash/|/\.trashes/")
_META = re.compile(rb"^/\$(?:mft|mftmirr|logfile|volume|attrdef|bitmap|boot|badclus|secure|upcase|extend)(?:$|/|:)")

_DOCUMENTS = frozenset(
    b"txt doc docx docm odt rtf pdf xls xlsx xlsm ods csv tsv ppt pptx odp html htm xhtml mht eml emlx msg mbox pst ost"
    b" vcf ics md one json jsonl xml log note numbers pages wps tex epub ps".split()
)
_DATABASES = frozenset(b"db sqlite sqlite3 sqlitedb db-wal sqlite-wal db-journal storedata ldb realm edb dat".split())
_ARCHIVES = frozenset(b"zip 7z rar tar gz tgz bz2 xz zst ab kdbx hc tc axx".split())
_SOFTWARE = frozenset(
    b"exe dll sys so ko o a lib pyc class jar dex odex vdex oat apk msi cab ttf otf woff woff2 fon mo po pak cat inf"
    b" mum"
    b" manifest nls mui ocx drv pdb h hpp c cc cpp py rb pl pm js ts css map go rs java gem whl deb rpm svg ico cur ani"
    b" dic aff icns strings nib theme desktop service rules".split()
)
SYSTEM_PLACES = frozenset({"system", "software", "file system"})
"""Places that nobody writes in."""

_DAY = 86_400 * 1_000_000_000


class Valuer:
    """Gives values to the entries of one evidence source.

    Args:
        artefacts: Groups of paths with a known meaning.
        newest: Latest plausible time on the device, nanoseconds since 1970; 0 where unknown. Recency is measured
            against the device, never against our clock.
    """

    def __init__(self, artefacts: Sequence[Artefact], newest: int = 0) -> None:
        self._newest = newest
        self._groups = [group for artefact in artefacts if (group := _Group(artefact)).pattern is not None]
        self._groups.sort(key=lambda group: -group.value)
        anchors = sorted({anchor for group in self._groups for anchor in group.anchors if b"/" not in anchor})
        self._anchored = re.compile(b"|".join(map(re.escape, anchors))) if anchors else None
        self._folders: dict[bytes, tuple[float, str, tuple[_Group, ...]]] = {}

    def value(self, entry: Entry) -> tuple[float, str]:
        """Value 0..1 and the name of the place."""
        if entry.address.space:
            kind = _by_kind(entry.address.path.rpartition(b".")[2], False) if entry.address.path else 0.0
            return 0.2 + kind, "unallocated space"
        path = entry.address.path.lower()
        folder, _, name = path.rpartition(b"/")
        base, place, groups = self._folders.get(folder) or self._folder(folder)
        extension = name.rpartition(b".")[2] if b"." in name else b""
        system = place in SYSTEM_PLACES
        if not system:
            if self._anchored is not None and self._anchored.search(name):
                groups = tuple(self._groups)
            for group in groups:
                if group.pattern is not None and group.pattern.match(path):
                    base, place = max(base, 0.35 + 0.6 * group.value), group.id
                    break
        base += _by_kind(extension, system)
        if entry.state is not EntryState.ALLOCATED:
            base += 0.05
        if entry.address.stream:
            base += 0.05
        if self._newest and entry.times.mtime is not None and not system:
            age = self._newest - entry.times.mtime
            base += 0.1 if age < 90 * _DAY else 0.05 if age < 365 * _DAY else 0.0
        return round(min(1.0, max(0.0, base)), 3), place

    def _folder(self, folder: bytes) -> tuple[float, str, tuple[_Group, ...]]:
        """What is the same for every entry of a folder: base value, place, groups that may lie there."""
        inside = folder + b"/"
        base, place = _place(inside)
        named = self._anchored is not None and self._anchored.search(inside) is not None
        groups = tuple(
            group
            for group in self._groups
            if named or any(anchor in inside for anchor in group.anchors if b"/" in anchor)
        )
        self._folders[folder] = (base, place, groups)
        return self._folders[folder]


class _Group:
    """Compiled globs of one artefact group, with a fixed piece of each that any match must hold."""

    def __init__(self, artefact: Artefact) -> None:
        self.id = artefact.id
        self.value = artefact.value
        # Globs of an extension alone (``*.pdf``) say nothing about a place; the kinds of names below cover them.
        globs = [glob for glob in artefact.globs if not re.fullmatch(r"\*\.\w+", glob)]
        self.pattern = re.compile("|".join(map(_glob_pattern, globs)).encode()) if globs else None
        self.anchors = tuple({_anchor(glob) for glob in globs})


def _glob_pattern(glob: str) -> str:
    """Regular expression for a glob relative to any folder, over lower-case paths."""
    body = translate(glob.lower().lstrip("*").lstrip("/") if glob.startswith(("*/", "**/")) else glob.lower())
    body = body.removeprefix("(?s:").removesuffix(")\\Z").removesuffix(")\\z")
    return f"(?s:.*/{body})\\Z"


def _anchor(glob: str) -> bytes:
    """A fixed piece of a glob: the folder part of its longest piece, with the slash, or a piece of the name."""
    best = max(re.split(r"[*?\[\]]+", glob.lower()), key=len).lstrip("/")
    folder, slash, _ = best.rpartition("/")
    return (folder + slash if slash else best).encode()


def _place(folder: bytes) -> tuple[float, str]:
    """Base value and name of a folder (lower case, ends with a slash)."""
    if _META.match(folder):
        return 0.05, "file system"
    if _RECYCLE.search(folder):
        return 0.65, "recycle bin"
    if _USER_ROOT.match(folder):
        return (0.3, "user cache") if _NOISE.search(folder) else (0.6, "user content")
    if _SYSTEM.match(folder):
        return (0.05, "software") if _NOISE.search(folder) else (0.1, "system")
    return (0.3, "cache") if _NOISE.search(folder) else (0.5, "other content")


def _by_kind(extension: bytes, system: bool) -> float:
    if extension in _SOFTWARE:
        return -0.3
    if system:
        return 0.0
    if extension in _DOCUMENTS or extension in _DATABASES:
        return 0.25
    return 0.1 if extension in _ARCHIVES else 0.0
