# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page that lists past runs: one self-contained HTML file, written where the runs are kept.

It is built here and not by a template of the role, since only the one who holds the lock knows which runs there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import SEVERITY, SIGNS
from ansible_collections.upkeep.runbook.plugins.module_utils.content_security import csp_hash
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso

_STYLE = """
:root { color-scheme: light dark; --page: #f6f7f8; --card: #fff; --ink: #1d2429; --soft: #5b6770; --line: #dfe4e8;
  --ok: #1a7a43; --warning: #8f5b00; --unknown: #5d4bb0; --critical: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --page: #14181b; --card: #1c2226; --ink: #e8ecef; --soft: #9fabb4;
  --line: #303940; --ok: #5ecb8b; --warning: #e3ad4a; --unknown: #b0a3f5; --critical: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", sans-serif; }
main, header { max-width: 64rem; margin: 0 auto; padding: 1.5rem 1rem 0; }
main { padding-bottom: 3rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.05rem; margin: 1.75rem 0 .6rem; }
p { margin: .35rem 0 0; color: var(--soft); }
a { color: inherit; text-underline-offset: .2em; }
a:focus-visible { outline: 3px solid var(--unknown); outline-offset: 2px; border-radius: 2px; }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { text-align: left; padding: .5rem .75rem; border-top: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
thead th { border-top: 0; font-size: .78rem; color: var(--soft); font-weight: 600; }
tbody th { font-weight: 500; }
.status { font-weight: 650; white-space: nowrap; }
.ok { color: var(--ok); } .warning { color: var(--warning); } .unknown { color: var(--unknown); }
.critical { color: var(--critical); }
@media (max-width: 40rem) {
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr, th, td { display: block; } tr { padding: .6rem 0; border-top: 1px solid var(--line); }
  tbody tr:first-child { border-top: 0; } tbody th, td { border: 0; padding: .1rem .75rem; }
}
@media print { body { background: #fff; } table { border-color: #999; } }
"""


def index_page(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of past runs.

    :param runs: entries of the index, newest first.
    """
    policy = (
        f"default-src 'none'; style-src '{csp_hash(_STYLE)}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    several = len({entry["platform"] for entry in runs if entry["platform"]}) > 1
    newest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for entry in runs:
        newest.setdefault((entry["platform"], entry["playbook"]), entry)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Past runs</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>Past runs</h1>
<p>{len(runs)} runs are kept. <a href="latest.html">The latest report</a></p>
</header>
<main>
<h2>Newest of each playbook</h2>
{_table(list(newest.values()), "The newest run of each playbook.", several)}
<h2>All runs</h2>
{_table(runs, "Every run that is kept, newest first.", several)}
</main>
</body>
</html>
"""


def _table(runs: Sequence[Mapping[str, Any]], caption: str, several: bool) -> str:
    if not runs:
        return "<p>There is none.</p>"
    platform = '<th scope="col">Platform</th>' if several else ""
    body = "\n".join(_row(entry, several) for entry in runs)
    return f"""<table>
<caption>{escape(caption)}</caption>
<thead><tr><th scope="col">Run</th>{platform}<th scope="col">Playbook</th><th scope="col">Health</th>
<th scope="col">Checks</th><th scope="col">Took</th></tr></thead>
<tbody>
{body}
</tbody>
</table>"""


def _row(entry: Mapping[str, Any], several: bool) -> str:
    status = entry["status"]
    when = entry["ended"].replace("T", " ").replace("Z", " UTC")
    link = f"runs/{entry['run_id']}/report.html"
    platform = f"<td>{escape(entry['platform'])}</td>" if several else ""
    if entry.get("damaged"):
        checks = f"The record is damaged: {entry['damaged']}"
    else:
        checks = ", ".join(
            f"{entry['counts'].get(name, 0)} {name}"
            for name in reversed(SEVERITY) if entry["counts"].get(name) or name == "ok"
        )
    seconds = max((from_iso(entry["ended"]) - from_iso(entry["started"])).total_seconds(), 0)
    return (
        f'<tr><th scope="row"><a href="{escape(link)}"><time datetime="{escape(entry["ended"])}">{escape(when)}</time></a></th>'
        f"{platform}<td>{escape(entry['playbook']) or 'not known'}</td>"
        f'<td class="status {escape(status)}"><span aria-hidden="true">{SIGNS[status]}</span> {escape(entry["health"])}</td>'
        f"<td>{escape(checks)}</td><td>{seconds:.0f} s</td></tr>"
    )
