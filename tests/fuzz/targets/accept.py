"""The headers that are negotiated by: any text has a plan, and the plan makes sense."""

from __future__ import annotations

from binary_middleware._http.media_types import is_binary, parse_accept, parse_media_type
from binary_middleware._http.negotiation import make_plan
from binary_middleware.errors import NotAcceptable, UnsupportedMediaType
from binary_middleware.options import BinaryOptions

OPTIONS = (
    BinaryOptions(),
    BinaryOptions(mode="require"),
    BinaryOptions(arrays="map", media_types=("application/octet-stream",)),
)

TOKENS = (
    b"application/msgpack",
    b"application/vnd.msgpack",
    b"application/json",
    b"application/octet-stream",
    b"problem+msgpack",
    b"+json",
    b"*/*",
    b"application/*",
    b";q=0.5",
    b";q=0",
    b";arrays=map",
    b';a="b\\"',
    b", ",
)


def seeds() -> list[bytes]:
    """Return a Content-Type and an Accept, a line each."""
    return [
        b"application/msgpack\n",
        b"application/json\napplication/msgpack",
        b"\napplication/json;q=0.5, application/x-msgpack; arrays=map, */*;q=0.1",
        b'application/vnd.x+msgpack; a="b, c"\nApplication/*;q=0.000, text/*',
        b"application/octet-stream\napplication/octet-stream;q=1.000",
        b"text/plain\nimage/png",
    ]


def check(data: bytes) -> None:
    first, _, second = data.decode("latin-1").partition("\n")
    content_type, accept = first or None, second or None
    parse_media_type(second)
    for media_type, q in parse_accept(second.split("\n")):
        assert 0 <= q <= 1
        assert media_type.essence == media_type.essence.lower()
        assert "q" not in media_type.parameters
    for options in OPTIONS:
        _check_plan(content_type, accept, options)


def _check_plan(content_type: str | None, accept: str | None, options: BinaryOptions) -> None:
    plan = make_plan(content_type, accept, options.offer)
    assert plan.request is None or is_binary(plan.request, options.offer.media_types)
    if plan.variant is not None:
        response = parse_media_type(plan.variant.content_type)
        assert response is not None
        assert is_binary(response.essence, options.offer.media_types)
        assert "*" not in response.essence
        arrays = plan.variant.parameters["arrays"]
        assert response.parameters.get("arrays", arrays) == arrays in ("numpy", "map")
        plan.variant.content_type.encode("ascii")
    if plan.accept is not None:
        plan.accept.encode("latin-1")
        ranges = parse_accept([plan.accept])
        assert len(ranges) == plan.accept.count(",") + 1  # all of them have a weight that is one
        for range_ in ranges:
            assert not is_binary(range_.media_type.essence, options.offer.media_types)
    if plan.refusal is not None and plan.refusal.status == 400:
        assert "," in (content_type or "")  # several media types, in any mode
    elif options.mode == "require":
        assert isinstance(plan.refusal, (NotAcceptable, UnsupportedMediaType, type(None)))
        assert plan.refusal is not None or plan.variant is not None
    else:
        assert plan.refusal is None
    nothing = plan.request is None and plan.variant is None and plan.refusal is None
    assert plan.is_passthrough is nothing
