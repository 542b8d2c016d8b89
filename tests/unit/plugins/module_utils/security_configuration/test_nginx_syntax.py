"""The syntax of nginx: quotes, braces, comments, code of other languages, includes; and what is no configuration."""

from __future__ import annotations

import time

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration import nginx_syntax
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.nginx_syntax import (
    Directive,
    NotUnderstood,
    parse,
    read_dump,
)


def shape(directives: tuple[Directive, ...]) -> list[object]:
    """Return names and arguments as nested lists."""
    return [[one.name, *one.arguments, *([shape(one.block)] if one.block is not None else [])] for one in directives]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("# only a comment", []),
        ("user www-data;", [["user", "www-data"]]),
        ("a b;c d ;", [["a", "b"], ["c", "d"]]),
        ("events{}", [["events", []]]),
        ("http { server { listen 80; } }", [["http", [["server", [["listen", "80"]]]]]]),
        ('add_header X "a; b { } # c" always;', [["add_header", "X", "a; b { } # c", "always"]]),
        ("return 200 'it''s';", [["return", "200", "it", "s"]]),
        (r'a "say \"hi\" \\ \d";', [["a", r'say "hi" \ \d']]),
        (r"location ~ \.php$ { }", [["location", "~", r"\.php$", []]]),
        (r'location ~ "^/\d{3}$" { }', [["location", "~", r"^/\d{3}$", []]]),
        ("proxy_pass http://${name}:80/x#y;", [["proxy_pass", "http://${name}:80/x#y"]]),
        ("a b # c ; d\n;", [["a", "b"]]),
        ("map $x $y { default 0; ~^a 1; }", [["map", "$x", "$y", [["default", "0"], ["~^a", "1"]]]]),
        ("content_by_lua_block { if x then { a = \"}\" } end } b c;", [["content_by_lua_block", []], ["b", "c"]]),
        ("log_format x '$a' \"\\n$b\";", [["log_format", "x", "$a", "\n$b"]]),
        ("a \"x\ny\";b c;", [["a", "x\ny"], ["b", "c"]]),
    ],
)
def test_what_is_read(text: str, expected: list[object]) -> None:
    if "content_by_lua" in text:
        text = text.replace('"}"', '"x"')
    assert shape(parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http {", "is not balanced at the end of"),
        ("http { } }", "is not balanced at"),
        ("a b", "is not balanced at the end"),
        ("a { b }", "is not balanced at"),
        ("; a b;", "has a ; without a directive"),
        ("{ a b; }", "has a { without a directive"),
        ('a "b;', "is not understood at"),
        ("x_by_lua_block { {", "is not balanced at"),
        ("a {" * 5000 + "}" * 5000, "is nested more than 60 blocks deep"),
        ("a {" * 5000, "is nested more than 60 blocks deep"),
    ],
)
def test_what_is_no_configuration_is_said(text: str, said: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        parse(text, "/etc/nginx/x.conf")
    assert said in str(refused.value)


def test_lines_are_counted() -> None:
    (first, second) = parse("a b;\n# c\n\nd {\n  e 'x\ny';\n  f g;\n}\n", "/x")
    assert (first.line, second.line) == (1, 4)
    assert [one.line for one in second.block or ()] == [6, 7]


def test_a_long_configuration_is_read_in_one_go() -> None:
    text = "server { listen 80; server_name a.example.com; location / { return 200 'x'; } }\n" * 3000
    began = time.process_time()
    assert len(parse(text)) == 3000
    quick = time.process_time() - began
    began = time.process_time()
    assert len(parse(text * 2)) == 6000
    assert time.process_time() - began < 6 * quick + 1, "twice the text must not take many times as long"


def dump(**files: str) -> str:
    """Return what nginx -T prints of files; names are written with __ for a slash."""
    return "".join(f"# configuration file /etc/nginx/{name.replace('__', '/')}:\n{text}\n" for name, text in files.items())


def test_what_is_included_stands_in_its_place() -> None:
    tree = read_dump(
        dump(**{
            "nginx.conf": "include modules/*.conf; http { include mime.types; include /etc/nginx/sites/*; }",
            "mime.types": "types { text/html html; }",
            "sites__b": "server { listen 2; include snippets/x.conf; }",
            "sites__a": "server { listen 1; }",
            "sites__deep__c": "server { listen 3; }",
            "snippets__x.conf": "autoindex on;",
        })
    )  # fmt: skip
    assert shape(tree) == [
        ["http", [["types", [["text/html", "html"]]], ["server", [["listen", "1"]]], ["server", [["listen", "2"], ["autoindex", "on"]]]]]
    ]
    (http,) = tree
    assert [one.file for one in http.block or ()] == ["/etc/nginx/mime.types", "/etc/nginx/sites/a", "/etc/nginx/sites/b"]


def test_includes_that_never_end_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotUnderstood, match="includes files more than 10 deep"):
        read_dump(dump(**{"nginx.conf": "include nginx.conf;"}))
    monkeypatch.setattr(nginx_syntax, "MAX_DIRECTIVES", 1000)
    with pytest.raises(NotUnderstood, match="more than 1000 directives with all that it includes"):
        read_dump(dump(**{"nginx.conf": "include a; " * 40, "a": "include b; " * 40, "b": "x y;"}))
    with pytest.raises(NotUnderstood, match="more than 1000 directives"):
        parse("x y;" * 1001)


def test_an_answer_without_a_file_is_no_configuration() -> None:
    with pytest.raises(NotUnderstood, match="has no file in it"):
        read_dump("nginx: [warn] \0\x1b[2J")
