# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps the run record that a run built, for tests: in check mode no file holds it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: record_catcher
type: notification
short_description: Write the run record of the role report to a file
description: For tests.
author: upkeep.runbook contributors
options:
  file:
    description: The file.
    env:
      - name: RECORD_CATCHER_FILE
"""

import json
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Looks at every result for the fact ``report_record``."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "record_catcher"

    def v2_runner_on_ok(self, result: Any) -> None:
        """Write the fact when this is the task that sets it."""
        record = (result._result.get("ansible_facts") or {}).get("report_record")
        if record:
            Path(self.get_option("file")).write_text(json.dumps(record))
