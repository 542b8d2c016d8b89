"""The shop of the scenario, seen by those who deal with it: the operator, a customer, and an attacker."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from containers import Container, podman
from upkeep_run import INVENTORIES, PROJECT

#: The hosts by their names in the inventory; the first runs Debian 12, the second Debian 13.
SHOPS = {name: Container(f"upkeep-security-{name}") for name in ("shop-1", "shop-2")}
OFFICE = Container("upkeep-security-office")
CUSTOMER = Container("upkeep-security-customer")
ATTACKER = Container("upkeep-security-attacker")

#: What those outside serve.
OUTSIDE_PORT = 8000
WEB, SSH = 80, 22

#: No task uses the connection of an earlier one.
NEW_CONNECTIONS = {**os.environ, "ANSIBLE_SSH_ARGS": "-o ControlMaster=no"}

Result = dict[str, Any]
#: Who, whom, and the port.
Way = tuple[Container, Container, int]

#: What goes on between the shops and those who are not their operator, in both directions; and how the operator comes in.
BUSINESS: list[Way] = []
for _shop in SHOPS.values():
    BUSINESS += [(CUSTOMER, _shop, WEB), (CUSTOMER, _shop, SSH), (ATTACKER, _shop, WEB), (OFFICE, _shop, WEB)]
    BUSINESS += [(_shop, CUSTOMER, OUTSIDE_PORT), (_shop, OFFICE, OUTSIDE_PORT)]
MANAGEMENT: list[Way] = [(OFFICE, shop, SSH) for shop in SHOPS.values()]


@cache
def address(container: Container) -> str:
    """Return the address that a container has now; after a restart it may have another one."""
    networks = json.loads(podman("inspect", "--format", "{{json .NetworkSettings.Networks}}", container.name))
    return str(next(iter(networks.values()))["IPAddress"])


def reached(*ways: Way) -> list[bool]:
    """Tell for each way whether a connection over it comes about. All are tried at the same time."""
    addresses = {whom: address(whom) for _who, whom, _port in ways}

    def tried(who: Container) -> set[Way]:
        own = [way for way in ways if way[0] == who]
        script = " ".join(f"(nc -z -w 2 {addresses[whom]} {port} && echo {at}) &" for at, (_who, whom, port) in enumerate(own))
        return {own[int(number)] for number in who.sh(f"{script} wait").split()}

    with ThreadPoolExecutor() as pool:
        found = set().union(*pool.map(tried, {who for who, _whom, _port in ways}))
    return [way in found for way in ways]


def rules() -> dict[str, str]:
    """Return every rule that each host has, as nft writes it, without what traffic counts."""
    return {name: shop.sh("nft --stateless list ruleset") for name, shop in SHOPS.items()}


def on_shops(module: str, *, check: bool = False, variables: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Result]:
    """Run one module of the collection on all hosts at the same time, as the operator does, over new connections."""
    with TemporaryDirectory() as results:
        call = ["ansible", *(f"--inventory={path}" for path in INVENTORIES), "--become", f"--tree={results}"]
        call += ["--extra-vars", json.dumps(dict(variables or {})), "-m", f"upkeep.runbook.{module}", "shop"]
        call += [*(["-a", json.dumps(options)] if options else []), *(["--check"] if check else [])]
        done = subprocess.run(call, cwd=PROJECT, env=NEW_CONNECTIONS, capture_output=True, text=True, timeout=300, check=False)
        found = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in Path(results).glob("*")}
    assert found, f"{shlex.join(call)}: {done.stdout}{done.stderr}"
    return found


def states(result: Result) -> dict[str, str]:
    """Return the status of each check of a result."""
    return {row["check"]: row["status"] for row in result["checks"]}
