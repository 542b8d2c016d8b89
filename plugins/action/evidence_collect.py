# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pull the evidence of a host to the controller; ``plugins/modules/evidence_collect.py`` documents it."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.upkeep.runbook.plugins.module_utils.custody.recording import writer_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.options import argument_spec
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.planning import plan
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.questions import AskFailed, HostLost
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.session import Session, collect
from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now

_HERE = ("localhost", "127.0.0.1", "::1")
#: Where Ansible unpacks a module: in memory where that is possible, and not on the disk that is evidence.
_ENVIRONMENT = {"TMPDIR": "/dev/shm", "PYTHONDONTWRITEBYTECODE": "1"}


class ActionModule(ActionBase):
    """Asks the host page by page, and keeps what it answers on the controller."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Collect, or in check mode plan, and return the answer."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables: dict[str, Any] = dict(task_vars or {})
        _validation, given = self.validate_argument_spec(argument_spec=argument_spec())
        arguments = native_value(given)
        arguments["directory"] = os.path.abspath(os.path.expanduser(arguments["directory"]))
        # The host shall not note our questions in its own log, which is evidence.
        variables["ansible_no_target_syslog"] = True
        self._task.environment = [*(self._task.environment or []), _ENVIRONMENT]
        host = "".join(variables.get("inventory_hostname", "host"))

        def call(question: dict[str, Any]) -> Mapping[str, Any]:
            return self._ask(question, variables)

        try:
            _refuse_elsewhere(arguments["report_host"], variables)
            writer = writer_of(arguments["operator"] or _operator(variables), arguments["run_id"])
            session = Session(arguments, host, writer, utc_now)
            if self._task.check_mode:
                return {**result, **plan(session, call)}
            return {**result, **collect(session, call, lambda item: Display().v(f"{host}: collecting {item}"))}
        except HostLost as exc:
            return {**result, "unreachable": True, "changed": False, "msg": exc.message}
        except UpkeepError as exc:
            return {**result, **exc.details, "failed": True, "changed": False, "msg": exc.message}

    def _ask(self, question: dict[str, Any], variables: dict[str, Any]) -> Mapping[str, Any]:
        """Ask the host once.

        :raises AskFailed: when the module fails. :raises HostLost: when the host is not reached.
        """
        try:
            if question["ask"] == "time":
                return self._time()
            answer: dict[str, Any] = self._execute_module(
                module_name="upkeep.runbook.evidence_read", module_args=question, task_vars=variables
            )
        except AnsibleConnectionFailure as exc:
            raise HostLost(f"the host is not reached: {plain(str(exc), 300)}") from exc
        if answer.get("unreachable"):
            raise HostLost(f"the host is not reached: {plain(str(answer.get('msg')), 300)}")
        if answer.get("failed"):
            said = answer.get("msg") or answer.get("module_stderr") or answer.get("module_stdout") or "no reason"
            raise AskFailed(plain(str(said), 300))
        read: Mapping[str, Any] = native_value(answer)
        return read

    def _time(self) -> dict[str, Any]:
        """Return what the clock of the host says, without the time that it takes to start a module.

        :raises AskFailed: when the host does not say.
        """
        answer = self._low_level_execute_command("date -u +%s.%N", sudoable=False)
        try:
            return {"clock": {"time": float(answer["stdout"].strip().splitlines()[-1])}}
        except (ValueError, IndexError):
            raise AskFailed("the host does not say its time") from None


def _refuse_elsewhere(report_host: str, variables: Mapping[str, Any]) -> None:
    """Raise unless the report host is the controller itself.

    :raises UpkeepError: naming what can be done instead.
    """
    known = variables.get("hostvars", {})
    connection = known[report_host].get("ansible_connection") if report_host in known else None
    if report_host not in _HERE and connection != "local":
        raise UpkeepError(
            f"report_host: evidence is pulled to the controller itself, and {plain(report_host, 100)} is another host; give localhost and "
            "copy the folder of the incident there afterwards, or run the playbook on that host."
        )


def _operator(variables: Mapping[str, Any]) -> str:
    """Return who started the run, as AWX or the controller knows them."""
    for name in ("awx_user_name", "tower_user_name"):
        if variables.get(name):
            return str(variables[name])
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return ""
