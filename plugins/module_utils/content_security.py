# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Content-Security-Policy of self-contained pages: inline text is allowed by its hash and by nothing else."""

from __future__ import annotations

import base64
import hashlib


def csp_hash(text: str) -> str:
    """Return the source expression that lets a policy accept exactly this inline style or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
