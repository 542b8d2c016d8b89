"""The module backup_verify as Ansible runs it, with the peak of its memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

# The peak of memory is asked of the process itself: what wait4() says includes that of this one, from before the exec.
_RUN = """
import atexit, json, re, sys
atexit.register(lambda: sys.stderr.write(re.search("VmHWM:\\\\s+(\\\\d+) kB", open("/proc/self/status").read())[1]))
from ansible.module_utils.testing import patch_module_args
from ansible_collections.upkeep.runbook.plugins.modules import backup_verify
with patch_module_args(json.load(sys.stdin)):
    backup_verify.main()
"""


def run_module(**options: Any) -> tuple[dict[str, Any], float]:
    """Run the module as Ansible does; return its result and the peak of its memory in MiB."""
    process = subprocess.run(
        [sys.executable, "-c", _RUN], input=json.dumps({"return_all": True, **options}), text=True,
        capture_output=True, timeout=300, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return json.loads(process.stdout.splitlines()[-1]), int(process.stderr.splitlines()[-1]) / 1024


def status_of(result: dict[str, Any], check: str) -> str:
    """Return the status of the one row of a check."""
    return str(next(row["status"] for row in result["checks"] if row["check"] == check))
