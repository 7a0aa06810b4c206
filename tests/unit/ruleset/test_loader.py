"""Finding rules, choosing packs, one digest; nothing to look for is never silent."""

import os
import pickle

import pytest

from triage.errors import EmptyRuleSetError, RuleError
from triage.ruleset import check_rules, files, load_rules
from triage.ruleset.locate import shipped_root

WORD = '[[term]]\nterm = "one"\n'


def enabled(rules):
    return {pack.id for pack in rules.packs if pack.enabled and pack.kind in ("keywords", "yara")}


def test_active_packs_without_a_choice(shipped):
    rules = load_rules()
    assert enabled(rules) == {"keywords/de", "keywords/und", "yara/wallets"}
    draft = next(pack for pack in rules.packs if pack.id == "keywords/am")
    assert (draft.enabled, draft.rules) == (False, 1)
    assert [pack.kind for pack in rules.packs] == sorted(pack.kind for pack in rules.packs)


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        ([], {"keywords/und"}),
        (["de"], {"keywords/de", "keywords/und"}),
        (["AM"], {"keywords/am", "keywords/und"}),
        (["am", "de"], {"keywords/am", "keywords/de", "keywords/und"}),
    ],
)
def test_languages_are_exactly_those_named(shipped, languages, expected):
    assert enabled(load_rules(languages=languages)) == expected | {"yara/wallets"}


def test_unknown_language_lists_what_there_is(shipped):
    with pytest.raises(RuleError, match="no keyword pack for the language `bg`") as caught:
        load_rules(languages=["de", "bg"])
    assert caught.value.hint == "there are: am, de, und"


def test_language_choice_does_not_touch_what_the_user_names(own):
    path = own("lab.toml", '[pack]\nlanguage = "fr"\nstate = "draft"\n' + WORD)
    assert "user/lab" in enabled(load_rules([path], languages=["de"]))


def test_draft_with_an_error_stops_no_scan_but_the_check(shipped):
    place = shipped / "keywords/am/am.toml"
    place.write_text(place.read_text().replace("weight = 0.5", "weight = 5"))
    load_rules()
    assert [(i.code, i.line) for i in check_rules() if i.severity == "error"] == [("out-of-range", 17)]
    with pytest.raises(RuleError):
        load_rules(languages=["am"])


def test_without_shipped_rules_their_meaning_stays(own):
    rules = load_rules([own("lab.toml", WORD + 'indicator = "control.debt_threat"\n')], shipped=False)
    assert list(rules.rules) == ["user/lab#1"]
    assert "control.debt_threat" in rules.indicators
    assert rules.artefacts
    assert enabled(rules) == {"user/lab"}


def test_nothing_at_all(shipped):
    with pytest.raises(EmptyRuleSetError, match="nothing to look for"):
        load_rules(shipped=False)
    assert [i.code for i in check_rules(shipped=False)] == ["no-rules"]


def test_missing_path(own, tmp_path):
    with pytest.raises(RuleError, match=r"nowhere: no such file or folder"):
        load_rules([tmp_path / "nowhere"])
    found = check_rules([tmp_path / "nowhere", own("lab.toml", WORD)])
    assert [(i.code, i.path, i.line) for i in found] == [("path-not-found", str(tmp_path / "nowhere"), 0)]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.yar", "", "no-rules"),
        ("comments.yar", "// nothing\n/* at all */\n", "no-rules"),
        ("lab.yarc", "YARA\0\0", "file-kind-unknown"),
        ("lab", "rule a { condition: true }", "file-kind-unknown"),
    ],
)
def test_file_without_rules(own, name, content, code):
    path = own(name, content)
    with pytest.raises(RuleError, match=name):
        load_rules([path])
    assert code in [i.code for i in check_rules([path])]


def test_folder_without_rules(own, tmp_path):
    (tmp_path / "empty/.hidden").mkdir(parents=True)
    (tmp_path / "empty/.hidden/x.yar").write_text("rule a { condition: true }")
    (tmp_path / "empty/notes.md").write_text("x")
    (tmp_path / "empty/README.txt").write_text("x")
    with pytest.raises(EmptyRuleSetError, match="no rule file"):
        load_rules([tmp_path / "empty"])
    assert {i.code for i in check_rules([tmp_path / "empty"])} == {"file-ignored", "no-rules"}
    folder = own("none/a.yar", "// nothing\n").parent
    with pytest.raises(EmptyRuleSetError, match="no rule in it"):
        load_rules([folder])


def test_folder_is_searched_to_the_bottom(own):
    own("a/b/c/deep.YAR", "rule Deep { condition: true }")
    own("a/words.txt", "word\n")
    own("a/empty.yar", "// nothing here\n")
    own("samples/yara/deep/Deep.hit.txt", "is a sample, not a word list\n")
    own("README.txt", "is no word list\n")
    own("pyproject.toml", "[tool.x]\n")
    folder = own("pack.toml", WORD).parent
    rules = load_rules([folder], shipped=False)
    assert sorted(rules.rules) == ["user/pack#1", "user/words#1", "yara/user/deep#Deep"]
    assert sorted(i.code for i in check_rules([folder])) == ["empty-pack", "file-ignored", "file-ignored"]


def test_the_same_file_twice_is_read_once(own):
    path = own("lab.toml", WORD)
    rules = load_rules([path, path.parent, path], shipped=False)
    assert list(rules.rules) == ["user/lab#1"]


def test_equal_names_get_identities_of_their_own(own):
    paths = [own("one/lab.toml", WORD), own("two/lab.toml", WORD), own("lab.txt", "word\n")]
    assert sorted(load_rules(paths, shipped=False).rules) == ["user/lab#1", "user/lab-2#1", "user/lab-3#1"][:1] + [
        "user/lab-2#1", "user/lab-3#1",
    ]  # fmt: skip


def test_shipped_folder_named_by_the_user_is_not_read_twice(shipped):
    assert load_rules([shipped]) == load_rules()
    assert [i for i in check_rules([shipped], shipped=False) if i.severity == "error"] == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_fifo_is_never_waited_for(shipped, tmp_path):
    os.mkfifo(tmp_path / "x.yar")
    with pytest.raises(RuleError, match="not a regular file"):
        load_rules([tmp_path / "x.yar"])
    assert "path-not-readable" in [i.code for i in check_rules([tmp_path / "x.yar"])]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user who may be refused")
def test_unreadable_file(own):
    path = own("lab.yar", "rule a { condition: true }")
    path.chmod(0)
    with pytest.raises(RuleError, match="cannot be read"):
        load_rules([path])


def test_file_too_large(own, monkeypatch):
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 100_000)
    with pytest.raises(RuleError, match="larger than"):
        load_rules([own("lab.yar", b" " * 100_001)])


def test_shipped_rules_missing(monkeypatch, tmp_path):
    def missing():
        raise RuleError("the rules that ship with the program are missing", hint="install the package again")

    monkeypatch.setattr(files, "shipped_root", missing)
    with pytest.raises(RuleError, match="missing"):
        load_rules()
    assert "rules-not-installed" in [i.code for i in check_rules()]


def test_shipped_root_holds_a_catalogue():
    assert (shipped_root() / "indicators/catalogue.toml").is_file()


def test_same_rules_same_value(own):
    path = own("lab.toml", WORD)
    first, second = load_rules([path]), load_rules([path])
    assert first == second
    assert pickle.loads(pickle.dumps(first)) == first
    assert len(first.digest) == 64


def test_digest_follows_what_is_used(own, shipped):
    base = load_rules().digest
    assert load_rules(languages=["de"]).digest not in (base, load_rules(languages=["am"]).digest)
    assert load_rules(languages=["DE"]).digest == load_rules(languages=["de"]).digest
    assert load_rules(profile="strict").digest != base
    assert load_rules([own("lab.toml", WORD)]).digest != base
    draft = shipped / "keywords/am/am.toml"
    draft.write_text(draft.read_text() + "# changed\n")
    assert load_rules().digest == base
    for name in (
        "keywords/de/de.toml",
        "indicators/catalogue.toml",
        "profiles/default.toml",
        "artefacts/artefacts.toml",
    ):
        place = shipped / name
        before = place.read_text()
        place.write_text(before + "# changed\n")
        assert load_rules().digest != base, name
        place.write_text(before)
    assert load_rules().digest == base


def test_digest_follows_an_included_file(own):
    own("part.inc", "private rule P { condition: true }\n")
    path = own("lab.yar", 'include "part.inc"\nrule A { condition: P }\n')
    before = load_rules([path]).digest
    own("part.inc", "private rule P { condition: false }\n")
    assert load_rules([path]).digest != before


def test_digest_does_not_depend_on_where_the_folder_is(shipped, tmp_path):
    digests = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lab.toml").write_text(WORD)
        digests.append(load_rules([tmp_path / name]).digest)
    assert digests[0] == digests[1]


def test_file_name_that_is_no_text(shipped, tmp_path):
    place = os.fsencode(tmp_path) + b"/\xff\x1b[31m.yar"
    try:
        with open(place, "wb") as out:
            out.write(b"rule A { condition: true }")
    except OSError:
        pytest.skip("this file system takes no such names")
    rules = load_rules([tmp_path / os.fsdecode(b"\xff\x1b[31m.yar")], shipped=False)
    (source,) = rules.yara
    assert source.path.isprintable()
    assert source.namespace == "user/___31m"
    source.path.encode("utf-8")
    assert pickle.loads(pickle.dumps(rules)) == rules
