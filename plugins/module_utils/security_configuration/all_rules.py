# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every rule of every part by its id, and which of them take other values than their own."""

from __future__ import annotations

from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration import (
    kernel,
    lynis,
    nginx,
    nginx_headers,
    nginx_judging,
    secret_files,
    ssh,
    sudo,
    tls,
    updates,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.kernel import SETTINGS
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import Rule
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.ssh_rules import AT_MOST
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.ssh_rules import RULES as SSH_RULES

_ALL = (
    ssh.VALID, *(one.rule for one in SSH_RULES), *updates.RULES, *secret_files.RULES, *tls.RULES, nginx.VALID, *nginx_judging.RULES,
    *nginx_headers.RULES, *sudo.RULES, *kernel.RULES, *lynis.RULES,
)  # fmt: skip

RULES: dict[str, Rule] = {rule.id: rule for rule in _ALL}
#: ``accept`` or ``limit`` by the id of a rule.
TAKING: dict[str, str] = {
    **{one.rule.id: "limit" if one.kind == AT_MOST else "accept" for one in SSH_RULES},
    **{one.rule.id: "accept" for one in SETTINGS},
}  # fmt: skip
