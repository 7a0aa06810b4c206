"""CoreStorage through libfvde: what is asked of the library, by a stand-in, and that the real one is survived."""

from __future__ import annotations

import pickle
import random
import sys
import types
from pathlib import Path

import pytest

from triage.errors import (
    CorruptStructureError,
    EncryptedVolumeError,
    EvidenceError,
    ReadFailedError,
    UnsupportedFormatError,
)
from triage.evidence.keychain import Keychain, load_keychain
from triage.evidence.volumes import filevault
from triage.model.stream import MemoryStream

SIZE = 300 << 10
PLAIN = random.Random(6).randbytes(SIZE)


def physical(group: bytes = b"G" * 16) -> MemoryStream:
    head = bytearray(4096)
    head[8:12] = b"\x01\x00\x10\x00"
    head[88:90] = b"CS"
    head[320:336] = group
    return MemoryStream(bytes(head) + bytes(1 << 16))


class Library(types.ModuleType):
    """As much of ``pyfvde`` as is used; raises with the secret in its words, as the real one might."""

    def __init__(self) -> None:
        super().__init__("pyfvde")
        self.locked = {0: ("password", "secret")}
        self.count = 1
        self.size = SIZE
        self.plist = b""
        self.parts: list[int] = []
        self.open_handles = 0
        self.fail_at = -1
        library = self

        class Logical:
            def __init__(self, index: int) -> None:
                self.index = index
                self.given: tuple[str, str] | None = None
                self.unlocked = index not in library.locked

            def get_size(self) -> int:
                return library.size

            def get_name(self) -> str:
                return f"Macintosh\x1b HD {self.index}"

            def is_locked(self) -> bool:
                return not self.unlocked

            def set_password(self, text: str) -> None:
                self.given = ("password", text)

            def set_recovery_password(self, text: str) -> None:
                self.given = ("recovery", text)

            def unlock(self) -> bool:
                if self.given != library.locked[self.index] or library.plist != self.volume.plist:
                    raise OSError(f"unable to unwrap with {self.given}")
                self.unlocked = True
                return True

            def read_buffer_at_offset(self, size: int, offset: int) -> bytes:
                if library.fail_at >= 0 and offset + size > library.fail_at:
                    raise OSError("unable to read")
                return PLAIN[offset : offset + size]

        class Volume:
            plist = b""

            def open_file_object(self, file) -> None:
                file.seek(0, 2)
                assert file.tell() == file.get_size()
                file.seek(88)
                assert file.read(2) == b"CS"
                library.open_handles += 1

            def open_physical_volume_files_as_file_objects(self, files) -> None:
                library.parts.append(len(files))

            def read_encrypted_root_plist(self, name: str) -> None:
                assert Path(name).stat().st_mode & 0o077 == 0
                self.plist = Path(name).read_bytes()

            def get_volume_group(self):
                return self

            def get_name(self) -> str:
                return "group"

            def get_number_of_logical_volumes(self) -> int:
                return library.count

            def get_logical_volume(self, index: int) -> Logical:
                logical = Logical(index)
                logical.volume = self
                return logical

            def close(self) -> None:
                library.open_handles -= 1

        self.volume = Volume


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    found = Library()
    monkeypatch.setitem(sys.modules, "pyfvde", found)
    return found


def opened(keys: Keychain, *others: MemoryStream):
    stream = physical()
    assert filevault.detect(stream)
    return filevault.open_layer(stream, "a p2:/", keys, others)


def test_no_key_wrong_key_right_key(library: Library) -> None:
    with pytest.raises(EncryptedVolumeError, match=f"FileVault 2 .* {SIZE} bytes; no key was given"):
        opened(Keychain())
    wrong = load_keychain(["hunter2"])
    with pytest.raises(EncryptedVolumeError, match="tried: password 1") as caught:
        opened(wrong)
    assert "hunter" not in f"{caught.value!r}{caught.value}{caught.value.__cause__!r}{caught.value.__context__!r}"
    assert library.open_handles == 0
    right = load_keychain(["hunter2", "secret"])
    layer = opened(right)
    volume = layer.volumes[0]
    assert volume.name == "fve1" and volume.stream.size == SIZE and "\x1b" not in volume.description
    assert volume.stream.read_at(0, SIZE + 1) == PLAIN and volume.stream.read_at(70_001, 5) == PLAIN[70_001:70_006]
    layer.close()
    layer.close()
    assert library.open_handles == 0


def test_recovery_key_and_wiped_key_file(library: Library, tmp_path: Path) -> None:
    (tmp_path / "EncryptedRoot.plist.wipekey").write_bytes(b"plist")
    library.locked = {0: ("recovery", "ABCD-EFGH")}
    library.plist = b"plist"
    with pytest.raises(EncryptedVolumeError):
        opened(load_keychain(recovery_keys=["ABCD-EFGH"]))
    keys = load_keychain(["x"], [" ABCD-EFGH\n"], [tmp_path / "EncryptedRoot.plist.wipekey"])
    assert opened(keys).volumes[0].stream is not None
    assert opened(pickle.loads(pickle.dumps(keys))).volumes[0].stream is not None


def test_volumes_with_and_without_encryption(library: Library) -> None:
    library.count = 2
    layer = opened(Keychain())
    assert layer.volumes[0].encryption and layer.volumes[0].length == SIZE and layer.volumes[0].stream is None
    assert layer.volumes[1].stream.read_at(0, 16) == PLAIN[:16]


def test_members_of_the_same_group_only(library: Library) -> None:
    opened(load_keychain(["secret"]), physical(), physical(b"H" * 16), MemoryStream(bytes(4096)))
    assert set(library.parts) == {2}


def test_reading_that_fails(library: Library) -> None:
    stream = opened(load_keychain(["secret"])).volumes[0].stream
    library.fail_at = 200_192
    with pytest.raises(ReadFailedError):
        stream.read_at(200_000, 1000)
    assert stream.read_at(100, 100) == PLAIN[100:200]


@pytest.mark.parametrize("size", (0, 511, -1, 1 << 63))
def test_impossible_sizes(library: Library, size: int) -> None:
    library.size = size
    with pytest.raises(CorruptStructureError, match="impossible size"):
        opened(load_keychain(["secret"]))
    assert library.open_handles == 0


def test_nothing_described(library: Library) -> None:
    library.count = 0
    with pytest.raises(CorruptStructureError, match="no logical volume"):
        opened(Keychain())


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyfvde", None)
    with pytest.raises(UnsupportedFormatError, match="not installed"):
        opened(Keychain())


def test_what_is_no_core_storage() -> None:
    for data in (b"", bytes(512), b"CS" * 300):
        assert not filevault.detect(MemoryStream(data))


def test_the_real_library_survives_noise() -> None:
    pytest.importorskip("pyfvde")
    chooser = random.Random(12)
    for _ in range(300):
        head = bytearray(physical().read_at(0, 4096))
        for _ in range(20):
            head[chooser.randrange(12, 512)] = chooser.randrange(256)
        head[8:12], head[88:90] = b"\x01\x00\x10\x00", b"CS"
        stream = MemoryStream(bytes(head) + chooser.randbytes(1 << 15))
        with pytest.raises(EvidenceError):
            filevault.open_layer(stream, "a p2:/", load_keychain(["x"]), ())
