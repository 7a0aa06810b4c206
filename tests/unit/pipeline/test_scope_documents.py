"""What a decoder opens although it is one document is in scope or withheld as a whole; stores are opened for their mails."""

from __future__ import annotations

import pytest

from triage.content.decoders import DECODERS, DOCUMENT_MIMES
from triage.pipeline.scoped_facts import ARCHIVES

ONE_DOCUMENT = (
    "application/pdf",
    "message/rfc822",
    "application/msword",
    "application/vnd.ms-outlook",
    "application/x-bplist",
)


@pytest.mark.parametrize("mime", ONE_DOCUMENT)
def test_documents_are_no_archives(mime: str) -> None:
    assert mime in DOCUMENT_MIMES and mime not in ARCHIVES


@pytest.mark.parametrize("mime", ["application/mbox", "application/vnd.ms-outlook-pst", "application/zip"])
def test_stores_are_no_documents(mime: str) -> None:
    assert mime not in DOCUMENT_MIMES


def test_every_document_is_opened_by_its_decoder() -> None:
    assert all(mime in unit.mimes for unit in DECODERS for mime in unit.documents)
    assert len(DOCUMENT_MIMES) == len(set(DOCUMENT_MIMES))
