"""The modules of restic as Ansible runs them, as far as they come without restic: options, refusals, and what is never told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

MODULES = ("restic_backup", "restic_verify", "restic_forget", "restic_restore", "restic_fetch")


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "app").mkdir()
    return {
        "repository": "rest:https://backup:s3cret@storage.example/x", "password": "geh3im", "label": "shop", "program": "/nonexistent/restic",
        "state_directory": str(tmp_path / "state"),
    }


def own(module: str, tmp_path: Path) -> dict[str, Any]:
    """Return what a module needs besides."""
    return {
        "restic_backup": {"sources": [{"name": "app", "paths": [str(tmp_path / "app")]}]}, "restic_forget": {"keep_last": 1},
    }.get(module, {})


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("check_mode", [True, False])
def test_without_the_program_it_is_told_and_no_secret_is(
    module: str, check_mode: bool, given: dict[str, Any], tmp_path: Path
) -> None:
    answer = run_module(module, {**given, **own(module, tmp_path), "_ansible_check_mode": check_mode, "_ansible_diff": True})
    text = repr(answer)
    assert "Install the package restic" in text and "backup:***@storage.example" in text
    assert "s3cret" not in text and "geh3im" not in text
    assert answer.get("failed", False) != (module == "restic_verify")
    if module == "restic_verify":
        assert answer["status"] == "unknown" and [row["check"] for row in answer["checks"]] == ["backup.present"]
    if check_mode:
        assert sorted(path.name for path in tmp_path.iterdir()) == ["app"]


@pytest.mark.parametrize(
    ("module", "options", "said"),
    [
        ("restic_backup", {"sources": []}, "there is nothing to back up"),
        ("restic_backup", {"sources": [{"name": "a", "paths": ["/"]}]}, "restic is not given / as a whole"),
        ("restic_backup", {"sources": [{"name": "a", "paths": ["{tmp}"]}]}, "give a staging_directory elsewhere"),
        ("restic_backup", {"sources": [{"name": "a", "paths": ["{tmp}/app"]}], "label": "a,b"}, "label"),
        (
            "restic_backup",
            {"sources": [{"name": "a", "paths": ["{tmp}/app"]}, {"name": "b", "paths": ["/etc"], "one_file_system": False}]},
            "one one_file_system for all of them",
        ),
        ("restic_forget", {}, "keeps nothing"),
        ("restic_forget", {"keep_daily": -1}, "keep_daily: -1 is not accepted"),
        ("restic_restore", {"members": []}, "an empty list restores nothing"),
        ("restic_restore", {"keep_previous": 101}, "keep_previous"),
        ("restic_restore", {"target": ["/a"], "from": []}, "from: give as many"),
        ("restic_restore", {"state": "previous", "target": ["/a"]}, "no tree from before"),
        ("restic_verify", {"newest": 0}, "newest: 0 is not accepted"),
        ("restic_verify", {"repository": "restic"}, "neither an absolute path"),
        ("restic_verify", {"password": None}, "give exactly one of password and password_file"),
    ],
)
def test_wrong_options_are_refused(
    module: str, options: dict[str, Any], said: str, given: dict[str, Any], tmp_path: Path
) -> None:
    for source in options.get("sources", []):
        source["paths"] = [path.replace("{tmp}", str(tmp_path)) for path in source["paths"]]
    answer = run_module(module, {**given, **options})
    assert answer["failed"] and said in answer["msg"], answer
