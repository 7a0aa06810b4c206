"""Documents against code: exit codes, error codes, commands, options, files that are named."""

import ast
import re
from pathlib import Path

import pytest
import typer

import triage.errors
from triage.cli.app import app
from triage.cli.exit_codes import ExitCode, exit_code_for
from triage.errors import TriageError
from triage.model.problem import Reason

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def error_classes():
    return [c for c in vars(triage.errors).values() if isinstance(c, type) and issubclass(c, TriageError)]


def test_the_readme_has_the_exit_codes_of_the_code():
    table = README.split("## Exit codes")[1].split("##")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.M)} == {int(code) for code in ExitCode}


def test_every_error_is_documented_with_its_exit_code():
    text = (ROOT / "docs/errors.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| `\w+` \| .* \| (\d+) \|$", text, re.M))
    made = {c.code: c("x", path="p") if c.__name__ == "RuleSyntaxError" else c("x") for c in error_classes()}
    assert rows == {code: str(int(exit_code_for(error))) for code, error in made.items()}


def test_every_reason_is_documented():
    text = (ROOT / "docs/errors.md").read_text("utf-8").split("## Reasons")[1]
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.M)) == {reason.value for reason in Reason}


def test_the_readme_names_every_command():
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    commands |= {
        f"rules {command.name}"
        for group in app.registered_groups
        for command in group.typer_instance.registered_commands
    }
    assert {name for name in commands if f"`triage {name}" not in README} == set()


@pytest.mark.parametrize("name", ["README.md", "docs/guide.md"])
def test_every_option_in_a_document_exists(name):
    command = typer.main.get_command(app)
    known = {"--version", "--help", "--rules-of-packs"}
    stack = [command]
    while stack:
        current = stack.pop()
        stack.extend(getattr(current, "commands", {}).values())
        known.update(option for parameter in current.params for option in parameter.opts)
    text = (ROOT / name).read_text("utf-8")
    lines = [line for line in text.splitlines() if "triage" in line or line.lstrip().startswith(("`--", "Useful"))]
    used = {option for line in lines for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line)}
    assert used - known == set()


def test_files_that_documents_name_exist():
    for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md", "docs/guide.md"):
        for path in re.findall(
            r"`((?:docs|rules|examples|benchmarks)/[\w./-]+\.\w+)`", (ROOT / name).read_text("utf-8")
        ):
            assert (ROOT / path).exists(), f"{name} names {path}"


def test_the_map_of_the_house_names_every_room():
    rooms = {path.name for path in Path(triage.__file__).parent.iterdir() if (path / "__init__.py").exists()}
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    assert {room for room in rooms if not room.startswith("_") and f"`{room}/`" not in text} == set()


def test_nothing_prints_outside_the_command_line():
    for path in Path(triage.__file__).parent.rglob("*.py"):
        if "cli" in path.parts:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "print"]
        assert not calls, path
