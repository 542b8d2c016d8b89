"""A place of its own for real runs of the playbooks: home, state, reports and inventory in a temporary folder."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.upkeep.runbook.tests.kept_modules import kept_modules

CHECKOUT = Path(__file__).resolve().parents[2]
PLUGINS = Path(__file__).resolve().parent / "plugins"

#: Far beyond what a run takes, so that a hanging run fails its test instead of stopping all of them.
PATIENCE_SECONDS = 120.0

#: What depends on how busy the machine of the tests is does not belong into their results. 0 switches a threshold off.
_PERCENTAGES = (
    "cpu", "iowait", "steal", "cpu_pressure", "memory", "memory_pressure", "io_pressure", "swap", "conntrack", "files",
    "disk", "inodes",
)
CALM_THRESHOLDS = {
    f"{name}_{level}{unit}": 0
    for level in ("warning", "critical")
    for name, unit in (
        *((name, "_percent") for name in _PERCENTAGES),
        ("load", "_per_core"),
        ("network_errors", "_per_second"),
        ("network_drops", "_per_second"),
        *((name, "_count") for name in ("oom_kills", "listen_drops", "syn_flood")),
    )
}


class Unsafe(str):
    """Text that Ansible must never take for a template: ``!unsafe`` in the inventory."""


class _Dumper(yaml.SafeDumper):
    """Writes inventories."""


_Dumper.add_representer(Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style='"'))


@dataclass
class Outcome:
    """How a run ended.

    :ivar output: what it printed, standard error included.
    :ivar record: the run record that it built, {} when it built none.
    """

    rc: int
    output: str
    seconds: float
    record: dict[str, Any]

    @property
    def table(self) -> str:
        """The printed table, '' when none was printed."""
        return self.output.partition("\nSTATUS ")[2]

    def role(self, host: str, role: str) -> dict[str, Any]:
        """Return ``{status, reason, checks}`` of a role on a host."""
        entry: dict[str, Any] = self.record["hosts"][host]["roles"][role]
        return entry

    def check(self, host: str, check: str, subject: str | None = None) -> dict[str, Any]:
        """Return the one check with this id (and subject) of a host."""
        found = [
            row
            for role in self.record["hosts"][host]["roles"].values()
            for row in role["checks"]
            if row["check"] == check and subject in (None, row["subject"])
        ]
        assert len(found) == 1, f"{len(found)} checks {check} of {subject} on {host}:\n{json.dumps(self.record, indent=1)}"
        return found[0]

    def statuses(self) -> dict[tuple[str, str, str, str], str]:
        """Return the status of every check by (host, role, check, subject), and of every role with the check ''."""
        found = {}
        for host, entry in self.record["hosts"].items():
            for name, role in entry["roles"].items():
                found[host, name, "", ""] = role["status"]
                found.update({(host, name, row["check"], row["subject"]): row["status"] for row in role["checks"]})
        return found


@dataclass
class Started:
    """A run under way, and how to find every process that belongs to it."""

    process: subprocess.Popen[bytes]
    mark: str
    log: Path
    record_file: Path
    began: float = field(default_factory=time.monotonic)

    def wait(self) -> Outcome:
        """Wait for the end of the run."""
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the run has not ended after {PATIENCE_SECONDS:g} s:\n{self.output()}") from None
        record = json.loads(self.record_file.read_text()) if self.record_file.exists() else {}
        return Outcome(self.process.returncode, self.output(), time.monotonic() - self.began, record)

    def output(self) -> str:
        """Return what the run has printed."""
        return self.log.read_text("utf-8", "surrogateescape")

    def kill(self) -> None:
        """Kill every process of this run and nothing else, the module that is at work first and at once."""
        for pid in reversed(family(self.process.pid)):
            _kill(pid)
        # Whoever lost his parent meanwhile still has the mark of this run in his environment.
        while pids := self._pids():
            for pid in pids:
                _kill(pid)
        self.process.wait(PATIENCE_SECONDS)

    def _pids(self) -> list[int]:
        mark = f"UPKEEP_FAULTS_MARK={self.mark}".encode()
        found = []
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and mark in Path("/proc", name, "environ").read_bytes().split(b"\0"):
                    found.append(int(name))
            except OSError:
                continue  # it has ended, or it is somebody else's
        return found


def family(pid: int) -> list[int]:
    """Return a process and what descends from it, children after their parents."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:
                continue  # it has ended
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has ended


class House:
    """Everything that a run may touch, in one folder.

    :ivar watched: what a run in check mode must leave as it is; Ansible's own scratch space is outside.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.watched = folder / "watched"
        self.home = self.watched / "home"
        self.cwd = self.watched / "cwd"
        self.state = self.watched / "state"
        self.reports = self.watched / "reports"
        self.application = self.watched / "application"
        self.scratch = folder / "scratch"
        # Beside the folders of all the tests of one process.
        self._shared = folder.parent
        for made in (self.home, self.cwd, self.application, self.scratch):
            made.mkdir(parents=True)
        self.hosts: dict[str, dict[str, Any]] = {"alpha": {}}
        self.variables: dict[str, Any] = {
            "ansible_connection": "local",
            "ansible_become": False,
            "ansible_python_interpreter": sys.executable,
            "upkeep_report_directory": str(self.reports),
            "upkeep_state_directory": f"{self.state}/{{{{ inventory_hostname }}}}",
            "resources_sample_seconds": 0.1,
            "resources_thresholds": CALM_THRESHOLDS,
            "resources_paths": [{"path": str(self.application)}],
            # `prepare` installs nothing here.
            "prerequisites_packages": [],
            "prerequisites_python_modules": ["json"],
            "upkeep_platform": {
                "name": "Test platform",
                "root": str(self.application),
                "services": [{"name": "ticks", "tcp": {"host": "127.0.0.1", "port": port}}],
            },
        }
        self.environment: dict[str, str] = {}
        self._started: list[Started] = []

    @property
    def platform(self) -> dict[str, Any]:
        """The platform description, to be changed by a test."""
        description: dict[str, Any] = self.variables["upkeep_platform"]
        return description

    def run(self, playbook: str, *arguments: str, **extra: Any) -> Outcome:
        """Run a playbook of the collection to its end.

        :param arguments: further arguments of ansible-playbook.
        :param extra: extra variables.
        """
        return self.start(playbook, *arguments, **extra).wait()

    def start(self, playbook: str, *arguments: str, before: tuple[str, ...] = (), **extra: Any) -> Started:
        """Start a playbook of the collection.

        :param before: a command that runs ansible-playbook, such as ``unshare``.
        """
        mark = uuid.uuid4().hex
        scratch = self.scratch / mark
        scratch.mkdir()
        (scratch / "ansible.cfg").write_text("[defaults]\n")  # and nobody's else
        inventory = scratch / "hosts.yml"
        content = {"all": {"hosts": self.hosts, "vars": self.variables}}
        inventory.write_text(yaml.dump(content, Dumper=_Dumper, allow_unicode=True))
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        command = [*before, program, "-i", str(inventory), f"upkeep.runbook.{playbook}", *arguments]
        if extra:
            command += ["--extra-vars", json.dumps(extra)]
        with open(scratch / "log", "wb") as log:
            process = subprocess.Popen(
                command, cwd=self.cwd, env=self._environment(mark, scratch), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )
        self._started.append(Started(process, mark, scratch / "log", scratch / "record.json"))
        return self._started[-1]

    def close(self) -> None:
        """End the runs that a failed test has left under way."""
        for run in self._started:
            if run.process.poll() is None:
                run.kill()

    def _environment(self, mark: str, scratch: Path) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "UPKEEP_FAULTS_MARK": mark,
            "ANSIBLE_CONFIG": str(scratch / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"),
            "ANSIBLE_PIPELINING": "true",
            # The path of a kept connection may have 107 characters, and those of tests are longer.
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=no",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_HOME": str(scratch / "ansible"),
            "ANSIBLE_LOCAL_TEMP": str(scratch / "local"),
            "ANSIBLE_REMOTE_TEMP": str(scratch / "remote"),
            "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS / "connection"),
            "RECORD_CATCHER_FILE": str(scratch / "record.json"),
            **kept_modules(self._shared, "record_catcher"),
            **self.environment,
        }

    def history(self, host: str = "alpha") -> Path:
        """Return where the history of a host is."""
        return self.state / host / "history.sqlite"

    def records(self) -> dict[str, dict[str, Any]]:
        """Return every run record in the report directory by run id; each must be JSON."""
        return {path.parent.name: json.loads(path.read_bytes()) for path in self.reports.glob("runs/*/record.json")}

    def indexed(self) -> list[str]:
        """Return the run ids that the index lists, in its order."""
        index = json.loads((self.reports / "index.json").read_bytes())
        return [run["run_id"] for run in index["runs"]]


def listing(folder: Path, *, leave_out: tuple[str, ...] = ()) -> dict[str, str]:
    """Return what is in a folder and below: by relative path the type, mode, time and a hash of the content.

    :param leave_out: names of files that do not count.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.name in leave_out:
            continue
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else ""
        if path.is_file() and not path.is_symlink():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[os.fsencode(path.relative_to(folder)).decode("utf-8", "replace")] = (
            f"{status.st_mode:o} {'' if path.is_dir() else status.st_mtime_ns} {content}"
        )
    return found


@contextmanager
def listening() -> Iterator[int]:
    """Listen on a free port of 127.0.0.1; whoever connects is let in and out again."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=128)) as server:
        threading.Thread(target=_let_in_and_out, args=(server,), daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in accept()


def _let_in_and_out(server: socket.socket) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return  # the server is closed


@contextmanager
def closed_port() -> Iterator[int]:
    """Hold a port of 127.0.0.1 on which nothing listens, so that a connection is refused for as long as it is held."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
