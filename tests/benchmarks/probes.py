"""Many probes in one call, beside a loop of ansible.builtin.uri and beside a single probe."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from measuring import ansible_playbook, in_turn, print_table
from slow_services import SlowServices


def play(tasks: list[dict]) -> list[dict]:
    return [{"name": "Probe", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]


def probe_task(probes: list[dict]) -> dict:
    return {"name": "Probe in one call", "upkeep.runbook.health_probe": {"probes": probes}, "register": "result", "failed_when": "result.status != 'ok'"}


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, SlowServices(0.1) as slow, SlowServices(0.0) as quick:
        http = {name: [{"name": f"{name}{n}", "type": "http", "url": f"http://127.0.0.1:{s.port}/{n}"} for n in range(20)]
                for name, s in (("slow", slow), ("quick", quick))}
        tcp = [{"name": f"tcp{n}", "type": "tcp", "host": "127.0.0.1", "port": slow.port} for n in range(20)]
        websocket = [{"name": f"ws{n}", "type": "websocket", "url": f"ws://127.0.0.1:{slow.port}/{n}"} for n in range(20)]

        def uri_loop(port: int) -> list[dict]:
            return [{"name": "Probe one by one", "ansible.builtin.uri": {"url": "http://127.0.0.1:%d/{{ item }}" % port}, "loop": list(range(20))}]

        plays = {
            "no task": [],
            "1 probe, 100 ms": [probe_task(http["slow"][:1])],
            "20 HTTP, no latency": [probe_task(http["quick"])],
            "20 HTTP, 100 ms": [probe_task(http["slow"])],
            "20 HTTP + 20 TCP + 20 WebSocket, 100 ms": [probe_task(http["slow"] + tcp + websocket)],
            "loop of 20 uri, no latency": uri_loop(quick.port),
            "loop of 20 uri, 100 ms": uri_loop(slow.port),
        }
        commands = {}
        for number, (name, tasks) in enumerate(plays.items()):
            path = Path(directory, f"{number}.json")
            path.write_text(json.dumps(play(tasks)))
            commands[name] = ansible_playbook("-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", str(path))
        print_table(
            "Health probes (whole playbook)",
            in_turn(commands),
            [
                ("loop of uri / 20 probes in one call, no latency (at least 7)", "loop of 20 uri, no latency", "20 HTTP, no latency"),
                ("loop of uri / 20 probes in one call, 100 ms (at least 7)", "loop of 20 uri, 100 ms", "20 HTTP, 100 ms"),
                ("60 probes / 1 probe, 100 ms (at most 1.3)", "20 HTTP + 20 TCP + 20 WebSocket, 100 ms", "1 probe, 100 ms"),
            ],
        )


if __name__ == "__main__":
    main()
