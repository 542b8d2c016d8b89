#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: health_probe
short_description: Probe services over HTTP, TCP, WebSocket and DNS, and their processes, listeners and units
description: Thin slice.
options: {}
"""

EXAMPLES = r"""
"""

RETURN = r"""
"""

from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.discretion import discreet, secrets_of
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.examination import examine
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module; those of a probe are checked by the table of its type."""
    return {
        "probes": {"type": "list", "elements": "dict", "required": True},
        "secret_headers": {"type": "dict", "default": {}, "no_log": True},
        "wait_seconds": {"type": "float", "default": 0.0},
        "concurrency": {"type": "int", "default": 32},
        "history": {"type": "path"},
        "return_all": {"type": "bool", "default": False},
    }


class DiscreetModule(AnsibleModule):
    """A module that keeps headers, bodies and passwords of its probes out of the system log and of ``-vvv``."""

    def log(self, msg: str, log_args: dict[str, Any] | None = None) -> None:
        """Log nothing: Ansible would log all options of the call."""

    def exit_json(self, **kwargs: Any) -> NoReturn:
        """Return the result, with the options of the call without their secrets."""
        kwargs["invocation"] = {"module_args": discreet(self.params)}
        super().exit_json(**kwargs)

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn:
        """Fail, with the options of the call without their secrets."""
        kwargs["invocation"] = {"module_args": discreet(self.params)}
        super().fail_json(msg, **kwargs)


def main() -> None:
    """Run the probes; a service that is down is a result, only a wrong option is a failure."""
    module = DiscreetModule(argument_spec=argument_spec(), supports_check_mode=True)
    module.no_log_values.update(secrets_of(module.params))
    try:
        result = examine(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
