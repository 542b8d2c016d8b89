# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked of nginx, and what its configuration says to it. Pure functions over the tree of directives."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.nginx_headers import header_findings
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.nginx_syntax import Directive
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.nginx_tree import (
    Chain,
    Server,
    Uncertain,
    effective,
    hands_on,
    is_closed,
    locations_of,
    named,
    only_redirects,
    path_of,
    reached,
    servers_of,
    value_of,
    walked,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import (
    Finding,
    Rule,
    found,
    in_order,
    unseen,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_RELOAD = ", then: nginx -t && systemctl reload nginx"
TOKENS = Rule("nginx.server_tokens", WARNING, "each answer tells the version, and so which holes fit", f"Set server_tokens off in http{_RELOAD}")
PROTOCOLS = Rule(
    "nginx.ssl_protocols", WARNING, "these versions were given up, and can be read or changed in between",
    f"Set ssl_protocols TLSv1.2 TLSv1.3{_RELOAD}",
)
AUTOINDEX = Rule("nginx.autoindex", WARNING, "everybody sees the names of all files there", f"Take autoindex on away{_RELOAD}")
DOTFILES = Rule(
    "nginx.dotfiles", WARNING, "settings and the history of the source (.env, .git) would be given to everybody",
    f"Add to the server: location ~ /\\.(?!well-known/) {{ deny all; }}{_RELOAD}",
)
ALIAS = Rule(
    "nginx.alias_traversal", CRITICAL, "a path with .. behind it leaves the folder",
    f"End the path of the location with a slash, as that of the alias ends{_RELOAD}",
)
PROXY = Rule(
    "nginx.proxy_host", CRITICAL, "whoever asks chooses which server inside is asked",
    f"Name the host, or choose it with a map that knows every allowed one{_RELOAD}",
)
INJECTION = Rule(
    "nginx.redirect_uri", WARNING, "a line break in the path becomes a header of the answer", f"Write $request_uri instead{_RELOAD}",
)
LIMIT = Rule("nginx.limit_req", WARNING, "nothing slows down who asks too often", f"Add limit_req with a zone to it{_RELOAD}")
RULES = (TOKENS, PROTOCOLS, AUTOINDEX, DOTFILES, ALIAS, PROXY, INJECTION, LIMIT)

_DOT_PATHS = ("/.env", "/.git/config")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
#: What a request sets as it likes.
_FROM_REQUEST = re.compile(r"arg_\w+|http_\w+|cookie_\w+|uri|document_uri|request_uri|args|query_string|host|request|\d+")
_MAX_RESOLVED = 5


def judge_nginx(
    tree: Sequence[Directive], *, headers: Sequence[str], limited: Sequence[str], exists: Callable[[str], bool] = os.path.lexists
) -> list[Finding]:
    """Return the findings about a configuration.

    :param headers: names of headers that are asked for.
    :param limited: paths of requests for which limit_req must hold.
    :param exists: tells whether a file is there.
    """
    servers = servers_of(tree)
    variables = _variables(tree)
    findings = [_tokens(servers)] if servers else []
    for server in servers:
        findings += _protocols(server)
        findings += header_findings(server, headers)
        findings += _autoindex(server)
        findings += _dotfiles(server, exists)
        findings += _locations(server, variables)
    return [*findings, *_limits(servers, limited)]


def _at(directive: Directive) -> str:
    return f"{plain(directive.file, 120)}:{directive.line}"


def _tokens(servers: Sequence[Server]) -> Finding:
    telling = [server.label for server in servers if value_of(server.chain, "server_tokens") in (None, "on", "build")]
    if not telling:
        return in_order(TOKENS, "server_tokens", "nginx does not tell its version.")
    return found(
        TOKENS, "server_tokens", f"{len(telling)} of {len(servers)} servers, such as {plain(telling[0], 100)}, tell their version: {TOKENS.why}.",
        value=len(telling), unit="count",
    )


def _protocols(server: Server) -> Iterator[Finding]:
    given = effective(server.chain, "ssl_protocols")
    if not server.speaks_tls or not given:
        return  # without it the version and OpenSSL decide; the part tls asks the server itself
    old = [name for name in given[-1].arguments if name in ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1")]
    subject = f"{server.label} ssl_protocols"
    if old:
        yield found(PROTOCOLS, subject, f"The server {server.label} may speak {', '.join(old)} ({_at(given[-1])}): {PROTOCOLS.why}.", value=" ".join(old))
    else:
        yield in_order(PROTOCOLS, subject, f"The server {server.label} speaks {' '.join(given[-1].arguments)}.")


def _autoindex(server: Server) -> Iterator[Finding]:
    for chain in (server.chain, *locations_of(server.chain)):
        holding = named(chain[-1], "autoindex") or (named(chain[0], "autoindex") if chain == server.chain else [])
        if holding and holding[-1].arguments == ("on",):
            yield found(
                AUTOINDEX, f"{server.label} {_shown(chain)} autoindex", f"{_at(holding[-1])} shows the folders of {_shown(chain)}: {AUTOINDEX.why}.",
            )  # fmt: skip


def _shown(chain: Chain) -> str:
    """Return the path of the innermost location, or / for the server."""
    return plain(" ".join(part for part in path_of(chain[-1]) if part), 100) if chain[-1].name == "location" else "/"


def _dotfiles(server: Server, exists: Callable[[str], bool]) -> Iterator[Finding]:
    subject, given = f"{server.label} dotfiles", []
    for path in _DOT_PATHS:
        try:
            chain = reached(server.chain, path)
        except Uncertain as exc:
            yield unseen(
                "nginx", subject, f"Whether {server.label} gives {path} away is not known: {plain(str(exc), 100)!r} is not understood.",
                f"Try it: curl -i http://…{path}",
            )  # fmt: skip
            return
        file = _file_of(chain, path)
        if file is not None and not is_closed(chain) and not hands_on(chain):
            given.append((path, file, exists(file)))
    there = [(path, file) for path, file, is_there in given if is_there]
    if there:
        path, file = there[0]
        yield found(DOTFILES, subject, f"{server.label} gives {path} away, and {plain(file, 200)} is there: {DOTFILES.why}.", value=path)._replace(
            status=CRITICAL
        )
    elif given:
        paths = " and ".join(path for path, _file, _is_there in given)
        yield found(DOTFILES, subject, f"{server.label} would give {paths} away if they were in {posixpath.dirname(given[0][1])}: {DOTFILES.why}.")
    else:
        yield in_order(DOTFILES, subject, f"{server.label} gives no hidden files away.")


def _file_of(chain: Chain, path: str) -> str | None:
    """Return the file that answers a request; None where no folder is said or a variable chooses it."""
    alias = named(chain[-1], "alias")
    if alias and alias[-1].arguments:
        modifier, prefix = path_of(chain[-1])
        target = alias[-1].arguments[0] + (path[len(prefix) :] if modifier in ("", "^~") else "")
    else:
        root = value_of(chain, "root")
        if root is None:
            return None
        target = root + path
    return posixpath.normpath(posixpath.join("/etc/nginx", target)) if "$" not in target else None


def _variables(tree: Sequence[Directive]) -> dict[str, list[str] | None]:
    """Return what variables are set to: texts by name; None for those that a map or the like chooses from its own list."""
    variables: dict[str, list[str] | None] = {}
    for one in walked(tree):
        if one.name == "set" and len(one.arguments) == 2:
            values = variables.setdefault(one.arguments[0].lstrip("$"), [])
            if values is not None:
                values.append(one.arguments[1])
        elif one.name in ("map", "geo", "split_clients") and one.arguments:
            variables[one.arguments[-1].lstrip("$")] = None
    return variables


def _chosen_by_request(text: str, variables: Mapping[str, list[str] | None], depth: int = 0) -> str | None:
    """Return the variable in a text that whoever asks can choose, or None."""
    for name in _VARIABLE.findall(text):
        if _FROM_REQUEST.fullmatch(name):
            return str(name)
        for value in (variables.get(name) or ()) if depth < _MAX_RESOLVED else ():
            inner = _chosen_by_request(value, variables, depth + 1)
            if inner is not None:
                return inner
    return None


def _host_of(proxy: Directive) -> str:
    """Return the host that a proxy_pass names; a path behind it may begin with a variable, which begins with a slash itself."""
    target = re.sub(r"^[\w$]+://", "", proxy.arguments[0] if proxy.arguments else "")
    return re.split(r"[/?]|(?<=.)\$\{?(?:request_uri|uri|document_uri)\b", target, maxsplit=1)[0]


def _locations(server: Server, variables: Mapping[str, list[str] | None]) -> Iterator[Finding]:
    """Return what is wrong inside of single locations."""
    for chain in (server.chain, *locations_of(server.chain)):
        location, shown = chain[-1], _shown(chain)
        where = f"{server.label} {shown}"
        modifier, path = path_of(location) if location.name == "location" else ("=", "")
        for alias in named(location, "alias"):
            if modifier in ("", "^~") and not path.endswith("/") and alias.arguments and alias.arguments[0].endswith("/"):
                yield found(
                    ALIAS, f"{where} alias",
                    f"{_at(alias)}: the location {shown} does not end with a slash, and its alias {plain(alias.arguments[0], 100)} does: {ALIAS.why}.",
                )  # fmt: skip
        for inner in (location, *named(location, "if", "limit_except")):
            for proxy in named(inner, "proxy_pass"):
                chosen = _chosen_by_request(_host_of(proxy), variables)
                if chosen is not None:
                    yield found(PROXY, f"{where} proxy_pass", f"{_at(proxy)} hands requests to a host that ${chosen} names: {PROXY.why}.", value=f"${chosen}")
            for answer in named(inner, "return"):
                if any(name in ("uri", "document_uri") for name in _VARIABLE.findall(answer.arguments[-1] if answer.arguments else "")):
                    yield found(INJECTION, f"{where} return", f"{_at(answer)} puts $uri, decoded, into the answer: {INJECTION.why}.")


def _limits(servers: Sequence[Server], limited: Sequence[str]) -> Iterator[Finding]:
    for path in limited:
        missing, certain = [], True
        for server in servers:
            if only_redirects(server):
                continue
            try:
                chain = reached(server.chain, path)
            except Uncertain:
                certain = False
                continue
            if not is_closed(chain) and not effective(chain, "limit_req"):
                missing.append(server.label)
        if missing:
            yield found(
                LIMIT, path, f"Requests for {plain(path, 100)} have no limit in {plain(', '.join(missing[:5]), 200)}: {LIMIT.why}.",
                value=len(missing), unit="count",
            )  # fmt: skip
        elif not certain:
            yield unseen("nginx", path, f"Whether requests for {plain(path, 100)} have a limit is not known: a location is not understood.")
        else:
            yield in_order(LIMIT, path, f"Requests for {plain(path, 100)} have a limit.")
