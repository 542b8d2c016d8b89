"""What a run costs beside its bare module calls: services and resources as many pings, and the cost from 1 to 50 hosts.

whole_daily.py has the other roles, whose time goes into what they look at.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from measuring import CHECKOUT, Medians, ansible_playbook, in_turn, print_table

#: platform, health, resources; and on the report host run_history and run_report.
CALLS_PER_HOST = 3
CALLS_PER_RUN = 2
HOST_COUNTS = (1, 10, 25, 50)

PLATFORM = {
    "name": "Benchmark",
    "root": "/",
    "services": [{"name": "controller", "process": {"pattern": "ansible-playbook", "minimum": 0}}],
}


def inventory(directory: Path, hosts: int) -> str:
    """Write an inventory of ``hosts`` local hosts, each with a state directory of its own."""
    path = directory / f"inventory-{hosts}.json"
    names = {f"host{number:02d}": {"upkeep_state_directory": str(directory / f"state-{number}")} for number in range(hosts)}
    path.write_text(json.dumps({"all": {"hosts": names, "vars": {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "upkeep_platform": PLATFORM,
        "upkeep_report_directory": str(directory / "reports"),
        "upkeep_fail_on": "never",
    }}}))
    return str(path)


def pings(directory: Path) -> str:
    """Write a playbook of as many pings as the daily run makes remote calls."""
    def play(calls: int, **keywords: object) -> dict:
        tasks = [{"name": f"Ping {number}", "ansible.builtin.ping": {}, **keywords} for number in range(calls)]
        return {"name": "Ping", "hosts": "all", "gather_facts": False, "tasks": tasks}

    path = directory / "pings.json"
    path.write_text(json.dumps([play(CALLS_PER_HOST), play(CALLS_PER_RUN, run_once=True)]))
    return str(path)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        daily, bare = [str(CHECKOUT / "playbooks" / "daily.yml"), "--tags", "health,resources"], pings(directory)
        one = inventory(directory, 1)
        print_table(
            "The daily run of services and resources on one host",
            in_turn({"daily": ansible_playbook("-i", one, *daily), "as many pings": ansible_playbook("-i", one, bare)}),
            [("daily / as many pings (at most 2)", "daily", "as many pings")],
        )
        rows: dict[int, dict[str, Medians]] = {}
        for hosts in HOST_COUNTS:
            path = inventory(directory, hosts)
            rows[hosts] = in_turn({"daily": ansible_playbook("-i", path, *daily), "pings": ansible_playbook("-i", path, bare)})
        print("\n## Cost per host (all hosts are this machine)\n")
        print("| hosts | daily s | daily s per host | pings s per host | daily / pings | controller MiB |\n|---|---|---|---|---|---|")
        for hosts, row in rows.items():
            print(f"| {hosts} | {row['daily'].wall:.1f} | {row['daily'].wall / hosts:.2f} | {row['pings'].wall / hosts:.2f} |"
                  f" {row['daily'].wall / row['pings'].wall:.2f} | {row['daily'].memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
