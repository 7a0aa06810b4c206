"""Media types and names give the class that decides how a hit is read."""

import pytest

from tests.support.units import make_unit
from triage.content import kinds
from triage.ranking.content_class import class_of_type, content_class, is_packed


@pytest.mark.parametrize(
    ("mime", "expected"),
    [
        ("text/plain; charset=utf-8", "text"),
        ("TEXT/HTML", "text"),
        ("application/json", "text"),
        ("image/svg+xml", "text"),
        ("text/x-python", "source"),
        ("application/javascript", "source"),
        ("message/rfc822", "mail"),
        ("application/vnd.ms-outlook-pst", "mail"),
        ("application/vnd.sqlite3", "database"),
        ("application/x-sqlite-wal", "database"),
        ("application/pdf", "document"),
        ("application/vnd.ms-excel", "document"),
        ("application/x-gettext-translation", "translation"),
        ("application/vnd.microsoft.portable-executable", "executable"),
        ("application/x-pie-executable", "executable"),
        ("application/vnd.android.package-archive", "executable"),
        ("font/ttf", "font"),
        ("application/vnd.ms-opentype", "font"),
        ("image/jpeg", "media"),
        ("application/vnd.rn-realmedia", "media"),
        ("application/zip", "archive"),
        ("application/vnd.ms-cab-compressed", "archive"),
        ("application/x-luks", "archive"),
        ("application/octet-stream", "opaque"),
        ("application/x-ms-evtx", "opaque"),
        ("", "opaque"),
    ],
)
def test_class_of_type(mime: str, expected: str) -> None:
    assert class_of_type(mime) == expected


def test_every_type_that_identification_knows_has_the_class_of_its_group() -> None:
    expected = {
        "font": {"font"},
        "media": {"media", "executable"},
        "database": {"database"},
        "mail": {"mail"},
        "crypto": {"archive"},
    }
    for kind in kinds.KINDS.values():
        if kind.group in expected:
            assert class_of_type(kind.mime) in expected[kind.group], kind.key


def test_source_code_is_told_by_its_name_where_the_type_is_plain() -> None:
    assert content_class(make_unit("/home/u/a.py", [])) == "source"
    assert content_class(make_unit("/home/u/a.txt", [])) == "text"
    assert content_class(make_unit("/home/u/a.py", [], mime="image/png")) == "media"


def test_documents_and_space() -> None:
    assert content_class(make_unit("/a.docx", [], kind="document", mime="application/zip")) == "document"
    assert content_class(make_unit("", [], space="unallocated", mime="image/jpeg")) == "opaque"
    assert is_packed("application/pdf")
    assert not is_packed("application/msword")
