"""The module as Ansible runs it, on this very host."""

from __future__ import annotations

import json
import pwd
import re
from pathlib import Path

from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module


def test_it_reviews_this_host_and_shows_no_hash(tmp_path: Path) -> None:
    answer = run_module("access_review", {"state_directory": str(tmp_path / "state")})
    assert answer["changed"] is False and "exception" not in answer
    assert {account["name"] for account in answer["accounts"]} >= {"root"}
    assert {account["name"]: account["uid"] for account in answer["accounts"]}["root"] == pwd.getpwnam("root").pw_uid
    assert not re.search(r"\$(?:1|2b|5|6|y|gy)\$", json.dumps(answer))
    assert not (tmp_path / "state").exists()


def test_wrong_options_are_refused_in_words(tmp_path: Path) -> None:
    result = run_module("access_review", {"state": "accepted", "state_directory": str(tmp_path / "state")})
    assert result["failed"] is True and result["msg"].startswith("reason:") and "exception" not in result
