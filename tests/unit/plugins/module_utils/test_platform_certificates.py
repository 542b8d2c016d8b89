"""What the description says about certificates is what the module accepts."""

from __future__ import annotations

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.options import read_options
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_certificates import certificate_sources
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import validate_platform
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.module_options import DEFAULTS

STARTTLS = ("smtp", "imap", "pop3", "ftp", "ldap", "postgresql", "mysql")


def test_every_form_is_accepted_by_the_module() -> None:
    described = {
        "paths": ["/etc/letsencrypt/live/*/fullchain.pem"],
        "key_files": ["/etc/letsencrypt/live/*/privkey.pem"],
        "endpoints": [
            "www.internal:443",
            *({"host": name, "port": 1, "starttls": name} for name in STARTTLS),
        ],
        "served_by": [{"path": "/a.pem", "endpoint": {"host": "b", "port": 2, "server_name": "c"}, "hint": "Reload it."}],
        "ca_file": "/ca.pem",
    }
    platform = validate_platform({"name": "x", "root": "/x", "certificates": described}).platform
    sources = certificate_sources(platform, Host("any", []))
    for item in sources["served_by"]:
        item.setdefault("hint", None)  # as the argument spec of the module does
    options = read_options({**DEFAULTS, **sources})
    assert (len(options.paths), len(options.private_keys), len(options.endpoints)) == (1, 1, 9)
    assert (options.served_by[0].endpoint.name, options.served_by[0].hint, options.ca_file) == ("c", "Reload it.", "/ca.pem")
