"""Hosts that do not answer, or no longer: the run goes on, reports, and fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import House, Outcome, closed_port, listening

FADING = {"ansible_connection": "fading"}


def nobody_at(port: int) -> dict[str, object]:
    """Return the variables of a host on which nothing listens for SSH."""
    return {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": port}


def test_with_every_host_down_the_report_exists_and_the_run_fails(house: House) -> None:
    with closed_port() as port:
        house.hosts = {"alpha": nobody_at(port), "beta": nobody_at(port)}
        done = house.run("daily")
    assert done.rc not in (0, 250), done.output
    record = house.records()[done.record["run_id"]]
    assert record == done.record
    assert record["status"] == "critical" and record["health"] == "UNHEALTHY"
    for host in ("alpha", "beta"):
        assert record["hosts"][host]["reachable"] is False
        check = done.check(host, "host.reachable")
        assert check["status"] == "critical" and check["hint"]
        # The second is what Ansible says when ssh, on a busy machine, ends before it has been given the module.
        assert "Connection refused" in check["summary"] or "Broken pipe" in check["summary"], check["summary"]
        for role in ("health", "resources"):
            assert done.role(host, role) == {"status": "unknown", "reason": "the host is unreachable", "checks": []}
        assert f"CRITICAL  {host}" in done.output
    run = house.reports / "runs" / record["run_id"]
    assert {path.name for path in run.iterdir()} == {"record.json", "report.html", "report.md"}
    assert house.indexed() == [record["run_id"]]
    assert str(run / "report.html") in done.output


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """One run over a sound host and four that are lost in different ways."""
    with listening() as port, closed_port() as closed:
        house = House(tmp_path_factory.mktemp("night"), port)
        house.hosts |= {
            "down": nobody_at(closed),
            "lost-late": {**FADING, "fading_lost_during": ["resource_metrics"]},
            "lost-early": {**FADING, "fading_lost_during": ["health_probe", "resource_metrics"]},
            "back": {**FADING, "fading_lost_during": ["health_probe"]},
        }
        done = house.run("daily")
        assert house.records()[done.record["run_id"]] == done.record
        yield done


def test_lost_hosts_take_nothing_from_the_sound_one_and_fail_the_run(night: Outcome) -> None:
    assert night.rc == 2, night.output
    assert night.record["status"] == "critical"
    assert night.record["hosts"]["alpha"]["reachable"] is True
    for role in ("platform", "health", "resources"):
        entry = night.role("alpha", role)
        assert entry["status"] == "ok" and entry["checks"], entry


def test_a_host_that_is_down_beside_others(night: Outcome) -> None:
    assert night.record["hosts"]["down"]["reachable"] is False
    assert night.check("down", "host.reachable")["status"] == "critical"


def test_a_host_lost_during_resources(night: Outcome) -> None:
    check = night.check("lost-late", "host.reachable")
    assert check["status"] == "critical"
    assert "answered at first and was lost during resources" in check["summary"]
    assert "the test has cut the line" in check["summary"]
    assert night.record["hosts"]["lost-late"]["reachable"] is False
    # What it said before it was lost stays.
    assert night.role("lost-late", "health")["status"] == "ok"
    assert night.check("lost-late", "service.tcp", "ticks")["status"] == "ok"
    assert night.role("lost-late", "resources")["status"] == "unknown"


def test_a_host_lost_during_health_for_good(night: Outcome) -> None:
    check = night.check("lost-early", "host.reachable")
    assert check["status"] == "critical" and "lost during health" in check["summary"]
    for role in ("health", "resources"):
        assert night.role("lost-early", role)["status"] == "unknown"


def test_a_host_that_comes_back(night: Outcome) -> None:
    check = night.check("back", "host.reachable")
    assert check["status"] == "warning" and "lost during health and came back" in check["summary"]
    assert night.record["hosts"]["back"]["reachable"] is True
    assert night.check("back", "role.result", "health")["status"] == "unknown"
    assert night.role("back", "resources")["status"] == "ok"


def test_an_unreachable_report_host_still_prints_the_table_and_fails(house: House) -> None:
    house.hosts["reports"] = {**FADING, "fading_lost_during": ["run_history", "run_report"]}
    done = house.run("daily", "--limit", "alpha", "--tags", "health", upkeep_report_host="reports")
    assert done.rc == 2, done.output
    assert "ticks" in done.table, done.output
    assert not house.reports.exists()
    assert "The report could not be written on reports" in done.output and "the test has cut the line" in done.output
