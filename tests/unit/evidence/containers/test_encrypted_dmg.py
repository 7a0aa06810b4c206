"""Encrypted Apple disk images: right, wrong and no password; what is inside; headers that lie."""

import struct

import pytest

from tests.support import apple_disks as apple
from tests.support.virtual_disks import pattern
from triage.errors import CorruptStructureError, EncryptedVolumeError, UnsupportedFormatError
from triage.evidence.containers import encrypted_dmg
from triage.evidence.keychain import Keychain, Secret, SecretKind
from triage.model.stream import MemoryStream

pytest.importorskip("cryptography", reason="cryptography is not installed")
MEDIA = pattern(200_192)


def keychain(*passwords):
    return Keychain(tuple(Secret(SecretKind.PASSWORD, number + 1, word) for number, word in enumerate(passwords)))


def opened(data, *passwords):
    return encrypted_dmg.open_stream(MemoryStream(bytes(data)), "e", None, keychain(*passwords))


@pytest.mark.parametrize("bits", [128, 256])
@pytest.mark.parametrize("block", [512, 4096])
@pytest.mark.parametrize("aes_wrap", [False, True])
@pytest.mark.parametrize("inside", ["udif", "apple-sparse", "raw"])
def test_right_password(bits, block, aes_wrap, inside):
    inner = {
        "udif": apple.udif(MEDIA, [apple.ZLIB], 16384),
        "apple-sparse": apple.sparse_image(len(MEDIA), [(0, MEDIA)]),
        "raw": MEDIA,
    }[inside]
    keys = keychain(b"wrong", "тайна".encode())
    data = apple.encrypted(inner, "тайна".encode(), bits=bits, block=block, aes_wrap=aes_wrap)
    container = encrypted_dmg.open_stream(MemoryStream(data), "e", None, keys)
    assert container.media.read_at(0, 1 << 20) == MEDIA
    assert container.media.read_at(4095, 513) == MEDIA[4095 : 4095 + 513]
    assert (container.details["inside"], container.details["encryption"]) == (inside, f"AES-{bits}")
    assert container.problems == container.read_problems() == ()
    assert [(attempt.secret, attempt.opened) for attempt in keys.attempts()] == [
        ("password 1", False),
        ("password 2", True),
    ]


def test_no_and_wrong_password_say_what_was_tried():
    data = apple.encrypted(MEDIA, b"secret")
    with pytest.raises(EncryptedVolumeError, match="AES-256; no key was given"):
        encrypted_dmg.open_stream(MemoryStream(data), "e")
    with pytest.raises(EncryptedVolumeError, match="tried: password 1, password 2") as caught:
        opened(data, b"geheim", b"")
    assert "geheim" not in str(caught.value) + repr(caught.value.hint)


def test_many_wrong_passwords_never_open():
    data = apple.encrypted(MEDIA, b"secret", iterations=1)
    with pytest.raises(EncryptedVolumeError):
        opened(data, *(f"wrong {number}".encode() for number in range(3000)))


def test_image_cut_short_is_told():
    data = apple.encrypted(MEDIA, b"p")
    container = opened(data[: 8192 + 100_000], b"p")
    assert container.problems[0].bytes_not_examined == 100_192
    seen = container.media.read_at(0, 1 << 20)
    assert (len(seen), seen[:100_000]) == (len(MEDIA), MEDIA[:100_000])
    assert sum(problem.bytes_not_examined for problem in container.read_problems()) == len(MEDIA) - 100_000


@pytest.mark.parametrize(
    ("at", "code", "value", "error"),
    [
        (8, ">I", 3, UnsupportedFormatError),
        (16, ">I", 9, UnsupportedFormatError),
        (20, ">I", 5, UnsupportedFormatError),
        (24, ">I", 192, UnsupportedFormatError),
        (28, ">I", 5, UnsupportedFormatError),
        (52, ">I", 0, CorruptStructureError),
        (52, ">I", 1 << 30, CorruptStructureError),
        (52, ">I", 513, CorruptStructureError),
        (56, ">Q", 0, CorruptStructureError),
        (56, ">Q", 1 << 62, CorruptStructureError),
        (72, ">I", 0, CorruptStructureError),
        (72, ">I", 1 << 30, CorruptStructureError),
        (76, ">I", 2, EncryptedVolumeError),
        (80, ">Q", 1 << 60, CorruptStructureError),
        (96, ">I", 5, UnsupportedFormatError),
        (100, ">I", 5, UnsupportedFormatError),
        (104, ">I", 0, CorruptStructureError),
        (104, ">I", 0xFFFFFFFF, CorruptStructureError),
        (108, ">I", 33, CorruptStructureError),
        (144, ">I", 33, CorruptStructureError),
        (144, ">I", 1, CorruptStructureError),
        (180, ">I", 5, CorruptStructureError),
        (180, ">I", 128, CorruptStructureError),
        (180, ">I", 256, CorruptStructureError),
        (184, ">I", 5, UnsupportedFormatError),
        (196, ">I", 0, CorruptStructureError),
        (196, ">I", 9, CorruptStructureError),
        (196, ">I", 0xFFFFFFF8, CorruptStructureError),
    ],
)
def test_headers_that_lie(at, code, value, error):
    data = bytearray(apple.encrypted(MEDIA, b"p"))
    struct.pack_into(code, data, at, value)
    with pytest.raises(error):
        opened(data, b"p")


def test_version_1_is_named(tmp_path):
    path = tmp_path / "x.dmg"
    path.write_bytes(bytes(5000) + b"cdsaencr")
    assert encrypted_dmg.detect(bytes(4096), (path,))
    with pytest.raises(EncryptedVolumeError, match="version 1"):
        encrypted_dmg.open_container((path,), "e", keychain=keychain(b"p"))
