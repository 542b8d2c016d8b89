"""Acting in a security incident, in a network of its own: what a run shows, does, refuses, puts back and writes down."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import PATIENCE_SECONDS, House, Outcome, Started, family, listing
from ansible_collections.upkeep.runbook.tests.integration.systemd_stand_in import Systemd

INCIDENT, NAMED = "INC-42", {"upkeep_incident": "INC-42"}
CONFIRMED = {**NAMED, "upkeep_confirm": "Test platform"}
#: A copy of /etc that only the run sees, over which accounts are shut.
OWN_ETC = 'mount --bind "$1" /etc && if [ -e "$2" ]; then mount --bind "$2" /usr/sbin/usermod; fi && shift 2 && exec "$@"'
UID = 64_377


@dataclass
class Site:
    """A house in a network and with accounts of its own, and a stand-in for systemd."""

    house: House
    systemd: Systemd
    inside: tuple[str, ...]
    etc: Path

    @property
    def usermod(self) -> Path:
        """What stands in for usermod when it is there."""
        return self.etc.with_name("usermod")

    def start(self, *arguments: str, **extra: Any) -> Started:
        before = (*self.inside, "unshare", "--mount", "sh", "-c", OWN_ETC, "sh", str(self.etc), str(self.usermod))
        return self.house.start("security_incident", *arguments, before=before, **extra)

    def run(self, *arguments: str, **extra: Any) -> Outcome:
        return self.start(*arguments, **extra).wait()

    def tables(self) -> set[str]:
        """Return our tables that the kernel has."""
        listed = subprocess.run([*self.inside, "nft", "list", "tables"], check=True, capture_output=True, text=True).stdout
        return {line.split()[-1] for line in listed.splitlines() if "upkeep" in line}

    def shadow(self, user: str = "upkeep-eve") -> str:
        lines = (self.etc / "shadow").read_text().splitlines()
        return next(line.partition(":")[2] for line in lines if line.startswith(f"{user}:"))

    def log(self, incident: str = INCIDENT) -> list[dict[str, Any]]:
        path = self.house.reports / "incidents" / incident / "custody.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def told(self, incident: str = INCIDENT) -> list[tuple[str, str, str]]:
        """Return host, step and outcome of each entry of the custody log."""
        return [(row["host"], row["step"], row["outcome"]) for row in self.log(incident)]


@pytest.fixture
def site(root: None, house: House, tmp_path: Path) -> Iterator[Site]:
    etc = tmp_path / "etc"
    subprocess.run(["cp", "-a", "--no-dereference", "/etc", str(etc)], check=True)
    for name, line in (("passwd", f"upkeep-eve:x:{UID}:{UID}::/nonexistent:/bin/sh\n"), ("shadow", "upkeep-eve:$y$j9T$s$s:19000:0:99999:7:::\n")):
        with open(etc / name, "a", encoding="utf-8") as stream:
            stream.write(line)
    systemd = Systemd(tmp_path)
    house.environment["PATH"] = systemd.path
    house.variables.update(
        containment_management=["192.0.2.1"], containment_hosts=["alpha"], containment_block="198.51.100.7, 2001:db8:bad::/48",
        evidence_items=["clock", "processes"], security_audit_parts=["access"], sweep_hash_paths=[str(house.application)],
        sweep_indicators=[{"type": "path", "value": str(house.application / "*.evil")}],
    )
    with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"ready\n"
        yield Site(house, systemd, ("nsenter", f"--net=/proc/{holder.pid}/ns/net"), etc)
        systemd.close()
        holder.communicate()


def wait_for(true: Callable[[], bool]) -> None:
    """Wait until something is true, as long as for the end of a run."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def statuses(outcome: Outcome, host: str = "alpha") -> dict[str, str]:
    """Return the status of each check of a host, and of each role that left none."""
    found = {}
    for (name, role, check, _subject), status in outcome.statuses().items():
        if name == host:
            found[check or role] = status
    return found


def summary(outcome: Outcome, host: str = "alpha") -> str:
    return str(outcome.check(host, "containment.result")["summary"])


def test_check_run_and_release(site: Site) -> None:
    site.house.variables["containment_accounts"] = "upkeep-eve"
    before, shadow = listing(site.house.watched), site.shadow()
    plan = site.run("--check", "--diff", "--tags", "isolate,block,sweep", **NAMED)
    assert plan.rc == 0 and statuses(plan)["containment.result"] == "ok", plan.output
    assert "the host would be isolated" in summary(plan) and "policy drop" in plan.output
    assert listing(site.house.watched) == before and site.shadow() == shadow and not site.tables() and not site.systemd.timers()

    done = site.run("--tags", "isolate,block,sweep", **CONFIRMED)
    assert done.rc == 0 and site.tables() == {"upkeep_isolation", "upkeep_block"} and not site.systemd.timers(), done.output
    seen = statuses(done)
    assert (seen["containment.result"], seen["isolation.state"], seen["custody.chain"]) == ("warning", "ok", "ok"), done.output
    assert seen["health"] == seen["security_audit"] == "not_run" and seen["ioc.found"] == "ok"
    assert site.shadow() != shadow and "is isolated since" in summary(done) and "(upkeep-eve) is shut" in summary(done)
    planned = [("alpha", step, "planned") for step in ("isolate", "block", "sweep")]
    assert site.told() == [*planned, ("alpha", "isolate", "done"), ("alpha", "block", "done"), ("alpha", "sweep", "done")]
    isolated = site.log()[3]["details"]["confirmed"]["isolation"]
    assert isolated["confirmed"] and isolated["reason"] == INCIDENT

    # Another incident takes nothing of this one back.
    other = site.run("--tags", "release", **{**CONFIRMED, "upkeep_incident": "INC-4"})
    assert other.rc == 2 and "isolated for INC-42, and not for INC-4" in summary(other), other.output
    assert site.tables() == {"upkeep_isolation", "upkeep_block"} and site.told("INC-4")[-1] == ("alpha", "release", "failed")

    freed = site.run("--tags", "release", **CONFIRMED)
    assert freed.rc == 0 and not site.tables() and site.shadow() == shadow, freed.output
    assert statuses(freed)["containment.result"] == "ok" and "the host was given back" in summary(freed)
    assert site.told()[-2:] == [("alpha", "release", "planned"), ("alpha", "release", "done")]


def test_without_tags_every_step_in_its_order_and_a_verdict(site: Site) -> None:
    (site.house.application / "x.evil").write_text("found elsewhere")
    done = site.run(**CONFIRMED)
    # This network has no address to ask the service at, and the sweep finds what it looks for.
    seen = statuses(done)
    assert done.rc == 2 and (seen["service.tcp"], seen["ioc.found"], seen["containment.result"]) == ("unknown", "critical", "warning"), done.output
    assert "access.accounts" in seen and "UNHEALTHY" in done.output
    # Nobody has named secrets.
    assert {name for name, status in seen.items() if status == "not_run"} == {"secrets"}
    steps = [step for _host, step, outcome in site.told() if outcome != "planned"]
    assert list(dict.fromkeys(steps)) == ["evidence", "isolate", "block", "sweep", "verify"]
    assert {outcome for _host, _step, outcome in site.told()} == {"planned", "done"}
    assert list(site.house.reports.glob(f"incidents/{INCIDENT}/alpha/*/manifest.json"))
    assert site.tables() == {"upkeep_isolation", "upkeep_block"}


@pytest.mark.parametrize(
    ("extra", "arguments", "reason", "told"),
    [
        ({}, [], "name the incident: -e upkeep_incident=", []),
        (
            {**NAMED, "upkeep_confirm": "Other platform"}, ["--tags", "evidence,isolate"],
            "isolate must be confirmed with the name of the platform: it is", [("alpha", "isolate", "refused")],
        ),
    ],
    ids=["no-incident", "wrong-confirm"],
)
def test_what_nobody_named_or_confirmed_is_refused_at_once(
    site: Site, extra: dict[str, Any], arguments: list[str], reason: str, told: list[tuple[str, str, str]]
) -> None:
    refused = site.run(*arguments, **extra)
    assert refused.rc == 2 and reason in refused.output and not site.tables() and not site.house.state.exists(), refused.output
    assert set(told) <= set(site.told()) and {outcome for _host, _step, outcome in site.told()} <= {"refused"}


def test_each_host_ends_in_its_own_way_and_the_run_fails(site: Site) -> None:
    """One is isolated; others are dead, refuse, or fail in the middle, which is put back."""
    with open(site.etc / "passwd", "a", encoding="utf-8") as stream:
        stream.write(f"upkeep-mallory:x:{UID + 1}:{UID}::/nonexistent:/bin/sh\n")
    with open(site.etc / "shadow", "a", encoding="utf-8") as stream:
        stream.write("upkeep-mallory:$y$j9T$s$s:19000:0:99999:7:::\n")
    real = site.etc.with_name("real-usermod")
    shutil.copy("/usr/sbin/usermod", real)
    site.usermod.write_text(f'#!/bin/sh\ncase "$*" in *mallory*) echo "usermod: no room" >&2; exit 1;; esac\nexec {real} "$@"\n')
    site.usermod.chmod(0o755)
    shadow = site.shadow()
    site.house.hosts = {
        "alpha": {"containment_block": []},
        "dead": {"ansible_connection": "fading", "fading_lost_during": ["ping"]},
        "refusing": {"containment_block": [{"address": "127.0.0.1", "reason": "a mistake"}]},
        "failing": {"containment_accounts": ["upkeep-eve", "upkeep-mallory"]},
    }
    told = site.house.watched / "told.jsonl"
    site.house.platform["contacts"] = [{"role": "team", "audiences": ["security"], "channels": [{"type": "file", "path": str(told)}]}]
    done = site.run("--tags", "isolate,block", **CONFIRMED)
    assert done.rc == 2 and site.tables() == {"upkeep_isolation"} and not site.systemd.timers(), done.output
    for said in ("INC-42: contained", "INC-42: refused", "INC-42: block failed"):
        assert said in told.read_text(), "the security team is told"
    assert statuses(done)["containment.result"] == "warning"
    assert statuses(done, "dead")["host.reachable"] == "critical"
    assert "refused before anything was touched" in summary(done, "refusing") and "127.0.0.1" in summary(done, "refusing")
    assert "block failed: " in summary(done, "failing") and "What the step had done was put back." in summary(done, "failing")
    assert "usermod" in summary(done, "failing") and site.shadow() == shadow, summary(done, "failing")
    outcomes = {(host, step): outcome for host, step, outcome in site.told()}
    assert outcomes == {
        ("alpha", "isolate"): "done", ("alpha", "block"): "done", ("dead", "isolate"): "failed", ("dead", "block"): "failed",
        ("refusing", "isolate"): "refused", ("refusing", "block"): "refused", ("failing", "isolate"): "done", ("failing", "block"): "failed",
    }


def test_who_locks_himself_out_is_let_in_again_by_the_timer(site: Site) -> None:
    site.house.hosts["alpha"] = {"ansible_connection": "fading", "fading_lost_while_table": "upkeep_isolation"}
    lost = site.run("--tags", "isolate,block", **CONFIRMED)
    assert lost.rc == 2 and site.tables() == {"upkeep_isolation"} and len(site.systemd.timers()) == 1, lost.output
    assert "nobody could come back in over a new connection" in summary(lost) and "its timer gives the host back at" in summary(lost)
    assert site.told()[-2:] == [("alpha", "isolate", "failed"), ("alpha", "block", "failed")]
    site.systemd.fire()
    wait_for(lambda: not site.tables())


def test_a_host_whose_timer_nobody_can_see_is_given_back_and_the_report_says_so(site: Site) -> None:
    before = dict(site.house.hosts["alpha"])
    site.house.hosts["alpha"] = {"ansible_connection": "fading", "fading_lost_while_table": "upkeep_isolation"}
    lost = site.run("--tags", "isolate", **CONFIRMED)
    assert lost.rc == 2 and site.tables() == {"upkeep_isolation"} and len(site.systemd.timers()) == 1, lost.output
    site.house.hosts["alpha"] = before
    site.systemd.fall_silent()
    freed = site.run("--tags", "release", **CONFIRMED)
    assert not site.tables() and "the host was given back" in summary(freed), freed.output
    seen = statuses(freed)
    assert (seen["containment.result"], seen["isolation.state"], seen["isolation.timer"]) == ("ok", "ok", "unknown") and freed.rc == 2
    site.systemd.fire()
    wait_for(lambda: not site.systemd.timers())
    assert not site.tables()


def test_a_controller_that_dies_after_isolating_leaves_the_host_to_its_timer(site: Site) -> None:
    started = site.start("--tags", "isolate", **CONFIRMED)
    # The timer comes first. The table alone may be there for a moment only: the kernel is asked whether it would take it.
    wait_for(lambda: bool(site.systemd.timers()) and "upkeep_isolation" in site.tables() or started.process.poll() is not None)
    # Not by its mark: the timer has it too, and is no child of the run, as that of systemd is none.
    for pid in reversed(family(started.process.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    started.process.wait(PATIENCE_SECONDS)
    assert site.tables() == {"upkeep_isolation"} and len(site.systemd.timers()) == 1, started.output()
    assert site.told() == [("alpha", "isolate", "planned")]
    site.systemd.fire()
    wait_for(lambda: not site.tables())


def test_a_custody_log_that_cannot_be_written_fails_the_run_and_isolates_all_the_same(site: Site) -> None:
    site.house.reports.mkdir()
    (site.house.reports / "incidents").write_text("in the way")
    done = site.run("--tags", "isolate", **CONFIRMED)
    assert done.rc == 2 and site.tables() == {"upkeep_isolation"}, done.output
    assert statuses(done)["isolation.state"] == "ok" and done.role("alpha", "custody")["status"] == "unknown"


def test_with_no_host_that_answers_the_log_says_so(site: Site) -> None:
    site.house.hosts = {"dead": {"ansible_connection": "fading", "fading_lost_during": ["ping"]}}
    done = site.run("--tags", "isolate,verify", **CONFIRMED)
    assert done.rc == 2 and statuses(done, "dead")["host.reachable"] == "critical", done.output
    assert site.told()[-2:] == [("dead", "isolate", "failed"), ("dead", "verify", "failed")]
