"""The security audit from its first run to a bad day: what was accepted, what has changed, and what could not be looked at."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import House, Outcome, listing

REASON = {"security_audit_reason": "Release 2.4.1"}
COMPARED = {"ports": "port.baseline", "files": "integrity.baseline", "access": "access.baseline"}
#: The role security_configuration is not what is tested here, and apt takes seconds for each host.
QUICK = ["kernel"]
#: Listens on a port of all addresses, says so, and ends with whoever started it.
LISTEN = "import socket, sys; s = socket.create_server(('', int(sys.argv[1]))); print('listens', flush=True); sys.stdin.read()"

#: A report host that cannot be reached: nobody listens there.
NOWHERE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}


class Network:
    """A network of its own, in which nobody listens but whom a test starts: this machine has listeners that come and go."""

    def __init__(self, holder: subprocess.Popen[bytes]) -> None:
        self.inside = ("nsenter", f"--net=/proc/{holder.pid}/ns/net")

    @contextmanager
    def listener(self, port: int) -> Iterator[None]:
        command = [*self.inside, sys.executable, "-c", LISTEN, str(port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stdout.readline() == b"listens\n"
            yield
            process.communicate()  # the end of its input ends it


@pytest.fixture
def network(root: None) -> Iterator[Network]:
    command = ["unshare", "--net", "sh", "-c", "echo ready; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"ready\n"
        yield Network(holder)
        holder.communicate()


@pytest.fixture
def audited(house: House) -> House:
    """A house whose application is watched."""
    (house.application / "server.js").write_text("listen(8081)\n")
    (house.application / "noise.log").write_text("1\n")
    house.platform["security"] = {"integrity": {"paths": [str(house.application)], "exclude": ["*.log"]}}
    house.variables["security_configuration_parts"] = QUICK
    return house


def baselines(outcome: Outcome) -> dict[str, str]:
    """Return the statuses of the baselines by the part that they belong to."""
    checks = {check: part for part, check in COMPARED.items()}
    return {checks[check]: status for (_host, _role, check, _subject), status in outcome.statuses().items() if check in checks}


def bad(outcome: Outcome) -> dict[tuple[str, str], str]:
    return {key[2:]: status for key, status in outcome.statuses().items() if key[2] and status != "ok"}


def test_from_the_first_run_to_what_has_changed(audited: House, network: Network) -> None:
    def audit(*arguments: str, **extra: Any) -> Outcome:
        return audited.start("security_audit", *arguments, before=network.inside, **extra).wait()

    def accept(*arguments: str, **extra: Any) -> Outcome:
        return audited.start("security_accept", *arguments, before=network.inside, **extra).wait()

    with network.listener(4001):
        first = audit()
        assert baselines(first) == dict.fromkeys(COMPARED, "unknown"), first.output
        for part, check in COMPARED.items():
            hint = first.check("alpha", check)["hint"]
            assert """ansible-playbook upkeep.runbook.security_accept -e 'security_audit_reason="why"'""" in hint, part
        assert first.rc == 2 and "tcp 4001" in first.check("alpha", "port.baseline")["summary"]
        checks = {check.partition(".")[0] for _host, _role, check, _subject in first.statuses()}
        assert checks >= {"auth", "process", "port", "integrity", "access", "firewall", "secret", "configuration"}, "every part looked"
        assert list(audited.reports.glob("heartbeats/*.security_audit.json"))

        refused = accept()
        assert refused.rc == 2 and "say why what is there is accepted" in refused.output
        before = listing(audited.watched)
        shown = accept("--check", "--diff", **REASON)
        assert shown.rc == 0 and "changed=3" in shown.output and "+tcp 0.0.0.0:4001" in shown.output, shown.output
        assert listing(audited.watched) == before

        accepted = accept(**REASON)
        assert accepted.rc == 0 and "changed=3" in accepted.output, accepted.output
        assert not (audited.state / "alpha" / "lease.json").exists()
        again = accept(**REASON)
        assert again.rc == 0 and "changed=0" in again.output, again.output
        digests = {part: digest for part in COMPARED if (digest := digest_of(accepted, part)) and digest == digest_of(again, part)}
        assert digests.keys() == COMPARED.keys(), "they are told"
        assert {part: row["sha256"] for part, row in kept(audited)["digests"].items()} == digests, "and kept on the report host"

        # Accounts and processes of the machine of the tests may have flaws of their own.
        calm = audit("--tags", "ports,files")
        assert (calm.rc, calm.record["status"], bad(calm)) == (0, "ok", {}), calm.output
        assert baselines(calm) == {"ports": "ok", "files": "ok"} and digests_of(calm) == {"baseline.digest": "ok"}

        (audited.application / "server.js").write_text("listen(8081); listen(4444)\n")
        (audited.application / "noise.log").write_text("2\n")
        with network.listener(4444):
            tampered = audit("--tags", "ports,files")
        assert tampered.rc == 2, tampered.output
        changed = ("integrity.files", str(audited.application / "server.js"))
        assert bad(tampered) == {changed: "critical", ("port.unexpected", "tcp 0.0.0.0:4444"): "critical"}
        for subject in ("server.js", "0.0.0.0:4444"):
            assert subject in tampered.table, tampered.output

    # Who became root writes another baseline: the digest tells, and nothing is accepted over it.
    path = audited.state / "alpha" / "port-baseline.json"
    path.write_bytes(path.read_bytes().replace(b"Release", b"release"))
    forged = audit("--tags", "ports")
    assert baselines(forged) == {"ports": "critical"} and forged.rc == 2
    refused = accept(**REASON)
    assert refused.rc == 2 and "is not the baseline of expected_digest" in refused.output
    assert b"release" in path.read_bytes() and not (audited.state / "alpha" / "lease.json").exists()
    assert kept(audited)["pending"] == {}, "a refusal opens no door"
    assert baselines(audit("--tags", "ports")) == {"ports": "critical"}
    path.unlink()
    gone = audit("--tags", "ports")
    assert baselines(gone) == {"ports": "critical"} and "gone" in gone.check("alpha", "port.baseline")["summary"]

    # What the inventory says is stronger, also where it says another thing.
    refused = accept(**REASON, security_audit_digests={"files": 64 * "a"})
    assert refused.rc == 2 and "is not the baseline of expected_digest" in refused.output


def kept(house: House) -> dict[str, Any]:
    """Return the record of the only host, which nobody else may read."""
    (path,) = house.reports.glob("baselines/*/alpha.json")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    record: dict[str, Any] = json.loads(path.read_bytes())
    return record


def digests_of(outcome: Outcome) -> dict[str, str]:
    """Return the statuses of what the report host keeps, by subject; of a folded row by the id of the check."""
    found = {}
    for entry in outcome.record["hosts"].values():
        for row in entry["roles"]["security_audit"]["checks"]:
            if row["check"] == "baseline.digest":
                found[row["check"] if row.get("folded") else row["subject"]] = row["status"]
    return found


def test_an_acceptance_that_was_killed_calls_no_honest_baseline_tampered(audited: House) -> None:
    """Killed when the new baseline is there and its digest is not yet kept, which is the worst moment."""
    tags = ("--tags", "files")
    first = audited.run("security_accept", *tags, **REASON)
    assert first.rc == 0, first.output
    (path,) = (audited.state / "alpha" / "integrity").glob("*.baseline")
    before, honest = kept(audited), path.read_bytes()

    (audited.application / "server.js").write_text("listen(8082)\n")
    lost_afterwards = "{{ 'nowhere' if (__security_audit_files | default({})).baseline is defined else 'localhost' }}"
    audited.hosts["alpha"] = {"security_audit_digests_host": lost_afterwards}
    audited.hosts["nowhere"] = NOWHERE
    lost = audited.run("security_accept", *tags, "--limit", "alpha", security_audit_reason="Release 2.4.2")
    assert lost.rc != 0 and path.read_bytes() != honest, lost.output
    assert "was lost before it kept the digests" in lost.output and not (audited.state / "alpha" / "lease.json").exists()
    audited.hosts = {"alpha": {}}
    assert kept(audited)["digests"] == before["digests"] and kept(audited)["pending"]["files"]["reason"] == "Release 2.4.2"

    unsure = audited.run("security_audit", *tags)
    assert (baselines(unsure), digests_of(unsure)) == ({"files": "ok"}, {"files": "unknown"}), unsure.output
    row = unsure.check("alpha", "baseline.digest")
    assert "Release 2.4.2" in row["summary"] and "security_accept" in row["hint"] and unsure.rc == 2

    # The way on: accept again. Nothing differs, and the digest is kept.
    again = audited.run("security_accept", *tags, security_audit_reason="Release 2.4.2")
    assert again.rc == 0 and "changed=0" in again.output, again.output
    assert kept(audited)["pending"] == {} and kept(audited)["digests"] != before["digests"]
    assert [row["reason"] for row in kept(audited)["history"]] == ["Release 2.4.1", "Release 2.4.2"]
    assert digests_of(audited.run("security_audit", *tags)) == {"files": "ok"}


def test_a_run_that_is_killed_while_it_accepts_leaves_a_way_on(audited: House) -> None:
    tags = ("--tags", "files")
    started = audited.start("security_accept", *tags, **REASON)
    while not list(audited.reports.glob("baselines/*/alpha.json")):
        assert started.process.poll() is None, started.output()
        time.sleep(0.01)
    started.kill()
    assert list(kept(audited)["pending"]) == ["files"] and not kept(audited)["digests"]
    unsure = audited.run("security_audit", *tags)
    assert set(baselines(unsure).values()) <= {"unknown", "ok"} and "critical" not in digests_of(unsure).values(), unsure.output
    lease = audited.state / "alpha" / "lease.json"
    lease.unlink(missing_ok=True)  # it would expire
    accepted = audited.run("security_accept", *tags, **REASON)
    assert accepted.rc == 0 and kept(audited)["pending"] == {}, accepted.output


def test_digests_that_cannot_be_read_hide_nothing_and_nothing_is_accepted_without_them(audited: House) -> None:
    tags = ("--tags", "files", "--limit", "alpha")
    first = audited.run("security_accept", *tags, **REASON)
    assert first.rc == 0, first.output
    (path,) = audited.reports.glob("baselines/*/alpha.json")
    path.write_bytes(path.read_bytes()[:100])
    damaged = audited.run("security_audit", *tags)
    assert (digests_of(damaged), damaged.rc) == ({"report host": "unknown"}, 2), damaged.output
    assert "is damaged" in damaged.check("alpha", "baseline.digest")["summary"] and baselines(damaged) == {"files": "ok"}
    refused = audited.run("security_accept", *tags, **REASON)
    assert refused.rc == 2 and "is damaged" in refused.output and len(path.read_bytes()) == 100

    audited.variables["security_audit_digests_host"] = "nowhere"
    audited.hosts["nowhere"] = NOWHERE
    away = audited.run("security_audit", *tags)
    assert digests_of(away) == {"report host": "unknown"} and baselines(away) == {"files": "ok"}, away.output
    refused = audited.run("security_accept", *tags, **REASON)
    assert refused.rc == 2 and "nothing was accepted: nowhere" in refused.output, refused.output


def digest_of(outcome: Outcome, part: str) -> str:
    """Return the digest of a part as it was printed."""
    told = outcome.output.partition("security_audit_digests:")[2] or outcome.output.partition('"security_audit_digests": {')[2]
    _before, _name, rest = told.partition(f"{part}")
    return rest.strip('": ')[:64]


#: By host: its variables, what the one result says, and the checks that are there all the same.
BROKEN: dict[str, tuple[dict[str, Any], str, set[str]]] = {
    "wrong-option": ({"security_audit_files_workers": 99}, "files: workers: 99 is not accepted", {"port", "access"}),
    "undefined-variable": ({"security_audit_ports_expected": "{{ nowhere }}"}, "ports: ", {"integrity", "access"}),
    "wrong-part": ({"security_audit_parts": ["files", "prots"]}, "'prots' is no part", {"integrity"}),
    "two-reasons": (
        {
            "security_audit_parts": ["logins", "processes", "files"],
            "security_audit_logins_timeout_seconds": -1, "security_audit_processes_rules": ["none"],
        },
        "processes: ", {"integrity"},
    ),
    "killed": ({"ansible_connection": "fading", "fading_killed_during": ["access_review"]}, "access: ", {"integrity", "port"}),
    "no-python": (
        {"ansible_become": True, "ansible_become_user": "nobody", "ansible_become_exe": "/nowhere/sudo"},
        "the same reason as host.reachable", set(),
    ),
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """One run over hosts on each of which a part breaks in its own way, and one on which nothing is configured."""
    house = House(tmp_path_factory.mktemp("broken"), 1)
    (house.application / "server.js").write_text("listen(8081)\n")
    house.hosts = {host: variables for host, (variables, _reason, _checks) in BROKEN.items()}
    house.hosts["nothing-watched"] = {"security_audit_files_paths": [], "security_audit_parts": ["files"]}
    house.variables["security_audit_parts"] = ["ports", "files", "access"]
    house.variables["security_configuration_parts"] = QUICK
    house.platform["security"] = {"integrity": {"paths": [str(house.application)]}}
    yield house.run("security_audit")
    house.close()


def kinds(outcome: Outcome, host: str) -> set[str]:
    return {row["check"].partition(".")[0] for row in outcome.role(host, "security_audit")["checks"]}


@pytest.mark.parametrize("host", BROKEN)
def test_a_part_that_breaks_says_so_and_the_others_look(broken: Outcome, host: str) -> None:
    _variables, reason, there = BROKEN[host]
    role = broken.role(host, "security_audit")
    assert reason in role["reason"], role
    assert role["status"] in ("unknown", "critical") and kinds(broken, host) == there | {"role"}, json.dumps(role, indent=1)
    assert broken.check(host, "role.result", "security_audit")["status"] == "unknown"


def test_what_is_not_configured_is_left_out(broken: Outcome) -> None:
    assert broken.rc == 2
    assert broken.role("nothing-watched", "security_audit")["status"] == "not_run"


def test_tags_choose_parts_and_none_is_no_health(audited: House) -> None:
    without = audited.run("security_audit", "--skip-tags", "processes,logins,access,ports,blocks,secrets")
    assert kinds(without, "alpha") == {"integrity"} and without.rc == 2
    none = audited.run("security_audit", "--tags", "health")
    assert none.role("alpha", "security_audit")["status"] == "not_run" and none.rc == 2
    nothing = audited.run("security_accept", "--tags", "health", **REASON)
    assert nothing.rc == 2 and "nothing was accepted: no part with a baseline was chosen" in nothing.output
    one = audited.run("security_accept", "--tags", "files", **REASON)
    assert one.rc == 0 and sorted(path.name for path in (audited.state / "alpha").glob("*")) == ["integrity", "lock"], one.output


def test_the_daily_run_looks_where_security_is_described_and_says_what_nobody_accepted(house: House, network: Network) -> None:
    def daily(*parts: str) -> Outcome:
        return house.start("daily", "--tags", "security", before=network.inside, upkeep_daily_security=[*parts]).wait()

    for name in ("server.js", "calm.js"):
        (house.application / name).write_text("listen(8081)\n")
    silent = daily("ports", "files")
    assert silent.role("alpha", "security_audit") == {"status": "not_run", "reason": "nothing is configured for this host", "checks": []}

    house.platform["security"] = {"integrity": {"paths": [str(house.application)]}}
    first = daily("ports", "files", "blocks")
    assert first.rc == 2 and baselines(first) == {"ports": "unknown", "files": "unknown"}, first.output
    for check in ("port.baseline", "integrity.baseline"):
        assert "upkeep.runbook.security_accept" in first.check("alpha", check)["hint"]
    assert first.check("alpha", "firewall.blocked")["status"] == "ok"

    accepted = house.run("security_accept", "--tags", "files", **REASON)
    assert accepted.rc == 0, accepted.output
    assert [path.name for path in (house.state / "alpha").rglob("*baseline*")] == ["default.baseline"], "only what the tags chose"
    (house.application / "server.js").write_text("listen(4444)\n")
    changed = daily("files")
    assert bad(changed) == {("integrity.files", str(house.application / "server.js")): "critical"}, changed.output
    assert changed.rc == 2 and "not read, since" in json.dumps(changed.record), "only what changed is read"


def test_another_procedure_keeps_an_acceptance_away(audited: House) -> None:
    state = audited.state / "alpha"
    state.mkdir(parents=True, mode=0o700)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    lease = {
        "run_id": "20261122T050000Z-1a2b3c4d", "playbook": "disaster_recovery", "boot_id": boot, "taken": "2026-11-22T05:00:03Z",
        "expires": "2999-11-22T07:00:03Z", "ttl_seconds": 3600,
    }
    (state / "lease.json").write_text(json.dumps(lease))
    refused = audited.run("security_accept", "--tags", "files", **REASON)
    assert refused.rc == 2 and "disaster_recovery" in refused.output, refused.output
    assert not (state / "integrity").exists() and json.loads((state / "lease.json").read_text()) == lease
