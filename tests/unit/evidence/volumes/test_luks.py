"""LUKS volumes: made byte by byte, and by cryptsetup and qemu-img where these are there."""

from __future__ import annotations

import pickle
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.luks_image import AREA, LuksImage, encrypt
from triage.errors import CorruptStructureError, EncryptedVolumeError, EvidenceError, UnsupportedFormatError
from triage.evidence.keychain import Keychain, Secret, SecretKind, load_keychain
from triage.evidence.volumes import luks, luks_unlock, veracrypt
from triage.evidence.volumes.luks2 import read_luks2
from triage.model.problem import Reason
from triage.model.stream import MemoryStream

DATA = random.Random(5).randbytes(300 << 10)
GOOD = ("correct horse",)


def opened(image: bytes, keys: Keychain | None = None):
    stream = MemoryStream(image)
    assert luks.detect(stream)
    return luks.open_layer(stream, "a p1:/", load_keychain(GOOD) if keys is None else keys, ())


def plain(image: bytes, keys: Keychain | None = None) -> bytes:
    stream = opened(image, keys).volumes[0].stream
    assert stream is not None
    return stream.read_at(0, stream.size)


@pytest.mark.parametrize("version", (1, 2))
@pytest.mark.parametrize(
    ("spec", "length"),
    (
        *((f"aes-xts-{name}", size) for name in ("plain", "plain64", "essiv:sha256") for size in (32, 64)),
        *((f"aes-cbc-{name}", 32) for name in ("plain", "plain64", "plain64be", "benbi", "null", "essiv:sha256")),
        *(("aes-cbc-essiv:sha256", 16), ("aes-cbc-essiv:md5", 16), ("aes-cbc-plain64", 24), ("aes-ecb", 16)),
    ),
)
def test_every_cipher(version: int, spec: str, length: int) -> None:
    image = LuksImage(version, spec, key=bytes(range(100, 100 + length))).build(DATA)
    assert plain(image) == DATA


@pytest.mark.parametrize("spec", ("aes-xts-plain64", "aes-cbc-essiv:sha256"))
@pytest.mark.parametrize("sector_size", (512, 1024, 2048, 4096))
def test_every_sector_size(spec: str, sector_size: int) -> None:
    key = bytes(range(64 if "xts" in spec else 32))
    made = LuksImage(2, spec, key=key, sector_size=sector_size, iv_tweak=(1 << 32) - 8)
    assert plain(made.build(DATA)) == DATA


@pytest.mark.parametrize("name", ("sha1", "sha256", "sha512", "ripemd160"))
def test_every_hash_of_version_1(name: str) -> None:
    assert plain(LuksImage(1, name=name).build(DATA)) == DATA


@pytest.mark.parametrize("kind", ("argon2i", "argon2id"))
def test_argon2(kind: str) -> None:
    kdf = {"type": kind, "time": 4, "memory": 256, "cpus": 3}
    assert plain(LuksImage(kdf=kdf).build(DATA)) == DATA


@pytest.mark.parametrize("version", (1, 2))
def test_no_key_wrong_key_right_key(version: int) -> None:
    image = LuksImage(version).build(DATA)
    with pytest.raises(EncryptedVolumeError, match=rf"LUKS{version} .* no key was given"):
        opened(image, Keychain())
    wrong = load_keychain(["hunter2", "hunter3"])
    with pytest.raises(EncryptedVolumeError, match="tried: password 1, password 2") as caught:
        opened(image, wrong)
    told = f"{caught.value!r} {caught.value} {caught.value.hint} {wrong!r} {wrong.attempts()!r} {wrong.secrets!r}"
    assert "hunter" not in told and "password 2" in told
    right = load_keychain(["hunter2", *GOOD])
    assert plain(image, right) == DATA
    assert [(attempt.secret, attempt.opened) for attempt in right.attempts()] == [
        ("password 1", False),
        ("password 2", True),
    ]


def test_nothing_is_derived_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    image = LuksImage().build(DATA)
    good, bad = load_keychain(GOOD), load_keychain(["wrong"])
    assert plain(image, good) == DATA
    with pytest.raises(EncryptedVolumeError) as first:
        opened(image, bad)
    monkeypatch.setattr(luks_unlock, "pbkdf2", lambda *_: pytest.fail("derived again"))
    assert plain(image, pickle.loads(pickle.dumps(good))) == DATA
    with pytest.raises(EncryptedVolumeError) as second:
        opened(image, pickle.loads(pickle.dumps(bad)))
    assert str(first.value) == str(second.value)
    other = LuksImage(label="another").build(DATA)
    with pytest.raises(pytest.fail.Exception):
        opened(other, pickle.loads(pickle.dumps(good)))


def test_volume_key_as_key_file_and_key_file_as_password() -> None:
    image = LuksImage(password=b"\x00\xffbinary\n").build(DATA)
    for value in (bytes(range(64)), b"\x00\xffbinary\n"):
        assert plain(image, Keychain((Secret(SecretKind.KEY_FILE, 1, value),))) == DATA


@pytest.mark.parametrize("version", (1, 2))
def test_detached_header_is_a_key_file(version: int) -> None:
    made = LuksImage(version, detached=True)
    data = MemoryStream(made.encrypted(DATA))
    header = Secret(SecretKind.KEY_FILE, 1, made.header())
    password = Secret(SecretKind.PASSWORD, 1, made.password)
    assert not luks.detect(data) and veracrypt.detect(data)
    layer = veracrypt.open_layer(data, "a p1:/", Keychain((header, password)), ())
    assert layer.name == "luks" and layer.volumes[0].stream.read_at(0, len(DATA)) == DATA


def test_second_header_where_the_first_is_lost() -> None:
    image = bytearray(LuksImage().build(DATA))
    image[100] ^= 1
    layer = opened(bytes(image))
    assert layer.volumes[0].stream.read_at(0, 100) == DATA[:100]
    assert any("second one is used" in problem.message for problem in layer.problems)
    image[:0x4000] = bytes(0x4000)
    assert plain(bytes(image)) == DATA
    image[0x4200] ^= 1
    assert not luks.detect(MemoryStream(bytes(image)))


def test_second_header_does_not_hide_a_file_system_made_later() -> None:
    image = bytearray(LuksImage().build(DATA))
    image[:0x4000] = bytes(0x4000)
    image[1080:1082] = b"\x53\xef"
    assert not luks.detect(MemoryStream(bytes(image)))


def test_header_with_wrong_checksum_is_used_and_told() -> None:
    image = bytearray(LuksImage().build(DATA))
    image[24] ^= 1
    image[0x4000 + 24] ^= 1
    layer = opened(bytes(image))
    assert layer.volumes[0].stream.read_at(0, 512) == DATA[:512]
    assert any("checksum" in problem.message for problem in layer.problems)


@pytest.mark.parametrize(
    ("changes", "words"),
    (
        ({"segment": {"integrity": {"type": "hmac(sha256)"}}}, "integrity"),
        ({"config": {"requirements": {"mandatory": ["online-reencrypt-v2"]}}}, "reencryption"),
        ({"segment": {"flags": ["in-reencryption"]}}, "reencryption"),
        ({"segment": {"type": "hw-opal"}}, "OPAL"),
        ({"segment": {"type": "linear"}}, "not of a known kind"),
        ({"config": {"requirements": {"mandatory": ["from-the-future"]}}}, "from-the-future"),
        ({"segment": {"encryption": "serpent-xts-plain64"}}, "cipher not read by this version: serpent-xts-plain64"),
        ({"segment": {"encryption": "twofish-cbc-plain"}}, "cipher not read by this version: twofish"),
        ({"segment": {"encryption": "aes-lrw-benbi"}}, "mode of the cipher"),
        ({"segment": {"encryption": "aes-xts-lmk"}}, "start value"),
    ),
)
def test_what_is_not_read_is_named(changes: dict, words: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=re.escape(words)):
        opened(LuksImage(**changes).build(DATA))


@pytest.mark.parametrize(
    ("kdf", "words"),
    (
        ({"type": "argon2id", "time": 4, "memory": 1 << 30, "cpus": 4}, "more than 4194304 KiB"),
        ({"type": "argon2id", "time": 4000000, "memory": 1 << 20, "cpus": 4}, "more than 60 s"),
        ({"type": "argon2id", "time": 4, "memory": 1024, "cpus": 1 << 20}, "impossible"),
        ({"type": "pbkdf2", "hash": "sha256", "iterations": (1 << 32) - 1}, "more than 60 s"),
        ({"type": "pbkdf2", "hash": "whirlpool", "iterations": 1000}, "hash not read by this version: whirlpool"),
        ({"type": "scrypt", "time": 4, "memory": 1024, "cpus": 1}, "scrypt"),
    ),
)
def test_costs_beyond_the_limits_are_refused_and_told(kdf: dict, words: str) -> None:
    made = LuksImage(kdf=kdf)
    made.derived = lambda: bytes(range(64))  # type: ignore[method-assign]
    with pytest.raises(EncryptedVolumeError, match=re.escape(words)):
        opened(made.build(DATA))


def test_many_costly_slots_share_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    made = LuksImage(kdf={"type": "pbkdf2", "hash": "sha256", "iterations": 25_000_000})
    made.derived = lambda: bytes(range(64))  # type: ignore[method-assign]
    table = made.table()
    table["keyslots"] = {str(number): table["keyslots"]["0"] for number in range(32)}
    table["digests"]["0"]["keyslots"] = [str(number) for number in range(32)]
    made.table = lambda: table  # type: ignore[method-assign]
    made_calls = []
    monkeypatch.setattr(
        "triage.evidence.volumes.key_derivation.hashlib.pbkdf2_hmac",
        lambda *arguments: made_calls.append(arguments[3]) or bytes(arguments[4]),
    )
    with pytest.raises(EncryptedVolumeError, match="together with those before"):
        opened(made.build(DATA))
    assert sum(count > 1000 for count in made_calls) == 2


def test_null_cipher_needs_no_key() -> None:
    made = LuksImage(segment={"encryption": "cipher_null-ecb"})
    made.encrypted = lambda data: data  # type: ignore[method-assign]
    assert plain(made.build(DATA), Keychain()) == DATA


def test_tokens_are_told() -> None:
    image = LuksImage(tokens={"0": {"type": "systemd-tpm2", "keyslots": ["0"]}}).build(DATA)
    with pytest.raises(EncryptedVolumeError, match="systemd-tpm2"):
        opened(image, Keychain())


def test_data_that_are_not_all_there() -> None:
    image = LuksImage(segment={"size": str(1 << 40)}).build(DATA)
    layer = opened(image)
    assert layer.volumes[0].stream.size == len(DATA)
    assert layer.problems[0].reason is Reason.TRUNCATED
    with pytest.raises(CorruptStructureError, match="only the header"):
        opened(image[:0x10000])
    assert len(plain(image[:-100])) == len(DATA) - 512


def test_priorities_of_slots() -> None:
    made = LuksImage()
    table = made.table()
    slot = table["keyslots"]["0"]
    table["keyslots"] = {"0": {**slot, "priority": 0}, "1": slot, "2": {**slot, "priority": 2}}
    table["digests"]["0"]["keyslots"] = ["0", "1", "2"]
    made.table = lambda: table  # type: ignore[method-assign]
    header = read_luks2(MemoryStream(made.build(DATA)))
    assert [item.number for item in header.slots] == [2, 1, 0]


def test_json_of_any_shape_gives_typed_errors_only() -> None:
    chooser = random.Random(1)
    values = (None, True, -1, 0, 1 << 70, "9" * 30, "x", [], {}, ["0"], {"0": {}}, 1.5, "dynamic", "aes-xts-plain64")
    outcomes = set()

    def places(item, found):
        if isinstance(item, dict):
            for name in item:
                found.append((item, name))
                places(item[name], found)
        return found

    for _ in range(1200):
        made = LuksImage()
        table = made.table()
        for _ in range(chooser.randrange(1, 3)):
            item, name = chooser.choice(places(table, []))
            item[name] = chooser.choice(values)
        made.table = lambda table=table: table  # type: ignore[method-assign]
        try:
            stream = opened(made.header().ljust(0x10000, b"\0") + DATA[:4096]).volumes[0].stream
            stream.read_at(0, 5000)
            outcomes.add("opened")
        except EvidenceError as error:
            outcomes.add(type(error).__name__)
    assert {"opened", "CorruptStructureError", "UnsupportedFormatError", "EncryptedVolumeError"} <= outcomes


@pytest.mark.parametrize("version", (1, 2))
def test_mutated_headers_give_typed_errors_only(version: int) -> None:
    image = LuksImage(version).build(DATA[:8192])
    chooser = random.Random(2)
    outcomes = set()
    for _ in range(800):
        bad = bytearray(image)
        for _ in range(chooser.randrange(1, 5)):
            limit = chooser.choice((600, 4096 + 1500, AREA + 512))
            at = chooser.randrange(8, limit)
            bad[at] = chooser.choice((0, 0xFF, 0x30, bad[at] ^ 1 << chooser.randrange(8)))
        if version == 2:
            bad[0x4000:0x8000] = bytes(0x4000)
        bad = bad[: chooser.choice((len(bad), len(bad), AREA + 100, 592, 4096))]
        try:
            layer = opened(bytes(bad), load_keychain(["wrong", *GOOD]))
            layer.volumes[0].stream.read_at(0, 9000)
            outcomes.add("opened")
        except EvidenceError as error:
            outcomes.add(type(error).__name__)
    assert len(outcomes) >= 3


def run(*words: str, given: bytes = b"") -> bytes:
    return subprocess.run(words, input=given, capture_output=True, check=True, timeout=60).stdout


needs_cryptsetup = pytest.mark.skipif(not shutil.which("cryptsetup"), reason="cryptsetup is not installed")


@needs_cryptsetup
@pytest.mark.parametrize(
    ("version", "options"),
    (
        ("luks1", ("--cipher=aes-xts-plain64", "--key-size=256", "--hash=sha1")),
        ("luks1", ("--cipher=aes-xts-plain64", "--key-size=512", "--hash=sha512")),
        ("luks2", ("--cipher=aes-xts-plain64", "--key-size=256", "--pbkdf=argon2i")),
        ("luks2", ("--cipher=aes-xts-plain64", "--key-size=512", "--pbkdf=argon2id", "--sector-size=4096")),
        ("luks2", ("--cipher=aes-xts-plain64", "--key-size=512", "--pbkdf=pbkdf2", "--hash=sha512")),
        ("luks2", ("--cipher=aes-cbc-essiv:sha256", "--key-size=256", "--pbkdf=pbkdf2", "--sector-size=1024")),
        ("luks2", ("--cipher=aes-xts-plain64", "--pbkdf=argon2id", "--luks2-metadata-size=128k")),
    ),
)
def test_headers_of_cryptsetup(tmp_path: Path, version: str, options: tuple[str, ...]) -> None:
    """The key must be that of cryptsetup; data are encrypted with it here, as there is no device mapper in tests."""
    image = tmp_path / "volume.img"
    image.write_bytes(b"")
    with image.open("r+b") as file:
        file.truncate(32 << 20)
    costs = ["--pbkdf-force-iterations=1000"]
    if any("argon2" in option for option in options):
        costs = ["--pbkdf-force-iterations=4", "--pbkdf-memory=1024", "--pbkdf-parallel=2"]
    try:
        run("cryptsetup", "luksFormat", "-q", "--type", version, *options, *costs, str(image), "-", given=b"wort")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"cryptsetup does not make it here: {error.stderr[-200:]!r}")
    dump = ("--dump-volume-key", "--volume-key-file", str(tmp_path / "key"), "--key-file", "-")
    run("cryptsetup", "luksDump", "-q", *dump, str(image), given=b"wort")
    key = (tmp_path / "key").read_bytes()
    spec = next(option for option in options if "cipher" in option).partition("=")[2]
    sector_size = next((int(option.partition("=")[2]) for option in options if "sector-size" in option), 512)
    text = run("cryptsetup", "luksDump", str(image)).decode()
    found = re.search(r"offset: (\d+) \[bytes\]", text) or re.search(r"Payload offset:\s*(\d+)", text)
    assert found
    offset = int(found[1]) * (1 if version == "luks2" else 512)
    if version == "luks2":
        stated = re.search(r"sector: (\d+) \[bytes\]", text)
        assert stated
        sector_size = int(stated[1])
    whole = bytearray(image.read_bytes())
    whole[offset : offset + len(DATA)] = encrypt(spec, key, DATA, sector_size)
    layer = opened(bytes(whole), load_keychain(["wort"]))
    assert layer.volumes[0].stream.size == len(whole) - offset
    assert layer.volumes[0].stream.read_at(0, len(DATA)) == DATA
    with pytest.raises(EncryptedVolumeError):
        opened(bytes(whole), load_keychain(["Wort"]))


@pytest.mark.skipif(not shutil.which("qemu-img"), reason="qemu-img is not installed")
@pytest.mark.parametrize(
    "options",
    (
        "cipher-alg=aes-256,cipher-mode=xts,ivgen-alg=plain64,hash-alg=sha256",
        "cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha1",
        "cipher-alg=aes-256,cipher-mode=cbc,ivgen-alg=plain,hash-alg=sha512",
        "cipher-alg=aes-192,cipher-mode=cbc,ivgen-alg=plain64,hash-alg=sha256",
        "cipher-alg=aes-128,cipher-mode=xts,ivgen-alg=plain,hash-alg=ripemd160",
        "cipher-alg=serpent-256,cipher-mode=xts,ivgen-alg=plain64,hash-alg=sha256",
    ),
)
def test_volumes_of_qemu(tmp_path: Path, options: str) -> None:
    source, image = tmp_path / "plain.raw", tmp_path / "volume.luks"
    source.write_bytes(DATA)
    (tmp_path / "word").write_bytes(b"wort")
    secret = ("--object", f"secret,id=word,file={tmp_path / 'word'}")
    settings = f"key-secret=word,iter-time=200,{options}"
    try:
        run("qemu-img", "convert", *secret, "-f", "raw", "-O", "luks", "-o", settings, str(source), str(image))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"qemu-img does not make it here: {error.stderr[-200:]!r}")
    if "serpent" in options:
        with pytest.raises(UnsupportedFormatError, match="serpent"):
            opened(image.read_bytes(), load_keychain(["wort"]))
        return
    assert plain(image.read_bytes(), load_keychain(["wort"]))[: len(DATA)] == DATA
