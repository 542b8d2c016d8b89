"""What the run of `molecule converge` left behind on the report host."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from upkeep_run import DESCRIPTION, INVENTORIES, PROJECT, Run, newest_record

PROBED = ("unit", "port", "http", "websocket")


@pytest.fixture
def reports() -> Path:
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "reports"


@pytest.fixture
def converged(reports: Path) -> Run:
    return Run(0, "", newest_record(reports))


def inventory(*paths: Path) -> dict[str, dict[str, Any]]:
    """What ansible-inventory says about each host of the inventories."""
    arguments = ["ansible-inventory", "--list", *(f"--inventory={path}" for path in paths)]
    listed = subprocess.run(arguments, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(listed.stdout)["_meta"]["hostvars"]


def test_platform_is_healthy_and_nothing_is_unknown(converged: Run) -> None:
    assert converged.health == "HEALTHY"
    assert converged.problems() == set()


def test_every_role_has_a_result_where_it_is_concerned(converged: Run) -> None:
    """The second host serves no certificate, has no web server and no database, and keeps no backup."""
    looked = (
        "platform", "health", "resources", "databases", "certificates", "log_review", "logs", "traffic", "security_audit", "dependencies",
        "backups",
    )  # fmt: skip
    statuses = {
        host: {role: entry["status"] for role, entry in found["roles"].items()} for host, found in converged.record["hosts"].items()
    }
    everything = {role: "ok" for role in looked}
    assert statuses == {"nsfx-app-1": everything, "nsfx-app-2": {**everything, **dict.fromkeys(("databases", "certificates", "traffic", "backups"), "not_run")}}


def test_everything_of_the_inventory_is_a_subject(converged: Run) -> None:
    expected = {("dependency.audit", project) for project in DESCRIPTION["node_projects"]}
    expected |= {("log.rotation", log) for service in DESCRIPTION["services"] for log in service.get("logs", [])}
    expected |= {("certificate.chain", served["endpoint"]) for served in DESCRIPTION["certificates"]["served_by"]}
    expected |= {("backup.readable", "neurosense-fx-nsfx-app-1")}
    expected |= {("log.errors", service["name"]) for service in DESCRIPTION["services"]}
    expected |= {("access.latency", log["name"]) for log in DESCRIPTION["web_logs"]}
    expected |= {("database.answers", f"postgresql {database['name']}") for database in DESCRIPTION["databases"]}
    expected |= {("database.memory", "redis 127.0.0.1:6379")}
    expected |= {("auth.failures", "all logins"), ("port.changed", "listeners"), ("firewall.blocked", "upkeep_block")}
    found = {(check.check, check.subject) for check in converged.checks() if check.host == "nsfx-app-1"}
    assert expected <= found


def test_every_service_of_the_inventory_is_a_subject(converged: Run) -> None:
    expected = {(f"service.{kind}", service["name"]) for service in DESCRIPTION["services"] for kind in PROBED if kind in service}
    expected |= {("service.tcp", f"{service['name']} upstream") for service in DESCRIPTION["services"] if "upstream" in service}
    found = {(check.check, check.subject) for check in converged.checks() if check.host == "nsfx-app-1"}
    assert len(expected) > len(DESCRIPTION["services"])
    assert expected <= found


def test_only_the_probes_of_its_groups_are_made_on_a_host(converged: Run) -> None:
    probed = {check.subject for check in converged.checks() if check.host == "nsfx-app-2" and check.role == "health"}
    assert probed == {"frontend"}


def test_only_addresses_are_replaced() -> None:
    """The tests' inventory changes nothing of what the user's says about the platform."""
    user, tested = inventory(INVENTORIES[0])["nsfx-app-1"], inventory(*INVENTORIES)["nsfx-app-1"]
    replaced = {name for name in user if user[name] != tested[name]}
    added = {name for name in tested if name not in user and not name.startswith("test_")}
    assert replaced == {"ansible_host", "notify_smtp"}
    assert user["notify_smtp"].items() < tested["notify_smtp"].items(), "only who sends is added"
    assert added == {
        "ansible_ssh_common_args",
        "ansible_ssh_private_key_file",
        "upkeep_report_directory",
        "dependencies_registry",  # no test leaves the machine
        "notify_webhooks",
        "security_audit_files_exclude",  # where the tests order faults
        "security_audit_digests_host",  # tests have reports of their own
        "security_audit_digests_become",
        "security_audit_digests_directory",
        "resources_thresholds",  # the figures of the machine that runs the tests; see the file
    }


def test_files_of_the_report(reports: Path, converged: Run) -> None:
    run = reports / "runs" / converged.record["run_id"]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "HEALTHY" in page
    assert all(service["name"] in page for service in DESCRIPTION["services"])
    assert (run / "report.md").is_file()
    assert json.loads((reports / "latest.json").read_text(encoding="utf-8")) == converged.record
    assert converged.record["run_id"] in (reports / "latest.html").read_text(encoding="utf-8")
    assert converged.record["run_id"] in (reports / "index.html").read_text(encoding="utf-8")
