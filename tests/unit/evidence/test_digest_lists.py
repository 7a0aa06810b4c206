"""Digests as people and programs write them down."""

import hashlib

import pytest

from triage.errors import UnsupportedFormatError
from triage.evidence.digest_lists import digests_beside, parse_digest, parse_digests, read_digest_file

DATA = b"media"
MD5, SHA1, SHA256, SHA512 = (hashlib.new(name, DATA).hexdigest() for name in ("md5", "sha1", "sha256", "sha512"))


def found(text, source="list"):
    data = text if isinstance(text, bytes) else text.encode()
    return [(entry.algorithm, entry.value, entry.file) for entry in parse_digests(data, source)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{MD5}  laptop.dd\n", [("md5", MD5, "laptop.dd")]),
        (f"{MD5} *folder/laptop.dd\r\n", [("md5", MD5, "laptop.dd")]),
        (f"{SHA256.upper()}  C:\\images\\laptop.dd\n", [("sha256", SHA256, "laptop.dd")]),
        (f"\\{MD5}  two\\nlines\n", [("md5", MD5, "two\nlines")]),
        (f"SHA256 (laptop.dd) = {SHA256}\n", [("sha256", SHA256, "laptop.dd")]),
        (f"SHA2-256(laptop.dd)= {SHA256}\n", [("sha256", SHA256, "laptop.dd")]),
        (f"MD5 (laptop.dd) = {SHA256}\n", []),
        (f"{MD5}\n", [("md5", MD5, "")]),
        (f" MD5 checksum:    {MD5}\n SHA1 checksum:   {SHA1}\n", [("md5", MD5, ""), ("sha1", SHA1, "")]),
        (f" MD5 checksum:    {MD5} : verified\n", [("md5", MD5, "")]),
        (f"Total (md5): {MD5}\n0 - 1048576: {MD5}\n", [("md5", MD5, "")]),
        (f"MD5 hash                   : {MD5}\nSHA-256 hash : {SHA256}\n", [("md5", MD5, ""), ("sha256", SHA256, "")]),
        (f"MD5 hash calculated over data:\t\t{MD5}\n", [("md5", MD5, "")]),
        (f"   {MD5} (md5)\n   {SHA512} (sha512)\n", [("md5", MD5, ""), ("sha512", SHA512, "")]),
        (f"   {MD5} (md5), sectors 0 - 1000\n", []),
        (f"header md5: {MD5}\nMD5 chunk 3: {MD5}\n", [("md5", MD5, "")]),
        (f"%%%% HASHDEEP-1.0\n%%%% size,md5,sha256,filename\n## x\n5,{MD5},{SHA256},/a/b,c.dd\n",
         [("md5", MD5, "b,c.dd"), ("sha256", SHA256, "b,c.dd")]),
        (f"md5: {SHA1}\n", []),
        ("", []),
        ("nothing here: 12345\n", []),
        (b"\x00\xff" * 500, []),
        (f" MD5 checksum:    {MD5}\r\n".encode("utf-16"), [("md5", MD5, "")]),
        ("x" * 10_000 + f" md5: {MD5}\n", []),
    ],
)  # fmt: skip
def test_lists_and_reports(text, expected):
    assert sorted(found(text)) == sorted(expected)


def test_a_list_without_end_is_cut(monkeypatch):
    from triage.evidence import digest_lists

    monkeypatch.setattr(digest_lists, "MAX_DIGESTS", 10)
    assert len(found(f"{MD5}  a\n" * 100)) == 10


@pytest.mark.parametrize("text", [MD5, MD5.upper(), " ".join(MD5[at : at + 4] for at in range(0, 32, 4)) + "\n"])
def test_a_typed_digest(text):
    entry = parse_digest(text, "--digest")
    assert (entry.algorithm, entry.value, entry.file) == ("md5", MD5, "")


@pytest.mark.parametrize(("text", "algorithm"), [("", ""), ("12", ""), ("g" * 32, ""), (MD5, "sha1"), (SHA1 + "0", "")])
def test_what_is_no_digest(text, algorithm):
    with pytest.raises(UnsupportedFormatError):
        parse_digest(text, "--digest", algorithm)


def test_a_file_without_a_digest_is_refused(tmp_path):
    path = tmp_path / "list"
    path.write_text("no digest\n")
    with pytest.raises(UnsupportedFormatError):
        read_digest_file(path)


def test_reports_beside_an_image(tmp_path):
    for name, text in [("d.dd.txt", f" MD5 checksum: {MD5}\n"), ("d.sha1", f"{SHA1}  d.dd\n"), ("d.log", "chat log\n")]:
        (tmp_path / name).write_text(text)
    (tmp_path / "d.md5").mkdir()
    entries = digests_beside(tmp_path / "d.dd")
    assert [(entry.algorithm, entry.source, entry.file) for entry in entries] == [
        ("md5", "d.dd.txt", ""),
        ("sha1", "d.sha1", "d.dd"),
    ]
