# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes on which somebody proves who they are, by patterns of paths."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

#: Whoever was not let in, or was held back by a limit.
REFUSED = frozenset(("401", "403", "429"))
#: Where nobody says otherwise. What is refused in the life of an honest session, such as a token that ran out, is not among them.
AUTH_ROUTES = (
    "*/login", "*/login/*", "*/login.*", "*/signin", "*/sign-in", "*/sign_in", "*/logon", "*/auth", "*/authenticate", "*/callback/credentials",
    "*/token", "*/sessions", "*/wp-login.php", "*/xmlrpc.php",
)  # fmt: skip
_MAX_PATTERNS = 100
_MAX_CHARACTERS = 200
_GIVEN = re.compile(r"(?:(?P<method>[A-Z]{2,20}) )?(?P<path>[/*]\S*)", re.ASCII)
#: To see the page with the form, or to ask whether one is logged in, is no attempt.
_ATTEMPTS = "(?!(?:GET|HEAD|OPTIONS) )[A-Z]{2,20} "
_MAX_REMEMBERED = 10_000


def login_pattern(patterns: Sequence[str], place: str) -> re.Pattern[str] | None:
    """Return the expression of the routes on which somebody logs in; None without any.

    :param patterns: of paths, as in a shell. One with a method, such as ``GET /admin/*``, is for this method; one without is for all
        that hand something in.
    :raises UpkeepError: when one of them is none.
    """
    if len(patterns) > _MAX_PATTERNS:
        raise UpkeepError(f"{place}: {len(patterns)} are not accepted; give at most {_MAX_PATTERNS}")
    by_method: dict[str, list[str]] = {}
    for text in patterns:
        match = _GIVEN.fullmatch(text) if len(text) <= _MAX_CHARACTERS else None
        if not match:
            raise UpkeepError(f"{place}: {text!r} is not accepted; give the pattern of a path, such as /login, */auth/* or GET /admin/*")
        method = f"{match['method']} " if match["method"] else _ATTEMPTS
        by_method.setdefault(method, []).append(fnmatch.translate(match["path"]))
    # A scan asks for very many pages: a method that is none of these ends the work for them.
    parts = [f"{method}(?:{'|'.join(paths)})" for method, paths in by_method.items()]
    return re.compile("|".join(parts)) if parts else None


class LoginRoutes(dict):  # type: ignore[type-arg]
    """Whether a route is one on which somebody logs in; those of late are remembered."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        super().__init__()
        self._match = pattern.fullmatch

    def __missing__(self, route: str) -> bool:
        if len(self) > _MAX_REMEMBERED:
            self.clear()
        found = self[route] = self._match(route) is not None
        return found

    def refused(self, clients: Iterable[str], routes: Iterable[str], statuses: Sequence[str]) -> list[str]:
        """Return whose requests were refused on these routes, once for each.

        :param clients: of some rows, with their ``routes`` and ``statuses``. Nothing is looked at where nothing was refused.
        """
        if REFUSED.isdisjoint(statuses):
            return []
        return [client for client, route, status in zip(clients, routes, statuses) if status in REFUSED and self[route]]
