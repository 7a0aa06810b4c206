"""What is out of scope is not read, nor unpacked, nor found in the bytes that hold it; what is privileged is not shown."""

import bz2
import gzip
import io
import sqlite3
import tarfile
import zipfile
from email.message import EmailMessage
from types import SimpleNamespace

import pytest

from triage.detectors.keywords import KeywordDetector
from triage.detectors.yara import YaraDetector
from triage.errors import EncryptedVolumeError, ReadFailedError
from triage.model.address import Address
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry, EntryType
from triage.model.problem import Reason
from triage.model.rules import KeywordTerm, YaraSource
from triage.model.scope import Privileged, Scope, ScopeReason, Selection, TimeLimit, TimeRange
from triage.pipeline.examine import RAW_ONLY, Detectors, Examiner
from triage.pipeline.options import Limits
from triage.pipeline.scoped_examine import HEAD, ScopedExaminer

TERMS = (KeywordTerm("k#1", "planted", "literal", "substring", False, (), ()),)
YARA = YaraSource("n", "n.yar", 'rule planted { strings: $a = "planted" condition: $a }')
NAMED = YaraSource("m", "m.yar", 'rule named { strings: $a = "planted" condition: $a and filename != "" }', True)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0" + b"planted" + b"\xff\xd9"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(17) + b"planted"


@pytest.fixture(scope="module")
def detectors():
    return Detectors(KeywordDetector(TERMS), YaraDetector([YARA, NAMED]))


class Recording:
    """A file system of a dictionary that writes down every byte asked of it."""

    space = SimpleNamespace(owned_length=lambda entry: entry.size)

    def __init__(self, contents):
        self.contents = contents
        self.reads = []

    def begin(self):
        pass

    def lost(self, entry):
        return ()

    def _data(self, entry):
        data = self.contents[entry.address.path or b"space"]
        if isinstance(data, Exception):
            raise data
        return data

    def read_whole(self, entry, limit):
        self.reads.append((entry.address.path, 0, min(limit, entry.size)))
        return self._data(entry)[:limit]

    def open_entry(self, entry):
        data, reads, path = self._data(entry), self.reads, entry.address.path

        class Stream:
            size = len(data)

            def read_at(self, offset, length):
                reads.append((path, offset, length))
                return data[offset : offset + length]

            def close(self):
                pass

        return Stream()


def zipped(members, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 3, 1, 0, 0, 0)), data, method)
    return out.getvalue()


def tarred(members, mtime=1_700_000_000):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), mtime
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def entry(path, size, **changes):
    return Entry(Address("x.dd", "p1", path), EntryType.FILE, size, 1, **changes)


def examine(detectors, scope, contents, *, limits=None, level=0, together=False):
    files = Recording(contents)
    examiner = ScopedExaminer(detectors, limits or Limits(), scope)
    listed = [entry(path, len(data) if isinstance(data, bytes) else 100) for path, data in contents.items()]
    if not together:
        results = [examiner.examine(number, item, files, level) for number, item in enumerate(listed, 1)]
    else:
        opened = [examiner.open(number, item, files) for number, item in enumerate(listed, 1)]
        examiner.search([item for item in opened if hasattr(item, "content")])
        results = [examiner.finish(item) if hasattr(item, "content") else item for item in opened]
    return dict(zip(contents, results, strict=True)), files


def found(facts):
    """Rules that hit in a content and in everything inside it."""
    return {hit.rule for hit in facts.hits}.union(*(found(child.facts) for child in facts.children))


def excluding(*paths, **more):
    return Scope("w", exclude=Selection(paths=paths), **more)


# --- types ----------------------------------------------------------------------------------------------------------
def test_of_a_file_of_another_type_the_first_bytes_are_read_and_nothing_else(detectors):
    contents = {b"/a.jpg": JPEG, b"/b.txt": b"planted text " * 20_000, b"/c.bin": PNG * 4000}
    results, files = examine(detectors, Scope("w", include=Selection(types=("image/jpeg",))), contents)
    assert results[b"/b.txt"].out_of_scope is ScopeReason.TYPE_BY_CONTENT
    assert results[b"/c.bin"].out_of_scope is ScopeReason.TYPE_BY_CONTENT
    assert not results[b"/b.txt"].examined
    assert results[b"/b.txt"].facts is None and not results[b"/b.txt"].problems
    assert {read for read in files.reads if read[0] != b"/a.jpg"} == {(b"/b.txt", 0, HEAD), (b"/c.bin", 0, HEAD)}
    assert found(results[b"/a.jpg"].facts) >= {"k#1", "yara/n#planted"}


def test_an_ending_decides_before_anything_is_read(detectors):
    contents = {b"/a.jpg": PNG, b"/b.txt": b"planted"}
    results, files = examine(detectors, Scope("w", include=Selection(types=(".jpg",))), contents)
    assert [path for path, _, _ in files.reads] == [b"/a.jpg"]
    assert results[b"/a.jpg"].out_of_scope is None
    assert results[b"/b.txt"].out_of_scope is not None


def test_exclusion_by_content_wins_over_inclusion_by_ending(detectors):
    scope = Scope("w", include=Selection(types=(".jpg",)), exclude=Selection(types=("image/png",)))
    results, _ = examine(detectors, scope, {b"/a.jpg": PNG, b"/b.jpg": JPEG})
    assert results[b"/a.jpg"].out_of_scope is ScopeReason.EXCLUDED_TYPE_BY_CONTENT
    assert results[b"/b.jpg"].out_of_scope is None


@pytest.mark.parametrize(
    ("error", "reason"), [(ReadFailedError("x"), Reason.UNREADABLE), (EncryptedVolumeError("x"), Reason.ENCRYPTED)]
)
def test_a_type_that_cannot_be_told_is_a_problem_and_not_a_silent_decision(detectors, error, reason):
    results, _ = examine(detectors, Scope("w", include=Selection(types=("image/*",))), {b"/a": error})
    assert [problem.reason for problem in results[b"/a"].problems] == [reason]
    assert results[b"/a"].out_of_scope is None


def test_an_archive_of_another_type_is_opened_for_its_members_alone(detectors):
    archive = zipped({"in/a.jpg": JPEG, "b.txt": b"planted text", "more.zip": zipped({"c.jpg": JPEG, "d": b"planted"})})
    scope = Scope("w", include=Selection(types=("image/jpeg",)))
    results, _ = examine(detectors, scope, {b"/x.zip": archive})
    result = results[b"/x.zip"]
    assert result.out_of_scope is ScopeReason.ARCHIVE
    assert not result.facts.hits and result.named is None
    (picture, inner) = result.facts.children
    assert (picture.member, inner.member) == (b"in/a.jpg", b"more.zip")
    assert found(picture.facts) >= {"k#1"}
    assert not inner.facts.hits and [child.member for child in inner.facts.children] == [b"c.jpg"]
    assert [(part.reason, part.count) for part in result.facts.left_out] == [(ScopeReason.TYPE_BY_CONTENT, 1)]


def test_an_excluded_archive_stays_closed(detectors):
    scope = Scope("w", include=Selection(types=("image/*",)), exclude=Selection(types=("application/zip",)))
    results, _ = examine(detectors, scope, {b"/x.zip": zipped({"a.jpg": JPEG})})
    assert results[b"/x.zip"].facts is None


# --- members --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("make", [zipped, tarred])
def test_an_excluded_member_is_not_found_in_the_bytes_that_hold_it(detectors, make):
    archive = make({"law/letter.txt": b"planted secret", "note.txt": b"nothing here"})
    results, _ = examine(detectors, excluding("**/law/**"), {b"/x": archive})
    facts = results[b"/x"].facts
    assert facts.is_sealed and not found(facts)
    assert [child.member for child in facts.children] == [b"note.txt"]
    assert [(part.reason, part.count, part.bytes) for part in facts.left_out] == [(ScopeReason.EXCLUDED_PATH, 1, 14)]
    plain = Examiner(detectors, Limits()).examine(1, entry(b"/x", len(archive)), Recording({b"/x": archive}))
    assert "k#1" in found(plain.facts)  # without a scope it is


def test_a_refused_member_is_not_unpacked(detectors, monkeypatch):
    import triage.content.decoders.zip as module

    unpacked = []
    real = module._unpack
    monkeypatch.setattr(
        module, "_unpack", lambda archive, stated, *rest: unpacked.append(stated.name) or real(archive, stated, *rest)
    )
    archive = zipped({"law/a": b"planted", "b": b"x"}, zipfile.ZIP_DEFLATED)
    examine(detectors, excluding("**/law/**"), {b"/x.zip": archive})
    assert unpacked == [b"b"]


def test_an_archive_in_which_nothing_is_out_is_searched_as_ever(detectors):
    archive = zipped({"a.txt": b"planted"})
    results, _ = examine(detectors, excluding("**/law/**"), {b"/x.zip": archive})
    plain = Examiner(detectors, Limits()).examine(1, entry(b"/x.zip", len(archive)), Recording({b"/x.zip": archive}))
    assert results[b"/x.zip"].facts == plain.facts


def test_what_is_hidden_two_archives_deep_is_not_found_in_the_outer_one(detectors):
    archive = tarred({"inner.tar": tarred({"law/a": b"planted", "b": b"x"}), "c": b"y"})
    results, _ = examine(detectors, excluding("**/law/**"), {b"/x.tar": archive})
    assert not found(results[b"/x.tar"].facts)


def test_a_single_member_of_a_compressed_file_is_judged_too(detectors):
    contents = {b"/a.txt.gz": gzip.compress(b"planted"), b"/b.bz2": bz2.compress(b"planted")}
    scope = Scope("w", exclude=Selection(types=("text/plain",)))
    results, _ = examine(detectors, scope, contents)
    assert not any(found(result.facts) for result in results.values())


def test_an_archive_that_does_not_open_whole_is_not_searched_and_that_is_told(detectors):
    archive = zipped({"law/a": b"planted", "b": b"planted"})
    broken = archive[: archive.index(b"PK\x01\x02")].replace(b"law/a", b"law\0a")
    results, _ = examine(detectors, excluding("**/law/**"), {b"/x.zip": broken})
    facts = results[b"/x.zip"].facts
    assert facts.is_sealed
    assert [problem.stage for problem in facts.problems if not problem.examined_anyway].count("pipeline/scope") == 1


def test_at_the_lowest_level_an_archive_is_not_searched_and_that_is_told(detectors):
    archive = zipped({"law/a": b"planted"})
    results, _ = examine(detectors, excluding("**/law/**"), {b"/x.zip": archive}, level=RAW_ONLY)
    facts = results[b"/x.zip"].facts
    assert not found(facts) and any(problem.stage == "pipeline/scope" for problem in facts.problems)


def test_a_large_archive_is_not_searched_and_that_is_told(detectors):
    archive = zipped({"law/a": b"planted" * 9999})
    limits = Limits(whole_bytes=1000)
    results, files = examine(detectors, excluding("**/law/**"), {b"/x.zip": archive}, limits=limits)
    result = results[b"/x.zip"]
    assert not result.examined and [problem.reason for problem in result.problems] == [Reason.LIMIT]
    assert max(offset + length for _, offset, length in files.reads) <= HEAD


def test_the_place_of_an_archive_may_decide_and_copies_are_not_confused(detectors):
    archive = zipped({"law/a": b"planted", "b": b"x"})
    contents = {b"/in.zip": archive, b"/out.zip": archive, b"/in2.zip": archive}
    for order in (contents, dict(reversed(contents.items()))):
        results, _ = examine(detectors, excluding("/out.zip!/law/**"), order)
        assert "k#1" in found(results[b"/in.zip"].facts or results[b"/in2.zip"].facts)
        assert not found(results[b"/out.zip"].facts)
        assert results[b"/out.zip"].digest != results[b"/in.zip"].digest == results[b"/in2.zip"].digest


def test_members_of_other_times_are_left_out_and_documents_stay_whole(detectors):
    limit = TimeLimit(("mtime",), (TimeRange(1_709_000_000 * 10**9, None, 1_709_000_000 * 10**9, None),), True)
    scope = Scope("w", times=limit)
    old = tarred({"a": b"planted"}, mtime=1_600_000_000)
    document = zipped({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w>planted</w>"})
    results, _ = examine(detectors, scope, {b"/o.tar": old, b"/d.docx": document})
    assert not found(results[b"/o.tar"].facts)
    assert [part.reason for part in results[b"/o.tar"].facts.left_out] == [ScopeReason.TIME]
    assert "k#1" in found(results[b"/d.docx"].facts)


def test_an_excluded_archive_inside_one_is_excluded_with_its_members(detectors):
    archive = zipped({"inner.zip": zipped({"c.txt": b"planted"}), "b": b"x"})
    for scope in (excluding("/x.zip!/inner.zip"), Scope("w", exclude=Selection(types=("application/zip",)))):
        results, _ = examine(detectors, scope, {b"/x.zip": archive})
        assert results[b"/x.zip"].facts is None or not found(results[b"/x.zip"].facts)


def mail(body, attachment=b"", subtype="octet-stream", name="a.bin"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", "hello"
    message["Date"] = "Fri, 01 Mar 2024 10:00:00 +0000"
    message.set_content(body)
    if attachment:
        message.add_attachment(attachment, maintype="application", subtype=subtype, filename=name)
    return bytes(message)


def database(*rows):
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, chat TEXT, text TEXT, picture BLOB)")
    connection.executemany("INSERT INTO messages (chat, text, picture) VALUES (?, ?, ?)", rows)
    connection.commit()
    return connection.serialize()


def test_a_document_is_one_thing_and_an_excluded_file_in_it_is_left_out(detectors):
    contents = {b"/m.eml": mail("a body", b"%PDF-1.4\nplanted", "pdf", "x.pdf")}
    included, _ = examine(detectors, Scope("w", include=Selection(types=("message/rfc822",))), contents)
    assert found(included[b"/m.eml"].facts)
    excluded, _ = examine(detectors, Scope("w", exclude=Selection(types=(".pdf",))), contents)
    facts = excluded[b"/m.eml"].facts
    assert not found(facts) and [part.reason for part in facts.left_out] == [ScopeReason.EXCLUDED_TYPE]
    assert not any(problem.stage == "pipeline/scope" for problem in facts.problems)


def test_rows_of_a_database_are_the_database_and_pictures_in_it_can_be_excluded(detectors):
    data = database(("c", "planted words", JPEG))
    for types in (("application/vnd.sqlite3",), (".db",)):
        results, _ = examine(detectors, Scope("w", include=Selection(types=types)), {b"/chat.db": data})
        assert "k#1" in found(results[b"/chat.db"].facts)
    pictures = database(("c", "words", b"\xff\xd8\xff\xe1\x00\x10Exif" + JPEG.ljust(200, b"\0")))
    results, _ = examine(detectors, Scope("w", exclude=Selection(types=("image/*",))), {b"/chat.db": pictures})
    assert not found(results[b"/chat.db"].facts)


# --- privileged -----------------------------------------------------------------------------------------------------
LAWYER = Scope("w", privileged=Privileged(("Dr. Anna Weber", "weber-law.example"), encodings=("cp1252", "cp1251")))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["to dr. anna WEBER planted", "planted x@weber-law.example"])
@pytest.mark.parametrize("together", [False, True])
def test_a_privileged_content_is_withheld_whatever_its_encoding(detectors, encoding, text, together):
    contents = {b"/a": text.encode(encoding), b"/b": b"planted, nothing else", b"/c": text.encode(encoding)}
    results, _ = examine(detectors, LAWYER, contents, together=together)
    facts = results[b"/a"].facts
    assert facts.is_withheld and not facts.hits and not facts.counts and not facts.coverage and not facts.md5
    assert results[b"/a"].named is None and results[b"/c"].named is None
    assert results[b"/c"].digest == results[b"/a"].digest
    assert {results[path].content_type.name for path in (b"/a", b"/c")} == {"withheld"}
    assert found(results[b"/b"].facts) >= {"k#1"}


def test_half_a_term_or_a_term_within_a_word_withholds_nothing(detectors):
    contents = {b"/a": b"planted Dr. Anna", b"/b": b"planted Dr. Anna Weberin"}
    results, _ = examine(detectors, LAWYER, contents)
    assert all(found(result.facts) for result in results.values())


def test_a_privileged_member_is_withheld_and_the_archive_is_not_searched(detectors):
    archive = zipped({"letter.txt": b"\nDr. Anna Weber: planted", "other.txt": b"planted too"})
    results, _ = examine(detectors, LAWYER, {b"/x.zip": archive})
    facts = results[b"/x.zip"].facts
    assert not facts.is_withheld and not facts.hits
    letter, other = facts.children
    assert letter.facts.is_withheld and not letter.facts.hits
    assert found(other.facts) >= {"k#1"}


def test_a_term_beside_the_members_of_an_archive_withholds_all_of_it(detectors):
    archive = zipped({"other.txt": b"planted too"})
    archive = archive[:-2] + len(b"for Dr. Anna Weber").to_bytes(2, "little") + b"for Dr. Anna Weber"
    results, _ = examine(detectors, LAWYER, {b"/x.zip": archive})
    assert results[b"/x.zip"].facts.is_withheld


def test_a_member_is_withheld_by_its_name(detectors):
    archive = zipped({"mail/Dr_Anna-Weber/1.txt": b"planted", "a/1.txt": b"planted"})
    results, _ = examine(detectors, LAWYER, {b"/x.zip": archive})
    first, second = results[b"/x.zip"].facts.children
    assert first.facts.is_withheld and not first.facts.sha256  # its copy under another name is not
    assert not second.facts.is_withheld


def test_a_document_with_a_privileged_part_is_withheld_whole(detectors):
    head = b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p>'
    body = head + b"<w:r><w:t>Dr. Anna</w:t></w:r><w:r><w:t> Weber</w:t></w:r></w:p></w:body></w:document>"
    document = zipped({"[Content_Types].xml": b"<Types/>", "word/document.xml": body, "word/x.xml": b"<a>planted</a>"})
    results, _ = examine(detectors, LAWYER, {b"/d.docx": document})
    assert results[b"/d.docx"].facts.is_withheld and not results[b"/d.docx"].facts.children


def test_one_mail_of_a_mailbox_is_withheld_and_the_others_are_not(detectors):
    letters = [mail("To Dr. Anna Weber: planted"), mail("planted, to somebody else")]
    box = b"".join(b"From a@example.org Fri Mar  1 10:00:00 2024\n" + letter + b"\n" for letter in letters)
    results, _ = examine(detectors, LAWYER, {b"/inbox": box})
    facts = results[b"/inbox"].facts
    assert facts.is_sealed and not facts.hits
    assert sorted((child.facts.is_withheld, bool(found(child.facts))) for child in facts.children) == [
        (False, True), (True, False),
    ]  # fmt: skip


def test_one_conversation_of_a_database_is_withheld_and_the_others_are_not(detectors):
    data = database(("lawyer", "Dr. Anna Weber planted", None), ("other", "planted too", None))
    results, _ = examine(detectors, LAWYER, {b"/chat.db": data})
    facts = results[b"/chat.db"].facts
    assert facts.is_withheld or (facts.is_sealed and not facts.hits)
    assert not any("Weber" in hit.before + hit.after for child in facts.children for hit in child.facts.hits)


def test_a_file_that_claims_more_than_its_volume_is_looked_through_where_it_is_stored(detectors):
    class Huge(Recording):
        space = SimpleNamespace(owned_length=lambda entry: entry.size, room=1 << 20)

        def byte_runs(self, entry):
            return (ByteRun(0, 4096, 4096, 100), ByteRun(100, -1, -1, (1 << 62) - 100))

    data = b"Dr. Anna Weber planted".ljust(100, b".")
    examiner = ScopedExaminer(detectors, Limits(), LAWYER)
    result = examiner.examine(1, entry(b"/a", 1 << 62), Huge({b"/a": data}))
    assert result.facts.is_withheld and not result.facts.hits
    plain = examiner.examine(2, entry(b"/b", 1 << 62), Huge({b"/b": data.replace(b"Weber", b"Maier")}))
    assert {hit.rule for hit in plain.facts.hits} == {"k#1"}


def test_a_large_privileged_content_is_withheld(detectors):
    data = b"planted " * 400_000 + b"Dr. Anna Weber"
    results, _ = examine(detectors, LAWYER, {b"/a.log": data}, limits=Limits(whole_bytes=1000))
    assert results[b"/a.log"].facts.is_withheld and not results[b"/a.log"].facts.hits


def test_what_cannot_be_looked_through_is_withheld_and_told(detectors, monkeypatch):
    def broken(*_):
        raise MemoryError

    examiner = ScopedExaminer(detectors, Limits(), LAWYER)
    monkeypatch.setattr(examiner._terms, "scan", broken)
    result = examiner.examine(1, entry(b"/a", 7), Recording({b"/a": b"planted"}))
    assert result.facts.is_withheld
    assert [problem.stage for problem in result.facts.problems] == ["pipeline/scope"]


def test_slack_behind_what_is_withheld_is_not_looked_at(detectors):
    examiner = ScopedExaminer(detectors, Limits(), LAWYER)
    data = b"Dr. Anna Weber"
    for path in (b"/a", b"/copy"):
        result = examiner.examine(1, entry(path, len(data)), Recording({path: data}))
        slack = Entry(Address("x.dd", "p1", path, space="slack", offset=9), EntryType.FILE, 7, 1)
        assert examiner.with_slack(result, slack, b"planted", 0).slack is None


def test_slack_that_holds_a_term_is_withheld_by_itself(detectors):
    examiner = ScopedExaminer(detectors, Limits(), LAWYER)
    result = examiner.examine(1, entry(b"/a", 7), Recording({b"/a": b"planted"}))
    slack = Entry(Address("x.dd", "p1", b"/a", space="slack", offset=9), EntryType.FILE, 7, 1)
    result = examiner.with_slack(result, slack, b"Dr. Anna Weber planted", 0)
    assert result.slack.facts.is_withheld and not result.slack.facts.hits
    assert found(result.facts)


def test_a_piece_of_space_that_holds_a_term_is_withheld(detectors):
    examiner = ScopedExaminer(detectors, Limits(), LAWYER)
    data = b"planted" + bytes(500) + b"Dr. Anna Weber"
    piece = Entry(Address("x.dd", "p1", space="unallocated", offset=0, length=len(data)), EntryType.FILE, len(data), 0)
    result = examiner.examine(1, piece, Recording({b"space": data}))
    assert result.facts.is_withheld
