"""What a configuration of nginx means: which location a request reaches, what it inherits, and what is wrong with that."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.nginx_judging import judge_nginx
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.nginx_syntax import parse
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.nginx_tree import path_of, reached, servers_of
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import Finding

HEADERS = ("strict-transport-security", "x-content-type-options", "x-frame-options")
ALL = "add_header X-Content-Type-Options nosniff; add_header X-Frame-Options DENY; add_header Strict-Transport-Security 'max-age=300';"


def findings(text: str, *, there: str = "", headers: tuple[str, ...] = (), limited: tuple[str, ...] = ()) -> list[Finding]:
    return judge_nginx(parse(text, "/etc/nginx/nginx.conf"), headers=headers, limited=limited, exists=lambda path: path == there)


def of(rule: str, text: str, **options: Any) -> list[tuple[str, str]]:
    return [(one.subject, one.status) for one in findings(text, **options) if one.rule == f"nginx.{rule}"]


def server(text: str, *, http: str = "", listen: str = "80") -> str:
    return f"http {{ {http} server {{ listen {listen}; server_name www; {text} }} }}"


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/", "/"), ("/exact", "= /exact"), ("/exact/", "/"), ("/images/a.png", "^~ /images/"), ("/static/a.png", r"~* \.(png|jpg)$"),
        ("/static/a.PNG", r"~* \.(png|jpg)$"), ("/static/a.txt", "/static/"), ("/static/deep/a.txt", "/static/deep/"), ("/a.php", r"~ \.php$"),
        ("/a.PHP", "/"), ("/api/in/x", "/api/in"), ("/api/v7", r"~ ^/api/v(?<n>\d)$"),
    ],
)  # fmt: skip
def test_a_request_reaches_the_location_that_nginx_chooses(path: str, location: str) -> None:
    text = server(
        r"""location / { } location = /exact { } location ^~ /images/ { } location /static/ { } location /static/deep/ { }
        location ~* \.(png|jpg)$ { } location ~ \.php$ { } location /api/ { location /api/in { } location ~ ^/api/v(?<n>\d)$ { } } location @named { }"""
    )
    (found,) = servers_of(parse(text))
    assert " ".join(part for part in path_of(reached(found.chain, path)[-1]) if part) == location


def test_servers_have_names_of_their_own() -> None:
    text = "http { server { } server { listen 443 ssl; server_name a b; } server { server_name a; listen 443 ssl; } } stream { server { listen 1; } }"
    assert [(one.label, one.speaks_tls) for one in servers_of(parse(text))] == [("_ (80)", False), ("a (443)", True), ("a (443) #2", True)]


@pytest.mark.parametrize(
    ("http", "inside", "status"),
    [("", "", "warning"), ("server_tokens off;", "", "ok"), ("server_tokens off;", "server_tokens on;", "warning"),
     ("server_tokens build;", "", "warning"), ("", "server_tokens off;", "ok"), ("server_tokens '';", "", "ok")],
)  # fmt: skip
def test_server_tokens(http: str, inside: str, status: str) -> None:
    assert of("server_tokens", server(inside, http=http)) == [("server_tokens", status)]


@pytest.mark.parametrize(
    ("listen", "text", "expected"),
    [("443 ssl", "ssl_protocols TLSv1.2 TLSv1.3;", ["ok"]), ("443 ssl", "ssl_protocols TLSv1 TLSv1.2;", ["warning"]), ("443 ssl", "", []),
     ("80", "ssl_protocols SSLv3;", []), ("443 quic", "ssl_protocols SSLv3;", ["warning"]), ("443", "ssl on; ssl_protocols SSLv3;", ["warning"])],
)  # fmt: skip
def test_ssl_protocols(listen: str, text: str, expected: list[str]) -> None:
    assert [status for _subject, status in of("ssl_protocols", server(text, listen=listen))] == expected


@pytest.mark.parametrize(
    ("http", "text", "missing"),
    [
        ("", "root /x;", {"hsts": 1, "nosniff": 1, "frame_options": 1}),
        (ALL, "root /x;", {}),
        (ALL, "location / { root /x; }", {}),
        (ALL, "add_header X-Own 1;", {"hsts": 1, "nosniff": 1, "frame_options": 1}),
        ("", f"{ALL} location / {{ }} location /a {{ add_header X-Own 1; }} location /b {{ {ALL} }}", {"hsts": 1, "nosniff": 1, "frame_options": 1}),
        ("", f"{ALL} location /a {{ deny all; add_header X 1; }} location @b {{ add_header X 1; }} location / {{ }}", {}),
        ("", "return 301 https://www$request_uri;", {}),
        ("", "location / { return 301 https://x; } location /.well-known/acme-challenge/ { root /x; }", {}),
        ("", "location / { return 200 ok; }", {}),
        ("", r"location ~ /\. { deny all; }", {"hsts": 1, "nosniff": 1, "frame_options": 1}),
        (ALL, r"location ~ /\. { deny all; }", {}),
        (ALL.replace("max-age=300", "max-age=0"), "root /x;", {"hsts": 1}),
        (ALL.replace("nosniff", "on"), "root /x;", {"nosniff": 1}),
        (ALL.replace("DENY", "ALLOWALL"), "root /x;", {"frame_options": 1}),
        (ALL.replace("X-Frame-Options DENY", "Content-Security-Policy \"default-src 'self'; frame-ancestors 'none'\" always"), "root /x;", {}),
        (ALL.replace("X-Frame-Options", "x-frame-options"), "root /x;", {}),
    ],
)  # fmt: skip
def test_headers_are_inherited_as_nginx_does(http: str, text: str, missing: dict[str, int]) -> None:
    found = findings(server(text, http=http, listen="443 ssl"), headers=HEADERS)
    rules = ("nginx.hsts", "nginx.nosniff", "nginx.frame_options")
    assert {one.rule[6:]: one.value for one in found if one.rule in rules and one.status == "warning"} == missing


def test_the_finding_of_a_header_says_where_and_why_it_is_lost() -> None:
    text = server(f"{ALL} location / {{ }} location /api/ {{ proxy_pass http://a; add_header X 1; }}")
    (lost,) = [one for one in findings(text, headers=HEADERS) if one.rule == "nginx.nosniff"]
    assert "loses x-content-type-options in 1 of 2 places (/api/), which have an add_header of their own" in lost.summary
    assert "unless what it hands on to sends it" in lost.summary
    assert of("hsts", text, headers=HEADERS) == [], "over plain HTTP nobody minds it"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("root /srv;", "warning"),
        ("root /srv; location / { try_files $uri =404; }", "warning"),
        (r"root /srv; location ~ /\. { deny all; }", "ok"),
        (r"root /srv; location ~ /\.(?!well-known) { return 404; }", "ok"),
        (r"root /srv; location ~ /\.git { deny all; }", "warning"),
        (r"root /srv; location ~ /\.ht { deny all; }", "warning"),
        ("root /srv; location / { proxy_pass http://app; }", "ok"),
        ("root /srv; location / { proxy_pass http://app; } location /.env { }", "warning"),
        ("root /srv; location / { auth_basic x; }", "ok"),
        ("root /srv; location / { auth_basic off; }", "warning"),
        ("root /srv; return 301 https://x;", "ok"),
        ("root /srv; location / { allow 10.0.0.0/8; deny all; }", "ok"),
        ("location / { alias /srv/; }", "warning"),
        ("root /srv/$host;", "ok"),
        ("", "ok"),
    ],
)
def test_hidden_files(text: str, status: str) -> None:
    assert of("dotfiles", server(text)) == [("www (80) dotfiles", status)]


def test_a_hidden_file_that_is_there_is_critical() -> None:
    assert of("dotfiles", server("root /srv;"), there="/srv/.git/config") == [("www (80) dotfiles", "critical")]
    assert of("dotfiles", server("location / { alias /data/; }"), there="/data/.env") == [("www (80) dotfiles", "critical")]
    assert of("dotfiles", server("root html;"), there="/etc/nginx/html/.env") == [("www (80) dotfiles", "critical")]


def test_a_regular_expression_that_python_does_not_know_is_unknown() -> None:
    (finding,) = [one for one in findings(server(r"root /srv; location ~ ^/\X { }")) if one.subject.endswith("dotfiles")]
    assert (finding.rule, finding.status) == ("nginx", "unknown")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("location /files { alias /srv/files/; }", ["critical"]), ("location /files/ { alias /srv/files/; }", []),
        ("location /files { alias /srv/files; }", []), ("location ^~ /files { alias /srv/files/; }", ["critical"]),
        ("location ~ ^/files(.*) { alias /srv/files/; }", []), ("location = /f { alias /srv/f/; }", []),
        ("location /a { location /a/b { alias /srv/; } }", ["critical"]),
    ],
)  # fmt: skip
def test_an_alias_that_is_left(text: str, status: list[str]) -> None:
    assert [one for _subject, one in of("alias_traversal", server(text))] == status


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("proxy_pass http://app;", []), ("proxy_pass http://app/$uri;", []), ("proxy_pass http://127.0.0.1:80$request_uri;", []),
        ("proxy_pass http://$arg_to;", ["$arg_to"]), ("proxy_pass $scheme://$host;", ["$host"]), ("proxy_pass http://${http_x_to}/a;", ["$http_x_to"]),
        ("set $up app.internal; proxy_pass http://$up;", []), ("set $up $arg_x; proxy_pass http://$up;", ["$arg_x"]),
        ("set $a $b; set $b $a; proxy_pass http://$a;", []), ("proxy_pass http://$mapped;", []), ("proxy_pass http://$1.internal;", ["$1"]),
        ("if ($x) { proxy_pass http://$arg_to; }", ["$arg_to"]),
    ],
)  # fmt: skip
def test_a_host_that_whoever_asks_chooses(text: str, chosen: list[str]) -> None:
    found = findings(server(f"location / {{ {text} }}", http="map $arg_x $mapped { default a; }"))
    assert [one.value for one in found if one.rule == "nginx.proxy_host"] == chosen


@pytest.mark.parametrize(("answer", "count"), [("$uri", 1), ("$request_uri", 0), ("${document_uri}", 1)])
def test_a_redirect_that_takes_line_breaks(answer: str, count: int) -> None:
    assert len(of("redirect_uri", server(f"return 301 https://www{answer};"))) == count


def test_folders_that_are_shown() -> None:
    text = server("autoindex on; location /a { autoindex off; } location /b { autoindex on; }")
    assert of("autoindex", text) == [("www (80) / autoindex", "warning"), ("www (80) /b autoindex", "warning")]
    assert of("autoindex", server("", http="autoindex on;")) == [("www (80) / autoindex", "warning")]
    assert of("autoindex", server("autoindex off;", http="autoindex on;")) == []


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("location / { }", "warning"), ("limit_req zone=a; location / { }", "ok"), ("location /api/ { limit_req zone=a; }", "ok"),
        ("limit_req zone=a; location /api/ { limit_req zone=b burst=5; }", "ok"), ("location /other { limit_req zone=a; }", "warning"),
        ("return 301 https://x;", "ok"), ("location /api/ { deny all; }", "ok"), (r"location ~ \X { }", "unknown"),
    ],
)  # fmt: skip
def test_a_limit_where_it_is_asked_for(text: str, status: str) -> None:
    found = [one for one in findings(server(text), limited=("/api/login",)) if one.subject == "/api/login"]
    assert [one.status for one in found] == [status]


def test_hostile_text_stays_on_one_line() -> None:
    text = server('location "/a\x1b[2J\n<script>" { autoindex on; proxy_pass http://$arg_a; }')
    for finding in findings(text, headers=HEADERS):
        row = finding.row()
        assert "\x1b" not in str(row.values()) and "\n" not in row["summary"] + row["subject"]
