"""Starts modules for :mod:`module_process`: each in a process of its own, forked from one that has loaded Ansible and them already.

A new interpreter takes 0.2 s for that, more than what most tests then do. Run as a program with the number of a socket; it is nobody's
child, since tests look for children that are left, and ends when the other end of the socket is closed.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
import time
from typing import Any

from ansible.module_utils.common.parameters import PASS_VARS
from ansible.module_utils.testing import patch_module_args


def serve(channel: socket.socket) -> tuple[dict[str, Any], int] | None:
    """Fork a process for each request, and tell its id. Return in each of them what to run and where its answer goes; None at the end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them but who reads their answers
    while True:
        data, descriptors, _flags, _address = socket.recv_fds(channel, 1, 2)
        if not data:
            return None
        asked, output = descriptors
        with open(asked, "rb") as stream:
            request = json.load(stream)
        try:
            load(request["name"])
        except Exception:  # pylint: disable=broad-exception-caught # the module's own process shall fail with it
            pass
        pid = os.fork()
        if not pid:
            channel.close()
            return request, output
        os.close(output)
        channel.send(b"%d" % pid)


def load(name: str) -> Any:
    """Import a module."""
    return importlib.import_module("ansible_collections.upkeep.runbook.plugins.modules." + name)


def run(request: dict[str, Any], output: int) -> None:
    """Run a module in the surroundings of who asked for it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(output, 1)
    os.close(output)
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.umask(request["umask"])
    os.chdir(request["directory"])
    options = request["options"]
    if "inject_invocation" in PASS_VARS:  # before ansible-core 2.21 every answer holds the invocation
        options["_ansible_inject_invocation"] = True
    with patch_module_args(options):
        load(request["name"]).main()


if __name__ == "__main__":
    if os.fork():
        os._exit(0)
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        run(*asked)
