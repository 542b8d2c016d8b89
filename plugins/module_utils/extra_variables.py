# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a variable is given to ansible-playbook, for messages that name the next command."""

from __future__ import annotations

import shlex

from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain


def extra_variable(name: str, value: str) -> str:
    """Return the words of a command line that give a variable its value.

    The shell takes the outer quotes off. Without the inner ones Ansible would take the first word for the value, and drop the others.
    """
    quoted = shlex.quote(f'{name}="{plain(value, 100)}"')
    return f"-e {quoted}"
