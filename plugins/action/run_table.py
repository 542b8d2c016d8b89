# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Print the table of a run; ``plugins/modules/run_table.py`` documents it."""

from __future__ import annotations

from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.upkeep.runbook.plugins.module_utils.run_table import table

#: Callbacks whose standard output is read by a program; the table goes to standard error there.
_MACHINE_CALLBACKS = ("json", "jsonl")


class ActionModule(ActionBase):
    """Runs on the controller alone, also when every host is down."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Print the table and return it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            argument_spec={
                "record": {"type": "dict", "required": True},
                "report": {"type": "str", "default": ""},
            },
        )
        text = table(arguments["record"], report=arguments["report"])
        Display().display(f"\n{text}\n", stderr=C.DEFAULT_STDOUT_CALLBACK.rpartition(".")[2] in _MACHINE_CALLBACKS)
        result.update(changed=False, table=text)
        return result
