"""Scope files: a whole one as data, and everything that is wrong with one at its line and column."""

import hashlib
import os

import pytest

from triage.errors import ScopeError
from triage.model.scope import NameCase, TimeRange
from triage.ruleset.scope_file import ENCODINGS, MAX_BYTES, read_scope

WHOLE = """[scope]
name = "Warrant 12"
authority = "a court"
note = "laptop only"
space = false
slack = false
case = "ignore"
[include]
evidence = ["laptop*.E01"]
volumes = ["p2", "laptop.E01 p3"]
paths = ["/Users/Greg/**"]
users = ["greg", "S-1-5-21-1-2-3-1001", "uid:1000", "android:10"]
types = ["image/*", ".docx", "x-conference/x-cooltalk"]
[exclude]
paths = ["**/law/**", "/Users/Greg/a.zip!/law"]
users = ["anna"]
[times]
of = ["mtime", "crtime"]
undated = "in"
ranges = [{ from = 2024-01-01T00:00:00+01:00, before = 2024-07-01T00:00:00Z }, { before = 2020-01-01T00:00:00Z }]
[privileged]
terms = ["Dr. Anna Weber", "律师"]
match = "word-start"
show_path = true
"""
HOUR = 3600 * 10**9


@pytest.fixture
def read(tmp_path):
    def run(text):
        path = tmp_path / "s.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_scope(path)

    return run


def test_a_whole_file(read):
    scope = read(WHOLE)
    assert (scope.name, scope.authority, scope.note) == ("Warrant 12", "a court", "laptop only")
    assert not scope.space and not scope.slack and scope.name_case is NameCase.IGNORE
    assert scope.include.volumes == ("p2", "laptop.E01 p3") and scope.include.types[0] == "image/*"
    assert scope.exclude.paths == ("**/law/**", "/Users/Greg/a.zip!/law") and scope.exclude.users == ("anna",)
    begin = 1_704_067_200 * 10**9  # 2024-01-01T00:00:00Z
    assert scope.times.ranges[0] == TimeRange(begin - HOUR, begin + 182 * 24 * HOUR, begin, begin + 182 * 24 * HOUR)
    assert scope.times.ranges[1].start is None and scope.times.undated_in
    assert scope.privileged.match == "word-start" and scope.privileged.show_path
    assert scope.privileged.encodings == ENCODINGS
    assert scope.text == WHOLE and scope.digest == hashlib.sha256(WHOLE.encode()).hexdigest()


def test_what_a_small_file_means(read):
    scope = read('[scope]\nname = "W"\n[exclude]\nvolumes = ["p3"]\n')
    assert scope.space and scope.slack and scope.times is None and scope.privileged is None
    assert scope.name_case is NameCase.FILE_SYSTEM


HEAD = '[scope]\nname = "W"\nspace = true\n'


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("[scope\n", "1:7", "expected"),
        (b'[scope]\nname = "\xff"\n', "2:9", "not UTF-8"),
        (HEAD + "[includes]\n", "4:1", "did you mean `include`"),
        (HEAD + '[include]\npath = ["/a"]\n', "5:1", "did you mean `paths`"),
        (HEAD + "[include]\npaths = []\n", "5:9", "`paths` is empty"),
        (HEAD + "[include]\n", "4:1", "`[include]` names nothing"),
        (HEAD + '[include]\npaths = "/a"\n', "5:9", "must be a list"),
        (HEAD + "[include]\npaths = [\n  '/a',\n  7]\n", "7:3", "list of texts"),
        (HEAD + "[include]\npaths = ['/a/[b']\n", "5:14", "`[` without `]`"),
        (HEAD + "[include]\npaths = ['/a', '/a']\n", "5:17", "twice"),
        (HEAD + "[include]\npaths = ['/a.zip!/b']\n", "5:17", "into an archive"),
        (HEAD + "[include]\npaths = ['/a']\n[exclude]\npaths = ['/b', '/A']\n", "7:16", "included and excluded"),
        (HEAD + "[include]\nusers = ['CORP\\greg']\n", "5:15", "in the name of a user"),
        (HEAD + "[include]\nusers = ['uid:x']\n", "5:11", "not a user"),
        (HEAD + "[include]\nusers = ['S-1-x']\n", "5:11", "not a user"),
        (HEAD + "[include]\ntypes = ['image']\n", "5:11", "not a type"),
        (HEAD + "[include]\ntypes = ['img/*']\n", "5:11", "no such kind of media"),
        (HEAD + "[include]\ntypes = ['*.jpg']\n", "5:11", "not a type"),
        (HEAD + "[include]\nvolumes = ['2']\n", "5:13", "not the name of a volume"),
        (HEAD + "[include]\nevidence = ['/x/a.E01']\n", "5:14", "by its file name"),
        (HEAD + "[times]\nundated = 'in'\nranges = []\nof = ['mtime']\n", "6:10", "`ranges` must be a list"),
        (HEAD + "[times]\nundated = 'in'\nof = ['mtime']\n", "4:1", "`ranges` must be a list"),
        (HEAD + "[times]\nof = ['mtim']\n", "5:8", "did you mean `mtime`"),
        (HEAD + "[times]\nundated = 'in'\nranges = [{ before = 2024-01-01T00:00:00Z }]\n", "4:1", "missing key: `of`"),
        (
            HEAD + "[times]\nof = ['mtime']\nranges = [{ from = 2024-01-01 }]\nundated = 'in'\n",
            "6:20",
            "with time and zone",
        ),
        (HEAD + "[times]\nof = ['mtime']\nranges = [{ from = 2024-01-01T00:00:00 }]\n", "6:20", "with time and zone"),
        (HEAD + "[times]\nof = ['mtime']\nranges = [{}]\n", "6:11", "needs `from` or `before`"),
        (HEAD + "[times]\nof = ['mtime']\nranges = [{ till = 1 }]\n", "6:13", "unknown key: `till`"),
        (HEAD + "[times]\nof = ['mtime']\nranges = [7]\n", "6:11", "a range must be"),
        (
            HEAD
            + "[times]\nof = ['mtime']\nranges = [{ from = 2024-01-02T00:00:00Z, before = 2024-01-02T01:00:00+02:00 }]\n",
            "6:51",
            "ends before it begins",
        ),
        (
            HEAD + "[times]\nof = ['mtime']\nranges = [{ from = 2024-01-01T00:00:00Z }]\n",
            "4:1",
            "missing key: `undated`",
        ),
        (HEAD + "[privileged]\nterms = ['ab']\n", "5:11", "fewer than 3"),
        (HEAD + "[privileged]\nterms = [' Weber']\n", "5:11", "begins or ends with a blank"),
        (HEAD + "[privileged]\nterms = ['Weber']\nencodings = ['cp9999']\n", "6:15", "not a text encoding"),
        (HEAD + "[privileged]\nmatch = 'word'\n", "4:1", "missing key: `terms`"),
        (HEAD, "1:1", "limits nothing"),
        ("[scope]\nspace = true\n[exclude]\nvolumes = ['p1']\n", "1:1", "missing key: `name`"),
        ('[scope]\nname = ""\n[exclude]\nvolumes = ["p1"]\n', "2:8", "must not be empty"),
        ('[scope]\nname = "W"\n[include]\nusers = ["greg"]\n', "1:1", "missing key: `space`"),
        ('[scope]\nname = "W"\nspace = "no"\n[include]\nusers = ["greg"]\n', "3:9", "true or false"),
        ('[scope]\nname = "W"\ncase = "both"\n[exclude]\nvolumes = ["p1"]\n', "3:8", "cannot be `both`"),
        ("scope = 3\n", "1:1", "must be a table"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(read, text, place, said):
    with pytest.raises(ScopeError) as caught:
        read(text)
    message = str(caught.value) + " " + (caught.value.hint or "")
    assert f"s.toml:{place}: " in message and said in message


def test_a_file_that_cannot_be_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b"#" * (MAX_BYTES + 1))
    for name, said in (
        ("none", "no such file"),
        ("fifo", "not a regular file"),
        ("large", "larger than"),
        (".", "not a reg"),
    ):
        with pytest.raises(ScopeError, match=said):
            read_scope(tmp_path / name)


@pytest.mark.parametrize("seed", range(300))
def test_any_bytes_are_a_scope_or_an_error(read, seed):
    """Seeded changes of a whole file: a scope, or an error of ours; never another exception."""
    import random

    rng = random.Random(seed)
    data = bytearray(WHOLE.encode())
    for _ in range(rng.randrange(1, 5)):
        start = rng.randrange(len(data))
        piece = rng.choice(
            (b"", b'"', b"[", b"]", b"\n", b"=", b"7", b"\xff", b"{", b"!/", b"**", b"2024-01-01", bytes(3))
        )
        data[start : start + rng.choice((0, 1, 8))] = piece
    try:
        read(bytes(data))
    except ScopeError as error:
        assert "s.toml" in str(error)
