"""One image that is mutated, and what is known of it."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.sparse import Sparse
from triage.evidence.keychain import Keychain


@dataclass
class FuzzImage:
    """An evidence source.

    Attributes:
        name: As it stands in tables.
        files: Relative path and bytes; the first is opened, those of its set are found beside it.
        keys: Secrets that open it.
        strict: Its structures have checksums, so that nothing may get lost without a word.
        blind: Module and function, ``module:function``, that checks a checksum and is made to agree with everything,
            in a second kind of run: what lies behind the checksum must stand mutations as well.
        folder: The source is the folder itself.
        media: Sectors that are what the container or layer is about: changes there are not its business.
    """

    name: str
    files: dict[str, Sparse]
    keys: Keychain = field(default_factory=Keychain)
    strict: bool = False
    blind: tuple[str, ...] = ()
    folder: bool = False
    media: frozenset[bytes] = frozenset()

    def about(self, *media: bytes) -> FuzzImage:
        """Name the media inside, sector by sector."""
        self.media |= {
            data[at : at + 512]
            for data in media
            for at in range(0, len(data), 512)
            if len(set(data[at : at + 512])) > 1
        }
        return self

    def write(self, folder: Path) -> Path:
        """Write the files; the path to open."""
        for name, data in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            data.write(path)
        return folder / next(iter(self.files)).split("/")[0] if self.folder else folder / next(iter(self.files))

    def save(self, path: Path) -> None:
        path.write_bytes(pickle.dumps(self))

    @staticmethod
    def load(path: Path) -> FuzzImage:
        found: FuzzImage = pickle.loads(path.read_bytes())
        return found
