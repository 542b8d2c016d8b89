# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Headers of security that answers of nginx carry, with the inheritance that surprises: one add_header inside replaces all outside."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.nginx_syntax import Directive
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.nginx_tree import (
    Chain,
    Server,
    Uncertain,
    effective,
    hands_on,
    is_closed,
    locations_of,
    only_redirects,
    path_of,
    reached,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import Finding, Rule, found, in_order
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_HINT = "Add to the server: add_header {0} always; and repeat it in each location with an add_header of its own. Then: nginx -t && systemctl reload nginx"
#: By the name of the header in lower case.
HEADERS: dict[str, Rule] = {
    "strict-transport-security": Rule(
        "nginx.hsts", WARNING, "the first visit of each browser may go over plain HTTP, and be changed in between",
        _HINT.format('Strict-Transport-Security "max-age=31536000"'),
    ),
    "x-content-type-options": Rule(
        "nginx.nosniff", WARNING, "browsers may run what was sent as a text or an image", _HINT.format("X-Content-Type-Options nosniff"),
    ),
    "x-frame-options": Rule(
        "nginx.frame_options", WARNING, "other sites may show yours in a frame and let people click there",
        _HINT.format("""Content-Security-Policy "frame-ancestors 'self'" """.strip()),
    ),
}
RULES = tuple(HEADERS.values())


def header_findings(server: Server, headers: Sequence[str]) -> Iterator[Finding]:
    """Return a finding for each header that is asked for, over all places of a server that answer."""
    if only_redirects(server):
        return
    places = [chain for chain in _places(server) if not is_closed(chain) and not _is_named(chain)]
    for name in headers:
        rule = HEADERS[name]
        if not places or name == "strict-transport-security" and not server.speaks_tls:
            continue
        subject = f"{server.label} {name}"
        missing = [chain for chain in places if not _sends(chain, name)]
        if not missing:
            yield in_order(rule, subject, f"{server.label} sends {name}.")
            continue
        lost = [chain for chain in missing if _sends(chain[:-1], name)]
        where = ", ".join(_shown(chain) for chain in (lost or missing)[:5])
        if lost:
            text = f"{server.label} loses {name} in {len(lost)} of {len(places)} places ({where}), which have an add_header of their own"
        else:
            text = f"{server.label} does not send {name} in {len(missing)} of {len(places)} places ({where})"
        proxied = " (unless what it hands on to sends it)" if all(hands_on(chain) for chain in missing) else ""
        yield found(rule, subject, f"{text}{proxied}: {rule.why}.", value=len(missing), unit="count")


def _places(server: Server) -> list[Chain]:
    """Return the locations, and the server itself where it answers what no location takes."""
    locations = list(locations_of(server.chain))
    try:
        answers = reached(server.chain, "/") == server.chain
    except Uncertain:
        answers = False
    return [server.chain, *locations] if answers else locations


def _is_named(chain: Chain) -> bool:
    return chain[-1].name == "location" and path_of(chain[-1])[1].startswith("@")


def _shown(chain: Chain) -> str:
    return plain(" ".join(part for part in path_of(chain[-1]) if part), 60) if chain[-1].name == "location" else "/"


def _sends(chain: Chain, name: str) -> bool:
    return any(_fits(one, name) for one in effective(chain, "add_header"))


def _fits(directive: Directive, name: str) -> bool:
    if len(directive.arguments) < 2:
        return False
    given, value = directive.arguments[0].lower(), directive.arguments[1].lower()
    if name == "x-frame-options":
        return given == name and value in ("deny", "sameorigin") or given == "content-security-policy" and "frame-ancestors" in value
    if given != name:
        return False
    if name == "x-content-type-options":
        return value == "nosniff"
    # A variable may hold anything; an age of nothing switches it off.
    age = re.search(r"max-age\s*=\s*\"?(\d+)", value)
    return "$" in value or bool(age and int(age[1][:12]) > 0)
