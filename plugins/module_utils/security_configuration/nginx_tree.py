# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a configuration of nginx means: servers, their locations, what a location inherits, and which location a path reaches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.nginx_syntax import Directive

#: Blocks from the outermost to the innermost: http, server, location and those in it.
Chain = tuple[Directive, ...]

#: What hands a request on instead of answering with a file.
PASSING = frozenset({"proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass", "stub_status", "empty_gif"})


@dataclass(frozen=True)
class Server:
    """A server block, and the http block around it."""

    chain: Chain
    label: str

    @property
    def block(self) -> Directive:
        """The server block itself."""
        return self.chain[-1]

    @property
    def speaks_tls(self) -> bool:
        """Whether one of its addresses takes TLS."""
        listens = any("ssl" in one.arguments or "quic" in one.arguments for one in named(self.block, "listen"))
        return listens or any(one.arguments == ("on",) for one in named(self.block, "ssl"))


def named(block: Directive, *names: str) -> list[Directive]:
    """Return the directives of these names in a block itself."""
    return [directive for directive in block.block or () if directive.name in names]


def effective(chain: Sequence[Directive], *names: str) -> list[Directive]:
    """Return the directives that hold in the innermost block: those of the innermost block that has any."""
    for block in reversed(chain):
        found = named(block, *names)
        if found:
            return found
    return []


def value_of(chain: Sequence[Directive], name: str) -> str | None:
    """Return the first argument of a directive that holds, or None when it is not set."""
    found = effective(chain, name)
    return found[-1].arguments[0] if found and found[-1].arguments else None


def servers_of(tree: Sequence[Directive]) -> list[Server]:
    """Return the servers of all http blocks, each with a label of its own."""
    servers: list[Server] = []
    labels: dict[str, int] = {}
    for http in (directive for directive in tree if directive.name == "http"):
        for block in named(http, "server"):
            names = [name for one in named(block, "server_name") for name in one.arguments if name]
            listens = [one.arguments[0] for one in named(block, "listen") if one.arguments]
            label = f"{names[0] if names else '_'} ({listens[0] if listens else '80'})"
            labels[label] = labels.get(label, 0) + 1
            servers.append(Server((http, block), label if labels[label] == 1 else f"{label} #{labels[label]}"))
    return servers


def locations_of(chain: Chain) -> Iterator[Chain]:
    """Yield the locations in the innermost block, and those in them, each with the blocks around it."""
    for location in named(chain[-1], "location"):
        inner = (*chain, location)
        yield inner
        yield from locations_of(inner)


def path_of(location: Directive) -> tuple[str, str]:
    """Return modifier and path of a location; ``location ~^/x`` is written without a space, too."""
    arguments = location.arguments
    if len(arguments) >= 2:
        return arguments[0], arguments[1]
    text = arguments[0] if arguments else ""
    match = re.match(r"(=|\^~|~\*|~)(.+)", text, re.DOTALL)
    return (match[1], match[2]) if match else ("", text)


class Uncertain(Exception):
    """A regular expression is one that Python does not have: which location a path reaches is not known."""


def reached(chain: Chain, path: str) -> Chain:
    """Return the blocks around what a request for a path reaches: a location, or the server itself.

    :raises Uncertain: when a regular expression on the way is not understood.
    """
    found, _final = _reached(chain, path)
    return found or chain


def _reached(chain: Chain, path: str) -> tuple[Chain | None, bool]:
    """Return the location, and whether no regular expression further out can take the request away."""
    best: Chain | None = None
    length, final = -1, False
    patterns = []
    for location in named(chain[-1], "location"):
        modifier, text = path_of(location)
        if modifier == "=":
            if text == path:
                return (*chain, location), True
        elif modifier in ("~", "~*"):
            patterns.append((location, modifier, text))
        elif not text.startswith("@") and path.startswith(text) and len(text) > length:
            best, length, final = (*chain, location), len(text), modifier == "^~"
    if best is not None:
        inner, inner_final = _reached(best, path)
        if inner is not None and inner_final:
            return inner, True
        best = inner or best
    if final:
        return best, True
    for location, modifier, text in patterns:
        if _searched(text, path, modifier == "~*"):
            here = (*chain, location)
            inner, _inner_final = _reached(here, path)
            return inner or here, True
    return best, False


def _searched(pattern: str, path: str, any_case: bool) -> bool:
    try:
        return bool(re.search(re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", pattern), path, re.IGNORECASE if any_case else 0))
    except (re.error, OverflowError, RecursionError) as exc:
        raise Uncertain(pattern) from exc


def is_closed(chain: Chain) -> bool:
    """Tell whether nobody gets anything from here: it is denied, internal, asks for a password, or answers by itself."""
    innermost = chain[-1]
    if any(one.arguments for block in chain[1:] for one in named(block, "return")) or named(innermost, "internal"):
        return True
    rules = effective(chain, "allow", "deny")
    if any(rule.name == "deny" and rule.arguments == ("all",) for rule in rules):
        return True
    return any(value_of(chain, name) not in (None, "off") for name in ("auth_basic", "auth_request"))


def hands_on(chain: Chain) -> bool:
    """Tell whether requests are handed on from here to another program."""
    return bool(named(chain[-1], *PASSING)) or any(named(one, *PASSING) for one in named(chain[-1], "if", "limit_except"))


def only_redirects(server: Server) -> bool:
    """Tell whether a server answers nothing but redirects, challenges of certificates aside."""
    if _redirects(server.block):
        return True
    locations = [chain[-1] for chain in locations_of(server.chain) if "/.well-known/" not in path_of(chain[-1])[1]]
    return bool(locations) and all(_redirects(location) for location in locations)


def _redirects(block: Directive) -> bool:
    return any(one.arguments and one.arguments[0] in ("301", "302", "303", "307", "308") for one in named(block, "return"))


def walked(directives: Sequence[Directive]) -> Iterator[Directive]:
    """Yield every directive, and what is in its block."""
    for directive in directives:
        yield directive
        if directive.block:
            yield from walked(directive.block)
