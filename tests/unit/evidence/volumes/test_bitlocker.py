"""BitLocker volumes, made byte by byte; the plain bytes are compared with ciphers written the slow way and with libbde."""

from __future__ import annotations

import hashlib
import io
import pickle
import random
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.support import bitlocker_image as made
from tests.support.bitlocker_image import HEADER_PLACE, HEADER_SIZE, PLACES, SIZE, BitlockerImage
from triage.errors import CorruptStructureError, EncryptedVolumeError, EvidenceError, UnsupportedFormatError
from triage.evidence.keychain import Keychain, Secret, SecretKind
from triage.evidence.volumes import bitlocker, bitlocker_keys
from triage.model.problem import Reason
from triage.model.stream import MemoryStream

NOISE = random.Random(7).randbytes(SIZE)
METHODS = tuple(made.KEY_LENGTHS)


def keychain(*passwords: str, recovery: tuple[str, ...] = (), files: tuple[bytes, ...] = ()) -> Keychain:
    secrets = [Secret(SecretKind.PASSWORD, n, text.encode()) for n, text in enumerate(passwords, 1)]
    secrets += [Secret(SecretKind.RECOVERY_KEY, n, text.encode()) for n, text in enumerate(recovery, 1)]
    secrets += [Secret(SecretKind.KEY_FILE, n, data) for n, data in enumerate(files, 1)]
    return Keychain(tuple(secrets))


def opened(image: bytes, keys: Keychain | None = None):
    stream = MemoryStream(image)
    assert bitlocker.detect(stream)
    return bitlocker.open_layer(stream, "a p1:/", keys if keys is not None else Keychain(), ())


def ecb(key: bytes):
    return Cipher(algorithms.AES(key), modes.ECB())


def turned(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & 0xFFFFFFFF


def sector_key(method: int, key: bytes, offset: int) -> bytes:
    tweak = ecb(key[32 : 64 if method & 1 else 48]).encryptor()
    number = bytearray(offset.to_bytes(16, "little"))
    first = tweak.update(bytes(number))
    number[15] |= 0x80
    return first + tweak.update(bytes(number))


def aes(method: int, key: bytes, size: int, offset: int) -> Cipher:
    length = 32 if method & 1 else 16
    if method >= 0x8004:
        return Cipher(algorithms.AES(key[: 2 * length]), modes.XTS((offset // size).to_bytes(16, "little")))
    start = ecb(key[:length]).encryptor().update(offset.to_bytes(16, "little"))
    return Cipher(algorithms.AES(key[:length]), modes.CBC(start))


def slow_plain(method: int, key: bytes, sector: bytes, offset: int) -> bytes:
    """One sector decrypted, word by word, as the papers have it."""
    plain = aes(method, key, len(sector), offset).decryptor().update(sector)
    if method >= 0x8002:
        return plain
    words = list(struct.unpack(f"<{len(plain) // 4}I", plain))
    n = len(words)
    for _ in range(3):
        for i in range(n):
            words[i] = words[i] + (words[(i + 2) % n] ^ turned(words[(i + 5) % n], (0, 10, 0, 25)[i % 4])) & 0xFFFFFFFF
    for _ in range(5):
        for i in range(n):
            words[i] = words[i] + (words[i - 2] ^ turned(words[i - 5], (9, 0, 13, 0)[i % 4])) & 0xFFFFFFFF
    mixed = struct.pack(f"<{n}I", *words)
    return bytes(a ^ b for a, b in zip(mixed, sector_key(method, key, offset) * (n // 8), strict=True))


def slow_cipher(method: int, key: bytes, sector: bytes, offset: int) -> bytes:
    """One sector encrypted: the same backwards."""
    if method < 0x8002:
        mixed = bytes(a ^ b for a, b in zip(sector, sector_key(method, key, offset) * (len(sector) // 32), strict=True))
        words = list(struct.unpack(f"<{len(mixed) // 4}I", mixed))
        n = len(words)
        for _ in range(5):
            for i in reversed(range(n)):
                words[i] = words[i] - (words[i - 2] ^ turned(words[i - 5], (9, 0, 13, 0)[i % 4])) & 0xFFFFFFFF
        for _ in range(3):
            for i in reversed(range(n)):
                there = words[(i + 2) % n] ^ turned(words[(i + 5) % n], (0, 10, 0, 25)[i % 4])
                words[i] = words[i] - there & 0xFFFFFFFF
        sector = struct.pack(f"<{n}I", *words)
    return aes(method, key, len(sector), offset).encryptor().update(sector)


def ntfs_boot() -> bytes:
    boot = bytearray(512)
    boot[:16] = b"\xeb\x52\x90NTFS    \x00\x02\x08\x00\x00"
    boot[21], boot[64], boot[68] = 0xF8, 0xF6, 1
    boot[40:64] = struct.pack("<3Q", SIZE // 512 - 1, 4, 0x3F)
    boot[510:] = b"\x55\xaa"
    return bytes(boot)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sector_size", (512, 4096))
def test_every_cipher_gives_what_the_slow_way_gives(method: int, sector_size: int) -> None:
    made_image = BitlockerImage(method=method, sector_size=sector_size)
    image = made_image.build(NOISE)
    stream = opened(image).volumes[0].stream
    assert stream is not None and stream.size == SIZE
    for offset in (0, HEADER_SIZE - sector_size, HEADER_SIZE, 0x20000, SIZE - sector_size):
        source = HEADER_PLACE + offset if offset < HEADER_SIZE else offset
        want = slow_plain(method, made_image.key(), image[source : source + sector_size], source)
        assert stream.read_at(offset, sector_size) == want


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("version", (1, 2))
def test_whole_volume_equals_libbde(method: int, version: int) -> None:
    pybde = pytest.importorskip("pybde", reason="libbde is the outside reader")
    if version == 1 and method >= 0x8004:
        pytest.skip("Windows Vista has no XTS")
    form = BitlockerImage(method=method, version=version)
    boot = slow_cipher(method, form.key(), ntfs_boot(), HEADER_PLACE)
    image = form.build(NOISE[:HEADER_PLACE] + boot + NOISE[HEADER_PLACE + 512 :])
    volume = pybde.volume()
    volume.open_file_object(io.BytesIO(image))
    assert not volume.is_locked()
    theirs = volume.read_buffer_at_offset(SIZE - 512, 0)
    ours = opened(image).volumes[0].stream.read_at(0, SIZE - 512)
    if version == 1:  # the library puts zeros where the mirror of the MFT is
        assert ours[56:64] == (0x3F).to_bytes(8, "little")
        theirs = theirs[:56] + ours[56:64] + theirs[64:]
    else:
        assert ours[:512] == ntfs_boot()
    assert [at for at in range(0, len(theirs), 512) if ours[at : at + 512] != theirs[at : at + 512]] == []


def test_metadata_and_kept_header_read_as_zeros() -> None:
    stream = opened(BitlockerImage().build(NOISE)).volumes[0].stream
    for place in PLACES:
        assert stream.read_at(place, 0x10000) == bytes(0x10000)
    assert stream.read_at(HEADER_PLACE, HEADER_SIZE) == bytes(HEADER_SIZE)
    assert stream.read_at(PLACES[2] + 0x10000, 512) != bytes(512)


def test_reads_of_any_place_and_length_agree() -> None:
    stream = opened(BitlockerImage().build(NOISE)).volumes[0].stream
    whole = stream.read_at(0, SIZE + 5)
    assert len(whole) == SIZE
    chooser = random.Random(3)
    for _ in range(200):
        offset, length = chooser.randrange(SIZE), chooser.choice((1, 15, 512, 4097, 70_000, 300_000))
        assert stream.read_at(offset, length) == whole[offset : offset + length]
    assert stream.read_at(SIZE, 1) == stream.read_at(-1, 4) == stream.read_at(0, 0) == b""


def test_beyond_the_encrypted_part_bytes_are_as_they_are() -> None:
    image = BitlockerImage(state=2, encrypted_size=0x20000).build(NOISE)
    layer = opened(image)
    assert layer.volumes[0].stream.read_at(0x20000, 0x20000) == image[0x20000:0x40000]
    assert layer.volumes[0].stream.read_at(0x1F000, 0x1000) != image[0x1F000:0x20000]
    assert any(problem.reason is Reason.MISMATCH for problem in layer.problems)


def test_decrypted_volume_needs_no_key() -> None:
    image = BitlockerImage(state=1, encrypted_size=0, protectors=(), guid=made.ON_WRITE).build(NOISE)
    layer = opened(image)
    assert layer.volumes[0].stream.read_at(0, HEADER_SIZE) == image[HEADER_PLACE : HEADER_PLACE + HEADER_SIZE]
    assert layer.volumes[0].stream.read_at(0x30000, 512) == image[0x30000 : 0x30000 + 512]
    assert layer.replaces


def test_encryption_on_write_that_is_under_way_is_named() -> None:
    with pytest.raises(UnsupportedFormatError, match="encrypt on write"):
        opened(BitlockerImage(state=2, guid=made.ON_WRITE).build(NOISE))


def test_vista_boot_sector_becomes_that_of_ntfs() -> None:
    image = BitlockerImage(method=0x8000, version=1).build(NOISE)
    head = opened(image).volumes[0].stream.read_at(0, 0x2000)
    assert head[3:11] == b"NTFS    " and head[56:64] == (0x3F).to_bytes(8, "little")
    assert head[512:] == image[512:0x2000]


def test_to_go_keeps_the_volume_below() -> None:
    layer = opened(BitlockerImage(to_go=True).build(NOISE))
    assert not layer.replaces
    assert layer.volumes[0].name == "bde1"


def test_no_key_wrong_key_right_key() -> None:
    salt = b"0123456789abcdef"
    words = "пароль-Ünï"
    begin = hashlib.sha256(hashlib.sha256(words.encode("utf-16-le")).digest()).digest()
    groups = struct.pack("<8H", *(int(group) // 11 for group in made.RECOVERY.split("-")))
    ways = (
        made.stretched_protector(0x2000, made.stretched(begin, salt), salt),
        made.stretched_protector(0x0800, made.stretched(hashlib.sha256(groups).digest(), salt), salt),
    )
    image = BitlockerImage(protectors=ways).build(NOISE)
    with pytest.raises(EncryptedVolumeError, match="no key was given; it opens with: password, recovery password"):
        opened(image)
    wrong = keychain("hunter2-wrong")
    with pytest.raises(EncryptedVolumeError, match="tried: password 1") as caught:
        opened(image, wrong)
    assert "hunter2" not in str(caught.value) + repr(caught.value) + str(caught.value.hint) + repr(wrong.attempts())
    right = keychain(words)
    whole = opened(image, right).volumes[0].stream.read_at(0, SIZE)
    assert [attempt.opened for attempt in right.attempts()] == [True]
    by_recovery = opened(image, keychain(recovery=(made.RECOVERY,))).volumes[0].stream.read_at(0, SIZE)
    assert whole == by_recovery
    again = pickle.loads(pickle.dumps(right))
    assert opened(image, again).volumes[0].stream.read_at(0, SIZE) == whole


def test_mistyped_recovery_key_is_told_without_repeating_it() -> None:
    way = made.stretched_protector(0x0800, b"k" * 32, b"s" * 16)
    with pytest.raises(EncryptedVolumeError) as caught:
        opened(BitlockerImage(protectors=(way,)).build(NOISE), keychain(recovery=(made.RECOVERY[:-1] + "9",)))
    assert "tried: recovery key 1" in str(caught.value) and "multiple of 11" in str(caught.value)
    assert "720885" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "known"),
    (
        (made.RECOVERY, True),
        (made.RECOVERY.replace("-", " "), True),
        (f"  {made.RECOVERY}\n", True),
        (made.RECOVERY.replace("-", ""), True),
        (made.RECOVERY[:-7], False),
        (made.RECOVERY + "-000011", False),
        (made.RECOVERY.replace("000011", "000012", 1), False),
        (made.RECOVERY.replace("720885", "720896"), False),
        ("", False),
    ),
)
def test_recovery_passwords(text: str, known: bool) -> None:
    found = bitlocker_keys.recovery_bytes(text.encode())
    assert (found == struct.pack("<8H", 1, 2, 3, 4, 65535, 6, 7, 8)) is known
    assert known or found == b""


def test_startup_key_files() -> None:
    image = BitlockerImage(protectors=(made.startup_protector(),)).build(NOISE)
    with pytest.raises(EncryptedVolumeError, match="tried: key file 1;"):
        opened(image, keychain(files=(made.startup_file(key=b"x" * 32),)))
    with pytest.raises(EncryptedVolumeError, match="no key of a kind that can fit"):
        opened(image, keychain(files=(b"no startup key at all", made.startup_file()[:60])))
    renamed = keychain(files=(b"junk", made.startup_file(identifier=b"other file name!")))
    assert opened(image, renamed).volumes
    assert opened(image, keychain(files=(made.startup_file(),))).volumes


def test_one_good_copy_of_the_metadata_is_enough() -> None:
    image = bytearray(BitlockerImage().build(NOISE))
    image[PLACES[0] : PLACES[0] + 512] = bytes(512)
    image[PLACES[1] + 100] ^= 0xFF
    layer = opened(bytes(image))
    assert layer.volumes[0].stream.read_at(HEADER_SIZE, 512)
    assert any("copies" in problem.message for problem in layer.problems)
    broken = opened(BitlockerImage(break_sums=True).build(NOISE))
    assert any("checksum" in problem.message for problem in broken.problems)


def test_image_that_is_cut_short() -> None:
    image = BitlockerImage().build(NOISE)[: SIZE - 0x10000]
    layer = opened(image)
    assert layer.problems[0].reason is Reason.TRUNCATED and layer.problems[0].bytes_not_examined == 0x10000
    assert layer.volumes[0].stream.size == len(image)
    with pytest.raises(CorruptStructureError, match="none of the copies"):
        opened(image[:0x30000])


def test_unreadable_sectors_cost_only_themselves() -> None:
    from triage.errors import ReadFailedError

    image = BitlockerImage().build(NOISE)
    whole = opened(image).volumes[0].stream.read_at(0, SIZE)

    class Bad(MemoryStream):
        def read_at(self, offset: int, length: int) -> bytes:
            if offset < 0x20200 and offset + length > 0x20000:
                raise ReadFailedError("bad sector", partial=image[offset : max(offset, 0x20000)])
            return super().read_at(offset, length)

    stream = bitlocker.open_layer(Bad(image), "a p1:/", Keychain(), ()).volumes[0].stream
    assert stream.read_at(0x20200, 100) == whole[0x20200 : 0x20200 + 100]
    assert stream.read_at(0x1FFF0, 16) == whole[0x1FFF0:0x20000]
    with pytest.raises(ReadFailedError) as caught:
        stream.read_at(0x1F001, 0x20000)
    assert caught.value.partial == whole[0x1F001:0x20000]


def test_unknown_cipher_is_named() -> None:
    image = BitlockerImage(method=0x8004).build(NOISE)
    stranger = BitlockerImage(method=0x8004, volume_key=bytes(16))
    with pytest.raises(UnsupportedFormatError, match="too short"):
        opened(stranger.build(NOISE))
    assert opened(image).details["cipher"] == "AES-XTS 128 bits"


def test_mutated_metadata_give_typed_errors_only() -> None:
    images = [
        BitlockerImage(protectors=(made.clear_protector(), made.startup_protector())).build(NOISE),
        BitlockerImage(method=0x8000, version=1).build(NOISE),
        BitlockerImage(state=1, encrypted_size=0).build(NOISE),
    ]
    chooser = random.Random(11)
    outcomes = set()
    for _ in range(1500):
        image = bytearray(chooser.choice(images))
        for _ in range(chooser.randrange(1, 6)):
            base = chooser.choice((0, *PLACES, *PLACES))
            at = base + chooser.randrange(512 if not base else 700)
            image[at] = chooser.choice((0, 0xFF, 0x7F, 0x80, image[at] ^ 1 << chooser.randrange(8)))
        stream = MemoryStream(bytes(image))
        try:
            if not bitlocker.detect(stream):
                continue
            layer = bitlocker.open_layer(stream, "a p1:/", keychain(files=(made.startup_file(),)), ())
            plain = layer.volumes[0].stream
            for offset in (0, HEADER_SIZE - 10, PLACES[0] - 5, plain.size - 100):
                plain.read_at(offset, 1000)
            assert plain.size <= SIZE
            outcomes.add("opened")
        except EvidenceError as error:
            outcomes.add(type(error).__name__)
    assert {"opened", "EncryptedVolumeError"} <= outcomes


def test_startup_key_from_disk(tmp_path: Path) -> None:
    from triage.evidence.keychain import load_keychain

    (tmp_path / "a.BEK").write_bytes(made.startup_file())
    image = BitlockerImage(protectors=(made.startup_protector(),)).build(NOISE)
    assert opened(image, load_keychain(key_files=[tmp_path / "a.BEK"])).volumes
