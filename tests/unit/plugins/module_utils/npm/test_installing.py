"""Whether node_modules is what the lockfile says, and npm ci where it is not."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.installing import difference, install_command, install_packages

A = {"version": "1.0.0", "integrity": "sha512-a"}


@pytest.mark.parametrize(
    "locked, installed, omit, words",
    [
        ({"a": A}, {"a": A}, (), ""),
        ({"a": A}, {}, (), "1 package missing, a first"),
        ({"a": A}, {"a": {**A, "version": "1.0.1"}}, (), "of another version"),
        ({"a": A}, {"a": {**A, "integrity": "sha512-b"}}, (), "of another version"),
        ({"a": {"version": A["version"]}}, {"a": A}, (), ""),  # npm notes the hash of what it got, also when the lockfile has none
        ({}, {"a": A, "b": A}, (), "2 packages not in the lockfile"),
        ({"a": {**A, "optional": True}}, {}, (), ""),
        ({"a": {**A, "peer": True}}, {}, (), ""),
        ({"a": {**A, "devOptional": True}}, {}, (), ""),
        ({"a": {**A, "dev": True}}, {}, (), "missing"),
        ({"a": {**A, "dev": True}}, {}, ("dev",), ""),
        ({"a": {"link": True, "resolved": "lib"}}, {}, (), ""),
        ({"a": {"version": "file:lib"}}, {}, (), ""),
    ],
)
def test_what_is_installed_is_compared_with_the_lockfile(locked: Any, installed: Any, omit: Any, words: str) -> None:
    def placed(packages: Any) -> Any:
        return {f"node_modules/{name}": entry for name, entry in packages.items()}

    found = difference(placed(locked), placed(installed), omit)
    assert words in found and bool(found) == bool(words)


def test_no_script_runs_and_the_owner_installs() -> None:
    own = install_command("/usr/bin/npm", "/tmp/cache", "app", ["dev"], own_uid=0, uid=0)
    assert own[:4] == ["/usr/bin/npm", "ci", "--cache=/tmp/cache", "--ignore-scripts=true"] and own[-1] == "--omit=dev"
    other = install_command("/usr/bin/npm", "/tmp/cache", "app", [], own_uid=0, uid=7)
    assert other[:5] == ["runuser", "-u", "app", "--", "/usr/bin/npm"]


#: Does what npm ci does, as far as it matters: makes node_modules anew, and notes what is there.
NPM = """#!/bin/sh
[ "$1" = ci ] || exit 9
[ -e fail ] && { echo "npm error registry is gone" >&2; exit 1; }
rm -rf node_modules; mkdir -p node_modules/a
[ -e lie ] || cp package-lock.json node_modules/.package-lock.json
echo "$@" > arguments
"""


@pytest.fixture()
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "package.json").write_text(json.dumps({"name": "x", "dependencies": {"a": "^1.0.0"}}))
    lock = {"lockfileVersion": 3, "packages": {"": {"dependencies": {"a": "^1.0.0"}}, "node_modules/a": A}}
    (folder / "package-lock.json").write_text(json.dumps(lock))
    npm = tmp_path / "npm"
    npm.write_text(NPM)
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    return folder


def install(project: Path, *, check_mode: bool = False, **changes: Any) -> dict[str, Any]:
    options = {
        "projects": [str(project)], "user": "", "omit": [], "executable": str(project.parent / "npm"), "timeout_seconds": 30.0, **changes,
    }
    return install_packages(options, check_mode=check_mode)


def test_missing_packages_are_installed_once_and_not_in_check_mode(project: Path) -> None:
    planned = install(project, check_mode=True)
    assert planned["changed"] and not (project / "node_modules").exists()
    done = install(project)
    assert done["projects"][0]["reason"] == "there is no node_modules"
    assert "--ignore-scripts=true" in (project / "arguments").read_text()
    again = install(project)
    assert (again["changed"], again["status"]) == (False, "ok")


def test_a_lockfile_of_version_1_is_enough_after_npm_ci(project: Path) -> None:
    """It cannot be compared with what npm has noted, so npm ci runs each time."""
    lock = {"lockfileVersion": 1, "dependencies": {"a": {"version": "1.0.0"}}}
    (project / "package-lock.json").write_text(json.dumps(lock))
    for _time in range(2):
        result = install(project)
        assert (result["changed"], result["status"]) == (True, "ok")


def test_a_package_whose_folder_is_gone_is_installed_again(project: Path) -> None:
    install(project)
    (project / "node_modules" / "a").rmdir()
    assert install(project)["projects"][0]["reason"] == "1 installed packages are gone"


def test_an_npm_that_fails_or_lies_is_an_error(project: Path) -> None:
    (project / "fail").touch()
    with pytest.raises(UpkeepError, match="npm ci in .*project failed: npm error registry is gone"):
        install(project)
    (project / "fail").unlink()
    (project / "lie").touch()
    with pytest.raises(UpkeepError, match="ended well, and still"):
        install(project)
    with pytest.raises(UpkeepError, match="is not installed on this host, and"):
        install(project, executable="/nowhere/npm")
    with pytest.raises(UpkeepError, match="no user nobody-called-so"):
        install(project, user="nobody-called-so")


def test_a_project_of_another_manager_is_told_and_left_alone(project: Path) -> None:
    (project / "package-lock.json").rename(project / "yarn.lock")
    result = install(project)
    assert (result["changed"], result["status"]) == (False, "unknown")


def test_a_project_without_dependencies_needs_no_packages(project: Path) -> None:
    (project / "package-lock.json").write_text(json.dumps({"lockfileVersion": 3, "packages": {"": {}}}))
    assert install(project)["changed"] is False


@pytest.mark.parametrize("noted", [b"{", b"[]", b'{"packages": 1}', b"\xff"])
def test_a_damaged_note_of_npm_leads_to_an_installation(project: Path, noted: bytes) -> None:
    install(project)
    (project / "node_modules" / ".package-lock.json").write_bytes(noted)
    assert "cannot be read" in install(project)["projects"][0]["reason"]
