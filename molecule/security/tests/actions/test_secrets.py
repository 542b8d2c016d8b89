"""The secret with which both shops sign tokens is rotated: tokens from before are worth nothing, unless a shop cannot start with the new one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from containers import Container
from shop import SHOPS
from upkeep_run import CONFIRMED, FAILED, Run, run_playbook

INCIDENT = "INC-77"
ASK = "import sys, urllib.request as r; print(r.urlopen(r.Request(sys.argv[1], headers={'Authorization': sys.argv[2]})).read().decode(), end='')"
#: A shop that does not start with another secret than that of the first day.
DROP_IN = "/run/systemd/system/shop.service.d/picky.conf"


def act(reports: Path, *arguments: str) -> Run:
    variables = {"upkeep_incident": INCIDENT, **CONFIRMED}
    return run_playbook("security_incident", reports, "-e", json.dumps(variables), *arguments)


def log_in(shop: Container) -> str:
    """Return the token that a customer gets."""
    return shop.sh(f'python3 -c "{ASK}" http://127.0.0.1:3000/login -')


def opens(shop: Container, token: str) -> bool:
    """Tell whether a token opens an account."""
    return shop.sh(f'python3 -c "{ASK}" http://127.0.0.1:3000/account {token} 2>&1 || true') == "open\n"


def secret(shop: Container) -> str:
    return shop.sh("sed -n \"s/^TOKEN_SECRET='\\(.*\\)' # of the first day$/\\1/p\" /opt/shop/.env").strip()


def settings(shop: Container) -> str:
    """Return rights, owner and content of the file of settings."""
    return shop.sh("stat -c '%a %U %G' /opt/shop/.env; cat /opt/shop/.env")


@contextmanager
def picky() -> Iterator[None]:
    """Let no shop start with another secret than it has now."""
    for shop in SHOPS.values():
        line = f"ExecStartPre=/usr/bin/grep -q {secret(shop)} /opt/shop/.env"
        shop.sh(f"mkdir -p $(dirname {DROP_IN}) && printf '[Service]\\n{line}\\n' > {DROP_IN} && systemctl daemon-reload")
    try:
        yield
    finally:
        for shop in SHOPS.values():
            shop.sh(f"rm {DROP_IN} && systemctl daemon-reload")


def summary(run: Run, host: str) -> str:
    (found,) = [row.summary for row in run.checks() if (row.host, row.check) == (host, "secrets.result")]
    return found


def test_a_stolen_secret_is_worth_nothing_after_the_rotation(tmp_path: Path) -> None:
    before = {name: settings(shop) for name, shop in SHOPS.items()}
    old = {name: (secret(shop), log_in(shop)) for name, shop in SHOPS.items()}
    assert all(opens(shop, old[name][1]) for name, shop in SHOPS.items())

    with picky():
        failed = act(tmp_path, "--tags", "rotate")
    assert failed.status == FAILED, failed.output
    for name, shop in SHOPS.items():
        assert "The old values, which an intruder may know, are back; the services run with them." in summary(failed, name), failed.output
        assert settings(shop) == before[name] and opens(shop, old[name][1])

    done = act(tmp_path, "--tags", "rotate", "-vv")
    assert done.status == 0, done.output
    for name, shop in SHOPS.items():
        stolen, token = old[name]
        new = secret(shop)
        assert new and new != stolen and settings(shop) == before[name].replace(stolen, new)
        assert not opens(shop, token) and opens(shop, log_in(shop)), "a token of the old secret, and one of the new one"
        environment = shop.sh("tr '\\0' '\\n' < /proc/$(systemctl show --property MainPID --value shop)/environ")
        assert new in environment and stolen not in environment
        assert "shop restarted and healthy" in summary(done, name)
        assert new not in done.output and stolen not in done.output
        assert new not in shop.sh("journalctl --no-pager | cat; cat /var/lib/upkeep/secrets/*.json")

    rows = [json.loads(line) for line in (tmp_path / "incidents" / INCIDENT / "custody.jsonl").read_text(encoding="utf-8").splitlines()]
    told = [(row["step"], row["outcome"]) for row in rows if row["host"] == "shop-1" and row["outcome"] != "planned"]
    assert told == [("rotate", "failed"), ("rotate", "done")]
