"""Strings and deleted pictures of the DFTT images, against what their author states."""

import hashlib
from pathlib import Path

import pytest

from tests.support.corpus_media import corpus_images, unpack
from triage.content.recovery import carve
from triage.evidence.opener import open_evidence
from triage.evidence.space import free_stream, open_space, owned_length, space_entries, space_runs
from triage.model.entry import Entry

pytestmark = pytest.mark.skipif(not corpus_images(), reason="needs the corpus; name its folder in TRIAGE_CORPUS")


def image(name: str, scratch: Path) -> Path:
    return unpack(next(one for one in corpus_images() if name in one["image"]), scratch)


def test_dftt_2_strings_in_free_space_and_slack(tmp_path: Path) -> None:
    """Sector and offset of the author's table. Words across the border of two owners belong to neither."""
    wanted = {b"3cross3": (283, 508), b"3slack3": (277, 385), b"deleted": (276, 230)}
    with open_evidence([image("dftt-2-kwsrch", tmp_path)]) as evidence:
        (volume,) = evidence.volumes
        system = evidence.file_system("p1")
        places: dict[bytes, list[tuple[int, int]]] = {}
        for entry in space_entries(system, evidence.media, volume, "x", files=system.walk()):
            assert isinstance(entry, Entry)
            data = open_space(system, evidence.media, volume, entry.address, entry).read_at(0, entry.size)
            for word in wanted:
                at = data.find(word)
                if 0 <= at < owned_length(entry):
                    runs = space_runs(system, evidence.media, volume, entry.address, entry)
                    run = next(one for one in runs if one.file_offset <= at < one.file_offset + one.length)
                    places.setdefault(word, []).append(divmod(run.image_offset + at - run.file_offset, 512))
    assert places == {word: [place] for word, place in wanted.items()}


def test_dftt_8_deleted_pictures_are_carved(tmp_path: Path) -> None:
    """file6.jpg and file7.hmm, deleted; nothing of the false headers in other files."""
    with open_evidence([image("dftt-8-jpeg", tmp_path)]) as evidence:
        (volume,) = evidence.volumes
        stream = free_stream(evidence.file_system("p1"), evidence.media, volume)
        digests = {
            hashlib.md5(stream.read_at(one.offset, one.length)).hexdigest()
            for one in carve(stream)
            if one.extension == "jpg" and one.complete
        }
    assert digests == {"afd55222024a4e22f7f5a3a665320763", "0c452c5800fcfa7c66027ae89c4f068a"}
