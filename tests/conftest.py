"""Known defects: each one fails on purpose, strictly, until it is mended; then its line here goes."""

import pytest

KNOWN_DEFECTS = {
    "test_loader.py::test_folder_is_searched_to_the_bottom": "an empty pack in a folder is told as ignored",
    "test_yara_file.py::test_refused_at_its_place[U01-undefined-string]": "line of a YARA error is that of the condition",
    "test_yara_file.py::test_refused_at_its_place[U01-unreferenced-string]": "line of a YARA error is that of the rule",
    "test_yara_file.py::test_refused_at_its_place[U01-include-itself]": "an include of itself is not refused",
    "test_yara_file.py::test_U01_private_and_global_rules": "a slow-rule warning comes on top",
    "test_yara_file.py::test_error_in_an_included_file_is_told_there": "told in the including file",
}


def pytest_collection_modifyitems(items):
    for item in items:
        for name, reason in KNOWN_DEFECTS.items():
            if item.nodeid.endswith(name):
                item.add_marker(pytest.mark.xfail(reason=f"known defect: {reason}", strict=True))
