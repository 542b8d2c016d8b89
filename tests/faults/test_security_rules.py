"""Security rules over a real ssh connection between two network namespaces: what a run does, refuses, and takes back when it is cut off."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import House, Outcome, listing
from ansible_collections.upkeep.runbook.tests.integration.fail2ban_server import FILTER, Fail2ban
from ansible_collections.upkeep.runbook.tests.integration.networks import Host, hosts, wait_until
from ansible_collections.upkeep.runbook.tests.integration.systemd_stand_in import Systemd

CONFIRMED = {"upkeep_confirm": "Test platform"}
RULES = "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority 0; policy drop;\n\t\tct state established accept\n\t\tIN\n\t}\n}\n"


class Site:
    """A house whose host alpha is reached over ssh from another."""

    def __init__(self, house: House, two: list[Host], folder: Path, fail2ban: Fail2ban) -> None:
        self.house, (self.ours, self.operator), self.fail2ban = house, two, fail2ban
        self.systemd = Systemd(folder)
        self.configuration, self.path = folder / "nftables.conf", folder / "nftables.d" / "rules.nft"
        self.configuration.write_text("flush ruleset\n")
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        (folder / "sshd.conf").write_text(
            f"Port 22\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\nPidFile none\nStrictModes no\nUsePAM no\n"
            f"PasswordAuthentication no\nPermitRootLogin prohibit-password\nSetEnv PATH={self.systemd.path}\n"
        )
        script = 'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec /usr/sbin/sshd -D -e -f "$1"'
        self.server = subprocess.Popen(
            self.ours.argv("unshare", "--mount", "sh", "-c", script, "sh", str(folder / "sshd.conf")), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: bool(self.ours.run("ss", "-Hltn", "sport = :22")))
        options = "-o IdentitiesOnly=yes -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o ConnectTimeout=2"
        house.hosts["alpha"] = {
            "ansible_connection": "ssh", "ansible_host": self.ours.address, "ansible_user": "root",
            "ansible_ssh_private_key_file": str(folder / "user"), "ansible_ssh_common_args": options,
        }
        # A connection that is kept, as people have it: the one from before would let a run in that nobody could begin again.
        self.kept = Path(tempfile.mkdtemp(prefix="upkeep", dir="/tmp"))
        kept = f"-o ControlMaster=auto -o ControlPersist=60 -o ControlPath={self.kept}/%C"
        house.environment.update(ANSIBLE_TIMEOUT="2", ANSIBLE_SSH_ARGS=kept)
        house.variables.update(
            security_rules_blocklists=[{"name": "bad", "content": "203.0.113.0/24 ; SBL\n"}], security_rules_nftables=self.rules(self.operator.address),
            security_rules_nftables_path=str(self.path), security_rules_nftables_configuration=str(self.configuration),
            security_rules_fail2ban_jails=f"[DEFAULT]\nignoreip = 127.0.0.1/8 192.0.2.0/24\n{fail2ban.jail('new', filter='mine')}",
            security_rules_fail2ban_filters=[{"name": "mine", "content": FILTER}], security_rules_allow=["192.0.2.0/24"],
            security_rules_fail2ban_config_directory=str(fail2ban.config), security_rules_fail2ban_socket=str(fail2ban.place / "socket"),
        )

    def rules(self, address: str) -> str:
        return RULES.replace("IN", f"ip saddr {address} tcp dport 22 accept")

    def run(self, *arguments: str, **extra: Any) -> Outcome:
        return self.house.start("security_rules", *arguments, before=tuple(self.operator.argv()), **extra).wait()

    def seen(self) -> tuple[str, str, dict[str, str], list[str]]:
        """Return what a refused run must leave alone."""
        configuration = self.configuration.read_text() + (self.path.read_text() if self.path.exists() else "")
        return self.ours.run("nft", "-s", "list", "ruleset"), configuration, self.fail2ban.files(), self.fail2ban.running()

    def close(self) -> None:
        for path in self.kept.iterdir():
            subprocess.run(["ssh", "-o", f"ControlPath={path}", "-O", "exit", "alpha"], check=True, capture_output=True)
        self.kept.rmdir()
        self.server.terminate()
        self.server.wait(30)
        self.systemd.close()


@pytest.fixture
def site(root: None, house: House, tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        two = stack.enter_context(hosts(2))
        (tmp_path / "fail2ban").mkdir()
        fail2ban = Fail2ban(tmp_path / "fail2ban")
        stack.callback(fail2ban.close)
        made = Site(house, two, tmp_path, fail2ban)
        stack.callback(made.close)
        yield made


def statuses(outcome: Outcome, asked: str = "alpha") -> dict[str, str]:
    return {check: status for (host, _role, check, _subject), status in outcome.statuses().items() if host == asked and check.startswith("rules.")}


def test_check_run_refuse_be_cut_off_and_come_back(site: Site) -> None:
    quick = {"security_rules_parts": ["blocklists", "nftables"]}
    before, files = site.seen(), listing(site.house.watched)
    plan = site.run("--check", "--diff", **quick)
    assert plan.rc == 0 and statuses(plan) == {"rules.blocklists": "ok", "rules.nftables": "ok"}, plan.output
    assert "policy drop" in plan.output and "203.0.113.0/24" in plan.output
    assert site.seen() == before and files.items() <= listing(site.house.watched).items()

    done = site.run(**CONFIRMED)
    assert done.rc == 0 and statuses(done) == dict.fromkeys(("rules.blocklists", "rules.fail2ban", "rules.nftables"), "ok"), done.output
    rules, configuration, _files, jails = good = site.seen()
    assert "203.0.113.0/24" in rules and "policy drop" in rules and str(site.path) in configuration and jails == ["new", "package"]

    # A second name of the host, in the same run: nobody has confirmed that one. The first has everything already.
    site.house.hosts["beta"] = beta = {**site.house.hosts["alpha"], "upkeep_state_directory": str(site.house.state / "alpha")}
    beta["security_rules_confirm"] = "Another platform"
    again = site.run(**CONFIRMED, **quick)
    assert again.rc == 2 and statuses(again, "beta") == dict.fromkeys(("rules.blocklists", "rules.nftables"), "critical"), again.output
    assert "updating security rules must be confirmed" in again.check("beta", "rules.nftables")["summary"]
    assert statuses(again) == dict.fromkeys(("rules.blocklists", "rules.nftables"), "ok") and site.seen() == good, again.output
    recap = {line.split()[0]: line for line in again.output.partition("PLAY RECAP")[2].splitlines() if " : " in line}
    assert "changed=0 " in recap["alpha"] and "changed=0 " in recap["beta"], again.output

    # What one part refuses keeps the others from being touched. Connections from before go on, and nobody comes in any more.
    beta.update(security_rules_confirm="Test platform", security_rules_blocklists=[{"name": "bad", "content": ""}])
    beta["security_rules_nftables"] = site.rules("192.0.2.66")
    site.house.hosts["alpha"]["security_rules_nftables"] = site.rules("192.0.2.77")
    cut_off = site.run(**CONFIRMED, **quick)
    assert cut_off.rc == 2 and statuses(cut_off, "beta") == {"rules.blocklists": "critical", "rules.nftables": "unknown"}, cut_off.output
    assert "is empty, and had 1 entries before" in cut_off.check("beta", "rules.blocklists")["summary"]
    assert statuses(cut_off) == {"rules.blocklists": "ok", "rules.nftables": "critical"}, cut_off.output
    told = cut_off.check("alpha", "rules.nftables")["summary"]
    assert "nobody could come back in over a new connection" in told and "its timer puts the rules from before back" in told
    assert site.systemd.timers() and "192.0.2.77" in site.seen()[0] and "192.0.2.66" not in site.seen()[0]
    site.systemd.fire()
    wait_until(lambda: site.seen() == good)
