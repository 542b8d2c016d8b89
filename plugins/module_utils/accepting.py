# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the baselines have in common that somebody accepts with a reason."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.extra_variables import extra_variable

#: The next step, once what is there is known to be meant; --check --diff shows it first.
ACCEPT_COMMAND = f"ansible-playbook upkeep.runbook.security_accept {extra_variable('security_audit_reason', 'why')}"


def refuse_other_baseline(path: Path, digest: str | None, expected_digest: str) -> None:
    """Refuse to accept over a baseline that is not the accepted one: it would be lost what somebody did to it.

    :param digest: of the baseline that is there, None when there is none that can be read.
    :param expected_digest: as it was kept on another host, '' when it was not.
    :raises UpkeepError: saying how to accept all the same.
    """
    if expected_digest and digest != expected_digest.lower():
        raise UpkeepError(
            f"nothing was accepted: {path} is not the baseline of expected_digest. "
            "Find out who changed it; to accept all the same, leave expected_digest out"
        )
