"""The alarm rings: a port of one shop is closed for the other, and a file that is tampered with is found."""

from __future__ import annotations

import json
from pathlib import Path

from shop import SHOPS, address, rules
from upkeep_run import run_playbook


def test_a_blocked_port_is_closed_from_outside_and_a_tampered_file_is_found(tmp_path: Path) -> None:
    before = rules()
    variables = {
        "selftest_parts": "block,files",
        "selftest_observer": "shop-2",
        "selftest_observer_address": address(SHOPS["shop-2"]),
        "selftest_address": address(SHOPS["shop-1"]),
    }
    run = run_playbook("security_selftest", tmp_path, "--limit=shop-1", f"--extra-vars={json.dumps(variables)}")
    assert run.status == 0, run.output
    found = {(row.check, row.status) for row in run.checks() if row.check.startswith("selftest")}
    assert found == {("selftest.block", "ok"), ("selftest.files", "ok")}
    assert rules() == before
