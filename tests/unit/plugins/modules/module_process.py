"""A module as Ansible runs it: a process of its own, options on standard input, one JSON answer."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MOST_SECONDS = 120.0

_RUN = """
import importlib, json, sys
from ansible.module_utils.common.parameters import PASS_VARS
from ansible.module_utils.testing import patch_module_args
options = json.load(sys.stdin)
if "inject_invocation" in PASS_VARS:  # before ansible-core 2.21 every answer holds the invocation
    options["_ansible_inject_invocation"] = True
module = importlib.import_module("ansible_collections.upkeep.runbook.plugins.modules." + sys.argv[1])
with patch_module_args(options):
    module.main()
"""


def module_argv(name: str, *, before: str = "") -> list[str]:
    """Return the command line that runs a module.

    :param before: Python that runs first, in the same process.
    """
    return [sys.executable, "-c", before + _RUN, name]


def start_module(
    name: str, options: Mapping[str, Any], *, before: str = "", env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a module; :func:`answer_of` waits for it.

    :param before: Python that runs first, in the same process.
    :param env: added to the environment.
    """
    process = subprocess.Popen(
        module_argv(name, before=before), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(env or {})},
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(options))
    process.stdin.close()
    process.stdin = None
    return process


def answer_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the answer of a module that was started, which is all that it prints."""
    try:
        output, _errors = process.communicate(timeout=_MOST_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    answer: dict[str, Any] = json.loads(output)
    return answer


def run_module(
    name: str, options: Mapping[str, Any], *, before: str = "", env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run a module and return its answer.

    It is forked from a process that has loaded it, unless it must find itself in an interpreter that has just begun.
    """
    if before or any(variable.startswith(("LD_", "PYTHON")) for variable in env or {}):
        return answer_of(start_module(name, options, before=before, env=env))
    answer: dict[str, Any] = json.loads(_SERVER.run(name, options, {**os.environ, **(env or {})}))
    return answer


class _Server:
    """The process that modules are forked from. It is started by the first one, and ends with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None

    def run(self, name: str, options: Mapping[str, Any], env: Mapping[str, str]) -> bytes:
        """Return what a module prints."""
        umask = os.umask(0o077)
        os.umask(umask)
        request = {"name": name, "options": options, "env": dict(env), "umask": umask, "directory": os.getcwd()}
        reader, writer = os.pipe()
        with open(reader, "rb") as output, open(os.memfd_create("request"), "w+b") as asked:
            try:
                asked.write(json.dumps(request).encode("utf-8", "surrogateescape"))
                asked.seek(0)
                pid = self._fork(asked.fileno(), writer)
            finally:
                os.close(writer)
            timer = threading.Timer(_MOST_SECONDS, os.kill, (pid, signal.SIGKILL))
            timer.start()
            try:
                return output.read()
            finally:
                timer.cancel()

    def _fork(self, asked: int, output: int) -> int:
        with self._lock:
            if self._channel is None:
                self._channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                command = [sys.executable, str(Path(__file__).with_name("module_server.py")), str(other.fileno())]
                env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
                with other:
                    subprocess.run(command, pass_fds=[other.fileno()], env=env, stdin=subprocess.DEVNULL, check=True)
            socket.send_fds(self._channel, [b"?"], [asked, output])
            return int(self._channel.recv(32))


_SERVER = _Server()
