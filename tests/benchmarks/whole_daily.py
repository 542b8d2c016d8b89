"""The whole daily run beside the same work as one task per check, the way a playbook of ready-made tasks would do it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from measuring import CHECKOUT, RUNS, ansible_playbook, in_turn, print_table
from registry import registry
from slow_services import SlowServices

SERVICES = 4
CERTIFICATES = 6
PROJECTS = 3
LOGS = 5
BACKUPS = ("application", "configuration", "logs")
NPM = Path(sys.executable).with_name("npm")

#: What a host may cost: the issue that made the daily run whole allows it this many remote calls.
MOST_CALLS = 12


def make_certificate(path: Path) -> str:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "365",
         "-subj", f"/CN={path.stem}.example", "-keyout", "/dev/null", "-out", str(path)],
        check=True, capture_output=True,
    )
    return str(path)


def make_project(folder: Path) -> str:
    folder.mkdir()
    manifest = {"name": folder.name, "version": "1.0.0", "dependencies": {"ms": "2.1.3"}}
    packages = {"": manifest, "node_modules/ms": {"version": "2.1.3"}}
    (folder / "package.json").write_text(json.dumps(manifest))
    (folder / "package-lock.json").write_text(json.dumps({**manifest, "lockfileVersion": 3, "packages": packages}))
    return str(folder)


def make_backup(path: Path) -> str:
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("data")
        content = os.urandom(1 << 16) * 64
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return str(path)


def make_platform(directory: Path, port: int) -> dict[str, Any]:
    """Make a small platform on this machine and return its description."""
    for name in ("certificates", "logs", "backups"):
        (directory / name).mkdir()
    logs = [directory / "logs" / f"service{number}.log" for number in range(LOGS)]
    for log in logs:
        log.write_bytes(b"2026-11-22T05:00:00Z a line like many\n" * 20_000)
    for name in BACKUPS:
        make_backup(directory / "backups" / f"{name}_20261122_020000.tar.gz")
    return {
        "name": "Benchmark",
        "root": "/",
        "services": [
            {"name": f"service{number}", "port": port, "http": f"http://127.0.0.1:{port}/",
             "logs": [str(log) for log in logs[number::SERVICES]]}
            for number in range(SERVICES)
        ],
        "certificates": {
            "paths": [make_certificate(directory / "certificates" / f"site{number}.pem") for number in range(CERTIFICATES)]
        },
        "node_projects": [make_project(directory / f"project{number}") for number in range(PROJECTS)],
        "backup": {
            "directory": str(directory / "backups"),
            "sources": [{"name": name, "paths": ["/"], "pattern": [f"{name}_*.tar.gz"]} for name in BACKUPS],
            "max_age_hours": 100_000,
        },
    }


def one_task_per_check(directory: Path, platform: dict[str, Any], url: str) -> dict[str, Any]:
    """Return a play that looks at the same things, a task for each, and writes a page at its end."""
    port = platform["services"][0]["port"]
    audit = {"argv": [str(NPM), "audit", "--json", "--package-lock-only", f"--registry={url}"]}
    backups = sorted(str(path) for path in (directory / "backups").iterdir())
    rotation = directory / "logrotate.conf"
    rotation.write_text(f"{directory}/logs/*.log {{\n daily\n rotate 30\n compress\n missingok\n}}\n")
    state = directory / "logrotate.state"
    checks: list[dict[str, Any]] = [
        *({"ansible.builtin.uri": {"url": service["http"]}} for service in platform["services"]),
        *({"ansible.builtin.wait_for": {"host": "127.0.0.1", "port": port, "timeout": 5}} for _service in platform["services"]),
        *({"ansible.builtin.command": {"argv": argv}} for argv in (
            ["cat", "/proc/loadavg"], ["free", "-b"], ["df", "-B1", "/"], ["df", "-i", "/"], ["ps", "-eo", "pid,pcpu,rss,args"],
        )),
        *({"ansible.builtin.command": {"argv": ["openssl", "x509", "-noout", "-checkend", "2592000", "-in", path]}}
          for path in platform["certificates"]["paths"]),
        {"ansible.builtin.command": {"argv": ["logrotate", "--state", str(state), str(rotation)]}},
        *({"ansible.builtin.command": {"argv": ["grep", "-cE", "ERROR|Error:|FATAL", str(log)]}, "failed_when": False}
          for log in sorted((directory / "logs").glob("*.log"))),
        *({"ansible.builtin.command": {**audit, "chdir": path}} for path in platform["node_projects"]),
        *({"ansible.builtin.stat": {"path": path, "get_checksum": False}} for path in backups),
        *({"ansible.builtin.command": {"argv": ["gzip", "--test", path]}} for path in backups),
        {"ansible.builtin.copy": {"content": "{{ hostvars | length }}", "dest": f"{directory}/page.html", "mode": "0640"}},
    ]
    tasks = [{"name": f"Check {number}", "changed_when": False, **check} for number, check in enumerate(checks)]
    return {"name": "Look at every host", "hosts": "all", "gather_facts": False, "tasks": tasks}


def remote_calls(inventory: str, playbook: str) -> int:
    """Return how many modules the daily run sends to the host, counted from what Ansible says at -vvv."""
    done = subprocess.run(
        [*ansible_playbook("-i", inventory, playbook), "-vvv"], cwd=CHECKOUT, capture_output=True, text=True, check=True,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
    )
    return sum("Using module file " in line for line in done.stdout.splitlines())


def main() -> None:
    with tempfile.TemporaryDirectory() as name, SlowServices(0.02) as services:
        directory = Path(name)
        (directory / "advisories.json").write_text(json.dumps({"advisories": [], "packages": {}}))
        with registry(directory / "advisories.json") as url:
            platform = make_platform(directory, services.port)
            inventory, peer = str(directory / "inventory.json"), str(directory / "peer.json")
            Path(inventory).write_text(json.dumps({"all": {"hosts": {"here": {}}, "vars": {
                "ansible_connection": "local",
                "ansible_become": False,
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                "upkeep_platform": platform,
                "upkeep_state_directory": str(directory / "state"),
                "upkeep_report_directory": str(directory / "reports"),
                "upkeep_fail_on": "never",
                "dependencies_registry": url,
                "dependencies_executable": str(NPM),
            }}}))
            play = one_task_per_check(directory, platform, url)
            Path(peer).write_text(json.dumps([play]))
            daily = str(CHECKOUT / "playbooks" / "daily.yml")
            medians = in_turn({
                "the daily run": ansible_playbook("-i", inventory, daily),
                "a task for each check": ansible_playbook("-i", inventory, peer),
            })
            print_table(
                f"The whole daily run, and its work as {len(play['tasks'])} tasks",
                medians,
                [("daily run / a task for each check", "the daily run", "a task for each check")],
            )
            calls = remote_calls(inventory, daily)
            print(f"- remote calls of the daily run to its host and the report host together (at most {MOST_CALLS}): **{calls}**")
            newest = json.loads((directory / "reports" / "latest.json").read_text())
            print(f"- status of the last of {RUNS + 2} runs: {newest['status']}")
            if calls > MOST_CALLS:
                sys.exit("the daily run makes too many remote calls")


if __name__ == "__main__":
    main()
