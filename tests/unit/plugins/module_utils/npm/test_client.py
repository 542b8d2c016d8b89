"""How npm is called and what its end means, with a small program in its place; tests/faults has the real one."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.npm.client import (
    Client,
    audit,
    audit_arguments,
    find_npm,
    private_folder,
    registry_hint,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.projects import Project, Unaudited

CLEAN = json.dumps({"vulnerabilities": {}, "metadata": {"dependencies": {"total": 1}}})
FILES = {"package.json": b'{"name": "app"}', "package-lock.json": b'{"lockfileVersion": 3}'}
PROJECT = Project("/opt/app", "package-lock.json", 3, 1, (), FILES)


def client(tmp_path: Path, script: str = "", **more: Any) -> Client:
    """Make a client whose npm is a shell script."""
    program = tmp_path / "npm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    known = {"registry": "http://127.0.0.1:9/", "config_file": None, "omit": (), "retries": 0}
    return Client(executable=str(program), scratch=str(scratch), **{**known, **more})  # type: ignore[arg-type]


def soon() -> float:
    return time.monotonic() + 20


def test_npm_sees_a_copy_in_a_private_folder(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    script = f"pwd > {seen}; ls -A >> {seen}; echo $HOME $TMPDIR >> {seen}; cat package.json >> {seen}; echo '{CLEAN}'"
    found, attempts = audit(client(tmp_path, script), PROJECT, soon())
    assert (found, attempts) == ([], 1)
    lines = seen.read_text().splitlines()
    scratch = str(tmp_path / "scratch")
    assert lines[0].startswith(f"{scratch}/project-")
    assert lines[1:] == ["package-lock.json", "package.json", f"{scratch} {scratch}", '{"name": "app"}']
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_private_folder_is_ours_alone_and_goes_away(tmp_path: Path) -> None:
    with private_folder(str(tmp_path)) as folder:
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        Path(folder, "cache").mkdir()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("named", [None, "/etc/upkeep/npmrc", "/etc/npmrc"])
def test_the_settings_that_npm_reads(tmp_path: Path, named: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    arguments = audit_arguments(client(tmp_path, config_file=named), "/scratch/project", 7.5)
    assert f"--userconfig={named or '/home/someone/.npmrc'}" in arguments
    # npm refuses one file in two places.
    assert f"--globalconfig={'/etc/npmrc' if named is None else tmp_path / 'scratch/no-npmrc'}" in arguments
    assert {"--prefix=/scratch/project", "--fetch-timeout=7500", "--ignore-scripts=true", "--package-lock-only"} <= set(arguments)


def test_what_is_left_out_is_said_and_all_else_is_looked_at(tmp_path: Path) -> None:
    arguments = audit_arguments(client(tmp_path, omit=("dev",)), "/scratch/project", 1)
    assert [one for one in arguments if one.startswith(("--omit", "--include"))] == ["--omit=dev", "--include=optional", "--include=peer"]


@pytest.mark.parametrize(("registry", "count"), [("http://127.0.0.1:9/", 1), (None, 0)])
def test_the_registry_is_named_only_when_it_is_given(tmp_path: Path, registry: Any, count: int) -> None:
    arguments = audit_arguments(client(tmp_path, registry=registry), "/scratch/project", 1)
    assert len([one for one in arguments if one.startswith("--registry")]) == count


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 0", "npm printed no report"),
        ("echo oops >&2; exit 7", "npm printed no report but said: oops"),
        ("echo '<html>'", "npm printed no report"),
        ('echo \'{"error": {"code": "ENOLOCK", "summary": "no lock"}}\'', "npm got no audit: no lock"),
        ('echo \'{"message": "405 Method Not Allowed", "statusCode": 405}\'; exit 1', "405 Method Not Allowed"),
        ("yes '{' | head -c 40000000", "more than 32 MiB"),
        ("kill -9 $$", "npm printed no report"),
        ("echo https://me:hunter2@registry/ >&2", "npm printed no report but said: https://registry/"),
    ],
)
def test_what_is_no_report(tmp_path: Path, script: str, words: str) -> None:
    with pytest.raises(Unaudited) as caught:
        audit(client(tmp_path, script), PROJECT, soon())
    assert words in str(caught.value) and caught.value.hint
    assert "hunter2" not in str(caught.value)


def test_the_exit_status_means_nothing(tmp_path: Path) -> None:
    """npm 9 ends with 0 and vulnerabilities, npm 11 with 1 and none: what it printed counts."""
    assert audit(client(tmp_path, f"echo '{CLEAN}'; exit 1"), PROJECT, soon())[0] == []


def counting_script(folder: Path, good_from: int) -> str:
    return f"echo x >> {folder}/asked; [ $(wc -l < {folder}/asked) -ge {good_from} ] && echo '{CLEAN}' || echo '{{\"error\": \"away\"}}'"


def test_what_may_pass_is_tried_again_after_growing_pauses(tmp_path: Path) -> None:
    pauses: list = []
    _found, attempts = audit(client(tmp_path, counting_script(tmp_path, 4), retries=5), PROJECT, soon() + 60, pauses.append)
    assert (attempts, pauses) == (4, [1.0, 2.0, 4.0])


def test_after_the_last_attempt_the_reason_says_how_many(tmp_path: Path) -> None:
    with pytest.raises(Unaudited) as caught:
        audit(client(tmp_path, counting_script(tmp_path, 99), retries=2), PROJECT, soon() + 60, lambda _seconds: None)
    assert "away (3 attempts in " in str(caught.value)


def test_the_deadline_ends_npm_and_whatever_it_started(tmp_path: Path) -> None:
    script = f"sleep 300 & echo $! > {tmp_path}/child; sleep 300"
    with pytest.raises(Unaudited) as caught:
        audit(client(tmp_path, script), PROJECT, time.monotonic() + 1)
    assert "no answer after 1 s" in str(caught.value)
    child = (tmp_path / "child").read_text().strip()
    for _moment in range(100):
        state = Path("/proc", child, "stat")
        if not state.exists() or " Z " in state.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(f"process {child} lives on")


def test_when_the_time_is_over_npm_is_not_asked(tmp_path: Path) -> None:
    with pytest.raises(Unaudited) as caught:
        audit(client(tmp_path, f"touch {tmp_path}/asked"), PROJECT, time.monotonic() - 1)
    assert "the time for all projects was over" in str(caught.value)
    assert not (tmp_path / "asked").exists()


def test_without_npm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unaudited) as caught:
        find_npm("npm-that-is-not-there")
    assert "npm-that-is-not-there is not installed on this host" in str(caught.value)
    assert "apt install npm" in caught.value.hint


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("405 Method Not Allowed", "serves no audits"),
        ("404 Not Found", "serves no audits"),
        ("401 Unauthorized", "config_file"),
        ("connect ECONNREFUSED", "reaches http://127.0.0.1:9/"),
        ("npm got no audit: connect ECONNREFUSED 127.0.0.1:54033", "reaches http://127.0.0.1:9/"),
        ("npm got no audit: connect ECONNREFUSED 127.0.0.1:405", "reaches http://127.0.0.1:9/"),
        ("npm got no audit: E403 - forbidden", "config_file"),
    ],
)
def test_the_next_step(tmp_path: Path, reason: str, words: str) -> None:
    assert words in registry_hint(reason, client(tmp_path))
