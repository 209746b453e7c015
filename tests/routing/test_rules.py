"""Options by path and method."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.convertors import CONVERTOR_TYPES, Convertor
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from binary_middleware import BinaryMiddleware, RouteRule
from binary_middleware._routing.paths import path_in_app
from tests.asgi_app import http_scope
from tests.routing.effects import endpoint, limit_holds, mode_of


@pytest.mark.parametrize(
    ("scope", "matches"),
    [
        ({"path": "/images/7"}, True),
        ({"path": "/images/7", "method": "GET"}, False),
        ({"path": "/images/seven"}, False),
        ({"path": "/images/7/more"}, False),
        ({"path": "/api/images/7", "root_path": "/api"}, True),
        ({"path": "/apix/images/7", "root_path": "/api"}, False),
    ],
)
def test_rule_matches_path_and_method(scope: dict[str, str], matches: bool) -> None:
    rule = RouteRule("/images/{number:int}", methods=["post"])
    request = http_scope(**scope)
    assert rule.matches(path_in_app(request), request["method"]) is matches


@pytest.mark.parametrize("root_path", ["", "/api"])
def test_rules_by_path_and_method(root_path: str) -> None:
    app = Starlette(
        routes=[
            Route("/a/{name}", endpoint, methods=["GET", "POST"]),
            Route("/b", endpoint),
            Mount("/sub", routes=[Route("/a/x", endpoint), Route("/c", endpoint)]),
        ]
    )
    rules = [
        RouteRule("/a/{name}", mode="require", methods=["post"]),
        RouteRule("/b", mode="off"),
        RouteRule("/sub/{rest:path}", mode="require"),
    ]
    client = TestClient(BinaryMiddleware(app, rules=rules), root_path=root_path)
    assert mode_of(client, f"{root_path}/a/x") == "negotiate"
    assert mode_of(client, f"{root_path}/a/x", "POST") == "require"
    assert mode_of(client, f"{root_path}/b") == "off"
    assert mode_of(client, f"{root_path}/sub/a/x") == "require"


def test_rules_of_a_middleware_in_a_mount() -> None:
    inner = [Middleware(BinaryMiddleware, rules=[RouteRule("/c", mode="require")])]
    mount = Mount("/sub", routes=[Route("/c", endpoint), Route("/d", endpoint)], middleware=inner)
    client = TestClient(Starlette(routes=[mount]))
    assert mode_of(client, "/sub/c") == "require"
    assert mode_of(client, "/sub/d") == "negotiate"


def test_other_options_come_from_the_middleware() -> None:
    app = Starlette(routes=[Route("/a", endpoint, methods=["POST"])])
    rules = [RouteRule("/a", max_body_size=100)]
    client = TestClient(BinaryMiddleware(app, rules=rules, mode="require"))
    assert limit_holds(client, "/a", 100)
    assert client.post("/a", json=1).status_code == 415


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "/{x:nothing}"}, "the path '/{x:nothing}' cannot be read: Unknown path conv"),
        ({"path": "/{x}/{x}"}, "Duplicated param name x"),
        ({"path": "/a", "methods": []}, "the methods of the rule for '/a' must name at least one"),
        ({"path": "/a", "methods": "GET"}, "the methods of the rule for '/a'"),
        ({"path": "images"}, "the path of a rule must start with '/', not 'images'"),
    ],
)
def test_wrong_rules(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        RouteRule(**arguments)


def test_rules_must_be_rules() -> None:
    with pytest.raises(ValueError, match="rules must be RouteRule objects, not str"):
        BinaryMiddleware(Starlette(), rules=["/a"])


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        (RouteRule("/typo"), False),
        (RouteRule("/a/b/c"), False),
        (RouteRule("/a/{x}", methods=["PUT"]), False),
        (RouteRule("/a/{x}", methods=["OPTIONS"]), True),
        (RouteRule("/{any:path}"), True),
        (RouteRule("/a/{y:int}"), True),
        (RouteRule("/a/b"), True),
        (RouteRule("/sub/x/y"), True),
        (RouteRule("/{x}/{y}"), True),
    ],
)
def test_a_rule_that_matches_no_route_is_logged_at_start(
    rule: RouteRule, matches: bool, caplog: pytest.LogCaptureFixture
) -> None:
    routes = [Route("/a/{x}", endpoint), Mount("/sub", routes=[Route("/b", endpoint)])]
    with TestClient(BinaryMiddleware(Starlette(routes=routes), rules=[rule])) as client:
        assert client.get("/a/1").json() == [1]
    expected = [] if matches else [f"{rule!r} matches no route of the app"]
    assert [record.getMessage() for record in caplog.records] == expected


def test_rules_under_the_root_path_of_the_app() -> None:
    app = FastAPI()
    app.root_path = "/api"
    app.get("/e")(lambda: 1)
    sub = FastAPI()
    sub.get("/e")(lambda: 1)
    app.mount("/sub", sub)
    rules = [RouteRule("/e", mode="require"), RouteRule("/sub/e", mode="require")]
    client = TestClient(BinaryMiddleware(app, rules=rules))
    for path in ("/api/e", "/e", "/api/sub/e"):
        assert client.get(path, headers={"accept": "application/json"}).status_code == 406, path


@pytest.mark.parametrize("methods", [["GET"], ["get", "post"], ["HEAD"]])
def test_rules_for_get_hold_for_head(methods: list[str]) -> None:
    rule = RouteRule("/e", methods=methods, mode="require")
    app = BinaryMiddleware(Starlette(routes=[Route("/e", endpoint)]), rules=[rule])
    headers = {"accept": "application/json"}
    assert TestClient(app).head("/e", headers=headers).status_code == 406
    expected = 200 if methods == ["HEAD"] else 406
    assert TestClient(app).get("/e", headers=headers).status_code == expected


class Word(Convertor[str]):
    regex = "[a-z]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


def test_a_convertor_of_the_user_is_given_the_benefit_of_the_doubt(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(CONVERTOR_TYPES, "word", Word())
    app = Starlette(routes=[Route("/{name:word}", endpoint)])
    rules = [RouteRule("/7", mode="off"), RouteRule("/{name:word}", mode="require")]
    client = TestClient(BinaryMiddleware(app, rules=rules))
    assert mode_of(client, "/a") == "require"
    assert not caplog.records
