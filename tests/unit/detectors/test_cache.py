"""A cache that is broken, unwritable or absent costs time and nothing else."""

from triage.detectors.cache import cache_key, cached, read_cached, write_cached


def test_what_was_kept_is_read_and_what_is_damaged_is_not(tmp_path):
    write_cached(tmp_path, "k", b"body")
    assert read_cached(tmp_path, "k") == b"body"
    path = tmp_path / "k"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert read_cached(tmp_path, "k") is None


def test_a_thing_is_built_once_and_then_loaded(tmp_path):
    built = []

    def build():
        built.append(1)
        return b"thing", b"thing"

    assert [cached(tmp_path, "k", lambda blob: blob, build) for _ in range(3)] == [b"thing"] * 3
    assert built == [1]


def test_without_a_place_it_is_built_each_time(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    for folder in (None, blocked / "inside"):
        assert cached(folder, "k", lambda blob: blob, lambda: (b"x", b"x")) == b"x"


def test_kept_bytes_that_do_not_serve_are_replaced(tmp_path):
    write_cached(tmp_path, "k", b"old")
    assert cached(tmp_path, "k", lambda blob: None, lambda: (b"new", b"new")) == b"new"
    assert read_cached(tmp_path, "k") == b"new"


def test_keys_tell_parts_apart():
    assert cache_key("a", b"bc", b"d") != cache_key("a", b"b", b"cd")
