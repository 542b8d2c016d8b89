"""The modules of containment as Ansible runs them, where they may not or cannot act: nothing changes, and the reason is said."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

#: No nft, no systemd, no usermod: nothing of this machine is touched.
NOTHING = {"PATH": "/nowhere"}
HIDDEN = (
    "from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import nftables\n"
    "nftables.SEARCH_PATH = '/nowhere'\n"
)


def run(name: str, directory: Path, **options: Any) -> dict[str, Any]:
    return run_module(name, {"state_directory": str(directory), **options}, before=HIDDEN, env=NOTHING)


@pytest.mark.parametrize(
    ("name", "check"), [("ip_block", "firewall.blocked"), ("host_isolate", "isolation.state")]
)
def test_without_nftables_nobody_can_tell(tmp_path: Path, name: str, check: str) -> None:
    answer = run(name, tmp_path / "state", state="query")
    assert (answer["status"], answer["changed"]) == ("unknown", False)
    assert answer["checks"][0]["check"] == check and "apt install nftables" in answer["checks"][0]["hint"]
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("name", "options", "named"),
    [
        ("ip_block", {"address": "192.0.2.1"}, "apt install nftables"),
        ("ip_block", {"address": "somewhere"}, "address: 'somewhere'"),
        ("ip_block", {"entries": [{"address": "192.0.2.1", "timeout_seconds": -1}]}, "entries[0].timeout_seconds"),
        ("ip_block", {"state": "absent"}, "all=true"),
        ("ip_block", {"all": True}, "all:"),
        ("ip_block", {"lock_wait_seconds": -1}, "lock_wait_seconds"),
        ("host_isolate", {"management": ["192.0.2.1"]}, "apt install nftables"),
        ("host_isolate", {"revert_seconds": 5}, "revert_seconds: 5"),
        ("account_containment", {}, "users: name at least one"),
        ("account_containment", {"users": ["../../etc"]}, "no name of a local account"),
        ("account_containment", {"users": ["no-such-account"]}, "no local account"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_done(tmp_path: Path, name: str, options: dict[str, Any], named: str) -> None:
    answer = run(name, tmp_path / "state", **options)
    assert answer["failed"] is True and named in answer["msg"]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "containment.lock"]


def test_a_damaged_ledger_is_unknown_to_a_query(tmp_path: Path) -> None:
    (tmp_path / "ip_block.json").write_text("{")
    assert run("ip_block", tmp_path, state="query")["status"] == "unknown"
    (tmp_path / "isolation.json").write_bytes(os.urandom(100))
    assert run("host_isolate", tmp_path, state="query")["status"] == "unknown"
    (tmp_path / "containment").mkdir()
    (tmp_path / "containment" / "deploy.json").write_text("[]")
    found = run("account_containment", tmp_path, state="query")
    assert found["status"] == "unknown" and found["checks"][0]["subject"] == "deploy"


def test_no_account_is_contained(tmp_path: Path) -> None:
    assert run("account_containment", tmp_path, state="query")["status"] == "ok"


@pytest.mark.parametrize(
    ("name", "options"),
    [("ip_block", {"address": "192.0.2.1"}), ("host_isolate", {"management": ["192.0.2.1"]}), ("account_containment", {"users": ["no-such"]})],
)
def test_a_procedure_that_holds_the_host_keeps_nobody_from_containing_it(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    with exclusive_lock(tmp_path / "lock", LockOwner("r", "backup", "now")):
        assert "holds" not in run(name, tmp_path, **options, lock_wait_seconds=0)["msg"]
    with exclusive_lock(tmp_path / "containment.lock", LockOwner("r", "security_incident", "now")):
        assert "security_incident" in run(name, tmp_path, **options, lock_wait_seconds=0)["msg"]
