"""Results of responses, and httpx's exceptions with the server's description."""

from __future__ import annotations

from typing import Any

import httpx
import httpx2
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from binary_middleware import packb
from binary_middleware.client import BinaryClient, Result
from binary_middleware.client._error_text import MAX_TEXT_LENGTH
from tests.client.apps import ARRAY, DOCUMENT, Sample


def test_result_has_the_response(client: Any) -> None:
    result = client.send("POST", "/sample", DOCUMENT, Sample)
    assert isinstance(result, Result)
    assert isinstance(result.value, Sample)
    assert result.response.status_code == 200
    assert result.response.headers["content-type"] == "application/msgpack"
    assert result.response.is_closed
    assert result.response.elapsed.total_seconds() > 0


def test_json_is_read_as_in_binary_mode(client: Any) -> None:
    headers = {"accept": "application/json"}
    found = client.post("/echo", [ARRAY, float("nan"), float("inf")], headers=headers)
    assert np.array_equal(found[0], ARRAY)
    assert np.isnan(found[1])
    assert found[2] == float("inf")
    found = client.post("/sample", DOCUMENT, dict[str, Any], headers=headers)
    assert np.array_equal(found["array"], ARRAY + 1)


def test_other_content(client: Any) -> None:
    assert client.get("/picture") == b"\x89PNG"
    assert client.get("/picture", bytes) == b"\x89PNG"
    assert client.get("/empty") is None


STATUS_ERRORS = (httpx2.HTTPStatusError, httpx.HTTPStatusError)


DECODING_ERRORS = (httpx2.DecodingError, httpx.DecodingError)


def own(client: Any, errors: tuple[type[Exception], ...]) -> type[Exception]:
    """Return the exception of the package of a client."""
    package = {base.__module__.partition(".")[0] for base in type(client.http).__mro__}
    (error,) = (error for error in errors if error.__module__.partition(".")[0] in package)
    return error


def failure(client: Any, *arguments: Any, **options: Any) -> Any:
    with pytest.raises(own(client, STATUS_ERRORS)) as caught:
        client.request(*arguments, **options)
    assert type(caught.value) is own(client, STATUS_ERRORS)
    return caught.value


def test_validation_errors_are_listed(client: Any) -> None:
    error = failure(client, "POST", "/sample", {"sampleName": "a" * 30})
    first, _, last = str(error).splitlines()
    assert first.startswith("Client error '422 Unprocessable")
    assert last == (
        "body.sampleName: String should have at most 20 characters; body.array: Field required"
    )
    assert [each["loc"] for each in error.problem["detail"]] == [
        ["body", "sampleName"],
        ["body", "array"],
    ]
    assert error.response.status_code == 422
    assert error.response.headers["content-type"] == "application/msgpack"
    assert error.response.content[:1] == b"\x81"
    assert error.request.url.path == "/sample"
    assert error.__context__ is None


def test_details_of_other_errors(client: Any) -> None:
    error = failure(client, "GET", "/teapot")
    assert error.problem == {"detail": {"pot": "short and stout"}}
    assert str(error).endswith("\n{'pot': 'short and stout'}")
    error = failure(client, "POST", "/refuse", 1)
    assert str(error).endswith("\n{'error': 'not today'}")


def test_text_is_short_and_harmless(client: Any) -> None:
    error = failure(client, "GET", "/bad-text")
    assert error.problem is None
    text = str(error).splitlines()[-1]
    assert text.startswith("out of [31m coffee!!!")
    assert len(text) == MAX_TEXT_LENGTH
    assert error.response.text.endswith("!!!")


def test_redirects_that_are_not_followed(client: Any) -> None:
    error = failure(client, "POST", "/moved", 1, params={"status": 307}, follow_redirects=False)
    assert "Redirect response '307" in str(error)
    assert error.response.headers["location"] == "/echo"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/not-json", "cannot read the response: the body is not JSON: "),
        ("/not-msgpack", "cannot read the response: the body is not msgpack: "),
    ],
)
def test_responses_that_cannot_be_read(client: Any, path: str, message: str) -> None:
    with pytest.raises(own(client, DECODING_ERRORS), match=message) as caught:
        client.get(path)
    assert caught.value.request.url.path == path  # type: ignore[attr-defined]


def test_a_type_asked_of_a_picture(client: Any) -> None:
    with pytest.raises(
        own(client, DECODING_ERRORS), match="the response is image/png, not msgpack"
    ):
        client.get("/picture", int)


def client_of(response: Response) -> BinaryClient:
    async def endpoint(request: Request) -> Response:
        return response

    app = Starlette(routes=[Route("/", endpoint, methods=["GET", "POST"])])
    return BinaryClient(TestClient(app))


def test_unlabelled_responses() -> None:
    client = client_of(Response(b"abc"))
    assert client.get("/") == b"abc"
    with pytest.raises(httpx2.DecodingError, match="the response is unlabelled"):
        client.get("/", int)


@pytest.mark.parametrize(
    "response",
    [
        Response(b"\xc1", 400, media_type="application/msgpack"),
        Response(b"{", 400, media_type="application/json"),
        Response(b"<html>", 400, media_type="text/html"),
        Response(b"", 400),
    ],
)
def test_errors_that_say_nothing_readable(response: Response) -> None:
    error = failure(client_of(response), "GET", "/")
    assert error.problem is None
    assert str(error).splitlines()[1:] == [
        "For more information check: https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/400"
    ]


def test_problem_details_in_both_forms() -> None:
    problem = {"title": "Content Too Large", "detail": "over the limit", "status": 413}
    for response in (
        JSONResponse(problem, 413, media_type="application/problem+json"),
        Response(packb(problem), 413, media_type="application/problem+msgpack"),
    ):
        error = failure(client_of(response), "POST", "/", 1)
        assert error.problem == problem
        assert str(error).endswith("\nContent Too Large: over the limit")


def test_a_charset_that_is_none() -> None:
    def refuse(request: Request) -> Response:
        return Response(b"no \xff", 400, headers={"content-type": "text/plain; charset=hex"})

    app = Starlette(routes=[Route("/", refuse)])
    with pytest.raises(httpx2.HTTPStatusError, match="no \ufffd"):
        BinaryClient(TestClient(app)).get("/")
