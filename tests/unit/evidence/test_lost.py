"""Which bytes of an entry are lost: by its runs, inside layers by what was met, in slack and in free space."""

from tests.support.ewf_writer import EwfWriter
from tests.support.fat_image import fat_image
from tests.support.luks_image import LuksImage
from triage.evidence import open_evidence
from triage.evidence.keychain import Keychain, Secret, SecretKind
from triage.evidence.lost import LostRange, blanked, lost_problem
from triage.model.entry import Entry
from triage.pipeline.entry_reading import read_entry

PASSWORD = b"correct horse"
FILES = {"a.txt": b"a" * 5000, "b.txt": b"b" * 300_000, "c.txt": b"c" * 5000}


def problems_of(tmp_path, media, volume, bad_sector, keychain=None):
    """Problems and contents by path, of every file of a volume whose image has one lost sector."""
    paths = EwfWriter(media, sectors_per_chunk=8, errors=((bad_sector, 1),)).write(tmp_path)
    found = {}
    with open_evidence(paths, keychain=keychain) as evidence:
        reader = evidence.reader(volume)
        for entry in reader.file_system.walk():
            if isinstance(entry, Entry) and entry.address.path.endswith(b".txt"):
                found[entry.address.path] = read_entry(entry, reader, str(entry.address), 1 << 30)
    return found


def test_only_the_file_that_lies_there_is_told(tmp_path):
    media = fat_image(FILES)
    media = media[: len(media) // 4096 * 4096]
    sector = media.index(b"b" * 100) // 512 + 3
    found = problems_of(tmp_path, media, "p1", sector)
    (problem,) = found[b"/b.txt"][1]
    assert problem.bytes_not_examined == 512
    assert found[b"/a.txt"][1] == found[b"/c.txt"][1] == []
    data = found[b"/b.txt"][0]
    assert bytes(data).count(b"b") == len(FILES["b.txt"]) - 512, "what an imaging tool put there is no content"


def test_inside_a_layer_it_is_what_was_met(tmp_path):
    """No place in the image is known there; the file is told all the same, and those far away are not."""
    plain = fat_image(FILES)
    made = LuksImage(2, password=PASSWORD)
    media = made.build(plain[: len(plain) // 4096 * 4096])
    sector = (made.offset + plain.index(b"b" * 100) + 150_000) // 512
    keychain = Keychain((Secret(SecretKind.PASSWORD, 1, PASSWORD),))
    found = problems_of(tmp_path, media, "p1.luks1", sector, keychain)
    (problem,) = found[b"/b.txt"][1]
    assert f"image bytes {sector * 512} to {sector * 512 + 512}" in problem.message
    assert found[b"/a.txt"][1] == []


def test_ranges_beyond_counting_are_summed_up():
    lost = [LostRange(number * 1000, 10, number * 1000 + 7, "read error") for number in range(100)]
    problem = lost_problem("e p1:/a", 200_000, lost)
    assert problem.bytes_not_examined == 1000
    assert "and 92 more ranges" in problem.message
    assert len(problem.message) < 1000


def test_blanking_leaves_what_is_empty_alone():
    data = bytes(100)
    assert blanked(data, [LostRange(10, 10, 10, "x")]) is data
    assert blanked(b"x" * 100, [LostRange(-1, 10, 10, "x")]) == b"x" * 100
    assert blanked(b"x" * 10, [LostRange(8, 100, 8, "x")]) == b"x" * 8 + bytes(2)
