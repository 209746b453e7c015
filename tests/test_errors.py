"""The tree of exceptions, and the rejections that codec errors become."""

from __future__ import annotations

import http

import pytest

from binary_middleware import errors
from binary_middleware.errors import (
    BinaryError,
    CodecError,
    ContentTooLarge,
    DecodeError,
    EncodeError,
    LimitExceeded,
    NotAcceptable,
    RejectedRequest,
    UnsupportedMediaType,
    to_rejection,
)


def drawn(error: type[Exception], prefix: str = "") -> list[str]:
    """Return the names of the exceptions below one, drawn as in the docstring of the module."""
    lines = []
    children = error.__subclasses__()
    for child in children:
        is_last = child is children[-1]
        lines.append(f"{prefix}{'└──' if is_last else '├──'} {child.__name__}")
        lines += drawn(child, prefix + ("    " if is_last else "│   "))
    return lines


def test_the_tree_is_drawn_in_the_docstring() -> None:
    assert errors.__doc__ is not None
    found = [line for line in errors.__doc__.splitlines() if "──" in line]
    names = [line[4 : line.index("──") + 3] + line.split("──")[1].split()[0] for line in found]
    assert names == drawn(BinaryError)
    assert issubclass(BinaryError, ValueError)


@pytest.mark.parametrize("error", [RejectedRequest, *RejectedRequest.__subclasses__()])
def test_statuses_and_titles(error: type[RejectedRequest]) -> None:
    problem = error("reason").problem()
    expected = {"status": error.status, "title": error.title, "detail": "reason"}
    assert problem == {"type": "about:blank", **expected}
    aliases = {"Content Too Large": "Request Entity Too Large"}  # in Python before 3.13
    assert http.HTTPStatus(error.status).phrase in (error.title, aliases.get(error.title))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DecodeError("m"), RejectedRequest),
        (LimitExceeded("m"), ContentTooLarge),
        (EncodeError("m"), RejectedRequest),
    ],
)
def test_rejections_of_codec_errors(error: CodecError, expected: type[RejectedRequest]) -> None:
    rejection = to_rejection(error)
    assert (type(rejection), str(rejection), rejection.headers) == (expected, "m", {})


def test_a_rejection_is_kept() -> None:
    for error in (NotAcceptable("m", {"a": "b"}), UnsupportedMediaType("m")):
        assert to_rejection(error) is error


@pytest.mark.parametrize("kind", [DecodeError, EncodeError])
def test_place_in_the_document(kind: type[CodecError]) -> None:
    error = kind("refused")
    for key in ("b", 3, "a" * 50):
        error.within(key)
    assert str(error) == str(to_rejection(error)) == f"refused (at $.{'a' * 40}[3].b)"
