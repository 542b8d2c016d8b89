"""Manifests and lockfiles as people and strangers write them: read, or refused with the reason."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.npm.projects import (
    MAX_DEPTH,
    MAX_MANIFEST_BYTES,
    Unaudited,
    locked_packages,
    lockfile_version,
    manager_of,
    omitted,
    read_project,
    unlocked,
    without_version,
)

MANIFEST = {"name": "app", "dependencies": {"a": "^1.0.0"}}
LOCK = {"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": {"version": "1.0.0"}}}


def write(folder: Path, **files: Any) -> str:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / name.replace("__", "-").replace("_", ".")).write_bytes(text)
    return str(folder)


def refusal(path: str) -> Unaudited:
    with pytest.raises(Unaudited) as caught:
        read_project(path, ())
    assert caught.value.hint
    return caught.value


def test_a_project_is_its_manifest_and_lockfile(tmp_path: Path) -> None:
    path = write(tmp_path / "app", package_json=MANIFEST, package__lock_json=LOCK, _npmrc=b"registry=http://evil/\n")
    project = read_project(path, ())
    assert (project.lockfile, project.lockfile_version, project.dependencies, project.unlocked) == ("package-lock.json", 3, 1, ())
    assert {name: json.loads(content) for name, content in project.files.items()} == {
        "package.json": MANIFEST, "package-lock.json": LOCK,
    }


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "it has no package.json"),
        ({"package__lock_json": LOCK}, "it has no package.json"),
        ({"package_json": MANIFEST}, "it has no lockfile"),
        ({"package_json": b"{", "package__lock_json": LOCK}, "package.json is no JSON (line 1, column 2)"),
        ({"package_json": b"", "package__lock_json": LOCK}, "package.json is empty"),
        ({"package_json": b"\xff\xfe{}", "package__lock_json": LOCK}, "package.json"),
        ({"package_json": b"\x00\x80\x81", "package__lock_json": LOCK}, "package.json is no JSON"),
        ({"package_json": [], "package__lock_json": LOCK}, "package.json holds no JSON object"),
        ({"package_json": MANIFEST, "package__lock_json": b"<<<<<<< HEAD\n{}"}, "package-lock.json is no JSON (line 1, column 1)"),
        ({"package_json": MANIFEST, "package__lock_json": b"[" * 200_000}, "package-lock.json is"),
        ({"package_json": MANIFEST, "package__lock_json": {}}, "lockfileVersion null"),
        ({"package_json": MANIFEST, "package__lock_json": {"lockfileVersion": 4, "packages": {}}}, "lockfileVersion 4, and 1, 2 and 3"),
        ({"package_json": MANIFEST, "package__lock_json": {"lockfileVersion": True}}, "lockfileVersion true"),
        ({"package_json": MANIFEST, "package__lock_json": {"lockfileVersion": 3}}, "has no packages"),
        ({"package_json": MANIFEST, "package__lock_json": {"lockfileVersion": 1, "dependencies": []}}, "has no dependencies"),
        ({"package_json": b" " * (MAX_MANIFEST_BYTES + 1)}, "it has no lockfile"),
        ({"package_json": b" " * (MAX_MANIFEST_BYTES + 1), "package__lock_json": LOCK}, "more than 4 MiB"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(tmp_path: Path, files: dict, words: str) -> None:
    if words == "it has no lockfile" and len(files["package_json"]) > MAX_MANIFEST_BYTES:
        words = "more than 4 MiB"
    assert words in str(refusal(write(tmp_path / "app", **files)))


def test_the_content_of_a_file_is_not_repeated(tmp_path: Path) -> None:
    """A link may lead to any file that root may read."""
    (tmp_path / "shadow").write_text("root:hunter2:19000\n")
    path = write(tmp_path / "app", package_json=MANIFEST)
    (tmp_path / "app" / "package-lock.json").symlink_to(tmp_path / "shadow")
    assert "hunter2" not in str(refusal(path)) + refusal(path).hint


@pytest.mark.parametrize("kind", ["pipe", "folder", "loop", "dangling", "device"])
def test_what_is_no_file_does_not_hold_us_up(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "app", package_json=MANIFEST)
    place = tmp_path / "app" / "package-lock.json"
    {
        "pipe": lambda: os.mkfifo(place),
        "folder": place.mkdir,
        "loop": lambda: place.symlink_to(place),
        "dangling": lambda: place.symlink_to(tmp_path / "nowhere"),
        "device": lambda: place.symlink_to("/dev/zero"),
    }[kind]()
    assert "package-lock.json" in str(refusal(path))


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    assert "does not exist" in str(refusal(str(tmp_path / "gone")))
    (tmp_path / "file").write_text("")
    assert "Not a directory" in str(refusal(str(tmp_path / "file")))


@pytest.mark.parametrize(
    ("manifest", "present", "expected"),
    [
        ({}, {"package-lock.json"}, ("npm", "package-lock.json")),
        ({}, {"package-lock.json", "npm-shrinkwrap.json"}, ("npm", "npm-shrinkwrap.json")),
        ({}, {"yarn.lock"}, ("yarn", "yarn.lock")),
        ({}, {"pnpm-lock.yaml"}, ("pnpm", "pnpm-lock.yaml")),
        ({}, {"bun.lock"}, ("bun", "bun.lock")),
        ({}, {"bun.lockb"}, ("bun", "bun.lockb")),
        ({}, {"package-lock.json", "yarn.lock"}, ("npm", "package-lock.json")),
        ({"packageManager": "npm@11.0.0"}, {"package-lock.json", "yarn.lock"}, ("npm", "package-lock.json")),
        ({"packageManager": "pnpm@9.1.0"}, {"package-lock.json", "pnpm-lock.yaml"}, ("pnpm", "pnpm-lock.yaml")),
        ({"packageManager": "yarn@4.0.1"}, {"package-lock.json"}, ("yarn", "packageManager in package.json")),
        ({"packageManager": 7}, {"package-lock.json"}, ("npm", "package-lock.json")),
    ],
)
def test_who_manages_a_project(manifest: dict, present: set, expected: tuple) -> None:
    assert manager_of(manifest, present) == expected


def test_the_project_of_another_manager_is_refused_by_its_name(tmp_path: Path) -> None:
    refused = refusal(write(tmp_path / "app", package_json=MANIFEST, yarn_lock=b"# yarn lockfile v1"))
    assert refused.manager == "yarn" and "project of yarn (yarn.lock)" in str(refused)


def test_packages_of_each_lockfile() -> None:
    first = {"lockfileVersion": 1, "dependencies": {"a": {"version": "1", "dependencies": {"b": {"version": "2"}}}, "c": {}, "d": 3}}
    assert dict(locked_packages(first, lockfile_version(first, "x"))) == {
        "node_modules/a": first["dependencies"]["a"],  # type: ignore[index]
        "node_modules/a/node_modules/b": {"version": "2"},
        "node_modules/c": {},
    }
    third = {
        "lockfileVersion": 3,
        "packages": {"": {}, "packages/w": {}, "node_modules/a": {"version": "1"}, "packages/w/node_modules/b": {}, "node_modules/bad": 3},
    }
    assert list(dict(locked_packages(third, lockfile_version(third, "x")))) == ["node_modules/a", "packages/w/node_modules/b"]


def test_a_deep_lockfile_ends() -> None:
    entry: dict[str, Any] = {"version": "1"}
    for _level in range(5000):
        entry = {"version": "1", "dependencies": {"a": entry}}
    assert len(list(locked_packages({"dependencies": {"a": entry}}, 1))) == MAX_DEPTH


@pytest.mark.parametrize(
    ("entry", "omit", "expected"),
    [
        ({}, (), False),
        ({"dev": True}, (), False),
        ({"dev": True}, ("dev",), True),
        ({"optional": True}, ("dev",), False),
        ({"devOptional": True}, ("dev",), False),
        ({"devOptional": True}, ("dev", "optional"), True),
        ({"peer": True}, ("peer",), True),
        ({"link": True}, (), True),
        ({"version": "file:../library"}, (), True),
    ],
)
def test_what_is_not_looked_at(entry: dict, omit: tuple, expected: bool) -> None:
    assert omitted(entry, omit) is expected


def test_what_the_lockfile_lacks_is_named() -> None:
    manifest = {
        "dependencies": {"a": "1", "b": "1", "fsevents": "1"}, "devDependencies": {"c": "1"}, "optionalDependencies": {"fsevents": "1"},
        "peerDependencies": {"p": "1"},
    }
    packages: dict[str, Any] = {"node_modules/a": {}, "node_modules/x/node_modules/b": {}}
    assert unlocked(manifest, packages, ()) == ("b", "c")
    assert unlocked(manifest, packages, ("dev",)) == ("b",)
    assert unlocked({"dependencies": "a"}, {}, ()) == ()


@pytest.mark.parametrize(
    ("entry", "version", "expected"),
    [
        ({"version": "1.0.0"}, 3, ()),
        ({"version": "1.0.0-rc.1"}, 3, ()),
        ({"link": True, "resolved": "packages/a"}, 3, ()),
        ({"dev": True}, 3, ()),
        ({}, 3, ("@s/a",)),
        ({"version": "latest"}, 3, ("@s/a",)),
        ({"version": "file:a"}, 3, ("@s/a",)),
        ({"version": "git+ssh://git@example.com/a.git#1"}, 1, ()),
        ({"version": ""}, 1, ("@s/a",)),
    ],
)
def test_a_package_without_a_version_is_not_audited(entry: dict, version: int, expected: tuple) -> None:
    """npm asks about versions, and says nothing about what it passes over."""
    assert without_version({"node_modules/x/node_modules/@s/a": entry}, ("dev",), version) == expected


def test_a_project_with_a_package_without_a_version_is_not_clean(tmp_path: Path) -> None:
    lock = {"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": {"resolved": "https://registry.example/a-1.0.0.tgz"}}}
    assert read_project(write(tmp_path / "app", package_json=MANIFEST, package__lock_json=lock), ()).unlocked == ("a",)


def test_without_the_right_to_read_the_next_step_is_become(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any) -> None:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path / "app", package_json=MANIFEST, package__lock_json=LOCK)
    monkeypatch.setattr(os, "open", refuse)
    assert str(refusal(path)) == "package.json may not be read" and "become: true" in refusal(path).hint
    monkeypatch.setattr(os, "listdir", refuse)
    assert str(refusal(path)) == f"{path} may not be read"
