# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How nginx is configured, as ``nginx -T`` prints it with all that it includes."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.nginx_judging import judge_nginx
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.nginx_syntax import NotUnderstood, read_dump
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.nginx_tree import servers_of
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.programs import AS_ROOT, failure_of, find_program
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import (
    Finding,
    Rule,
    found,
    in_order,
    unseen,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

VALID = Rule("nginx.valid", CRITICAL, "nginx would not start again, and takes no change", "See all of it: nginx -t; mend it before nginx restarts.")
_OUTPUT_BYTES = 16 * 1024 * 1024
_EMERGENCY = re.compile(r"^nginx: \[emerg\] (.+)$|^.*\[emerg\] \d+#\d+: (.+)$", re.MULTILINE)


def inspect_nginx(headers: Sequence[str], limited: Sequence[str], *, timeout_seconds: float) -> tuple[list[Finding], dict[str, Any]]:
    """Return what is found, and figures; no finding where there is no nginx."""
    program = find_program("nginx")
    if program is None:
        return [], {"installed": False}
    figures: dict[str, Any] = {"installed": True}
    if os.geteuid() != 0:
        return [unseen("nginx", "nginx", "nginx could not be asked for its configuration: only root may read what it reads.", AS_ROOT)], figures
    done = run_command([program, "-T"], timeout_seconds=timeout_seconds, max_output_bytes=_OUTPUT_BYTES)
    if not done.succeeded or done.truncated:
        match = _EMERGENCY.search(done.stderr)
        if match is not None and not done.timed_out and done.returncode is not None and done.returncode > 0:
            words = plain(match[1] or match[2], 300)
            return [found(VALID, "nginx", f"nginx refuses its configuration, so that {VALID.why}: {words}")], figures
        return [unseen("nginx", "nginx", f"nginx could not be asked for its configuration: {failure_of(done)}.", "See what it says: nginx -T")], figures
    valid = in_order(VALID, "nginx", "nginx accepts its configuration.")
    try:
        tree = read_dump(done.stdout)
    except NotUnderstood as exc:
        return [valid, unseen("nginx", "nginx", f"The configuration of nginx {exc}, so that it was not compared with the rules.")], figures
    figures["servers"] = len(servers_of(tree))
    return [valid, *judge_nginx(tree, headers=headers, limited=limited)], figures
