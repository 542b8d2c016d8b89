"""The playbook of the incident on both hosts: what it shows, does, finds and takes back, and what its custody log holds of that."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from break_in import HIDDEN
from shop import ATTACKER, BUSINESS, MANAGEMENT, SHOPS, address, reached, rules
from upkeep_run import CONFIRMED, FAILED, PROJECT, Run, run_playbook

INCIDENT = "INC-42"


def indicators() -> list[dict[str, str]]:
    """What the attacker left behind, as one who has looked at one host writes it down."""
    digest = SHOPS["shop-1"].sh(f"sha256sum {HIDDEN}").split()[0]
    return [
        {"type": "path", "value": HIDDEN},
        {"type": "sha256", "value": digest},
        {"type": "user", "value": "support"},
        {"type": "schedule", "value": HIDDEN},
        {"type": "address", "value": address(ATTACKER)},
        {"type": "domain", "value": "nobody-asked-for.example"},
    ]


def act(reports: Path, *arguments: str) -> Run:
    variables: dict[str, Any] = {
        "upkeep_incident": INCIDENT,
        **CONFIRMED,
        "containment_hosts": "all",
        "containment_block": address(ATTACKER),
        "containment_accounts": "anna",
        "sweep_indicators": indicators(),
        "sweep_hash_paths": ["/var/lib/.cache", "/tmp"],
    }
    return run_playbook("security_incident", reports, "-e", json.dumps(variables), *arguments)


def custody(reports: Path) -> tuple[list[tuple[str, str, str]], str]:
    """Return host, step and outcome of each entry of the custody log, and what the module says of its chain."""
    options = {"directory": str(reports / "incidents"), "incident": INCIDENT, "state": "verified"}
    call = ["ansible", "-i", "localhost,", "-c", "local", "localhost", "-m", "upkeep.runbook.custody_log", "-a", json.dumps(options)]
    said = subprocess.run(call, cwd=PROJECT, env={**os.environ, "ANSIBLE_NOCOLOR": "true"}, capture_output=True, text=True, check=False)
    lines = (reports / "incidents" / INCIDENT / "custody.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [(row["host"], row["step"], row["outcome"]) for row in rows], said.stdout


@pytest.mark.usefixtures("broken_into")
def test_an_incident_from_the_plan_to_the_release(tmp_path: Path) -> None:
    before, shadow = rules(), [shop.sh("getent shadow anna") for shop in SHOPS.values()]

    plan = act(tmp_path, "--check", "--tags", "isolate,block")
    assert plan.status == 0, plan.output
    assert rules() == before and not (tmp_path / "incidents").exists()

    acted = act(tmp_path)
    try:
        # What the attacker left behind is still there, and an isolated host is not healthy.
        assert acted.status == FAILED, acted.output
        assert reached(*MANAGEMENT, *BUSINESS) == [True] * len(MANAGEMENT) + [False] * len(BUSINESS), acted.output
        for host in SHOPS:
            found = {(row.check, row.subject): row.status for row in acted.checks() if row.host == host}
            assert found["containment.result", INCIDENT] == "warning", found
            swept = {subject for (check, subject), status in found.items() if check == "ioc.found" and status == "critical"}
            assert {HIDDEN, "support"} <= {subject.partition(" ")[2] for subject in swept}, swept
    finally:
        released = act(tmp_path, "--tags", "release")
    assert released.status == 0, released.output
    assert rules() == before
    assert [shop.sh("getent shadow anna") for shop in SHOPS.values()] == shadow
    assert all(reached(*BUSINESS))

    told, chain = custody(tmp_path)
    assert f"All {len(told)} entries of the custody log" in chain, chain
    for host in SHOPS:
        for step in ("isolate", "block", "release"):
            assert [outcome for name, what, outcome in told if (name, what) == (host, step)] == ["planned", "done"], told
        assert {what for name, what, outcome in told if name == host} == {"evidence", "isolate", "block", "sweep", "verify", "release"}
