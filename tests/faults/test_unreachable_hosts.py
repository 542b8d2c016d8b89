"""Hosts that do not answer, or no longer: the run goes on, reports, and fails."""

from __future__ import annotations

from ansible_collections.upkeep.runbook.tests.faults.house import House, Outcome, closed_port

FADING = {"ansible_connection": "fading"}


def test_with_every_host_down_the_report_exists_and_the_run_fails(house: House) -> None:
    with closed_port() as port:
        gone = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": port}
        house.hosts = {"alpha": gone, "beta": gone}
        done = house.run("daily")
    assert done.rc not in (0, 250), done.output
    record = house.records()[done.record["run_id"]]
    assert record == done.record
    assert record["status"] == "critical" and record["health"] == "UNHEALTHY"
    for host in ("alpha", "beta"):
        assert record["hosts"][host]["reachable"] is False
        check = done.check(host, "host.reachable")
        assert check["status"] == "critical" and "Connection refused" in check["summary"] and check["hint"]
        for role in ("health", "resources"):
            assert done.role(host, role) == {"status": "unknown", "reason": "the host is unreachable", "checks": []}
        assert f"CRITICAL  {host}" in done.output
    run = house.reports / "runs" / record["run_id"]
    assert {path.name for path in run.iterdir()} == {"record.json", "report.html", "report.md"}
    assert house.indexed() == [record["run_id"]]
    assert str(run / "report.html") in done.output


def test_one_host_down_takes_nothing_from_the_other(house: House) -> None:
    with closed_port() as port:
        house.hosts["beta"] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": port}
        done = house.run("daily")
    assert done.rc != 0
    assert done.record["status"] == "critical"
    assert_complete(done, "alpha")
    assert not done.record["hosts"]["beta"]["reachable"]


def test_a_host_lost_during_resources(house: House) -> None:
    house.hosts["beta"] = {**FADING, "fading_lost_during": ["resource_metrics"]}
    done = house.run("daily")
    assert done.rc != 0
    check = done.check("beta", "host.reachable")
    assert check["status"] == "critical"
    assert "answered at first and was lost during resources" in check["summary"]
    assert "the test has cut the line" in check["summary"]
    assert done.record["hosts"]["beta"]["reachable"] is False
    # What it said before it was lost stays.
    assert done.role("beta", "health")["status"] == "ok"
    assert done.check("beta", "service.tcp", "ticks")["status"] == "ok"
    assert done.role("beta", "resources")["status"] == "unknown"
    assert_complete(done, "alpha")


def test_a_host_lost_during_health_for_good(house: House) -> None:
    house.hosts["beta"] = {**FADING, "fading_lost_during": ["health_probe", "resource_metrics"]}
    done = house.run("daily")
    assert done.rc != 0
    check = done.check("beta", "host.reachable")
    assert check["status"] == "critical" and "lost during health" in check["summary"]
    assert done.role("beta", "health")["status"] == done.role("beta", "resources")["status"] == "unknown"
    assert_complete(done, "alpha")


def test_a_host_that_comes_back(house: House) -> None:
    house.hosts["beta"] = {**FADING, "fading_lost_during": ["health_probe"]}
    done = house.run("daily")
    assert done.rc != 0
    check = done.check("beta", "host.reachable")
    assert check["status"] == "warning" and "lost during health and came back" in check["summary"]
    assert done.check("beta", "role.result", "health")["status"] == "unknown"
    assert done.role("beta", "resources")["status"] == "ok"
    assert_complete(done, "alpha")


def test_an_unreachable_report_host_still_prints_the_table_and_fails(house: House) -> None:
    house.hosts["reports"] = {**FADING, "fading_lost_during": ["run_history", "run_report"]}
    done = house.run("daily", "--limit", "alpha", upkeep_report_host="reports")
    assert done.rc != 0
    assert "ticks" in done.table, done.output
    assert not house.reports.exists()
    assert "could not be written" in done.output and "the test has cut the line" in done.output, done.output


def assert_complete(done: Outcome, host: str) -> None:
    """Check that a host has every result, and all are ok."""
    assert done.record["hosts"][host]["reachable"] is True
    for role in ("platform", "health", "resources"):
        entry = done.role(host, role)
        assert entry["status"] == "ok" and entry["checks"], entry
