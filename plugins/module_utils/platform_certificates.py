# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which certificates of a normalized platform description are the business of one host."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host

_NONE: dict[str, Any] = {"paths": [], "private_keys": [], "endpoints": [], "served_by": [], "ca_file": ""}


def certificate_sources(platform: dict[str, Any], host: Host) -> dict[str, Any]:
    """Return what ``cert_expiry`` looks at on ``host``: its options ``paths``, ``private_keys``, ``endpoints``,
    ``served_by`` and ``ca_file``, each empty when the host has nothing to do with certificates.
    """
    described = platform["certificates"]
    if not described or not host.concerns(described["hosts"]):
        return dict(_NONE)
    return {
        "paths": described["paths"],
        "private_keys": described["key_files"],
        "endpoints": [_given(endpoint) for endpoint in described["endpoints"]],
        "served_by": [
            _given({**item, "endpoint": _given(item["endpoint"])}) for item in described["served_by"]
        ],
        "ca_file": described["ca_file"],
    }


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the description left empty."""
    return {key: value for key, value in options.items() if value != ""}
