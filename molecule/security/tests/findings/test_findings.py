"""What the attacker did is found on both hosts, by one run of the weekly audit."""

from __future__ import annotations

import pytest
from break_in import KEY
from shop import ATTACKER, CUSTOMER, SHOPS, SSH, WEB, address, on_shops, reached, states
from upkeep_run import FAILED, Run

#: The log format of nginx's site of the shop.
TIMED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
    " $request_time $upstream_response_time $upstream_cache_status"
)


@pytest.mark.parametrize(
    ("check", "subject", "status"),
    [
        ("auth.failures", "{attacker}", "warning"),
        ("auth.failures", "user anna", "warning"),
        ("auth.success_after_failures", "anna from {attacker}", "critical"),
        ("process.temporary_executable", "/tmp/miner (anna)", "critical"),
        ("process.deleted_executable", "/tmp/gone (anna)", "critical"),
        ("process.hidden_executable", "/var/lib/.cache/agent (root)", "critical"),
        ("process.other_name", "/usr/bin/sleep (anna)", "critical"),
        ("process.interpreter_socket", "/usr/bin/bash (anna)", "critical"),
        ("port.unexpected", "tcp 0.0.0.0:4444", "critical"),
        ("integrity.files", "/opt/shop/server.js", "critical"),
        ("integrity.files", "/etc/sudoers.d/support", "critical"),
        ("integrity.files", "/etc/cron.d/update", "critical"),
        ("access.accounts", "new: support", "critical"),
        ("access.sudo", "new: support as support (ALL) NOPASSWD: ALL", "critical"),
        ("access.keys", "root {key}", "critical"),
    ],
)
def test_the_audit_finds(audit: Run, check: str, subject: str, status: str) -> None:
    key = ATTACKER.sh(f"ssh-keygen -lf {KEY}.pub").split()[1]
    wanted = (check, subject.format(attacker=address(ATTACKER), key=key), status)
    found = {host: {(row.check, row.subject, row.status) for row in audit.checks() if row.host == host} for host in SHOPS}
    assert {host: wanted in rows for host, rows in found.items()} == dict.fromkeys(SHOPS, True), found
    assert audit.status == FAILED


def test_what_was_there_before_is_no_finding(audit: Run) -> None:
    subjects = {row.subject for row in audit.checks() if row.status == "critical"}
    own = ("sshd", "nginx", "node", "upkeep", "/etc/ssh", "/etc/nginx", "tcp 0.0.0.0:22", "tcp 0.0.0.0:80", "tcp 127.0.0.1:3000")
    assert [subject for subject in subjects if subject.startswith(own)] == []


def test_the_scan_and_the_flood_are_in_the_access_log(broken_into: None) -> None:
    logs = {"paths": ["/var/log/nginx/shop.log"], "error_paths": ["/var/log/nginx/shop.error.log"], "format": TIMED}
    for result in on_shops("access_log_stats", **logs, scanners_warning=1, history=False).values():
        (group,) = result["groups"]
        clients = [client["client"] for client in group["rate_limited"]["clients"]]
        wanted = {"access.format": "ok", "access.rate_limited": "warning", "access.scanners": "warning"}
        assert {check: status for check, status in states(result).items() if check in wanted} == wanted, result["checks"]
        assert clients == [address(ATTACKER)]


def test_fail2ban_shuts_the_guesser_out_of_ssh_alone(broken_into: None) -> None:
    for shop in SHOPS.values():
        shop.sh("systemctl enable --quiet --now fail2ban")
        # It reads what the journal of the last hour holds.
        shop.wait_for(f"nft list table inet f2b-table | grep -q {address(ATTACKER)}")
        assert reached((ATTACKER, shop, SSH), (ATTACKER, shop, WEB), (CUSTOMER, shop, SSH)) == [False, True, True]
