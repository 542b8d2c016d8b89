# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kinds of values that the keys of a platform description have."""

from __future__ import annotations

from ansible_collections.upkeep.runbook.plugins.module_utils import platform_values as values
from ansible_collections.upkeep.runbook.plugins.module_utils.schema_kinds import Field, Integer, Kind, ListOf, Number, Text

LINE = Text(values.read_line, "text of one line")
MEMBER = Text(values.read_member, "name of a member, wildcards allowed")
FREE = Text(values.read_free, "text")
PATTERN = Text(values.read_pattern, "regular expression")
NAME_GLOB = Text(values.read_name_glob, "file name, wildcards allowed")
PATH = Text(values.read_path, "absolute path")
GLOB = Text(values.read_glob, "absolute path, wildcards allowed")
USER = Text(values.read_user, "user name")
UNIT = Text(values.read_unit, "systemd unit")
SETTINGS_KEY = Text(values.read_settings_key, "name of a key")
WORD = Text(values.read_word, "word")
HOST = Text(values.read_host, "host name or address")
NETWORK = Text(values.read_network, "address or network")
HTTP_URL = Text(values.read_http_url, "http:// or https:// URL")
WEBSOCKET_URL = Text(values.read_websocket_url, "ws:// or wss:// URL")
REDIS_URL = Text(values.read_redis_url, "redis://, rediss:// or unix:// URL")
LOG_FORMAT = Text(values.read_log_format, "format of an access log")
LOGIN_ROUTE = Text(values.read_login_route, "pattern of a path")
ADDRESS = Text(values.read_contact_address, "mail address or telephone number")
PORT = Integer(1, 65535)
COUNT = Integer(0, 100_000)
SECONDS = Number(0.01, 300)

#: The hosts or groups that an item is about; none named: all hosts.
HOSTS = Field(ListOf(Text(values.read_line, "host or group")))
HOST_PORT = {"host": Field(HOST, required=True), "port": Field(PORT, required=True)}


def optional(kind: Kind) -> Field:
    """Return a key that may be left out."""
    return Field(kind)
