"""A host is isolated in its network: business stops, the operator stays, and what was there before comes back.

Both hosts are isolated at the same time: real nftables 1.0 and 1.1, real timers of systemd, a real connection of the operator.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from containers import Container, podman
from shop import CUSTOMER, NEW_CONNECTIONS, OFFICE, SHOPS, SSH, address, business, on_shops, reached, rules, states
from upkeep_run import INVENTORIES, PROJECT, followed

EVERYWHERE = dict.fromkeys(SHOPS, True)

#: Isolates the hosts, and has more to do.
ISOLATE = """
- hosts: shop
  become: true
  gather_facts: false
  tasks:
    - upkeep.runbook.host_isolate: {reason: INC-2, revert_seconds: 40}
    - name: What the controller does not come to
      ansible.builtin.pause: {seconds: 120}
"""


@pytest.fixture
def before() -> Iterator[dict[str, str]]:
    """The rules of the hosts before; whatever a test leaves is taken away."""
    assert all(business())
    yield rules()
    on_shops("host_isolate", state="absent")


def are_cut_off() -> bool:
    """Tell whether nobody but the operator reaches the hosts, and they reach nobody."""
    return not any(business()) and all(reached(*((OFFICE, shop, SSH) for shop in SHOPS.values())))


def follow_ticks(shop: Container) -> str:
    """Let the customer follow the ticks of a shop over one connection; return the file in the customer's container."""
    path = f"/tmp/ticks-of-{shop.name}"
    ask = f"printf 'GET /ticks HTTP/1.0\\r\\n\\r\\n' | nc {address(shop)} 80 > {path}"
    podman("exec", "--detach", CUSTOMER.name, "sh", "-c", ask)
    CUSTOMER.wait_for(f"grep --quiet --line-regexp 3 {path}")
    return path


def die(process: subprocess.Popen[str]) -> None:
    """Kill a process with all that it started, at once."""
    controller = psutil.Process(process.pid)
    for one in [controller, *controller.children(recursive=True)]:
        one.kill()


def test_the_controller_dies_and_a_timer_gives_the_hosts_back(before: dict[str, str], tmp_path: Path) -> None:
    ticks = [follow_ticks(shop) for shop in SHOPS.values()]
    playbook = tmp_path / "isolate.yml"
    playbook.write_text(ISOLATE, encoding="utf-8")
    process = subprocess.Popen(
        ["ansible-playbook", *(f"--inventory={path}" for path in INVENTORIES), str(playbook)],
        cwd=PROJECT, env=NEW_CONNECTIONS, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    output = followed(process, at="What the controller does not come to", then=lambda: die(process))
    assert are_cut_off(), output
    # The connections from before are cut as well: nothing more comes.
    said = CUSTOMER.sh(f"tail -qn 1 {' '.join(ticks)}; sleep 1; tail -qn 1 {' '.join(ticks)}").split()
    assert said[:2] == said[2:]
    # The operator comes in anew.
    for seen in on_shops("host_isolate", state="query").values():
        assert seen["isolation"]["isolated"] and not seen["isolation"]["confirmed"]
        assert states(seen) == {"isolation.state": "warning", "isolation.timer": "ok"}
    for shop in SHOPS.values():
        shop.wait_for("! nft list table inet upkeep_isolation 2> /dev/null")
    assert rules() == before
    assert all(business())


def test_confirmed_it_lasts_over_a_restart_and_absent_brings_back_what_was(before: dict[str, str]) -> None:
    shown = on_shops("host_isolate", check=True)
    assert {name: result["changed"] for name, result in shown.items()} == EVERYWHERE, shown
    assert rules() == before
    for options in ({"reason": "INC-3", "revert_seconds": 40}, {"state": "confirmed", "persist": True}):
        done = on_shops("host_isolate", **options)
        assert {name: result.get("changed") for name, result in done.items()} == EVERYWHERE, done
    for shop in SHOPS.values():
        assert "upkeep" not in shop.sh("systemctl list-timers --all --no-legend")
    podman("restart", "--time", "20", *(shop.name for shop in SHOPS.values()))
    for shop in SHOPS.values():
        shop.wait_for("systemctl is-system-running | grep -qE '^(running|degraded)$'")
    assert are_cut_off()
    for seen in on_shops("host_isolate", state="query").values():
        assert seen["isolation"]["confirmed"] and seen["isolation"]["persistent"]
    done = on_shops("host_isolate", state="absent")
    assert {name: result["changed"] for name, result in done.items()} == EVERYWHERE, done
    assert rules() == before
    assert all(business())


def test_without_a_way_back_nothing_is_done(before: dict[str, str]) -> None:
    # As root of the machine: no connection of an operator.
    local = {"ansible_connection": "containers.podman.podman", "ansible_user": "root"}
    for result in on_shops("host_isolate", variables=local).values():
        assert result["failed"] and "no way back" in result["msg"]
    assert rules() == before
    for shop in SHOPS.values():
        assert "upkeep" not in shop.sh("systemctl list-timers --all --no-legend")
