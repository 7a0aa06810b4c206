"""Artefact files: ``[classes]`` (class -> artefact ids) and ``[[artefact]]`` (globs, worth, encryption)."""

from __future__ import annotations

from dataclasses import replace

from triage.model.rules import Artefact
from triage.ruleset.issues import Complaints, shown
from triage.ruleset.toml_reader import Fields, TomlFile, nearest

_TOP = ("version", "licence", "author", "classes", "artefact")
_KEYS = ("id", "name", "globs", "value", "encrypted", "carries", "note", "sources")


def read_artefacts(toml: TomlFile, complaints: Complaints) -> tuple[Artefact, ...]:
    """The artefact groups of one file in stored order, each with the classes that it serves, sorted.

    Raises:
        RuleError: The file is not valid, when ``complaints`` is strict.
    """
    Fields(toml, (), toml.data, complaints).known(_TOP)
    groups: dict[str, Artefact] = {}
    for fields in Fields.each(toml, "artefact", complaints):
        artefact = _artefact(fields)
        if artefact.id in groups:
            fields.complain("duplicate-id", f"artefact exists already: `{shown(artefact.id)}`", "id", value=True)
        elif artefact.id:
            groups[artefact.id] = artefact
    served: dict[str, set[str]] = {}
    classes = Fields.of(toml, "classes", complaints)
    for name in classes.table:
        for index, group in enumerate(classes.texts(name)):
            if group not in groups:
                message = f"unknown artefact: `{shown(group)}`"
                classes.complain("unknown-artefact", message, name, index=index, hint=nearest(group, groups))
            served.setdefault(group, set()).add(name)
    return tuple(replace(group, classes=tuple(sorted(served.get(group.id, ())))) for group in groups.values())


def class_names(toml: TomlFile) -> frozenset[str]:
    """Names of the classes that a file defines."""
    classes = toml.data.get("classes")
    return frozenset(classes) if isinstance(classes, dict) else frozenset()


def _artefact(fields: Fields) -> Artefact:
    fields.known(_KEYS)
    fields.text("name")
    fields.text("note")
    fields.texts("carries")
    fields.texts("sources")
    globs = fields.texts("globs", required=True)
    if not globs and isinstance(fields.table.get("globs"), list):
        fields.complain("out-of-range", "`globs` must not be empty", "globs", value=True)
    for index, glob in enumerate(globs):
        if not glob.strip() or "\0" in glob or "\\" in glob:
            fields.complain(
                "out-of-range",
                f"not a glob with `/`: `{shown(glob)}`",
                "globs",
                index=index,
                hint="write `/`, never `\\`",
            )
    return Artefact(
        id=fields.text("id", required=True, filled=True),
        globs=globs,
        value=fields.number("value", 0.5, 0.0, 1.0, required=True),
        encrypted=fields.text("encrypted", "no"),
    )
