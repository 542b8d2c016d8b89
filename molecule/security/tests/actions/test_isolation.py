"""A host is isolated in its network: business stops, the operator stays, and what was there before comes back.

Both hosts are isolated at the same time: real nftables 1.0 and 1.1, real timers of systemd, a real connection of the operator.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from containers import PATIENCE_SECONDS, podman
from shop import BUSINESS, CUSTOMER, MANAGEMENT, NEW_CONNECTIONS, SHOPS, WEB, address, on_shops, reached, rules, states
from upkeep_run import INVENTORIES, PROJECT, followed
from watching import watching

EVERYWHERE = dict.fromkeys(SHOPS, True)
#: Connections from before, over which something comes all the time.
TICKS = [(CUSTOMER, shop, WEB) for shop in SHOPS.values()]

#: Isolates the hosts, and has more to do.
ISOLATE = """
- hosts: shop
  become: true
  gather_facts: false
  tasks:
    - upkeep.runbook.host_isolate: {reason: INC-2, revert_seconds: 20}
    - name: What the controller does not come to
      ansible.builtin.pause: {seconds: 120}
"""


@pytest.fixture
def before() -> Iterator[dict[str, str]]:
    """The rules of the hosts before; whatever a test leaves is taken away."""
    assert all(reached(*BUSINESS, *MANAGEMENT))
    found = rules()
    yield found
    if rules() != found:
        on_shops("host_isolate", state="absent")


def die(process: subprocess.Popen[str]) -> None:
    """Kill a process with all that it started."""
    controller = psutil.Process(process.pid)
    controller.suspend()  # it starts nothing more
    for one in [*controller.children(recursive=True), controller]:
        one.kill()


def wait_until_they_answer() -> None:
    """Wait until the operator can log in to both hosts again."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    seen = on_shops("host_isolate", state="query")
    while any("isolation" not in result for result in seen.values()):
        assert time.monotonic() < deadline, seen
        seen = on_shops("host_isolate", state="query")


def timers() -> list[str]:
    """Return the timers of ours that systemd knows, of both hosts."""
    listing = "systemctl list-units --all --plain --no-legend --type=timer 'upkeep-*'"
    return [line.split("-revert-")[0] for shop in SHOPS.values() for line in shop.sh(listing).splitlines()]


def test_the_controller_dies_and_a_timer_gives_the_hosts_back(before: dict[str, str], tmp_path: Path) -> None:
    playbook = tmp_path / "isolate.yml"
    playbook.write_text(ISOLATE, encoding="utf-8")
    with watching(*BUSINESS, *MANAGEMENT, stays=TICKS) as watch:
        process = subprocess.Popen(
            ["ansible-playbook", *(f"--inventory={path}" for path in INVENTORIES), str(playbook)],
            cwd=PROJECT, env=NEW_CONNECTIONS, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        output = followed(process, at="What the controller does not come to", then=lambda: die(process))
        for shop in SHOPS.values():
            shop.wait_for("! nft list table inet upkeep_isolation 2> /dev/null")
        watch.wait_until_open(*BUSINESS)
        turns = watch.turns()
    assert turns[: len(BUSINESS)] == [[True, False, True]] * len(BUSINESS), output
    assert turns[len(BUSINESS) : -len(TICKS)] == [[True]] * len(MANAGEMENT), output
    assert [turn[:2] for turn in turns[-len(TICKS) :]] == [[True, False]] * len(TICKS), output
    assert rules() == before


def test_confirmed_it_lasts_over_a_restart_and_absent_brings_back_what_was(before: dict[str, str]) -> None:
    shown = on_shops("host_isolate", check=True)
    assert {name: result["changed"] for name, result in shown.items()} == EVERYWHERE, shown
    assert rules() == before
    done = on_shops("host_isolate", reason="INC-3", revert_seconds=3600)
    assert {name: result.get("changed") for name, result in done.items()} == EVERYWHERE, done
    assert reached(*MANAGEMENT, *BUSINESS) == [True] * len(MANAGEMENT) + [False] * len(BUSINESS)
    assert timers() == ["upkeep-isolation"] * len(SHOPS)
    # Each call comes in over a new connection.
    for seen in on_shops("host_isolate", state="query").values():
        assert seen["isolation"]["isolated"] and not seen["isolation"]["confirmed"]
        assert states(seen) == {"isolation.state": "warning", "isolation.timer": "ok"}
    done = on_shops("host_isolate", state="confirmed", persist=True)
    assert {name: result.get("changed") for name, result in done.items()} == EVERYWHERE, done
    assert timers() == []
    # The rules of the host itself begin with a flush of everything.
    podman("restart", "--time", "20", *(shop.name for shop in SHOPS.values()))
    address.cache_clear()
    for shop in SHOPS.values():
        shop.wait_for("systemctl is-system-running | grep -qE '^(running|degraded)$' && systemctl is-active ssh")
    wait_until_they_answer()
    assert reached(*MANAGEMENT, *BUSINESS) == [True] * len(MANAGEMENT) + [False] * len(BUSINESS)
    for seen in on_shops("host_isolate", state="query").values():
        assert "isolation" in seen, seen
        assert seen["isolation"]["confirmed"] and seen["isolation"]["persistent"]
    for name, shop in SHOPS.items():
        if "f2b-table" in before[name]:  # fail2ban bans anew, a moment after the start
            shop.wait_for("nft list table inet f2b-table | grep -q elements")
    done = on_shops("host_isolate", state="absent")
    assert {name: result["changed"] for name, result in done.items()} == EVERYWHERE, done
    assert rules() == before
    assert all(reached(*BUSINESS))
    assert on_shops("host_isolate", state="absent")["shop-1"]["changed"] is False


def test_without_a_way_back_nothing_is_done(before: dict[str, str]) -> None:
    # As root of the machine: no connection of an operator.
    local = {"ansible_connection": "containers.podman.podman", "ansible_user": "root"}
    for result in on_shops("host_isolate", variables=local).values():
        assert not result["changed"] and "no way back" in result["msg"]
    assert rules() == before
    assert timers() == []
