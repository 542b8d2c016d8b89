"""The alarm rings: a port is closed for who is blocked or banned, a file that is tampered with is found, a revoked key opens nothing."""

from __future__ import annotations

import json
from pathlib import Path

from shop import SHOPS, address, rules
from upkeep_run import Run, run_playbook

#: It may do nothing, not even have a shell.
ACCOUNT = "upkeep-watcher"


def found(run: Run) -> set[tuple[str, str, str]]:
    return {(row.host, row.check, row.status) for row in run.checks() if row.check.startswith("selftest")}


def test_a_blocked_port_is_closed_from_outside_and_a_tampered_file_is_found(tmp_path: Path) -> None:
    before = rules()
    variables = {
        "selftest_parts": "block,files",
        "selftest_observer": "shop-2",
        "selftest_observer_address": address(SHOPS["shop-2"]),
        "selftest_address": address(SHOPS["shop-1"]),
    }
    run = run_playbook("security_selftest", tmp_path, "--limit=shop-1", f"--extra-vars={json.dumps(variables)}")
    assert run.status == 0, run.output
    assert found(run) == {("shop-1", "selftest.block", "ok"), ("shop-1", "selftest.files", "ok")}
    assert rules() == before


def test_who_fails_to_log_in_is_banned_and_a_revoked_key_opens_nothing(tmp_path: Path) -> None:
    for shop in SHOPS.values():
        shop.sh(f"useradd --create-home --shell /usr/sbin/nologin {ACCOUNT}; install -d -m 700 -o {ACCOUNT} /home/{ACCOUNT}/.ssh")
        shop.sh("systemctl start fail2ban")
        shop.wait_for("fail2ban-client status sshd")
    before = rules()
    # Each looks from outside at the other one.
    addresses, other = {name: address(shop) for name, shop in SHOPS.items()}, {"shop-1": "shop-2", "shop-2": "shop-1"}
    variables = {
        "selftest_parts": "key,jail",
        "selftest_key_user": ACCOUNT,
        "test_addresses": addresses,
        "test_other": other,
        "selftest_observer": "{{ test_other[inventory_hostname] }}",
        "selftest_observer_address": "{{ test_addresses[test_other[inventory_hostname]] }}",
        "selftest_address": "{{ test_addresses[inventory_hostname] }}",
    }
    run = run_playbook("security_selftest", tmp_path, f"--extra-vars={json.dumps(variables)}")
    assert run.status == 0, run.output
    assert found(run) == {(name, f"selftest.{part}", "ok") for name in SHOPS for part in ("key", "jail")}
    for name, shop in SHOPS.items():
        assert f"Ban {addresses[other[name]]}" in shop.sh("cat /var/log/fail2ban.log"), "it was the real one"
        assert shop.sh(f"ls -A /home/{ACCOUNT}/.ssh /var/lib/upkeep/selftest-keys").split() == [
            f"/home/{ACCOUNT}/.ssh:", "/var/lib/upkeep/selftest-keys:",
        ]  # fmt: skip
    assert rules() == before
