"""What a manifest says about the host, and what it says when that cannot be had."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.upkeep.runbook.plugins.module_utils.backups import metadata
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.metadata import MetadataSurvey
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult

CHECKOUT = Path(__file__).resolve().parents[5]


def test_the_version_is_that_of_the_collection() -> None:
    assert yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())["version"] == metadata.COLLECTION_VERSION


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ('PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian"\n', "Debian GNU/Linux 13 (trixie)"),
        ("NAME=x\nPRETTY_NAME=Plain\n", "Plain"),
        ("NAME=x\n", None),
        ("", None),
    ],
)
def test_the_name_of_the_system(release: str, name: str | None) -> None:
    assert metadata.name_of_system(release) == name


def test_what_cannot_be_had_is_null(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(metadata, "_OS_RELEASE", str(tmp_path / "none"))
    survey = MetadataSurvey([str(tmp_path), "/no/such/tree"], ["ssh.service"])
    answer = survey.answer()
    survey.close()
    assert answer["versions"]["python"] and answer["versions"]["kernel"]
    assert [answer["versions"][name] for name in ("os", "node", "npm")] == [None] * 3
    assert answer["git"]["/no/such/tree"] == {"revision": None, "modified": None, "reason": "No such file or directory"}
    assert answer["git"][str(tmp_path)]["revision"] is None and "git" in answer["git"][str(tmp_path)]["reason"]
    assert answer["services"] == [{"unit": "ssh.service", "state": "unknown"}]


def test_npm_is_asked_without_being_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "lib/npm/bin/npm-cli.js"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    (tmp_path / "npm").symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert metadata._npm_version() is None
    for text, version in (('{"name": "npm", "version": "11.1.0"}', "11.1.0"), ('{"name": "other", "version": "1"}', None), ("[]", None)):
        (tmp_path / "lib/npm/package.json").write_text(text)
        assert metadata._npm_version() == version


def test_a_working_tree(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        argv = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e@example.com", *arguments]
        return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    git("init", "--quiet")
    assert metadata._revision(str(tmp_path))["revision"] is None
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "--quiet", "--message=x")
    revision = git("rev-parse", "HEAD")
    assert metadata._revision(str(tmp_path)) == {"revision": revision, "modified": False}
    (tmp_path / "untracked").touch()
    assert metadata._revision(str(tmp_path)) == {"revision": revision, "modified": False}
    (tmp_path / "file").write_text("22")
    assert metadata._revision(str(tmp_path)) == {"revision": revision, "modified": True}
    marker = tmp_path / "ran"
    git("config", "core.fsmonitor", f"touch {marker}; false")
    metadata._revision(str(tmp_path))
    assert not marker.exists()


def test_git_runs_with_the_rights_of_the_owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a repository of the application's user configures must not run as root."""
    asked: list[list[str]] = []

    def run(argv: list[str], **_options: Any) -> CommandResult:
        asked.append(argv)
        return CommandResult(tuple(argv), 0, "a" * 40 + "\n" if "rev-parse" in argv else "", "")

    status = os.stat(tmp_path)
    owned = os.stat_result((*status[:4], 1234, 5678, *status[6:]))
    monkeypatch.setattr(metadata.os, "stat", lambda _path: owned)
    monkeypatch.setattr(metadata.os, "geteuid", lambda: 0)
    assert metadata._revision(str(tmp_path), run) == {"revision": "a" * 40, "modified": False}
    assert [argv[:5] for argv in asked] == [["setpriv", "--reuid=1234", "--regid=5678", "--clear-groups", "--no-new-privs"]] * 2
