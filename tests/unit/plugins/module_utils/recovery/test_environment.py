"""Files of settings: rights, required keys, placeholders; and no value is ever shown."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.environment import problems_of, read_keys, settle_files

CONTENT = b"""# comment = no key
export A=one # said so
B="two # not a comment"
C = 'three'
D=
E=#nothing
URL=postgres://u:p@h/db?x=1
A=last
\xff=broken
"""


def test_keys_are_read_as_shells_and_dotenv_do() -> None:
    keys = read_keys(CONTENT)
    assert keys == {"A": "last", "B": "two # not a comment", "C": "three", "D": "", "E": "", "URL": "postgres://u:p@h/db?x=1"}


@pytest.mark.parametrize("value", ["changeme", "CHANGE_ME", "your-api-key", "<password>", "xxx", "TODO", "{{ secret }}", "..."])
def test_a_placeholder_is_none_of_a_required_key_and_a_warning_elsewhere(value: str) -> None:
    assert problems_of({"A": value}, ["A"])[1] == "critical"
    assert problems_of({"A": value}, [])[1] == "warning"


@pytest.mark.parametrize("value", ["secret", "example.org", "xx", "todos", "a<b>", "yourself"])
def test_what_may_be_a_value_is_one(value: str) -> None:
    assert problems_of({"A": value}, ["A"]) == ([], "ok")


def item(path: Path, **changes: Any) -> dict[str, Any]:
    return {"path": str(path), "required_keys": [], "mode": "0600", "owner": "", **changes}


def test_rights_are_set_once_and_not_in_check_mode(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(CONTENT)
    path.chmod(0o644)
    planned = settle_files([item(path)], check_mode=True)
    assert planned["changed"] and path.stat().st_mode & 0o777 == 0o644
    done = settle_files([item(path)], check_mode=False)
    assert done["files"] == [{"path": str(path), "changed": ["mode"]}]
    assert path.stat().st_mode & 0o777 == 0o600
    assert settle_files([item(path)], check_mode=False)["changed"] is False


def test_missing_keys_are_named_and_no_value_is_shown(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("TOKEN=hunter2-very-secret\nEMPTY=\nFILL=changeme\n")
    result = settle_files([item(path, required_keys=["TOKEN", "EMPTY", "FILL", "GONE"])], check_mode=False)
    (check,) = result["checks"]
    assert check["status"] == result["status"] == "critical"
    assert check["summary"] == f"{path} lacks GONE; it has no value for EMPTY; it has a placeholder instead of a value for FILL."
    assert "hunter2" not in json.dumps(result) and "changeme" not in json.dumps(result)


def test_what_is_no_file_is_said_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("A=1\n")
    (tmp_path / "link").symlink_to("real")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "big").write_bytes(b"A=1\n" * 300_000)
    names = ("link", "pipe", "gone", "big")
    result = settle_files([item(tmp_path / name) for name in names], check_mode=False)
    assert [check["status"] for check in result["checks"]] == ["unknown", "critical", "critical", "unknown"]
    assert (tmp_path / "real").stat().st_mode & 0o777 != 0o600


@pytest.mark.parametrize("changes", [{"mode": "rw"}, {"mode": "4755"}, {"owner": "nobody-called-so"}])
def test_a_wrong_option_is_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    with pytest.raises(UpkeepError, match="mode|no user"):
        settle_files([item(tmp_path / ".env", **changes)], check_mode=False)
