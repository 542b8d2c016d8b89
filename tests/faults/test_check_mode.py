"""`--check` writes nothing anywhere and gives the statuses of the run: with nothing there yet, and in the midst of trouble."""

from __future__ import annotations

from ansible_collections.upkeep.runbook.tests.faults.house import House, closed_port, listing


def test_the_first_run_in_check_mode_leaves_no_trace(house: House) -> None:
    """Of this playbook, with metrics; ``make check-mode`` asks it of every one."""
    before = listing(house.watched)
    done = house.run("daily", "--check", "--diff", upkeep_prometheus_directory=str(house.home))
    assert done.rc == 0, done.output
    assert listing(house.watched) == before


def test_in_trouble_the_statuses_are_those_of_the_run_and_nothing_changes(house: House) -> None:
    with closed_port() as port:
        house.platform["services"] += [
            {"name": "frontend", "tcp": {"host": "127.0.0.1", "port": port}},
            {"name": "nobody", "process": "a program that nobody has ever run"},
        ]
        house.hosts["beta"] = {"ansible_connection": "fading", "fading_lost_during": ["ping"]}
        house.hosts["gamma"] = {"ansible_connection": "fading", "fading_killed_during": ["resource_metrics"]}
        real = house.run("daily")
        before = listing(house.watched)
        check = house.run("daily", "--check", "--diff")
        assert listing(house.watched) == before
        assert check.record["check_mode"] is True and real.record["check_mode"] is False
        assert check.statuses() == real.statuses()
        assert check.record["status"] == real.record["status"] == "critical"
        assert check.rc == real.rc == 2, check.output
        assert "Check mode: no report was written." in check.output


def test_prepare_in_check_mode_changes_nothing_on_a_prepared_host(house: House) -> None:
    assert house.run("prepare").rc == 0
    before = listing(house.watched)
    again = house.run("prepare", "--check", "--diff")
    assert again.rc == 0 and "changed=0" in again.output, again.output
    assert listing(house.watched) == before
