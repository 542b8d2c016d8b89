"""The module baseline_digests as Ansible runs it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

RUN, DIGEST = "20261122T050000Z-0000000a", 64 * "a"


def call(folder: Path, **options: Any) -> dict[str, Any]:
    base = {"directory": str(folder), "platform": "Test platform", "host": "web-1", "run_id": RUN, "reason": "one"}
    return run_module("baseline_digests", {**base, **options})


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*")}


def test_a_record_comes_to_be_with_its_folders_and_is_read(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    assert call(reports)["record"] == {"digests": {}, "pending": {}, "history": []}
    assert call(reports, phase="begun", parts=["ports"], _ansible_check_mode=True)["record"]["pending"]["ports"]["reason"] == "one"
    assert not reports.exists(), "neither reading nor check mode writes"
    old = os.umask(0)
    try:
        begun = call(reports, phase="begun", parts=["ports"])
    finally:
        os.umask(old)
    assert begun["changed"] is False and begun["expected"] == {}
    path = Path(begun["path"])
    assert modes(reports) == {"baselines": 0o700, path.parent.name: 0o700, path.name: 0o600, ".lock": 0o600}
    assert reports.stat().st_mode & 0o777 == 0o750
    accepted = call(reports, phase="accepted", digests={"ports": DIGEST})
    assert accepted["expected"] == call(reports)["expected"] == {"ports": DIGEST}
    assert call(reports, phase="begun", parts=["ports"])["expected"] == {"ports": DIGEST}, "as it was before"
    assert call(reports)["expected"] == {}
    assert call(reports, host="web_1")["path"] != str(path) and call(reports, platform="Other")["path"] != str(path)


def test_a_name_with_a_path_in_it_stays_in_its_folder(tmp_path: Path) -> None:
    answer = call(tmp_path, host="../../../etc/passwd", platform="..", phase="begun", parts=["files"])
    assert Path(answer["path"]).resolve().parent.parent == tmp_path / "baselines"


def test_wrong_options_are_said(tmp_path: Path) -> None:
    for options, message in (
        ({"directory": "reports"}, "must be absolute"),
        ({"phase": "begun", "parts": ["prots"]}, "'prots' is no part"),
        ({"phase": "accepted", "digests": {"ports": "12"}}, "is no digest"),
        ({"phase": "begun", "run_id": ""}, "run_id"),
    ):
        answer = call(tmp_path, **options)
        assert answer["failed"] and message in answer["msg"], answer
    assert not list(tmp_path.glob("baselines/*/*.json"))


@pytest.mark.parametrize("damage", ["cut", "link", "folder", "writable", "host", "garbage", "large"])
def test_a_record_that_proves_nothing_is_refused_and_stays(tmp_path: Path, damage: str) -> None:
    call(tmp_path, phase="begun", parts=["ports"])
    path = Path(call(tmp_path, phase="accepted", digests={"ports": DIGEST})["path"])
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:50])
    elif damage == "link":
        path.rename(tmp_path / "elsewhere.json")
        path.symlink_to(tmp_path / "elsewhere.json")
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    elif damage == "writable":
        path.chmod(0o620)
    elif damage == "host":
        path.write_text(json.dumps({**json.loads(content), "host": "web-2"}))
    elif damage == "garbage":
        path.write_bytes(b"\xff\x00[" * 1000)
    else:
        path.write_bytes(b"[" * 5_000_000)
    for phase in ("read", "begun", "accepted"):
        answer = call(tmp_path, phase=phase, parts=["ports"])
        assert answer["failed"] and str(path.parent) in answer["msg"], answer
    assert damage not in ("cut", "writable") or path.read_bytes() in (content, content[:50])
