"""The self-test between two hosts that are network namespaces: it says which alarms ring, and leaves nothing behind, killed or not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import House, Outcome, listing
from ansible_collections.upkeep.runbook.tests.faults.test_security_incident import wait_for
from ansible_collections.upkeep.runbook.tests.integration.networks import Host, hosts
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

PORT = 2222
LISTEN = f"import socket, sys; s = socket.create_server(('', {PORT})); print('listens', flush=True); sys.stdin.read()"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Host]]:
    with hosts(2) as made:
        command = made[0].argv(sys.executable, "-c", LISTEN)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stdout.readline() == b"listens\n"
            yield made
            process.communicate()  # the end of its input ends it


@pytest.fixture
def site(root: None, house: House, two: list[Host]) -> House:
    """A house whose host is the first namespace, with the second beside it, somebody to tell, and a baseline that was accepted."""
    fading = {"ansible_connection": "fading"}
    house.hosts = {
        "alpha": {**fading, "fading_inside": two[0].namespace, "selftest_address": two[0].address},
        "beta": {**fading, "fading_inside": two[1].namespace},
    }
    house.variables.update(selftest_observer="beta", selftest_observer_address=two[1].address, selftest_port=PORT, selftest_probe_seconds=1)
    house.variables["selftest_parts"] = "block,files,alert"  # this machine may have a fail2ban of its own
    (house.application / "server.js").write_text("listen(8081)\n")
    house.platform["security"] = {"integrity": {"paths": [str(house.application)], "exclude": ["*.log"]}}
    house.platform["contacts"] = [
        {"role": "team", "audiences": ["security"], "channels": [{"type": "file", "path": str(house.watched / "told.jsonl")}]}
    ]
    options = {"paths": [str(house.application)], "exclude": ["*.log"], "state": "accepted", "reason": "as it is"}
    accepted = run_module("file_integrity", {**options, "state_directory": str(house.state / "alpha")})
    assert accepted["changed"], accepted
    return house


def checks(outcome: Outcome) -> dict[str, str]:
    return {row["check"].partition(".")[2]: row["status"] for row in outcome.role("alpha", "selftest")["checks"]}


def is_blocking(host: Host) -> bool:
    return "upkeep_block" in host.run("nft", "list", "tables")


def test_every_alarm_rings_and_everything_is_as_it_was(site: House, two: list[Host]) -> None:
    before = listing(site.watched, leave_out=("lock",))  # its time is that of the last acting run
    plan = site.run("security_selftest", "--check", "--limit", "alpha")
    assert listing(site.watched, leave_out=("lock",)) == before
    assert checks(plan) == {"block": "ok", "files": "ok", "alert": "ok"} and "told.jsonl" not in before, plan.output

    rang = site.run("security_selftest", "--limit", "alpha")
    assert rang.rc == 0 and checks(rang) == {"block": "ok", "files": "ok", "alert": "ok"}, rang.output
    assert "is open again" in rang.check("alpha", "selftest.block")["summary"]
    assert not is_blocking(two[0]) and two[1].reaches(two[0])
    after = listing(site.watched, leave_out=("lock",))
    assert {path: digest for path, digest in after.items() if path in before} == before
    assert len((site.watched / "told.jsonl").read_text().splitlines()) == 1
    assert not [*site.application.glob(".upkeep*"), *site.state.glob("*/selftest"), *site.state.glob("*/lease.json")]


def test_alarms_that_do_not_ring_are_critical_and_what_cannot_be_tried_is_unknown(site: House, two: list[Host]) -> None:
    site.variables["selftest_observer"] = "alpha"
    site.platform["security"]["integrity"]["exclude"] = [".upkeep-*"]
    site.platform["contacts"][0]["channels"][0]["path"] = str(site.watched / "nowhere" / "told.jsonl")
    left = site.application / ".upkeep-canary-killed"
    left.write_text("left by a run that was killed")
    silent = site.run("security_selftest", "--limit", "alpha")
    assert silent.rc == 2 and checks(silent) == {"block": "unknown", "files": "critical", "alert": "critical"}, silent.output
    assert "cannot look at itself" in silent.check("alpha", "selftest.block")["summary"]
    assert "left out" in silent.check("alpha", "selftest.files")["summary"]
    assert not left.exists() and not is_blocking(two[0])


def test_killed_while_it_blocks_the_kernel_ends_the_block(site: House, two: list[Host]) -> None:
    started = site.start("security_selftest", "--limit", "alpha", selftest_parts="block", selftest_block_seconds=5)
    wait_for(lambda: is_blocking(two[0]) or started.process.poll() is not None)
    ended = started.process.poll()
    started.kill()
    assert is_blocking(two[0]), (ended, two[0].run("nft", "list", "ruleset"), started.output())
    wait_for(lambda: two[1].reaches(two[0]))
    two[0].run("nft", "flush", "ruleset")
