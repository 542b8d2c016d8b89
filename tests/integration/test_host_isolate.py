"""A host is isolated in the real kernel, over a real ssh connection: business stops, the operator stays, the timer gives back.

The first host is isolated, the second is the operator's, the third a client of the business.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import (
    isolation_boot,
    isolation_record,
    nftables,
    revert_timer,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.isolating import isolate_host
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules import host_isolate
from ansible_collections.upkeep.runbook.tests.integration.networks import Host, answered, given_options, hosts, wait_until
from ansible_collections.upkeep.runbook.tests.integration.systemd_stand_in import Systemd
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import module_argv, run_module

BEFORE = (
    "table inet shop {\n\tchain input {\n\t\ttype filter hook input priority 0; policy accept;\n\t\tct state established,related accept\n"
    "\t\ttcp dport { 22, 80 } accept\n\t}\n\tset seen {\n\t\ttype ipv4_addr\n\t\telements = { 192.0.2.77 }\n\t}\n}\n"
)


class Place:
    """The three hosts, and a server for ssh on the first."""

    def __init__(self, three: list[Host], folder: Path) -> None:
        self.ours, self.operator, self.client = three
        self.folder = folder
        self.systemd = Systemd(folder)
        self.state, self.units = folder / "state", folder / "units"
        self.units.mkdir()
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        (folder / "sshd.conf").write_text(
            f"Port 22\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\nPidFile none\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        )
        (folder / "ssh.conf").write_text(
            f"Host *\n User root\n IdentityFile {folder}/user\n IdentitiesOnly yes\n UserKnownHostsFile /dev/null\n"
            " StrictHostKeyChecking no\n LogLevel ERROR\n ConnectTimeout 2\n ConnectionAttempts 1\n"
        )
        # The folder that it wants is seen by this server only.
        script = 'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec /usr/sbin/sshd -D -e -f "$1"'
        with open(folder / "log", "wb") as log:
            self.server = subprocess.Popen(
                self.ours.argv("unshare", "--mount", "sh", "-c", script, "sh", str(folder / "sshd.conf")),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )

    def ssh(self, *command: str, given: str = "", host: Host | None = None, address: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command on the isolated host from another."""
        argv = ["ssh", "-F", str(self.folder / "ssh.conf"), address or self.ours.address, shlex.join(command)]
        return subprocess.run((host or self.operator).argv(*argv), input=given, capture_output=True, text=True, check=False)

    def logs_in(self, host: Host | None = None, address: str = "") -> bool:
        return self.ssh("true", host=host, address=address).returncode == 0

    def options(self, **options: Any) -> dict[str, Any]:
        return {"state_directory": str(self.state), "unit_directory": str(self.units), **options}

    def isolate(self, address: str = "", **options: Any) -> dict[str, Any]:
        """Run the module as the operator does, over ssh."""
        env = [f"PATH={self.systemd.path}", f"PYTHONPATH={os.pathsep.join(sys.path)}"]
        done = self.ssh("env", *env, *module_argv("host_isolate"), given=json.dumps(self.options(**options)), address=address)
        return json.loads(done.stdout) if done.stdout else {"died": done.stderr}

    def local(self, *, step: int | None = None, **options: Any) -> dict[str, Any] | None:
        """Do what the module does, without a connection, in a child that is the isolated host.

        :param step: kill it before this step of its own that changes something; the answer is None then.
        """
        params = given_options(host_isolate, self.options(**options))
        check_mode = params.pop("_ansible_check_mode", False)

        def work() -> dict[str, Any]:
            os.environ["PATH"] = nftables.SEARCH_PATH = self.systemd.path
            if step is not None:
                die_before(step)
            return isolate_host(params, now=utc_now(), check_mode=check_mode)

        return self.ours.use(work)

    def managed(self, **options: Any) -> dict[str, Any]:
        """Do the same for an operator who is known as management."""
        answer = self.local(management=[self.operator.address], **options)
        assert answer is not None
        return answer

    def business(self) -> list[bool]:
        """Tell for each direction, over IPv4 and IPv6, whether business goes on."""
        ways = [(self.client, self.ours), (self.ours, self.client), (self.operator, self.ours)]
        return answered((one, other, version) for one, other in ways for version in (4, 6))

    def works(self) -> bool:
        """Tell whether all of it does."""
        return all(self.business())

    def is_silent(self) -> bool:
        """Tell whether none of it does."""
        return not any(self.business())

    def ruleset(self) -> list[Any]:
        """Return every rule on the isolated host, without what traffic changes."""
        listed = json.loads(self.ours.run("nft", "-j", "list", "ruleset"))["nftables"]
        return [one for one in listed if "upkeep_isolation" not in json.dumps(one)]

    def close(self) -> None:
        self.server.terminate()
        self.server.wait(30)
        self.systemd.close()


@pytest.fixture(scope="module")
def three() -> Iterator[list[Host]]:
    with hosts(3) as made:
        yield made


@pytest.fixture
def place(three: list[Host], tmp_path: Path) -> Iterator[Place]:
    three[0].run("nft", "-f", "-", given=f"flush ruleset\n{BEFORE}")
    made = Place(three, tmp_path)
    try:
        wait_until(made.logs_in)
        yield made
    finally:
        made.close()
        three[0].run("nft", "flush", "ruleset")


def states(answer: dict[str, Any]) -> dict[str, str]:
    return {row["check"]: row["status"] for row in answer["checks"]}


def test_check_run_check_run_confirm_and_give_back(place: Place) -> None:
    before = place.ruleset()
    text = place.ours.run("nft", "list", "ruleset")
    planned = place.isolate(_ansible_check_mode=True)
    assert planned["changed"] and f"ip saddr {place.operator.address} tcp dport 22 accept" in planned["diff"]["after"]
    assert "policy drop" in planned["ruleset"] and not place.systemd.timers() and not place.state.exists() and place.works()

    done = place.isolate(reason="a test", run_id="r")
    assert done["changed"] and states(done) == {"isolation.state": "ok", "isolation.timer": "ok"}, done
    assert place.systemd.timers() == done["isolation"]["timers"] and len(place.systemd.timers()) == 1
    assert place.is_silent() and place.logs_in() and not place.logs_in(place.client)
    assert not place.logs_in(address=place.ours.address6)  # only the way that the operator came
    assert place.ruleset() == before

    assert not place.isolate(_ansible_check_mode=True)["changed"] and not place.isolate()["changed"]
    assert states(place.isolate(state="query")) == {"isolation.state": "warning", "isolation.timer": "ok"}

    confirmed = place.isolate(state="confirmed")
    assert confirmed["changed"] and confirmed["isolation"]["confirmed"] and not place.systemd.timers()
    assert not place.isolate(state="confirmed")["changed"] and not place.isolate()["changed"]
    assert place.is_silent() and place.logs_in()

    assert place.isolate(state="absent", _ansible_check_mode=True)["changed"] and place.is_silent()
    freed = place.isolate(state="absent")
    assert freed["changed"] and states(freed) == {"isolation.state": "ok"} and place.works()
    assert place.ours.run("nft", "list", "ruleset") == text and place.ruleset() == before
    assert not place.isolate(state="absent")["changed"] and not (place.state / "isolation.json").exists()


def test_the_timer_gives_back_unless_somebody_confirms(place: Place) -> None:
    before = place.ruleset()
    place.managed()
    assert place.is_silent()
    place.systemd.fire()
    wait_until(place.works)
    assert place.ruleset() == before and "upkeep" not in place.ours.run("nft", "list", "ruleset")
    assert states(place.managed(state="query")) == {"isolation.state": "warning"}
    assert "nothing to confirm" in place.managed(state="confirmed")["msg"]

    place.systemd.rearm()
    assert place.managed()["changed"] and place.managed(state="confirmed")["changed"]
    place.systemd.fire()
    assert place.is_silent() and states(place.managed(state="query")) == {"isolation.state": "warning"}


def test_a_timer_whose_time_is_over_while_somebody_confirms_does_not_give_back_what_is_confirmed(place: Place) -> None:
    place.managed()
    assert len(place.systemd.fire_slowly()) == 1
    confirmed = place.managed(state="confirmed")
    place.systemd.go_on()
    wait_until(lambda: not list(place.systemd.folder.glob("*.service")))
    isolated = "upkeep_isolation" in place.ours.run("nft", "list", "ruleset")
    assert isolated and confirmed["changed"] and states(place.managed(state="query")) == {"isolation.state": "warning"}


def test_over_ipv6_and_what_else_is_let_through(place: Place) -> None:
    done = place.isolate(address=place.ours.address6, dns_servers=[place.client.address], dhcp=False, flush_connections=True)
    assert done["changed"] and done["connections_flushed"], done
    assert place.is_silent() and place.logs_in(address=place.ours.address6) and not place.logs_in()
    assert "udp sport 68" not in done["ruleset"]
    with_more = place.isolate(address=place.ours.address6, management=[f"{place.client.address}/32"], time_servers=["2001:db8::3"])
    assert with_more["changed"] and len(place.systemd.timers()) == 1 and place.logs_in(place.client)
    assert not place.isolate(address=place.ours.address6, management=[place.client.address], time_servers=["2001:db8::3"])["changed"]


def answer(place: Place, **options: Any) -> dict[str, Any]:
    found = place.local(**options)
    assert found is not None
    return found


def test_without_a_way_back_it_refuses(place: Place) -> None:
    refused = run_module("host_isolate", place.options(), before=place.ours.entering(), env={"PATH": place.systemd.path})
    assert refused["failed"] and "no way back" in refused["msg"] and place.works()
    assert "management[0]" in answer(place, management=["here"])["msg"]
    for nobody in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "224.0.0.0/4"):
        assert "nobody comes in" in answer(place, management=[nobody])["msg"]
    assert "management_ports" in answer(place, management=["192.0.2.2"], management_ports=[70_000])["msg"]
    assert "revert_seconds" in answer(place, management=["192.0.2.2"], revert_seconds=1)["msg"]
    assert not place.systemd.timers()
    done = place.managed()
    assert done["changed"] and place.is_silent() and place.logs_in() and not place.logs_in(place.client)


def test_without_systemd_it_refuses_and_changes_nothing(place: Place) -> None:
    place.systemd.break_down()
    for check_mode in (True, False):
        refused = place.managed(_ansible_check_mode=check_mode)
        assert refused["failed"] and "systemd does not answer here" in refused["msg"]
    assert place.works() and "upkeep" not in place.ours.run("nft", "list", "ruleset")


def test_where_nobody_can_see_the_timer_nothing_is_said_to_be_confirmed_and_the_host_is_given_back(place: Place) -> None:
    place.managed(reason="one")
    place.systemd.fall_silent()
    seen = place.managed(state="query")
    assert states(seen) == {"isolation.state": "warning", "isolation.timer": "unknown"} and seen["isolation"]["timers"] is None
    assert "Failed to connect to bus" in seen["checks"][-1]["summary"] and not seen["isolation"]["confirmed"]
    record = (place.state / "isolation.json").read_text()
    for check_mode in (True, False):
        refused = place.managed(state="confirmed", _ansible_check_mode=check_mode)
        assert refused["failed"] and "The isolation is not confirmed" in refused["msg"]
        again = place.managed(reason="two", _ansible_check_mode=check_mode)
        assert again["failed"] and "Nothing was changed" in again["msg"]
    assert (place.state / "isolation.json").read_text() == record and len(place.systemd.timers()) == 1 and place.is_silent()

    planned = place.managed(state="absent", _ansible_check_mode=True)
    assert planned["changed"] and states(planned) == {"isolation.state": "ok", "isolation.timer": "warning"} and place.is_silent()
    freed = place.managed(state="absent")
    assert freed["changed"] and states(freed) == states(planned) and place.works(), freed
    assert "there is nothing to give back" in freed["checks"][-1]["summary"]
    for check_mode in (True, False):
        assert not place.managed(state="absent", _ansible_check_mode=check_mode)["changed"]
    assert states(place.managed(state="query")) == {"isolation.state": "ok", "isolation.timer": "unknown"}

    # The timer is noted still, so that it does not end the next isolation; with that one there is one timer again.
    place.systemd.speak()
    (late,) = place.systemd.timers()
    assert states(place.managed(state="query")) == {"isolation.state": "ok", "isolation.timer": "warning"}
    assert place.managed()["changed"] and late not in place.systemd.timers() and place.managed(state="confirmed")["changed"]
    place.systemd.fire()
    assert place.is_silent() and place.managed(state="query")["isolation"]["confirmed"]


def test_a_timer_that_comes_after_the_host_was_given_back_changes_nothing(place: Place) -> None:
    before = place.ours.run("nft", "list", "ruleset")
    place.managed()
    place.systemd.break_down()
    assert place.managed(state="absent")["changed"] and place.works()
    place.systemd.fire()
    wait_until(lambda: not place.systemd.timers() and not list(place.systemd.folder.glob("*.service")))
    assert place.ours.run("nft", "list", "ruleset") == before
    place.systemd.speak()
    assert states(place.managed(state="query")) == {"isolation.state": "ok"}
    assert not place.managed(state="absent")["changed"] and not (place.state / "isolation.json").exists()


@pytest.mark.parametrize("silent_from", ["arm_timer", "stop_timers"])
def test_systemd_falls_silent_in_the_middle(place: Place, silent_from: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new timer cannot be seen to run: nothing is isolated. Its end cannot be seen: nothing is confirmed. It stays noted in both cases."""
    call = getattr(revert_timer, silent_from)

    def falling(*arguments: Any) -> Any:
        place.systemd.fall_silent()
        return call(*arguments)

    confirms = silent_from == "stop_timers"
    if confirms:
        place.managed()
    monkeypatch.setattr(revert_timer, silent_from, falling)
    refused = place.managed(**({"state": "confirmed"} if confirms else {}))
    monkeypatch.undo()
    record = json.loads((place.state / "isolation.json").read_text())
    assert refused["failed"] and ("is not confirmed" if confirms else "right after it was armed") in refused["msg"], refused
    assert record["phase"] == ("pending" if confirms else "released") and record["timers"] == place.systemd.timers()
    assert place.is_silent() if confirms else place.works()
    place.systemd.speak()
    place.systemd.fire()
    wait_until(place.works)


def test_over_a_restart_only_when_it_is_confirmed_and_asked_for(place: Place) -> None:
    unit = place.units / "upkeep-isolation.service"
    place.managed(persist=True)
    assert not unit.exists()
    assert place.managed(state="confirmed")["changed"] and not unit.exists()
    assert place.managed(state="confirmed", persist=True)["changed"] and not place.managed(state="confirmed", persist=True)["changed"]
    assert "enable upkeep-isolation.service" in place.systemd.calls() and "Before=network-pre.target" in unit.read_text()
    # What a restart does: nothing is there, then the unit loads its file.
    place.ours.run("nft", "delete", "table", "inet", "upkeep_isolation")
    assert states(place.managed(state="query")) == {"isolation.state": "critical"}
    command = next(line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))
    place.ours.run(*shlex.split(command.partition("=")[2]))
    assert place.is_silent() and place.logs_in() and place.managed(state="query")["isolation"]["persistent"]
    assert place.managed(state="absent")["changed"] and not unit.exists() and place.works()
    assert not (place.state / "isolation.nft").exists() and "disable upkeep-isolation.service" in place.systemd.calls()


def test_a_unit_that_cannot_be_enabled_is_not_said_to_be(place: Place) -> None:
    place.systemd.refuse_to_enable()
    place.managed()
    refused = place.managed(state="confirmed", persist=True)
    assert refused["failed"] and "would not be after a restart: systemctl enable failed (Failed to enable unit: Access denied)" in refused["msg"]
    seen = place.managed(state="query")
    assert not seen["isolation"]["persistent"] and "until it is restarted" in seen["checks"][0]["summary"] and place.is_silent()


def test_rules_that_somebody_changed_and_a_lost_timer_are_said_and_mended(place: Place) -> None:
    place.managed()
    place.ours.run("nft", "insert", "rule", "inet", "upkeep_isolation", "arriving", "udp dport 7 accept")
    assert states(place.managed(state="query")) == {"isolation.state": "critical"}
    assert "not those that were loaded" in place.managed(state="confirmed")["msg"]
    assert place.managed()["changed"] and place.is_silent() and len(place.systemd.timers()) == 1
    place.ours.run("nft", "add", "table", "inet", "upkeep_isolation", "{ flags dormant; }")
    assert place.works() and states(place.managed(state="query")) == {"isolation.state": "critical"}
    assert place.managed()["changed"] and place.is_silent()
    place.systemd.close()
    for note in place.systemd.folder.glob("*.timer"):
        note.unlink()
    assert states(place.managed(state="query")) == {"isolation.state": "warning", "isolation.timer": "critical"}
    assert place.managed()["changed"] and len(place.systemd.timers()) == 1
    (place.state / "isolation.json").unlink()
    assert states(place.managed(state="query")) == {"isolation.state": "critical"}
    assert place.managed(state="absent")["changed"] and place.works()


def die_before(step: int) -> None:
    """Let this process kill itself before its call number ``step`` of those that change something."""
    left = [step]

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **keywords)
        return wrapped

    for owner, names in (
        (isolation_record, ["write_record"]), (revert_timer, ["arm_timer", "stop_timers"]), (nftables, ["load"]),
        (isolation_boot, ["install", "remove"]),
    ):
        for name in names:
            setattr(owner, name, dying(getattr(owner, name)))


@pytest.mark.parametrize("state", ["present", "changed", "confirmed", "absent"])
def test_killed_before_each_step_the_host_is_free_or_guarded(place: Place, state: str) -> None:
    """``changed`` isolates a host by other rules than those that were confirmed."""
    last = {"present": {}, "changed": {"dhcp": False}, "confirmed": {"state": "confirmed", "persist": True}, "absent": {"state": "absent"}}
    died = 0
    while True:
        place.systemd.rearm()
        place.managed(state="absent")
        if state != "present":
            place.managed()
        if state in ("changed", "absent"):
            place.managed(state="confirmed", persist=True)
        answer = place.local(step=died, management=[place.operator.address], **last[state])
        if answer is not None:
            break
        died += 1
        assert died < 20
        isolated = "upkeep_isolation" in place.ours.run("nft", "list", "ruleset")
        guarded = bool(place.systemd.timers())
        record = place.state / "isolation.json"
        confirmed = record.exists() and json.loads(record.read_text())["phase"] == "confirmed"
        assert not isolated or guarded or confirmed, f"isolated for good before step {died - 1}"
        if guarded:
            place.systemd.fire()
            wait_until(lambda: not place.systemd.timers())
            assert "upkeep_isolation" not in place.ours.run("nft", "list", "ruleset")
    assert answer["changed"] and died >= 4
    assert place.managed(state="absent")["changed"] is (state != "absent") and place.works()


def test_rules_that_the_kernel_refuses_leave_no_timer(place: Place) -> None:
    place.managed()
    place.managed(state="confirmed", persist=True)
    record = (place.state / "isolation.json").read_text()
    (place.systemd.programs / "nft").write_text(
        "#!/bin/sh\nif [ $1 = -f ]; then echo refused >&2; exit 1; fi\nexec /usr/sbin/nft \"$@\"\n"
    )
    (place.systemd.programs / "nft").chmod(0o755)
    refused = place.managed(dhcp=False)
    assert refused["failed"] and "nothing was changed: refused" in refused["msg"]
    assert not place.systemd.timers() and (place.state / "isolation.json").read_text() == record
    assert (place.units / "upkeep-isolation.service").exists()
