# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a normalized platform description says about the security configuration of one host."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_certificates import certificate_sources
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host

#: What files of settings are called in a folder of Node.js.
_SETTINGS = (".env", ".env.*")


def configuration_sources(platform: dict[str, Any], host: Host) -> dict[str, Any]:
    """Return what role ``security_configuration`` looks at on ``host``.

    ``secrets``: those that the description names, then files of settings in ``root`` and the Node.js projects, private keys of the
    certificates and ``env_files`` of the recovery, which need not be there; ``endpoints`` that speak TLS; ``limited_paths``.
    """
    described = platform["security"] or {}
    certificates = certificate_sources(platform, host)
    named = [_named(secret) for secret in described.get("private_files", []) if host.concerns(secret["hosts"])]
    folders = [platform["root"]] if host.concerns(platform["root_hosts"]) else []
    folders += [project["path"] for project in platform["node_projects"] if host.concerns(project["hosts"])]
    derived = [f"{folder.rstrip('/')}/{name}" for folder in folders for name in _SETTINGS]
    derived += [file["path"] for file in (platform["recovery"] or {}).get("env_files", []) if host.concerns(file["hosts"])]
    derived += certificates["private_keys"]
    known = {secret["path"] for secret in named}
    endpoints = [*certificates["endpoints"], *(item["endpoint"] for item in certificates["served_by"])]
    return {
        "secrets": [*named, *({"path": path, "optional": True} for path in dict.fromkeys(derived) if path not in known)],
        "endpoints": [endpoint for index, endpoint in enumerate(endpoints) if endpoint not in endpoints[:index]],
        "limited_paths": described.get("limited_paths", []),
    }


def _named(secret: dict[str, Any]) -> dict[str, Any]:
    return {key: secret[key] for key in ("path", "owner", "group") if secret[key]}
