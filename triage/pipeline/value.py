"""How much an entry is worth before anything of it has been read.

A value from 0 to 1 from the place of the entry, its type by name, its state and its age: it orders the work, so that
last week's conversation is read before a font of 2009, and ranking damps hits in places that nobody writes in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
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
_PICTURES = frozenset(b"jpg jpeg png heic heif gif bmp webp tif tiff".split())
_ARCHIVES = frozenset(b"zip 7z rar tar gz tgz bz2 xz zst ab kdbx hc tc axx".split())
_SOFTWARE = frozenset(
    b"exe dll sys so ko o a lib pyc class jar dex odex vdex oat apk msi cab ttf otf woff woff2 fon mo po pak cat inf mum"
    b" manifest nls mui ocx drv pdb h hpp c cc cpp py rb pl pm js ts css map go rs java gem whl deb rpm svg ico cur ani"
    b" dic aff icns strings nib theme desktop service rules".split()
)
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
        self._groups = [_Group(artefact.id, artefact.value, artefact.globs) for artefact in artefacts]
        self._folders: dict[bytes, tuple[float, str]] = {}
        self._by_extension = _extension_groups(artefacts)

    def value(self, entry: Entry) -> tuple[float, str]:
        """Value 0..1 and the name of the place."""
        path = entry.address.path.lower()
        folder, _, name = path.rpartition(b"/")
        base, place = self._folder(folder + b"/")
        extension = name.rpartition(b".")[2] if b"." in name else b""
        system = place in ("system", "software", "file system")
        if not system:
            group = self._artefact(path, folder)
            if group is not None:
                base, place = max(base, 0.35 + 0.6 * group.value), group.id
        base += _by_kind(extension, system)
        if entry.state is not EntryState.ALLOCATED:
            base += 0.05
        if entry.address.stream:
            base += 0.05
        if self._newest and entry.times.mtime is not None and not system:
            age = self._newest - entry.times.mtime
            base += 0.1 if age < 90 * _DAY else 0.05 if age < 365 * _DAY else 0.0
        return round(min(1.0, max(0.0, base)), 3), place

    def _folder(self, folder: bytes) -> tuple[float, str]:
        found = self._folders.get(folder)
        if found is None:
            found = self._folders[folder] = _place(folder)
        return found

    def _artefact(self, path: bytes, folder: bytes) -> _Group | None:
        best: _Group | None = None
        for group in self._groups:
            if (best is None or group.value > best.value) and group.matches(path, folder):
                best = group
        return best


class _Group:
    """Compiled globs of one artefact group; the folder part is answered once a folder."""

    def __init__(self, name: str, value: float, globs: Iterable[str]) -> None:
        self.id = name
        self.value = value
        # Extension-only globs (``*.pdf``) say nothing about a place; the extension table covers them.
        patterns = [_glob_pattern(glob) for glob in globs if not re.fullmatch(r"\*\.\w+", glob)]
        self._pattern = re.compile("|".join(patterns).encode()) if patterns else None
        anchors = {_anchor(glob) for glob in globs if not re.fullmatch(r"\*\.\w+", glob)}
        self._anchors = tuple(anchor for anchor in anchors if anchor)
        self._always = b"" in anchors
        self._folders: dict[bytes, bool] = {}

    def matches(self, path: bytes, folder: bytes) -> bool:
        """The path fits a glob."""
        if self._pattern is None:
            return False
        if not self._always:
            possible = self._folders.get(folder)
            if possible is None:
                possible = self._folders[folder] = any(
                    anchor in folder for anchor in self._anchors if anchor.endswith(b"/")
                )
            if not possible and not any(anchor in path for anchor in self._anchors if not anchor.endswith(b"/")):
                return False
        return self._pattern.match(path) is not None


def _glob_pattern(glob: str) -> str:
    """Regular expression for a glob relative to any folder, over lower-case paths."""
    body = translate(glob.lower().lstrip("*").lstrip("/") if glob.startswith(("*/", "**/")) else glob.lower())
    body = body.removeprefix("(?s:").removesuffix(")\\Z").removesuffix(")\\z")
    return f"(?s:.*/{body})\\Z"


def _anchor(glob: str) -> bytes:
    """Longest fixed piece of a glob; ends in a slash when it lies in the folder part."""
    parts = re.split(r"[*?\[\]]+", glob.lower())
    best = max(parts, key=len)
    if len(best) < 4:
        return b""
    if "/" in best.strip("/"):
        folder, _, name = best.rpartition("/")
        best = folder + "/" if len(folder) >= 4 else best
    return best.lstrip("/").encode()


def _extension_groups(artefacts: Sequence[Artefact]) -> dict[bytes, tuple[float, str]]:
    out: dict[bytes, tuple[float, str]] = {}
    for artefact in artefacts:
        for glob in artefact.globs:
            if re.fullmatch(r"\*\.\w+", glob):
                key = glob[2:].lower().encode()
                if key not in out or artefact.value > out[key][0]:
                    out[key] = (artefact.value, artefact.id)
    return out


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
        return 0.15
    if extension in _PICTURES or extension in _ARCHIVES:
        return 0.05
    return 0.0
