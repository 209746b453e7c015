"""Real apps of many frameworks, unmodified, in binary mode and as they are, under real servers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from tests.integration.frameworks.differences import FRAMEWORKS, MIB, Framework, need_installed
from tests.integration.frameworks.exchanges import (
    ARRAY,
    EXCHANGES,
    LARGE,
    LARGE_BODY,
    Client,
    Exchange,
    Received,
    unpack,
)
from tests.integration.frameworks.served import VARIABLE
from tests.integration.frameworks.servers import COMMANDS, serving


@dataclass(frozen=True)
class Site:
    """An app that is served, and its three clients."""

    framework: Framework
    binary: Client
    json: Client
    plain: Client
    """The client of the app as it is."""


PAIRS: Final = [(server, name) for server in COMMANDS for name in FRAMEWORKS]
UNDER_UVICORN: Final = PAIRS[: len(FRAMEWORKS)]


def name_of(pair: tuple[str, str]) -> str:
    return "-".join(pair)


everywhere = pytest.mark.parametrize("site", PAIRS, indirect=True, ids=name_of, scope="module")
under_uvicorn = pytest.mark.parametrize(
    "site", UNDER_UVICORN, indirect=True, ids=name_of, scope="module"
)
each_exchange = pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=EXCHANGES.keys())


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    server, name = request.param
    framework = FRAMEWORKS[name]
    need_installed(server, *framework.modules, what=f"{framework.title} under {server}")
    log = tmp_path_factory.mktemp("logs") / f"{server}-{name}.txt"
    with serving(server, "tests.integration.frameworks.served:app", log, **{VARIABLE: name}) as url:
        yield Site(
            framework,
            Client(url, "application/msgpack"),
            Client(url, "application/json"),
            Client(url, "application/json", plain=True),
        )


def names_in(values: list[str]) -> set[str]:
    return {name.strip().lower() for value in values for name in value.split(",")}


def assert_varies(site: Site, exchange: Exchange, response: Received, plain: Received) -> None:
    if exchange.path == "/crash" and not site.framework.handles_exceptions_inside:
        assert response.values("vary") == plain.values("vary")
    else:
        assert names_in(response.values("vary")) == names_in(plain.values("vary")) | {"accept"}


def tag_of_msgpack(tag: str) -> str:
    return tag if tag.startswith("W/") else f'{tag[:-1]}--msgpack"'


# JSON clients notice nothing.


@everywhere
@each_exchange
def test_json_clients_notice_nothing(site: Site, exchange: Exchange) -> None:
    plain = site.plain.send(exchange)
    response = site.json.send(exchange)
    assert response.status == plain.status
    assert response.body == plain.body
    assert response.without("vary") == plain.without("vary")
    assert_varies(site, exchange, response, plain)


# msgpack clients get the same, in msgpack.


@everywhere
@each_exchange
def test_msgpack_clients_get_the_same(site: Site, exchange: Exchange) -> None:
    plain = site.plain.send(exchange)
    response = site.binary.send(exchange)
    assert response.status == plain.status
    assert_varies(site, exchange, response, plain)
    if plain.content_type == "application/json" and plain.body:
        assert response.values("content-type") == ["application/msgpack"]
        assert response.document == plain.document
        assert response.values("content-length") == [str(len(response.body))]
        assert response.values("etag") == [tag_of_msgpack(tag) for tag in plain.values("etag")]
        described = ("content-type", "content-length", "transfer-encoding", "etag", "vary")
        assert response.without(*described) == plain.without(*described)
    else:
        assert response.body == plain.body
        assert response.without("vary") == plain.without("vary")


@everywhere
def test_array_comes_back_as_an_array(site: Site) -> None:
    response = site.binary.send(EXCHANGES["array"])
    assert response.status == 200
    samples = unpack(response.body)["samples"]
    assert type(samples) is np.ndarray
    assert samples.dtype == ARRAY.dtype
    assert np.array_equal(samples, ARRAY / np.float32(6))


@everywhere
def test_bytes_arrive(site: Site) -> None:
    response = site.binary.send(EXCHANGES["bytes"])
    content = EXCHANGES["bytes"].document["content"]
    assert response.status == 200
    assert unpack(response.body)["size"] == len(content)
    # In a response of JSON a string is a string; only a model can say that it is bytes.
    is_typed = site.framework is FRAMEWORKS["fastapi_typed"]
    assert (unpack(response.body)["reversed"] == content[::-1]) is is_typed


@everywhere
def test_large_array_there_and_back(site: Site) -> None:
    response = site.binary.send(LARGE_BODY)
    assert response.status == 200
    assert response.values("content-length") == [str(len(response.body))]
    assert np.array_equal(unpack(response.body)["samples"], LARGE / 2)


@under_uvicorn
def test_large_array_of_a_json_client(site: Site) -> None:
    plain = site.plain.send(LARGE_BODY)
    response = site.json.send(LARGE_BODY)
    assert plain.status == 200
    assert response.body == plain.body
    assert response.without("vary") == plain.without("vary")
    binary = unpack(site.binary.send(LARGE_BODY).body)["samples"]
    assert plain.document["samples"] == (binary.shape, binary.dtype.str, binary.tobytes())


@everywhere
def test_body_of_unknown_length(site: Site) -> None:
    body = site.binary.encode(EXCHANGES["array"].document)
    pieces = (body[start : start + 50] for start in range(0, len(body), 50))
    response = site.binary.send_body(EXCHANGES["array"], pieces)
    assert response.status == 200
    assert response.document == site.plain.send(EXCHANGES["array"]).document


@everywhere
def test_one_connection_carries_many_exchanges(site: Site) -> None:
    connection = site.binary.connect()
    try:
        responses = [
            site.binary.send(EXCHANGES[name], connection)
            for name in ("array", "error", "response alone", "array")
        ]
        assert connection.sock is not None, "the server closed it"
    finally:
        connection.close()
    assert [response.status for response in responses] == [200, 409, 200, 200]
    assert responses[0].body == responses[3].body


@everywhere
def test_head_is_answered_as_get_is(site: Site) -> None:
    exchange = Exchange("HEAD", "/release")
    plain = site.plain.send(exchange)
    response = site.binary.send(exchange)
    assert response.status == plain.status
    assert response.body == b""
    expected = plain.content_type.replace("application/json", "application/msgpack")
    assert response.content_type == expected
    if response.status == 200:
        whole = site.binary.send(Exchange("GET", "/release"))
        assert response.values("content-length") in ([], whole.values("content-length"))


@pytest.mark.parametrize("site", [("uvicorn", "django")], indirect=True, scope="module")
def test_entity_tags_and_compression_of_djangos_middleware(site: Site) -> None:
    release = Exchange("GET", "/release")
    (tag,) = site.binary.send(release).values("etag")
    (json_tag,) = site.json.send(release).values("etag")
    assert tag == tag_of_msgpack(json_tag) != json_tag
    response = site.binary.send(replace(release, fields={"If-None-Match": tag}))
    assert (response.status, response.values("etag"), response.body) == (304, [tag], b"")
    assert site.binary.send(replace(release, fields={"If-None-Match": json_tag})).status == 200
    gzip = replace(EXCHANGES["long document"], fields={"Accept-Encoding": "gzip"})
    assert site.json.send(gzip).values("content-encoding") == ["gzip"]
    response = site.binary.send(gzip)
    assert response.values("content-encoding") == []
    assert response.document == site.plain.send(EXCHANGES["long document"]).document


# What is refused.


@everywhere
@pytest.mark.parametrize(
    "body",
    [b"\x81\xa4rate\xc1", b"\x81\xa4rate", b"\x01\x02"],
    ids=["invalid", "cut short", "two documents"],
)
def test_what_is_not_msgpack_is_refused(site: Site, body: bytes) -> None:
    response = site.binary.send_body(Exchange("POST", "/normalize"), body)
    assert response.status == 400
    assert response.content_type == "application/problem+msgpack"
    assert "msgpack" in response.document["detail"]
    assert site.binary.send(EXCHANGES["array"]).status == 200


@everywhere
def test_pickle_is_refused(site: Site) -> None:
    document = {"rate": 1.5, "samples": np.array([{}], dtype=object)}
    response = site.binary.send(Exchange("POST", "/normalize", document))
    assert response.status == 400
    assert "pickle" in response.document["detail"]


# Streams and interruptions.


@everywhere
@pytest.mark.parametrize("client", ["binary", "json", "plain"])
def test_events_arrive_one_by_one(site: Site, client: str) -> None:
    speaker: Client = getattr(site, client)
    events = speaker.events()
    # Whatever held an event back would hold back the first one, and this would fail.
    assert next(events) == "welcome"
    response = speaker.send(Exchange("POST", "/events", {"text": "first"}))
    assert response.document == {"listeners": 1}
    assert next(events) == "first"
    speaker.send(Exchange("POST", "/events", {"text": "end"}))
    assert list(events) == ["end"]


def sizes(site: Site) -> list[int]:
    seen: list[int] = site.binary.send(Exchange("GET", "/uploads")).document["sizes"]
    return seen


WHOLE: Final = Exchange("POST", "/uploads", {"a": [1, 2]})
LARGE_UPLOAD: Final = Exchange("POST", "/uploads", {"data": bytes(MIB)})


@everywhere
def test_app_never_sees_a_part_of_a_body(site: Site) -> None:
    earlier = len(sizes(site))
    site.binary.send_half(LARGE_UPLOAD)
    response = site.binary.send(WHOLE)
    assert (response.status, response.document) == (200, {"size": len('{"a":[1,2]}')})
    assert sizes(site)[earlier:] == [len('{"a":[1,2]}')]
    assert site.binary.send(EXCHANGES["array"]).status == 200


@under_uvicorn
def test_no_part_of_a_body_comes_later(site: Site) -> None:
    earlier = len(sizes(site))
    site.binary.send_half(LARGE_UPLOAD)
    site.json.send_half(LARGE_UPLOAD)
    assert site.json.send(EXCHANGES["array"]).status == 200
    time.sleep(0.3)  # whatever the server still had to begin has begun
    half = len(site.json.encode(LARGE_UPLOAD.document)) // 2
    assert sizes(site)[earlier:] == ([half] if site.framework.takes_half_a_body else [])


# What is as docs/frameworks.md says.


@everywhere
def test_frameworks_differ_where_the_table_says(site: Site) -> None:
    framework = site.framework
    found = {name: site.plain.send(EXCHANGES[name]) for name in EXCHANGES}
    invalid = found["validation error"]
    assert (invalid.status, invalid.content_type) == (framework.invalid, framework.invalid_type)
    assert (found["error"].status, found["error"].content_type) == (409, framework.error_type)
    missing = found["not found"]
    assert (missing.status, missing.content_type) == (404, framework.not_found_type)
    assert found["wrong method"].status == framework.wrong_method
    assert found["redirect"].status == framework.redirect
    assert found["redirect"].values("location") == ["/release"]
    assert found["exception"].status == 500
    assert found["file"].content_type == "image/png"


@under_uvicorn
def test_limits_of_frameworks_count_the_json(site: Site) -> None:
    # The array has 13 MiB, its base64 more than 17.
    document = {"rate": 1.5, "samples": np.ones(13 * MIB // 8)}
    response = site.binary.send(Exchange("POST", "/normalize", document))
    assert response.status == site.framework.over_limit


def test_limits_are_what_frameworks_have_by_default() -> None:
    litestar = pytest.importorskip("litestar", reason="Litestar's limit is NOT tested")
    quart = pytest.importorskip("quart", reason="Quart's limit is NOT tested")
    settings = pytest.importorskip(
        "django.conf.global_settings", reason="Django's limit is NOT tested"
    )
    limits: dict[str, Any] = {
        "litestar": litestar.Litestar().request_max_body_size,
        "quart": quart.Quart("app").config["MAX_CONTENT_LENGTH"],
        "django": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        "django_rest": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        "django_ninja": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
    }
    assert settings.FILE_UPLOAD_MAX_MEMORY_SIZE == 5 * MIB // 2
    assert limits == {
        name: framework.default_limit
        for name, framework in FRAMEWORKS.items()
        if framework.default_limit is not None
    }


def test_each_app_is_tested() -> None:
    apps = {path.stem for path in (Path(__file__).parent / "apps").glob("*.py")}
    assert apps - {"__init__", "django_settings", "records"} == set(FRAMEWORKS)
