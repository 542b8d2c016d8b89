#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Say what access logs tell of traffic, errors, latency, limits, bursts, scanners, logins and what is new."""

from __future__ import annotations

DOCUMENTATION = r"""
module: access_log_stats
version_added: 0.1.0
short_description: Say what access logs tell of traffic, errors, latency, limits, bursts, scanners, logins and what is new
description:
  - Reads the access logs of any number of sites in one call, rotated and packed ones included, and counts what happened in a
    time. Throughput, status codes, percentiles of the latency by route, limited requests, use of the cache, the busiest
    clients, bursts, scanners, refused logins, hours that differ from those of earlier weeks, and agents, countries and routes that no day
    before has seen.
  - Takes the formats of nginx and Apache, any C(log_format) of nginx, and lines of JSON. Lines that do not have the format
    are counted, the first one is shown, and their share is a check.
  - Its memory does not grow with the logs. What was folded for that is told in RV(groups).
  - Reads only. The requests of each hour, what each day was like, and hashes of what was seen on it are kept in O(state_directory), bounded.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
  - upkeep.runbook.checks
options:
  paths:
    description:
      - Access logs of a single group, as absolute paths, wildcards allowed. See O(groups[].paths).
    type: list
    elements: path
    default: []
  error_paths:
    description: Error logs of that group. See O(groups[].error_paths).
    type: list
    elements: path
    default: []
  groups:
    description:
      - Groups of logs, such as those of one site, which are counted and judged together. What a group leaves out comes from
        the option of the same name of the module.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What the group is called; the subject of its checks. By default its first path.
        type: str
      paths:
        description:
          - Access logs, as absolute paths, wildcards allowed. Rotated ones may be named, too; those written last before the
            time are not read. Files packed with gzip, xz, bzip2 and zstd are unpacked.
          - A path or wildcard that matches nothing, and a file that cannot be read to its end, is V(unknown).
        type: list
        elements: path
        required: true
      error_paths:
        description:
          - Error logs of nginx, in which the rejections and delays of C(limit_req) and C(limit_conn) are counted by zone and
            client. Their times are taken for those of the time zone of the host.
        type: list
        elements: path
      format: &format
        description:
          - V(combined), V(common), V(json), or the C(log_format) of nginx as one line, such as C($remote_addr [$time_local]
            "$request" $status $request_time). Nothing between its variables but what the lines have there, and no escapes.
          - It must have C($status) and one of C($time_local), C($time_iso8601) and C($msec). What else is looked at is in
            C(docs/access_logs.md).
          - Apache's own names are not known; write the format with nginx's. C($request_time_us) stands for its C(%D).
        type: str
      fields: &fields
        description:
          - For V(json), keys that are not called as usual, by what they tell, with dots between nested ones. Such as
            C(client=request.remote_ip) and C(path=request.uri).
        type: dict
      trusted_proxies: &trusted_proxies
        description:
          - Addresses or networks of proxies whose C($http_x_forwarded_for) is believed. The client is then the last address in it
            that no such proxy has. Of any other peer the header is not looked at.
        type: list
        elements: str
      exclude_routes: &exclude_routes
        description: Patterns of paths (C(*), C(?), C([…])) that do not count, such as those of health checks.
        type: list
        elements: str
      exclude_agents: &exclude_agents
        description: Patterns of user agents that do not count.
        type: list
        elements: str
      auth_routes: &auth_routes
        description:
          - Patterns of paths on which somebody logs in, for C(access.logins). One with a method, such as V(GET /admin/*), is for this method; one
            without is for all that hand something in, which C(GET), C(HEAD) and C(OPTIONS) do not. An empty list looks at none.
          - Numbers, UUIDs and hashes are placeholders in a path, as in RV(groups[].routes); V(*) matches them, and slashes as well.
        type: list
        elements: str
      min_requests: &min_requests
        description:
          - Fewer requests in the time are V(unknown), C(access.requests). With V(0) a log without lines of that
            time is V(ok).
        type: int
      min_sample: &min_sample
        description:
          - With fewer requests shares and percentiles are told and not judged.
        type: int
      unparsed_warning_percent: &unparsed_warning_percent
        description:
          - Share of lines that do not have the format which is a warning, in percent.
        type: float
      unparsed_critical_percent: &unparsed_critical_percent
        description:
          - The same for critical. When no line has it, everything is V(unknown).
        type: float
      error_warning_percent: &error_warning_percent
        description:
          - Share of answers with 5xx which is a warning, in percent.
        type: float
      error_critical_percent: &error_critical_percent
        description:
          - The same for critical.
        type: float
      latency_warning_seconds: &latency_warning_seconds
        description:
          - The duration that 95 percent of the requests do not exceed which is a warning, in seconds.
        type: float
      latency_critical_seconds: &latency_critical_seconds
        description:
          - The same for critical.
        type: float
      limited_warning_percent: &limited_warning_percent
        description:
          - Share of requests with 429, or rejected by C(limit_req) or C(limit_conn), which is a warning, in
            percent.
        type: float
      limited_critical_percent: &limited_critical_percent
        description:
          - The same for critical.
        type: float
      burst_warning_score: &burst_warning_score
        description:
          - By how many usual deviations a minute is above the hours around it which is a warning. It must be
            three times the usual, too.
        type: float
      burst_critical_score: &burst_critical_score
        description:
          - The same for critical.
        type: float
      burst_min_requests: &burst_min_requests
        description:
          - A minute with fewer requests, or with fewer than a third as many different clients, is no burst.
        type: int
      scanners_warning: &scanners_warning
        description:
          - So many clients that look for what is not there are a warning. Such a client got 4xx for at least 80
            percent of its requests, under 20 different paths or more.
        type: int
      scanners_critical: &scanners_critical
        description:
          - The same for critical.
        type: int
      cache_warning_percent: &cache_warning_percent
        description:
          - Share of requests answered from the cache which is a warning when it is not exceeded, in percent.
        type: float
      cache_critical_percent: &cache_critical_percent
        description:
          - The same for critical.
        type: float
      pattern_warning_score: &pattern_warning_score
        description:
          - By how many usual deviations an hour differs from the same hour of earlier weeks which is a warning.
            It must be twice or half the usual, too.
        type: float
      new_warning: &new_warning
        description:
          - So many families of agents and countries that no day before has seen are a warning, C(access.new). They are compared once
            seven earlier days are known; see O(new_min_requests) and O(new_min_percent).
        type: int
      new_routes_warning: &new_routes_warning
        description:
          - So many routes that were answered with success and that no day before has seen are a warning. Every release brings some,
            so they are told and not judged by default.
        type: int
      new_min_requests: &new_min_requests
        description:
          - What is new counts only with so many requests.
        type: int
      new_min_percent: &new_min_percent
        description:
          - A new agent or country counts only with such a share of the requests, in percent, too.
        type: float
      logins_warning_percent: &logins_warning_percent
        description:
          - Share of the requests to log in (O(auth_routes)) that were refused (401, 403, 429) which is a warning, in percent.
        type: float
      logins_critical_percent: &logins_critical_percent
        description:
          - The same for critical. Then many try passwords, or nobody can log in any more.
        type: float
      logins_min_refused: &logins_min_refused
        description:
          - With fewer refused requests to log in their share is told and not judged.
        type: int
      logins_client_warning: &logins_client_warning
        description:
          - So many refused requests to log in of one client are a warning.
        type: int
      logins_client_critical: &logins_client_critical
        description:
          - The same for critical.
        type: int
      objective_percent: &objective_percent
        description:
          - Share of the requests that is to succeed (no 5xx), in percent, V(50) to V(99.9999). What it lets fail is the error budget.
            With V(0) there is no objective, and none of C(access.error_budget) and C(access.error_burn).
        type: float
      objective_days: &objective_days
        description:
          - Over so many days the objective holds, V(1) to V(42).
        type: int
      budget_warning_percent: &budget_warning_percent
        description:
          - How much of what may fail in these days has failed, in percent, which is a warning.
        type: float
      budget_critical_percent: &budget_critical_percent
        description:
          - The same for critical.
        type: float
      burn_warning_times: &burn_warning_times
        description:
          - How many times as many requests fail in the time as the objective allows which is a warning.
        type: float
      burn_critical_times: &burn_critical_times
        description:
          - The same for critical. A day of V(7) is a quarter of what may fail in 28 days.
        type: float
  format:
    <<: *format
    default: combined
  fields:
    <<: *fields
    default: {}
  trusted_proxies:
    <<: *trusted_proxies
    default: []
  exclude_routes:
    <<: *exclude_routes
    default: []
  exclude_agents:
    <<: *exclude_agents
    default: []
  auth_routes:
    <<: *auth_routes
    default:
      - "*/login"
      - "*/login/*"
      - "*/login.*"
      - "*/signin"
      - "*/sign-in"
      - "*/sign_in"
      - "*/logon"
      - "*/auth"
      - "*/authenticate"
      - "*/callback/credentials"
      - "*/token"
      - "*/sessions"
      - "*/wp-login.php"
      - "*/xmlrpc.php"
  min_requests:
    <<: *min_requests
    default: 1
  min_sample:
    <<: *min_sample
    default: 100
  unparsed_warning_percent:
    <<: *unparsed_warning_percent
    default: 1.0
  unparsed_critical_percent:
    <<: *unparsed_critical_percent
    default: 20.0
  error_warning_percent:
    <<: *error_warning_percent
    default: 1.0
  error_critical_percent:
    <<: *error_critical_percent
    default: 5.0
  latency_warning_seconds:
    <<: *latency_warning_seconds
    default: 2.0
  latency_critical_seconds:
    <<: *latency_critical_seconds
    default: 10.0
  limited_warning_percent:
    <<: *limited_warning_percent
    default: 5.0
  limited_critical_percent:
    <<: *limited_critical_percent
    default: 25.0
  burst_warning_score:
    <<: *burst_warning_score
    default: 10.0
  burst_critical_score:
    <<: *burst_critical_score
    default: 0.0
  burst_min_requests:
    <<: *burst_min_requests
    default: 300
  scanners_warning:
    <<: *scanners_warning
    default: 50
  scanners_critical:
    <<: *scanners_critical
    default: 0
  cache_warning_percent:
    <<: *cache_warning_percent
    default: 0.0
  cache_critical_percent:
    <<: *cache_critical_percent
    default: 0.0
  pattern_warning_score:
    <<: *pattern_warning_score
    default: 8.0
  new_warning:
    <<: *new_warning
    default: 1
  new_routes_warning:
    <<: *new_routes_warning
    default: 0
  new_min_requests:
    <<: *new_min_requests
    default: 100
  new_min_percent:
    <<: *new_min_percent
    default: 1.0
  logins_warning_percent:
    <<: *logins_warning_percent
    default: 50.0
  logins_critical_percent:
    <<: *logins_critical_percent
    default: 90.0
  logins_min_refused:
    <<: *logins_min_refused
    default: 50
  logins_client_warning:
    <<: *logins_client_warning
    default: 50
  logins_client_critical:
    <<: *logins_client_critical
    default: 0
  objective_percent:
    <<: *objective_percent
    default: 0.0
  objective_days:
    <<: *objective_days
    default: 28
  budget_warning_percent:
    <<: *budget_warning_percent
    default: 75.0
  budget_critical_percent:
    <<: *budget_critical_percent
    default: 100.0
  burn_warning_times:
    <<: *burn_warning_times
    default: 3.0
  burn_critical_times:
    <<: *burn_critical_times
    default: 7.0
  since_hours:
    description: How long the time is that is looked at, in hours, up to V(744). O(since) overrides it.
    type: float
    default: 24.0
  since:
    description: Where the time begins, ISO 8601 with C(Z) or an offset.
    type: str
  until:
    description: Where it ends. By default now.
    type: str
  top:
    description: How many routes, clients, agents, bursts and so on are returned, V(1) to V(100).
    type: int
    default: 10
  processes:
    description: How many processes may work at a time, V(1) to V(16), but no more than there are processors.
    type: int
    default: 2
  history:
    description: Whether the requests of each hour, and what was seen, are kept, and compared with those of earlier weeks and days.
    type: bool
    default: true
  state_directory:
    description: Folder of what is kept, C(access_logs.json). It is created with mode C(0700).
    type: path
    default: /var/lib/upkeep
notes:
  - A threshold of V(0) is switched off.
seealso:
  - module: upkeep.runbook.log_rotate
"""

EXAMPLES = r"""
- name: Look at the last day of two sites
  upkeep.runbook.access_log_stats:
    exclude_routes: [/health]
    groups:
      - name: www.example.com
        paths: [/var/log/nginx/access.log*]
        error_paths: [/var/log/nginx/error.log*]
        trusted_proxies: [10.0.0.0/8]
        format: >-
          $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"
          $request_time $upstream_response_time $upstream_cache_status "$http_x_forwarded_for"
      - name: api
        paths: [/opt/api/logs/access.json]
        format: json
        latency_warning_seconds: 0.5
  register: traffic_result

- name: Look at one hour of the night
  upkeep.runbook.access_log_stats:
    paths: [/var/log/nginx/access.log*]
    since: 2026-11-28T02:00:00Z
    until: 2026-11-28T03:00:00Z
    return_all: true
"""

RETURN = r"""
status:
  description: The worst status of RV(checks).
  returned: success
  type: str
  sample: ok
checks:
  description:
    - For each group C(access.format), C(access.requests), C(access.error_rate), C(access.rate_limited), C(access.bursts) and
      C(access.pattern). Where the format tells them C(access.latency), C(access.scanners), C(access.cache), C(access.logins) and C(access.new). With an
      objective C(access.error_budget) and C(access.error_burn).
    - C(access.readable) for each path of which not everything could be read, and C(history.integrity).
  returned: success
  type: list
  elements: dict
  sample:
    - check: access.error_rate
      subject: www.example.com
      status: warning
      summary: >-
        1.8 % of 81243 requests of www.example.com failed with 5xx (warning 1 %, critical 5 %); most on GET /api/orders/:number (1204).
      value: 1.8
      unit: percent
      warning: 1.0
      critical: 5.0
window:
  description: The time that was looked at, C(since) and C(until).
  returned: success
  type: dict
groups:
  description:
    - The figures of each group. Those of a group that is V(ok) are shortened when there are several, unless O(return_all).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: What the group is called.
      type: str
    status:
      description: The worst status of its checks.
      type: str
    files:
      description: How many files were C(read), were C(older) than the time, or could C(not_read_whole).
      type: dict
    totals:
      description:
        - C(requests), C(bytes), different C(clients) (C(clients_estimated) says whether within 5 percent or exactly),
          C(requests_per_second), C(peak_requests_per_second), C(peak_requests_per_minute), C(upgrades) (101, such as
          WebSockets), lines C(outside_window), C(excluded) requests, C(steps_back) of the clock, and C(folded), how many
          requests of clients, agents and hosts are not in the lists, and by how many a figure in them may be too low.
      type: dict
    latency:
      description: C(p50), C(p75), C(p90), C(p95), C(p99) and C(max) in seconds, within one percent, without upgrades.
      type: dict
    upstream_latency:
      description: The same of C($upstream_response_time), summed over the servers that a request was passed to.
      type: dict
    status_classes:
      description: Requests by V(1xx) to V(5xx).
      type: dict
    statuses:
      description: Requests by status.
      type: dict
    error_percent:
      description: Share of answers with 5xx.
      type: float
    routes:
      description: The routes with most requests, with errors, percentiles and C(usual_p95), the median of the last seven days.
      type: list
      elements: dict
    slowest_routes:
      description: Those with the highest C(p95), of at least 20 requests.
      type: list
      elements: dict
    failing_routes:
      description: Those with most answers with 5xx; with an objective with their C(burn_rate).
      type: list
      elements: dict
    different_routes:
      description: How many there are. Beyond 1000 the rarest become C((other routes)).
      type: int
    rate_limited:
      description: Answers with 429 and lines of limits in the error log, by zone and client.
      type: dict
    cache:
      description:
        - C(hit_percent), the share of the C(requests) to the cache that it answered, how many more were for what is C(never_kept), and
          its C(statuses). The words of nginx, Cloudflare, CloudFront, Fastly, Varnish, Squid, Apache Traffic Server and Akamai are known.
      type: dict
    top_clients:
      description: The clients with most requests; likewise C(top_agents) and C(top_hosts).
      type: list
      elements: dict
    bursts:
      description: Minutes that stand out, those with the highest score first.
      type: list
      elements: dict
    scanners:
      description: Clients that look for what is not there.
      type: list
      elements: dict
    logins:
      description:
        - C(requests) to log in, how many of them were C(refused) and C(succeeded) (2xx and 3xx), C(refused_percent), C(statuses), C(routes),
          the C(clients) with most refused ones, and how many C(different_clients) were refused.
      type: dict
    new:
      description:
        - Of C(routes) that were answered with success, families of C(agents), and C(countries), where the format tells them, how many
          days are known (C(baseline_days)), how many things were C(compared), the C(number) of those that are new, the C(newest) with most
          requests, and how many requests could not be compared (C(requests_not_kept)).
      type: dict
    error_budget:
      description:
        - With an objective, what it allows. C(objective_percent), C(period_days), of how many of them (C(known_days)) the
          C(requests) and C(errors) are known, C(allowed_errors) of the whole period when as many requests come in the rest of
          it, how much of them is used (C(used_percent)), the C(burn_rate) of the time, and whether what came in it is known
          (C(present_known)).
      type: dict
    pattern:
      description: How many hours were C(compared), are C(without_baseline), and are C(odd).
      type: dict
    trend:
      description: What earlier days were like, the oldest first.
      type: list
      elements: dict
    unparsed_lines:
      description: Lines that do not have the format.
      type: int
    first_unparsed:
      description: The beginning of the first of them.
      type: str
totals:
  description:
    - With a single group its figures stand here, too; likewise C(latency), C(status_classes), C(rate_limited), C(routes),
      C(top_clients), C(bursts), C(cache) and C(unparsed_lines).
  returned: with a single group
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.inspection import inspect_access_logs
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.login_routes import AUTH_ROUTES
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now

_LIMITS: dict[str, tuple[str, float]] = {
    "min_requests": ("int", 1),
    "min_sample": ("int", 100),
    "unparsed_warning_percent": ("float", 1.0),
    "unparsed_critical_percent": ("float", 20.0),
    "error_warning_percent": ("float", 1.0),
    "error_critical_percent": ("float", 5.0),
    "latency_warning_seconds": ("float", 2.0),
    "latency_critical_seconds": ("float", 10.0),
    "limited_warning_percent": ("float", 5.0),
    "limited_critical_percent": ("float", 25.0),
    "burst_warning_score": ("float", 10.0),
    "burst_critical_score": ("float", 0.0),
    "burst_min_requests": ("int", 300),
    "scanners_warning": ("int", 50),
    "scanners_critical": ("int", 0),
    "cache_warning_percent": ("float", 0.0),
    "cache_critical_percent": ("float", 0.0),
    "pattern_warning_score": ("float", 8.0),
    "new_warning": ("int", 1),
    "new_routes_warning": ("int", 0),
    "new_min_requests": ("int", 100),
    "new_min_percent": ("float", 1.0),
    "logins_warning_percent": ("float", 50.0),
    "logins_critical_percent": ("float", 90.0),
    "logins_min_refused": ("int", 50),
    "logins_client_warning": ("int", 50),
    "logins_client_critical": ("int", 0),
    "objective_percent": ("float", 0.0),
    "objective_days": ("int", 28),
    "budget_warning_percent": ("float", 75.0),
    "budget_critical_percent": ("float", 100.0),
    "burn_warning_times": ("float", 3.0),
    "burn_critical_times": ("float", 7.0),
}


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    shared: dict[str, dict[str, Any]] = {
        "format": {"type": "str"},
        "fields": {"type": "dict"},
        "trusted_proxies": {"type": "list", "elements": "str"},
        "exclude_routes": {"type": "list", "elements": "str"},
        "exclude_agents": {"type": "list", "elements": "str"},
        "auth_routes": {"type": "list", "elements": "str"},
        **{name: {"type": kind} for name, (kind, _default) in _LIMITS.items()},
    }
    defaults: dict[str, Any] = {
        "format": "combined",
        "fields": {},
        "trusted_proxies": [],
        "exclude_routes": [],
        "exclude_agents": [],
        "auth_routes": list(AUTH_ROUTES),
    }
    defaults.update((name, default) for name, (_kind, default) in _LIMITS.items())
    group = {
        "name": {"type": "str"},
        "paths": {"type": "list", "elements": "path", "required": True},
        "error_paths": {"type": "list", "elements": "path"},
        **shared,
    }
    return {
        "paths": {"type": "list", "elements": "path", "default": []},
        "error_paths": {"type": "list", "elements": "path", "default": []},
        "groups": {"type": "list", "elements": "dict", "options": group, "default": []},
        **{name: {**option, "default": defaults[name]} for name, option in shared.items()},
        "since_hours": {"type": "float", "default": 24.0},
        "since": {"type": "str"},
        "until": {"type": "str"},
        "top": {"type": "int", "default": 10},
        "processes": {"type": "int", "default": 2},
        "history": {"type": "bool", "default": True},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = inspect_access_logs(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
