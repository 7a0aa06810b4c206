"""Encrypted members: archives that 7-Zip and Info-ZIP made, right and wrong passwords, damage."""

import base64

import pytest

from triage.errors import EncryptedVolumeError
from triage.evidence import open_evidence
from triage.evidence.containers.zip_crypt import AesSource, ZipCryptoSource
from triage.evidence.keychain import Keychain, Secret, SecretKind
from triage.model.entry import Entry, EntryType
from triage.model.stream import MemoryStream

TEXT = b"zzplanted behind a password, said twice: zzplanted\n"
ARCHIVES = {  # 7-Zip 16.02 with -mem=AES256, -mem=AES128 -mx=0 and -mem=ZipCrypto; Info-ZIP 3.0
    "aes": (
        "UEsDBDMAAQBjAMqqeF0AAAAATwAAADMAAAAFAAsAYS50eHQBmQcAAgBBRQMAAHy7rXz/BUp202CuWbbQKugQ0ytZzTtEoEpeghed"
        "UDSzWA6Rv2JVOO+C1ixVgSOxkNEsxAxT86X884BlzjnkVae5llZGKgAVo0DomqdJcXBQSwMEMwABAGMAyqp4XQAAAAAdAAAAAQAA"
        "AAEACwBiAZkHAAIAQUUDAAAMiX8i1GkpkyXUq6cMLoFfPr5D9SMvBXiUyFNT51BLAQI/AzMAAQBjAMqqeF0AAAAATwAAADMAAAAF"
        "AC8AAAAAAAAAIICkgQAAAABhLnR4dAoAIAAAAAAAAQAYAHZoMeNZfN0BAAAAAAAAAAAAAAAAAAAAAAGZBwACAEFFAwAAUEsBAj8D"
        "MwABAGMAyqp4XQAAAAAdAAAAAQAAAAEALwAAAAAAAAAggKSBfQAAAGIKACAAAAAAAAEAGAB2aDHjWXzdAQAAAAAAAAAAAAAAAAAA"
        "AAABmQcAAgBBRQMAAFBLBQYAAAAAAgACAMAAAADEAAAAAAA="
    ),
    "aes128": (
        "UEsDBDMAAQBjAMqqeF0AAAAARwAAADMAAAAFAAsAYS50eHQBmQcAAgBBRQEAAKp12mr3Wt42nddDTF05LL3N2eFX77UUX0vLVPvZ"
        "+NjfB+6OUXvj53u9Lwre3uY+MqPiv74ysNIINPf9Ml8oZYYrDfpkP6QlUEsBAj8DMwABAGMAyqp4XQAAAABHAAAAMwAAAAUALwAA"
        "AAAAAAAggKSBAAAAAGEudHh0CgAgAAAAAAABABgAdmgx41l83QEAAAAAAAAAAAAAAAAAAAAAAZkHAAIAQUUBAABQSwUGAAAAAAEA"
        "AQBiAAAAdQAAAAAA"
    ),
    "old": (
        "UEsDBBQACQAIAMqqeF3pN4lkOwAAADMAAAAFABwAYS50eHRVVAkAAwsABmsLAAZrdXgLAAEEAAAAAAQAAAAARj1OEV2/6l4NlHg/"
        "WfvXR31piAEYeznWAYA/97zx2EKPYEZf+bTh5ZoXgdCPkhio0s3Z+kg33ss+x2lQSwcI6TeJZDsAAAAzAAAAUEsDBAoACQAAAMqq"
        "eF2DFtyMDQAAAAEAAAABABwAYlVUCQADCwAGawsABmt1eAsAAQQAAAAABAAAAADlTTfY+qRzptQnEAG3UEsHCIMW3IwNAAAAAQAA"
        "AFBLAQIeAxQACQAIAMqqeF3pN4lkOwAAADMAAAAFABgAAAAAAAEAAACkgQAAAABhLnR4dFVUBQADCwAGa3V4CwABBAAAAAAEAAAA"
        "AFBLAQIeAwoACQAAAMqqeF2DFtyMDQAAAAEAAAABABgAAAAAAAEAAACkgYoAAABiVVQFAAMLAAZrdXgLAAEEAAAAAAQAAAAAUEsF"
        "BgAAAAACAAIAkgAAAOIAAAAAAA=="
    ),
    "old7": (
        "UEsDBBQAAQAAAMqqeF3pN4lkPwAAADMAAAAFAAAAYS50eHRl04uJHkQjjZqnHqWZzCXbNJSH0JCE8cd4ZO/urewUuNZ5nNRNXYpI"
        "8HkQwrZi5WGK6FqclVBSyMBpL1dpuGJQSwECPwMUAAEAAADKqnhd6TeJZD8AAAAzAAAABQAkAAAAAAAAACCApIEAAAAAYS50eHQK"
        "ACAAAAAAAAEAGAB2aDHjWXzdAQAAAAAAAAAAAAAAAAAAAABQSwUGAAAAAAEAAQBXAAAAYgAAAAAA"
    ),
}


def secrets(*words):
    return Keychain(tuple(Secret(SecretKind.PASSWORD, n, word) for n, word in enumerate(words, 1)))


def contents(tmp_path, data, keychain):
    """Contents by name; None where a member stays closed."""
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    found = {}
    with open_evidence([path], keychain=keychain) as evidence:
        file_system = evidence.file_system("p1")
        for entry in file_system.walk():
            if isinstance(entry, Entry) and entry.entry_type is EntryType.FILE:
                try:
                    found[entry.address.path] = file_system.read_whole(entry, 1 << 20)
                except EncryptedVolumeError as error:
                    assert "--password" in (error.hint or "")
                    found[entry.address.path] = None
    return found


def archive(name):
    return base64.b64decode(ARCHIVES[name])


@pytest.mark.parametrize("name", sorted(ARCHIVES))
def test_the_right_password_opens_every_member(tmp_path, name):
    keychain = secrets(b"wrong", b"secret", b"other")
    found = contents(tmp_path, archive(name), keychain)
    expected = {"old": {b"/a.txt": TEXT, b"/b": b"x"}, "aes": {b"/a.txt": TEXT, b"/b": b"x"}}
    assert found == expected.get(name, {b"/a.txt": TEXT})
    attempts = keychain.attempts()
    assert [attempt.opened for attempt in attempts].count(True) == 1
    assert all(attempt.method.startswith("ZIP, ") and "secret" not in attempt.secret for attempt in attempts)


@pytest.mark.parametrize("name", sorted(ARCHIVES))
def test_without_it_every_member_stays_closed_and_is_named(tmp_path, name):
    assert set(contents(tmp_path, archive(name), Keychain()).values()) == {None}
    assert set(contents(tmp_path, archive(name), secrets(b"", b"Secret", "секрет".encode())).values()) == {None}


@pytest.mark.parametrize("name", ["old", "old7"])
def test_a_password_that_passes_the_check_of_one_byte_is_not_taken(tmp_path, name):
    """One in 256 does; whoever believes it reads noise as content."""
    words = [b"wrong %d" % number for number in range(1500)]
    assert set(contents(tmp_path, archive(name), secrets(*words)).values()) == {None}
    found = contents(tmp_path, archive(name), secrets(*words, b"secret"))
    assert TEXT in found.values()


@pytest.mark.parametrize("name", sorted(ARCHIVES))
def test_damage_ends_in_no_content_or_in_an_error(tmp_path, name):
    from triage.errors import EvidenceError

    data = archive(name)
    for at in range(0, len(data), 3):
        changed = bytearray(data)
        changed[at] ^= 0xFF
        try:
            found = contents(tmp_path, bytes(changed), secrets(b"secret"))
        except EvidenceError:
            continue
        assert len(found) <= 4


def test_bytes_are_the_same_however_they_are_read():
    """The old cipher goes one way only; going back begins anew."""
    data = bytes(range(256)) * 40
    old = ZipCryptoSource(MemoryStream(data), 7, 9000, b"secret")
    whole = old.read_at(19, 9000)
    assert len(whole) == 9000 - 19
    assert old.read_at(500, 100) == whole[481:581]
    assert old.read_at(8999, 100) == whole[-1:]
    assert old.read_at(9000, 100) == b""
    aes = AesSource(MemoryStream(data), 7, 9000, bytes(32))
    whole = aes.read_at(7, 9000)
    assert len(whole) == 8993
    for at, length in ((7, 1), (22, 3), (23, 16), (100, 1000), (8999, 9), (9000, 1), (6, 10)):
        expected = whole[at - 7 : at - 7 + length] if at >= 7 else b""
        assert aes.read_at(at, length) == expected
