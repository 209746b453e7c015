"""Whatever a server sends, a call ends with a value or with an error of httpx."""

from __future__ import annotations

import gzip
import itertools
import re
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import httpx2
import pytest

from binary_middleware import packb
from binary_middleware.client._error_text import MAX_TEXT_LENGTH
from tests.client.conftest import KINDS, MakeClient
from tests.client.raw_server import MIB, Payload, bomb, coded, response, serving_bytes

ERRORS = (httpx2.HTTPError, httpx.HTTPError, httpx2.InvalidURL, httpx.InvalidURL)


def endless(
    status: bytes, *fields: bytes, part: bytes, first: bytes = b""
) -> Callable[[], Iterable[bytes]]:
    head = response(first, status, b"application/msgpack", *fields, length=b"")
    return lambda: itertools.chain([head], itertools.repeat(part))


def array(dtype: Any, shape: list[int], data: bytes) -> bytes:
    members = {b"nd": True, b"type": dtype, b"kind": b"", b"shape": shape, b"data": data}
    return b"\x85" + b"".join(packb(key) + packb(value) for key, value in members.items())


PROBLEM = b"application/problem+json"
CLOSED = b"http://127.0.0.1:1/"
DECIMAL = b"\x82" + b"".join(map(packb, (b"__decimal__", True, b"data", "1E+1000000000")))


PLACES = (
    *rb"ftp://x/ file:///etc/passwd http://[::1 http://127.0.0.1:99999/ http://a..b/".split(),
    *b"http://xn--/ javascript:1 http://\xff/ // /\x9b31m".split(b" "),
    b"http://" + b"a" * 70_000,
)
STATUSES = (b"204 N", b"304 N", b"206 P", b"101 S", b"999 W", b"000 Z", b"500 \xff\x9b")
CHARSETS = (
    *rb'=idna =undefined =punycode =unicode_escape =hex =zlib ="" =__init__'.split(),
    *(b"=a\xffb", b"*=idna''x", b"*0=id; charset*1=na", b"=" + b"x" * 9000),
)
MEDIA_TYPES = (
    *(b"", b"/", b"\xff/\xff", b"application/msgpack; arrays=?", b'a/b;";', b"a/" + b"b" * 9000),
    *(b"application/msgpack, text/html", b"application/msgpack;" + b"a=b;" * 2400),
)
PROBLEMS = (
    b'{"detail": "\xff\xfe"}',
    b'{"detail": "\\ud800\\u001b[2J", "title": [[]]}',
    b'{"title": 1e400, "detail": [[[]], 3, {"msg": {}, "loc": [{}, null]}], "status": "?"}',
    b'{"detail": [{"msg": "x", "loc": [' + b"[" * 900 + b"]" * 900 + b"]}]}",
    b'{"errors": ' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"detail": "' + b"\\u001b[31m" * 100_000 + b'"}',
    b"1" * 100_000,
)
RESPONSES: dict[str, tuple[Payload, str]] = {
    # The bytes, and the beginning of the error; empty where a value will do as well.
    "an announced length of 1e11": (response(length=b"100000000000"), "the response is over max_r"),
    "the same for an error": (
        response(status=b"400 Bad Request", length=b"100000000000"),
        "the response with status 400 is over max_response_size \\(2097152 bytes\\): set it",
    ),
    "a length beyond all numbers": (response(length=b"9" * 31), ""),
    "a negative length": (response(length=b"-1"), ".*Content-Length"),
    "a length with a sign": (response(length=b"+4"), ".*Content-Length"),
    "two lengths": (response(length=b"4, 5"), ".*Content-Length"),
    "half a body": (response(length=b"50"), "peer closed connection"),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Ty", ""),
    "nothing": (b"", "Server disconnected|peer closed"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", "illegal"),
    "a flood of headers": (
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % i for i in range(10**5)) + b"\r\n",
        "Receive buffer too long",
    ),
    "endless chunks": (
        endless(
            b"200 OK", b"Transfer-Encoding: chunked", part=b"10000\r\n" + bytes(65536) + b"\r\n"
        ),
        "the response is over max_response_size",
    ),
    "an endless body": (
        endless(b"200 OK", part=bytes(65536)),
        "the response is over max_response_size",
    ),
    "an endless error": (
        endless(b"500 X", part=bytes(65536)),
        "the response with status 500 is over max_response_size",
    ),
    "an endless redirect": (
        endless(b"307 X", b"Location: " + CLOSED, part=bytes(65536)),
        "the response with status 307 is over max_response_size",
    ),
    "gzip that never becomes anything": (
        endless(
            b"200 OK",
            b"Content-Encoding: gzip",
            first=b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
            part=b"\0\0\0\xff\xff" * 20_000,  # blocks of nothing
        ),
        "the response is over max_response_size",
    ),
    "a bomb": (coded(bomb(8), b"gzip"), "the response is over max_response_size"),
    "a bomb in an error": (
        coded(bomb(8), b"gzip", status=b"422 X"),
        "the response with status 422 is over max_response_size",
    ),
    "a bomb in a redirect": (
        coded(bomb(8), b"gzip", b"Location: " + CLOSED, status=b"307 X"),
        "the response with status 307 is over max_response_size",
    ),
    "a bomb in a bomb": (
        coded(gzip.compress(bomb(8)), b"gzip, gzip"),
        "the response has several content codings, gzip, gzip",
    ),
    "gzip that is none": (coded(b"abc", b"gzip"), "Error -3"),
    "nested too deeply": (response(b"\x91" * 100_000 + b"\xc0"), "cannot read the response"),
    "much structure": (
        response(b"\xdd" + (3 * MIB // 2).to_bytes(4) + b"\x80" * (3 * MIB // 2)),
        r"cannot read the response: the structure .* is over max_structure_size",
    ),
    "much structure in JSON": (
        response(b"[" + b"[]," * 600_000 + b"[]]", content_type=b"application/json"),
        "cannot read the response: its values, long strings aside, are over max_structure_size",
    ),
    "much structure in an error": (
        response(b"\xdd" + MIB.to_bytes(4) + b"\x80" * MIB, b"400 X"),
        "Client error '400 X'",
    ),
    "no msgpack": (response(b"\xc1"), "cannot read the response: the body is not msgpack"),
    "a list of 2**32 - 1": (response(b"\xdd" + b"\xff" * 4), "cannot read the response: "),
    "a surrogate": (response(b"\xa3\xed\xa0\x80"), "cannot read the response: "),
    "JSON in a charset that has no text": (
        response(b"{}", content_type=b"application/json; charset=idna"),
        "",
    ),
    "characters that are none": (response(array("<U1", [1], b"\xff" * 4)), ""),
    "objects": (response(array("|O", [1], bytes(8))), "cannot read the response: "),
    "a decimal of a billion digits": (response(DECIMAL), ""),
    "the same in an error": (
        response(b"\x81\xa6detail" + DECIMAL, b"400 X", b"application/problem+msgpack"),
        "Client error '400 X'",
    ),
    "forged arrays in JSON": (
        response(
            b'[{"shape": [1e400], "dtype": {}, "data_b64": ""},'
            b' {"shape": [99999999999999999999], "dtype": "f4", "data_b64": "\xc3\xa4"},'
            b' {"shape": [1], "dtype": [["a", "O"]], "data_b64": "AAAA"}]',
            content_type=b"application/json",
        ),
        "",
    ),
    "a redirect to nowhere": (response(status=b"302 X"), "Redirect response"),
    **{
        f"a redirect to {place[:30]!r}": (
            response(b"", b"307 X", b"text/plain", b"Location: " + place),
            "",
        )
        for place in PLACES
    },
    **{
        f"the status {status!r}": (response(b"more than there may be", status), "")
        for status in STATUSES
    },
    **{
        f"the charset {charset[:30]!r}": (
            response(b"no \xff", b"400 X", b"text/plain; charset" + charset),
            "Client error '400 X'",
        )
        for charset in CHARSETS
    },
    **{f"the media type {name[:30]!r}": (response(content_type=name), "") for name in MEDIA_TYPES},
    **{
        f"the problem {problem[:30]!r}": (response(problem, b"400 X", PROBLEM), "Client error '400")
        for problem in PROBLEMS
    },
    "junk for cookies": (
        response(
            b"\xc0",
            b"200 OK",
            b"application/msgpack",
            b"Set-Cookie: a=b; expires=99 Jan 99999999999 00:00:00 GMT",
            b"Set-Cookie: =;;;=",
            b"Set-Cookie: \xff=\xfe; max-age=" + b"9" * 5000,
        ),
        "",
    ),
    "a challenge that is none": (
        response(b"", b"401 U", b"text/plain", b'WWW-Authenticate: Digest \xff=,,qop="'),
        "Client error '401 U'",
    ),
    "a wait of 1e99 seconds": (
        response(b"", b"503 S", b"text/plain", b"Retry-After: 1e99"),
        "Server error '503 S'",
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", RESPONSES)
def test_a_value_or_an_error_of_the_package(name: str, make_client: MakeClient) -> None:
    payload, expected = RESPONSES[name]
    limits = {"max_response_size": 2 * MIB, "max_structure_size": MIB}
    with serving_bytes(payload) as url:
        for kind in KINDS:
            client = make_client(kind, url, settings=limits, timeout=20, follow_redirects=True)
            error = None
            try:
                client.get("/")
            except ERRORS as exc:
                error = exc
            if error is None:
                assert not expected, kind
                continue
            message = str(error)
            assert type(error).__module__.partition(".")[0] == kind.split()[0]
            assert re.match(expected, message), message
            assert len(message) < 80_000
            for line in message.splitlines()[2:]:  # the first two are httpx's
                assert line.isprintable()
                assert len(line) <= MAX_TEXT_LENGTH
