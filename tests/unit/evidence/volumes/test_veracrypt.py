"""Containers of VeraCrypt and TrueCrypt, made byte by byte."""

from __future__ import annotations

import hashlib
import pickle
import random
import struct
import zlib

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from triage.errors import EncryptedVolumeError, EvidenceError
from triage.evidence.keychain import Keychain, Secret, SecretKind, load_keychain
from triage.evidence.volumes import veracrypt, veracrypt_header
from triage.model.problem import Reason
from triage.model.stream import MemoryStream

SIZE = 512 << 10
GROUP = 128 << 10
KEY = bytes(range(64))
HIDDEN_KEY = bytes(range(100, 164))
SALT = hashlib.sha512(b"salt").digest()


def xts(key: bytes, data: bytes, unit: int, number: int = 0) -> bytes:
    parts = []
    for at in range(0, len(data), unit):
        tweak = (number + at // unit).to_bytes(16, "little")
        parts.append(Cipher(algorithms.AES(key), modes.XTS(tweak)).encryptor().update(data[at : at + unit]))
    return b"".join(parts)


def header(
    secret: bytes, start: int, size: int, *, key: bytes = KEY, program: bytes = b"VERA", kdf=("sha512", 500_000)
) -> bytes:
    fields = struct.pack(">QQQQI", 0, size, start, size, 0) + struct.pack(">I", 512)
    keys = key.ljust(256, b"\0")
    body = program + struct.pack(">HHI", 5, 0x010B, zlib.crc32(keys)) + bytes(16) + fields
    body = body.ljust(188, b"\0")
    body += struct.pack(">I", zlib.crc32(body)) + keys
    derived = hashlib.pbkdf2_hmac(kdf[0], secret, SALT, kdf[1], 64)
    return SALT + xts(derived, body, 448)


def container(secret: bytes = b"outer", **options) -> bytes:
    image = bytearray(random.Random(8).randbytes(SIZE))
    image[:512] = header(secret, GROUP, SIZE - 2 * GROUP, **options)
    image[GROUP:-GROUP] = xts(KEY, plain(SIZE - 2 * GROUP), 512, GROUP // 512)
    return bytes(image)


def plain(size: int) -> bytes:
    return b"".join(number.to_bytes(2, "big") * 256 for number in range(size // 512))


def opened(image: bytes, keys: Keychain):
    stream = MemoryStream(image)
    assert veracrypt.detect(stream)
    return veracrypt.open_layer(stream, "a p1:/", keys, ())


@pytest.fixture(autouse=True)
def _few_rounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The derivations cost seconds; the tests that need the real ones say so."""
    if "real" not in request.node.name:
        few = tuple((name, 7) for name, _ in veracrypt_header.NEW_DERIVATIONS)
        monkeypatch.setattr(veracrypt_header, "NEW_DERIVATIONS", few)


FEW = ("sha512", 7)


@pytest.mark.parametrize("kdf", (("sha512", 1000), ("sha1", 2000), ("ripemd160", 2000)))
def test_truecrypt(kdf: tuple[str, int]) -> None:
    if kdf[0] not in hashlib.algorithms_available:
        pytest.skip("this machine has no " + kdf[0])
    layer = opened(container(program=b"TRUE", kdf=kdf), load_keychain(["outer"]))
    assert layer.volumes[0].stream.read_at(0, SIZE) == plain(SIZE - 2 * GROUP)
    assert layer.details["format"].startswith("TrueCrypt")


def test_veracrypt_with_its_real_rounds() -> None:
    assert opened(container(), load_keychain(["outer"])).volumes[0].description == "normal volume of VeraCrypt"


@pytest.mark.parametrize("name", ("sha256", "blake2s", "ripemd160"))
def test_other_hashes(name: str) -> None:
    assert opened(container(kdf=(name, 7)), load_keychain(["outer"])).volumes


def test_no_key_wrong_key_right_key() -> None:
    image = container(kdf=FEW)
    with pytest.raises(EncryptedVolumeError, match=r"perhaps VeraCrypt or TrueCrypt.*no key was given.*chi-square"):
        opened(image, Keychain())
    wrong = load_keychain(["hunter2"], ["recovery-words"])
    with pytest.raises(EncryptedVolumeError, match="tried: password 1;") as caught:
        opened(image, wrong)
    assert "hunter" not in f"{caught.value!r}{caught.value}{wrong.attempts()!r}"
    right = load_keychain(["hunter2", "outer"])
    whole = opened(image, right).volumes[0].stream.read_at(0, SIZE)
    assert whole == plain(SIZE - 2 * GROUP)
    assert any(attempt.opened for attempt in right.attempts())


def test_nothing_is_derived_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    image = container(kdf=FEW)
    right = load_keychain(["outer"])
    opened(image, right)
    monkeypatch.setattr(veracrypt_header, "pbkdf2", lambda *_: pytest.fail("derived again"))
    assert opened(image, pickle.loads(pickle.dumps(right))).volumes


def test_hidden_volume_and_its_outer_one() -> None:
    image = bytearray(container(kdf=FEW))
    start, size = 256 << 10, 64 << 10
    image[65536 : 65536 + 512] = header(b"inner", start, size, key=HIDDEN_KEY, kdf=FEW)
    image[start : start + size] = xts(HIDDEN_KEY, b"h" * size, 512, start // 512)
    both = opened(bytes(image), load_keychain(["outer", "inner"]))
    assert [volume.name for volume in both.volumes] == ["vc1", "vc2"]
    assert both.volumes[1].description.startswith("hidden") and both.volumes[1].stream.read_at(0, size) == b"h" * size
    only = opened(bytes(image), load_keychain(["inner"]))
    assert [volume.description[:6] for volume in only.volumes] == ["hidden"]


def test_header_from_its_backup() -> None:
    image = bytearray(container(kdf=FEW))
    image[-GROUP : -GROUP + 512] = image[:512]
    image[:512] = random.Random(3).randbytes(512)
    assert opened(bytes(image), load_keychain(["outer"])).volumes[0].stream.read_at(512, 4) == b"\0\1\0\1"


def test_key_files() -> None:
    """The pool for the key file ``abc``: the running checksums of ``a``, ``ab`` and ``abc``, four bytes each."""
    pool = bytearray(64)
    states = [zlib.crc32(b"abc"[:end]) ^ 0xFFFFFFFF for end in (1, 2, 3)]
    pool[:12] = b"".join(state.to_bytes(4, "big") for state in states)
    mixed = bytes(a + b & 0xFF for a, b in zip(b"outer".ljust(64, b"\0"), pool, strict=True))
    image = container(mixed, kdf=FEW)
    files = Secret(SecretKind.KEY_FILE, 1, b"abc")
    password = Secret(SecretKind.PASSWORD, 1, b"outer")
    assert opened(image, Keychain((password, files))).volumes
    with pytest.raises(EncryptedVolumeError):
        opened(image, Keychain((password,)))
    assert opened(container(bytes(pool), kdf=FEW), Keychain((files,))).volumes


def test_long_key_file_wraps_and_is_bounded() -> None:
    data = random.Random(1).randbytes((1 << 20) + 5)
    (short,) = veracrypt_header.mixed_secrets(b"", [data[: 1 << 20]])
    assert list(veracrypt_header.mixed_secrets(b"", [data])) == [short]
    assert len(list(veracrypt_header.mixed_secrets(b"x" * 65, [b"k"]))) == 2


def test_place_beyond_the_end_is_told() -> None:
    for start, size in ((SIZE * 4, 4096), ((1 << 64) - 512, 512), (GROUP + 1, 512), (GROUP, 0)):
        image = bytearray(container())
        image[:512] = header(b"outer", start, size, kdf=FEW)
        with pytest.raises(EncryptedVolumeError, match="beyond the end"):
            opened(bytes(image), load_keychain(["outer"]))
    image[:512] = header(b"outer", GROUP, 1 << 62, kdf=FEW)
    assert opened(bytes(image), load_keychain(["outer"])).volumes[0].stream.size == SIZE - GROUP
    hidden = bytes(image[:65536]) + header(b"outer", 1 << 50, 512, kdf=FEW) + bytes(image[66048:])
    assert any(problem.reason is Reason.CORRUPT for problem in opened(hidden, load_keychain(["outer"])).problems)


@pytest.mark.parametrize("head", (b"", bytes(512), b"\xeb\x3c\x90MSDOS5.0", b"LUKS\xba\xbe\x00\x01", b"x" * 512))
def test_what_is_known_is_not_claimed(head: bytes) -> None:
    noise = random.Random(1).randbytes(SIZE)
    assert veracrypt.detect(MemoryStream(noise))
    image = (head + noise[len(head) :]) if len(head) > 8 or head[:4] == b"LUKS" else head
    known = head.startswith((b"LUKS", b"\0", b"x")) or not head
    assert veracrypt.detect(MemoryStream(image)) is not known


def test_mutated_headers_give_typed_errors_only() -> None:
    image = container(kdf=FEW)
    chooser = random.Random(4)
    outcomes = set()
    for _ in range(300):
        bad = bytearray(image)
        derived = hashlib.pbkdf2_hmac("sha512", b"outer", SALT, 7, 64)
        fields = bytearray(Cipher(algorithms.AES(derived), modes.XTS(bytes(16))).decryptor().update(image[64:512]))
        for _ in range(chooser.randrange(1, 4)):
            fields[chooser.randrange(4, 188)] = chooser.choice((0, 255, 1))
        fields[8:12] = struct.pack(">I", zlib.crc32(fields[192:]))
        fields[188:192] = struct.pack(">I", zlib.crc32(fields[:188]))
        bad[64:512] = xts(derived, bytes(fields), 448)
        try:
            stream = opened(bytes(bad), load_keychain(["outer"])).volumes[0].stream
            stream.read_at(0, 1000)
            stream.read_at(stream.size - 10, 1000)
            assert stream.size <= SIZE
            outcomes.add("opened")
        except EvidenceError as error:
            outcomes.add(type(error).__name__)
    assert outcomes == {"opened", "EncryptedVolumeError"}
