"""Globs over paths: what they fit, what is refused and where, and that no name makes them slow."""

import pytest

from triage.ruleset.path_glob import MAX_PATTERN, comparable, compile_glob, compile_name, path_fault


def fits(pattern, path, folded=True):
    raw = path if isinstance(path, bytes) else path.encode()
    return compile_glob(pattern, folded=folded).matches(comparable(raw, folded))


@pytest.mark.parametrize(
    ("pattern", "path", "wanted"),
    [
        ("/Users/Greg/**", "/users/greg/a/b", True),
        ("/Users/Greg/**", "/Users/Gregor/a", False),
        ("/Users/Greg", "/Users/Greg/a", True),
        ("/Users/Greg", "/Users/Greg", True),
        ("/Users/Greg/", "/Users/Greg/a", True),
        ("/Users/Greg", "/x/Users/Greg/a", False),
        ("**/*.pdf", "/a/b/x.PDF", True),
        ("**/*.pdf", "/x.pdf", True),
        ("**/*.pdf", "/x.pdfx", False),
        ("**", "/x", True),
        ("/**", "/x/y", True),
        ("/", "/x/y", True),
        ("/*/b", "/a/b/c", True),
        ("/*/b", "/a/c/b", False),
        ("/a/**/b/**/c", "/a/x/b/y/z/c", True),
        ("/a/**/b/**/c", "/a/b/c/d", True),
        ("/a/**/b/**/c", "/a/b/b", False),
        ("/a/**/x*z/**", "/a/b/xyz/q", True),
        ("/a/[!x]?", "/a/yz", True),
        ("/a/[!x]?", "/a/xz", False),
        ("/a/[a-c]", "/a/B", True),
        ("/a/[[]1]", "/a/[1]", True),
        ("/a/{b,c}", "/a/{b,c}/d", True),
        ("/a/{b,c}", "/a/b", False),
        ("/a*c", "/a/c", False),
        ("/a?c", "/a/c", False),
        ("/a/*b*c", "/a/xbxbxc", True),
        ("/a/*b*c", "/a/xbxbxcd", False),
        ("**/law/**", "/a/b.zip!/law/x", True),
        ("/a.b", "/aXb", False),
        ("/a/**", "/a", False),
    ],
)
def test_what_fits(pattern, path, wanted):
    assert path_fault(pattern) is None
    assert fits(pattern, path) is wanted


def test_case_counts_where_it_is_to():
    assert fits("/Users/Greg", "/USERS/greg/x") and not fits("/Users/Greg", "/USERS/greg/x", folded=False)
    assert fits("/Straße", "/STRASSE/x") and fits("/STRASSE", "/straße")


def test_names_are_compared_as_unicode_and_bytes_may_be_written():
    assert fits("/Mu\u0308ller", "/M\u00fcller/x") and fits("/M\u00fcller", "/Mu\u0308ller/x")
    assert fits("/M\\xfcller", b"/M\xfcller/x") and not fits("/M\\xfcller", b"/M\xfdller/x")


@pytest.mark.parametrize(
    ("pattern", "position", "said"),
    [
        ("", 0, "empty"),
        ("Users/Greg", 0, "must begin with"),
        ("*.pdf", 0, "must begin with"),
        ("C:\\Users", 0, "drive letter"),
        ("/a\\b", 2, "backslash"),
        ("/a//b", 3, "two slashes"),
        ("/a/../b", 3, "`..`"),
        ("/a/b**", 4, "`**` must stand alone"),
        ("/a/***", 3, "`**` must stand alone"),
        ("/a/[bc", 3, "`[` without `]`"),
        ("/a/[]", 3, "`[` without `]`"),
        ("/a/x[c-a]", 4, "ends before it begins"),
        ("/a.zip!/b", 6, "into an archive"),
        ("/" + "x" * MAX_PATTERN, 0, "longer than"),
    ],
)
def test_what_is_refused_and_where(pattern, position, said):
    fault = path_fault(pattern)
    assert fault is not None and fault.position == position and said in fault.message


def test_exclusions_may_name_members():
    assert path_fault("/a.zip!/b/**", members=True) is None
    assert fits("/a.zip!/b/**", "/a.zip!/b/c") and not fits("/a.zip!/b/**", "/a.zip!/c")


@pytest.mark.parametrize(
    ("pattern", "path", "wanted"),
    [
        ("/Users/*/law/**", "/Users", True),
        ("/Users/*/law/**", "/Users/x/a.zip!", False),
        ("/Users/*/law/**", "/Users/a.zip!", True),
        ("**/law", "/x/y!", True),
        ("/a/b", "/a/b!", False),
        ("/a/b.zip!/q", "/a/b.zip!", True),
        ("/a", "/a/b", True),
        ("/a", "/b", False),
    ],
)
def test_what_may_fit_below(pattern, path, wanted):
    assert compile_glob(pattern, folded=True).may_match_below(comparable(path.encode(), True)) is wanted


def test_no_name_makes_a_pattern_slow():
    """With backtracking either of these would not end in the life of the machine."""
    assert not fits("/a/" + "*a" * 100 + "*b", "/a/" + "a" * 60_000)
    assert not fits("/" + "**/a/" * 150 + "b", "/a" * 30_000)


@pytest.mark.parametrize(("pattern", "text", "wanted"), [("laptop*", "laptop.e01", True), ("p2.*", "p2", False)])
def test_names_that_are_no_paths(pattern, text, wanted):
    assert (compile_name(pattern).match(text) is not None) is wanted
