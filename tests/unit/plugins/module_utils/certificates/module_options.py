"""The options of `cert_expiry`."""

from __future__ import annotations

from typing import Any

#: The options of the module as Ansible fills them in.
DEFAULTS: dict[str, Any] = {
    "paths": [], "endpoints": [], "served_by": [], "private_keys": [], "passphrase": None, "passphrases": None,
    "warning_days": 30.0, "critical_days": 7.0, "warning_lifetime_percent": None, "critical_lifetime_percent": None,
    "ca_file": None, "verify_chain": True, "timeout_seconds": 5.0, "concurrency": 32, "return_all": True,
}  # fmt: skip
