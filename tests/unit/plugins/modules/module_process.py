"""A module as Ansible runs it: a process of its own, options on standard input, one JSON answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

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
        output, _errors = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    answer: dict[str, Any] = json.loads(output)
    return answer


def run_module(
    name: str, options: Mapping[str, Any], *, before: str = "", env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run a module and return its answer."""
    return answer_of(start_module(name, options, before=before, env=env))
