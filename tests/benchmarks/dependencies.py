"""One call that audits three projects, beside `npm audit` in one after the other, as the manual does it, and beside a loop of tasks."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from measuring import ansible_playbook, in_turn, print_table
from registry import registry

PROJECTS = 3
PACKAGES = 300
#: How far away the registry is.
DELAY_SECONDS = 0.15
NPM = Path(sys.executable).with_name("npm")


def make_project(folder: Path) -> str:
    """Write a project with many packages, of which one is vulnerable."""
    folder.mkdir()
    wanted = {f"package{number}": "1.0.0" for number in range(PACKAGES)}
    manifest = {"name": folder.name, "version": "1.0.0", "dependencies": wanted}
    packages = {"": manifest, **{f"node_modules/{name}": {"version": version} for name, version in wanted.items()}}
    lock = {**manifest, "lockfileVersion": 3, "requires": True, "packages": packages}
    (folder / "package.json").write_text(json.dumps(manifest))
    (folder / "package-lock.json").write_text(json.dumps(lock))
    return str(folder)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        advisory = {
            "package": "package7", "id": 1, "ghsa": "GHSA-aaaa-bbbb-0001", "title": "Trouble", "severity": "high",
            "vulnerable_versions": "<2.0.0",
        }
        content = {"advisories": [advisory], "packages": {"package7": {"1.0.0": {}, "2.0.0": {}}}}
        (directory / "advisories.json").write_text(json.dumps(content))
        with registry(directory / "advisories.json", delay_seconds=DELAY_SECONDS) as url:
            compare(directory, url)


def compare(directory: Path, url: str) -> None:
    """Run both and print their ratio."""
    projects = [make_project(directory / f"project{number}") for number in range(PROJECTS)]
    flags = f"--json --package-lock-only --ignore-scripts --registry={url} --cache={directory}/cache"
    serial = " ; ".join(f"(cd {project} && {NPM} audit {flags})" for project in projects)
    options = {"projects": projects, "registry": url, "executable": str(NPM)}
    task = {
        "name": "Audit", "upkeep.runbook.npm_audit": options, "register": "result",
        "failed_when": "result.totals.vulnerabilities.high != 3",
    }
    one = {**task, "upkeep.runbook.npm_audit": {**options, "projects": projects[:1]}, "failed_when": "result.status != 'warning'"}
    loop = {
        "name": "Audit one by one", "loop": projects, "changed_when": False, "failed_when": False,
        "ansible.builtin.command": {"argv": [str(NPM), "audit", *flags.split()], "chdir": "{{ item }}"},
    }
    commands = {f"npm audit, {PROJECTS} projects in turn": ["sh", "-c", serial]}
    plays = {
        f"one call, {PROJECTS} projects": [task], "one call, 1 project": [one], f"loop of {PROJECTS} commands": [loop], "no task": [],
    }
    for label, tasks in plays.items():
        path = directory / f"{len(commands)}.json"
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
        path.write_text(json.dumps([play]))
        commands[label] = ansible_playbook("-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", str(path))
    print_table(
        f"Dependencies: {PROJECTS} projects of {PACKAGES} packages (whole playbook)",
        in_turn(commands, accept=(0, 1)),
        [
            ("one call / npm audit in turn", f"one call, {PROJECTS} projects", f"npm audit, {PROJECTS} projects in turn"),
            (f"{PROJECTS} projects / 1 project", f"one call, {PROJECTS} projects", "one call, 1 project"),
            ("one call / loop of commands", f"one call, {PROJECTS} projects", f"loop of {PROJECTS} commands"),
        ],
    )


if __name__ == "__main__":
    main()
