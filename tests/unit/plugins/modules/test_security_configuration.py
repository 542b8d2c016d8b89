"""The module as Ansible runs it, on this very host: one call, every part, nothing changed, refusals in words."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.inspection import _PARTS
from ansible_collections.upkeep.runbook.plugins.modules import security_configuration
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

#: Programs of the host, which take their time and say other things on each host, are met in tests/integration.
QUICK = ["secrets", "tls", "sudoers", "kernel"]
CRASH = """
import ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.inspection as inspection
def crash(options):
    raise RuntimeError("boom \\x1b[2J")
inspection._PARTS["kernel"] = crash
"""


def run(before: str = "", env: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    return run_module("security_configuration", {"parts": QUICK, **options}, before=before, env=env)


def test_every_part_can_be_asked_for() -> None:
    assert list(_PARTS) == security_configuration.PARTS == security_configuration.argument_spec()["parts"]["default"]


def test_it_looks_and_changes_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    secret = tmp_path / ".env"
    secret.write_text("PASSWORD=hunter2")
    secret.chmod(0o644)
    answer = run(secrets=[{"path": str(secret)}, {"path": f"{tmp_path}/*.key"}], secrets_usual=False, parts=["secrets"], _ansible_check_mode=True)
    assert (answer["changed"], answer["status"]) == (False, "critical")
    assert [(row["check"], row["subject"], row["status"]) for row in answer["checks"]] == [
        ("configuration.secrets", str(secret), "critical"), ("configuration.secrets", f"{tmp_path}/*.key", "unknown"),
    ]  # fmt: skip
    assert [(one["rule"], one["status"]) for one in answer["findings"]] == [("secrets.others", "critical"), ("secrets", "unknown")]
    assert "hunter2" not in json.dumps(answer) and secret.stat().st_mode & 0o777 == 0o644


def test_what_is_ok_is_folded_unless_all_is_asked_for(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.key").touch(mode=0o600)
    tmp_path.chmod(0o700)
    given = {"parts": ["secrets"], "secrets": [{"path": f"{tmp_path}/*.key"}], "secrets_usual": False}
    (row,) = run(**given)["checks"]
    assert (row["status"], row["folded"]) == ("ok", 3)
    answer = run(**given, return_all=True)
    assert len(answer["checks"]) == len(answer["findings"]) == 3


def test_a_rule_can_be_ignored_or_switched_off(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "a.key").touch()
    (tmp_path / "a.key").chmod(0o644)
    given = {"parts": ["secrets"], "secrets": [{"path": f"{tmp_path}/*.key"}], "secrets_usual": False}
    decision = {"rule": "secrets.others", "subject": f"{tmp_path}/*", "reason": "it is public", "expires": "2199-12-31"}
    answer = run(**given, ignore=[decision])
    assert answer["status"] == "ok"
    assert {row["check"]: row.get("suppressed", {}).get("reason") for row in answer["checks"]} == {
        "configuration.secrets": "it is public", "configuration.ignore": None,
    }  # fmt: skip
    assert run(**given, ignore=[{**decision, "expires": "2020-01-01"}])["status"] == "critical"
    assert run(**given, rules=[{"id": "secrets.others", "severity": "warning"}])["status"] == "warning"
    off = run(**given, rules=[{"id": "secrets.others", "severity": "off"}])
    assert off["status"] == "ok" and off["checks"][0]["check"] == "configuration.parts"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parts": []}, "parts is empty"),
        ({"rules": [{"id": "x.y", "severity": "off"}]}, "rules[0].id: 'x.y' is no rule"),
        ({"ignore": [{"rule": "x.y", "reason": "a", "expires": "2027-01-01"}]}, "ignore[0].rule: 'x.y' is no rule"),
        ({"secrets": [{"path": "x"}]}, "secrets[0].path: 'x' is not accepted"),
        ({"endpoints": [{"host": "a", "prot": 1}]}, "endpoints[0].prot is not known"),
        ({"nginx_limited": ["api"]}, "nginx_limited[0]: 'api' is not accepted"),
        ({"timeout_seconds": 0}, "timeout_seconds: 0 is not accepted"),
        ({"lynis_warning_index": 101}, "lynis_warning_index: 101 is not accepted"),
    ],
)
def test_wrong_options_are_refused_in_words(options: dict[str, Any], said: str) -> None:
    result = run(**options)
    assert result["failed"] is True and result["msg"].startswith(said) and "exception" not in result


def test_a_part_that_crashes_does_not_silence_the_others() -> None:
    answer = run(CRASH, parts=["kernel", "secrets"])
    assert answer["status"] in ("unknown", "critical") and "failed" not in answer
    (row,) = [row for row in answer["checks"] if row["check"] == "configuration.kernel"]
    assert row["status"] == "unknown" and "RuntimeError: boom" in row["summary"] and "\x1b" not in json.dumps(row)
    assert [row for row in answer["checks"] if row["check"] == "configuration.secrets"]


@pytest.mark.parametrize("part", ["ssh", "updates", "nginx", "lynis"])
def test_programs_that_hang_say_much_or_are_missing_are_survived(part: str, tmp_path: Path) -> None:
    """What stands for them is found first, by PATH; the first one hangs, the second one never ends its answer."""
    for index, script in enumerate(("exec sleep 600", "exec yes $'\\033[2J\\377'", "exit 7")):
        folder = tmp_path / str(index)
        folder.mkdir()
        for name in ("sshd", "nginx", "apt-cache", "dpkg-query", "apt-config", "lynis"):
            (folder / name).write_text(f"#!/bin/bash\n{script}\n")
            (folder / name).chmod(0o755)
        answer = run(parts=[part], timeout_seconds=0.3, lynis_timeout_seconds=1, lynis_run=True, env={"PATH": f"{folder}:{os.environ['PATH']}"})
        assert answer["changed"] is False and "exception" not in answer
        assert answer["status"] in ("unknown", "ok", "warning") and len(json.dumps(answer)) < 200_000
        if part != "lynis":
            assert answer["status"] == "unknown", answer
