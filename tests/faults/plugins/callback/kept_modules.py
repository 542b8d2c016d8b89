# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lets the runs of one session of tests share the modules that Ansible has packed, which takes each run a second otherwise."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kept_modules
type: notification
short_description: Keep packed modules in a folder that other runs of the same checkout use, too
description: For tests. Ansible packs a module under a lock of its own, so that runs may share the folder at the same time.
author: upkeep.runbook contributors
options:
  folder:
    description: The folder. It is made when it is missing.
    required: true
    env:
      - name: KEPT_MODULES_FOLDER
"""

from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Puts a link where Ansible keeps what it has packed until a run ends."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kept_modules"

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Do so before the first module is packed."""
        folder = Path(self.get_option("folder"))
        folder.mkdir(mode=0o700, exist_ok=True)
        Path(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache").symlink_to(folder)
