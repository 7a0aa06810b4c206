"""The rules that ship hold: they compile, and each hits its sample and misses the other."""

from triage.ruleset import check_rules, load_rules


def test_shipped_rules_have_no_errors():
    errors = [issue for issue in check_rules() if issue.severity == "error"]
    assert not errors, "\n".join(f"{issue.path}:{issue.line}: {issue.message}" for issue in errors[:20])


def test_shipped_rules_load():
    rules = load_rules()
    assert len(rules.indicators) >= 40
    assert len({pack.language for pack in rules.packs if pack.enabled and pack.kind == "keywords"}) >= 19
    assert rules.yara
