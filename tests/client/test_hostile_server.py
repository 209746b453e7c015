"""Whatever a server sends, a call ends with a value, or with an error of httpx's or of ours."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import httpx
import httpx2
import numpy as np
import pytest
from pydantic import ValidationError

from binary_middleware import packb
from binary_middleware.client import BinaryClient
from binary_middleware.client._error_text import MAX_TEXT_LENGTH, decode_text, describe
from binary_middleware.client._limits import json_structure_size
from tests.client.conftest import KINDS, MakeClient
from tests.client.hostile import Payload, answering, response

MIB = 2**20
ERRORS = (httpx2.HTTPError, httpx.HTTPError, httpx2.InvalidURL, httpx.InvalidURL)
DECODING_ERRORS = (httpx2.DecodingError, httpx.DecodingError)
STATUS_ERRORS = (httpx2.HTTPStatusError, httpx.HTTPStatusError)


def bomb(mib: int) -> bytes:
    """Zeros as gzip, about a thousandth of their size."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    zeros = bytes(MIB)
    return b"".join([compressor.compress(zeros) for _ in range(mib)] + [compressor.flush()])


def coded(body: bytes, coding: bytes, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    field = b"Content-Encoding: " + coding
    return response(body, status, b"application/msgpack", field, *fields)


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

ANSWERS: dict[str, tuple[Payload, str]] = {
    # What is sent, and how the message of the error begins; where that is empty, both will do.
    "an announced length of 1e11": (response(length=b"100000000000"), "the response is over max_r"),
    "the same for an error": (
        response(status=b"400 Bad Request", length=b"100000000000"),
        "the response with status 400 is over max_response_size \\(2097152 bytes\\): set it",
    ),
    "a negative length": (response(length=b"-1"), ".*Content-Length"),
    "a length with a sign": (response(length=b"+4"), ".*Content-Length"),
    "two lengths": (response(length=b"4, 5"), ".*Content-Length"),
    "half a body": (response(length=b"50"), "peer closed connection"),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Ty", ""),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", "illegal"),
    "a flood of header fields": (
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
        f"a redirect to {place!r}": (
            response(b"", b"307 X", b"text/plain", b"Location: " + place),
            "",
        )
        for place in (
            *(b"ftp://x/", b"file:///etc/passwd", b"http://[::1", b"http://127.0.0.1:99999/"),
            *(
                b"http://a..b/",
                b"http://xn--/",
                b"javascript:1",
                b"http://\xff/",
                b"//",
                b"/\x9b31m",
            ),
            b"http://" + b"a" * 70_000,
        )
    },
    **{
        f"the status {status!r}": (response(b"more than there may be", status), "")
        for status in (b"204 N", b"304 N", b"206 P", b"101 S", b"999 W", b"000 Z", b"500 \xff\x9b")
    },
    **{
        f"{charset!r} as charset": (
            response(b"no \xff", b"400 X", b"text/plain; charset" + charset),
            "Client error '400 X'",
        )
        for charset in (
            *(b"=idna", b"=undefined", b"=punycode", b"=unicode_escape", b"=hex", b"=zlib", b'=""'),
            *(b"=a\xffb", b"*=idna''x", b"*0=id; charset*1=na", b"=" + b"x" * 9000, b"=__init__"),
        )
    },
    **{
        f"the media type {name[:30]!r}": (response(content_type=name), "")
        for name in (
            *(
                b"",
                b"/",
                b"\xff/\xff",
                b"application/msgpack; arrays=?",
                b'a/b;";',
                b"a/" + b"b" * 9000,
            ),
            *(b"application/msgpack, text/html", b"application/msgpack;" + b"a=b;" * 2400),
        )
    },
    **{
        f"the problem {problem[:30]!r}": (response(problem, b"400 X", PROBLEM), "Client error '400")
        for problem in (
            b'{"detail": "\xff\xfe"}',
            b'{"detail": "\\ud800\\u001b[2J", "title": [[]]}',
            b'{"title": 1e400, "detail": [[[]], 3, {"msg": {}, "loc": [{}, null]}], "status": "?"}',
            b'{"detail": [{"msg": "x", "loc": [' + b"[" * 900 + b"]" * 900 + b"]}]}",
            b'{"errors": ' + b"[" * 900 + b"]" * 900 + b"}",
            b'{"detail": "' + b"\\u001b[31m" * 100_000 + b'"}',
            b"1" * 100_000,
        )
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
@pytest.mark.parametrize("name", ANSWERS)
def test_a_value_or_an_error_of_the_package(name: str, make_client: MakeClient) -> None:
    payload, said = ANSWERS[name]
    limits = {"max_response_size": 2 * MIB, "max_structure_size": MIB}
    with answering(payload) as url:
        for kind in KINDS:
            client = make_client(kind, url, ours=limits, timeout=20, follow_redirects=True)
            error = None
            try:
                client.get("/")
            except ERRORS as exc:
                error = exc
            if error is None:
                assert not said, kind
                continue
            message = str(error)
            assert type(error).__module__.partition(".")[0] == kind.split()[0]
            assert re.match(said, message), message
            assert len(message) < 80_000
            for line in message.splitlines()[2:]:  # the first two are httpx's
                assert line.isprintable()
                assert len(line) <= MAX_TEXT_LENGTH


# What httpx2 undoes in bounded pieces, httpx undoes chunk by chunk.
MEASURE = """
import asyncio, gc, sys
from pathlib import Path

import httpx, httpx2

from binary_middleware.client import AsyncBinaryClient, BinaryClient

kind, url = sys.argv[1:]
package = httpx2 if kind.startswith("httpx2") else httpx


def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name + ":"))


async def call():
    async with package.AsyncClient(base_url=url) as http:
        await AsyncBinaryClient(http, max_response_size=16 * 2**20).get("/")


gc.collect()
Path("/proc/self/clear_refs").write_text("5")
idle = status("VmRSS")
try:
    if kind.endswith("async"):
        asyncio.run(call())
    else:
        with package.Client(base_url=url) as http:
            BinaryClient(http, max_response_size=16 * 2**20).get("/")
except package.DecodingError as exc:
    assert "max_response_size" in str(exc)
else:
    raise AssertionError("it was read")
print(status("VmHWM") - idle)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("status", [b"200 OK", b"422 X"])
def test_memory_of_a_bomb(kind: str, status: bytes) -> None:
    """256 MiB of zeros take little more than the limit of 16 MiB, and 64 KiB of gzip."""
    with answering(coded(bomb(256), b"gzip", status=status)) as url:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, kind, url], capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 200


# httpx undoes the last two where these packages are installed, as for ``make test-all``.
PACKAGES = {"br": "brotli", "zstd": "zstandard"}
CODINGS = ["deflate", *(each for each, package in PACKAGES.items() if find_spec(package))]


def compressed(coding: str, data: bytes) -> bytes:
    if coding == "deflate":
        return zlib.compress(data)
    package: Any = import_module(PACKAGES[coding])
    if coding == "br":
        return package.compress(data, quality=1)
    return package.ZstdCompressor().compress(data)


@pytest.mark.parametrize("coding", CODINGS)
def test_bombs_in_other_codings(coding: str, kind: str, make_client: MakeClient) -> None:
    """They become up to a million times their size: where httpx undoes them, it gets slices."""
    body = compressed(coding, bytes(256 * MIB))
    assert len(body) < MIB
    client = make_client(kind, "http://127.0.0.1:1", ours={"max_response_size": 2 * MIB})
    # A package that does not undo a coding leaves what no reader can read.
    undone = coding in client.http.headers["accept-encoding"]
    with answering(coded(body, coding.encode())) as url, pytest.raises(DECODING_ERRORS) as caught:
        client.get(url)
    assert ("max_response_size" in str(caught.value)) is undone


def test_the_default_limits_let_large_responses_pass(
    kind: str, make_client: MakeClient, binary_url: str
) -> None:
    client = make_client(kind, binary_url, timeout=60)
    document = {"large": np.zeros(32 * MIB, np.uint8), "many": list(range(10**6))}
    received = client.post("/echo", document)
    assert received["large"].nbytes == 32 * MIB
    assert len(received["many"]) == 10**6


def test_limits_can_be_lifted(kind: str, make_client: MakeClient) -> None:
    document = [[]] * (2 * MIB)
    ours = {"max_response_size": None, "max_structure_size": None}
    for body, content_type in (
        (packb(document), b"application/msgpack"),
        (json.dumps(document).encode(), b"application/json"),
    ):
        with answering(response(body, content_type=content_type)) as url:
            assert make_client(kind, url, ours=ours, timeout=60).get("/") == document


@pytest.mark.parametrize("name", ["max_response_size", "max_structure_size"])
@pytest.mark.parametrize("size", [-1, 1.5, "64MiB", True])
def test_limits_that_are_none(name: str, size: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a number of bytes or None, got"):
        BinaryClient("http://127.0.0.1:1", **{name: size})


def test_other_requests_of_a_client_are_not_limited() -> None:
    body = bytes(3 * MIB)
    with answering(response(body)) as url, httpx2.Client() as http:
        for _ in range(2):
            client = BinaryClient(http, max_response_size=2 * MIB)
        assert len(http.event_hooks["response"]) == 1
        assert http.get(url).content == body
        with pytest.raises(httpx2.DecodingError, match="max_response_size"):
            client.get(url)
        http.event_hooks = {}  # its owner may replace them
        with pytest.raises(httpx2.DecodingError, match="max_response_size"):
            client.get(url)


def test_a_length_without_a_body_is_no_size() -> None:
    head = response(b"", length=b"100000000000")
    with answering(head) as url, BinaryClient(url, max_response_size=MIB) as client:
        reply = client.send("HEAD", "/")
    assert reply.value is None
    assert reply.response.headers["content-length"] == "100000000000"


def test_there_may_be_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr("binary_middleware.formats.msgpack._format.unpack_body", fail)
    with (
        answering(response()) as url,
        BinaryClient(url) as client,
        pytest.raises(httpx2.DecodingError, match="no memory for the response: set the"),
    ):
        client.get("/")


def test_a_buffer_that_cannot_be_had_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr("binary_middleware.client._transfer.np.empty", fail)
    with answering(response()) as url, BinaryClient(url) as client:
        assert client.get("/") == {"a": 1}


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("; charset=utf-8", "\ufffd\ufffd\ufffd"),
        ("; charset=LATIN1", "\xe9\xff\xe8"),
        ('; charset="windows-1252"', "\xe9\xff\xe8"),
        ("; charset=koi8-r", "\u0418\u042a\u0425"),
        *(
            (f"; charset={name}", "\ufffd\ufffd\ufffd")
            for name in ("idna", "punycode", "undefined")
        ),
        *(
            (f"; charset={name}", "\ufffd\ufffd\ufffd")
            for name in ("hex", "rot13", "x", "\xe4", '""')
        ),
    ],
)
def test_charsets(charset: str, text: str) -> None:
    assert decode_text(b"\xe9\xff\xe8", f"text/plain{charset}") == text


def test_no_charset_is_remembered() -> None:
    import encodings

    before = len(encodings._cache)  # type: ignore[attr-defined]  # where a leak would be
    for number in range(100):
        decode_text(b"x", f"text/plain; charset=unknown-{number}")
    assert len(encodings._cache) == before  # type: ignore[attr-defined]


def test_descriptions_write_nothing_at_full_length() -> None:
    wide: Any = "y" * 300
    for _ in range(12):
        wide = [wide] * 10  # 10**12 strings, were they all written
    assert len(describe({"detail": wide})) <= MAX_TEXT_LENGTH
    assert len(describe({"detail": [{"msg": wide, "loc": [wide] * 10**6}]})) <= MAX_TEXT_LENGTH
    assert describe({"detail": np.zeros(3)}) == "<ndarray float64 (3,)>"


@pytest.mark.parametrize(
    ("text", "size"), [(b"1", 0), (b'"abc"', 0), (b"[1, 2]", 2), (b'{"a": [1, {}]}', 5)]
)
def test_structure_of_json(text: bytes, size: int) -> None:
    assert json_structure_size(text) == size


# -- arrays where a call asks for something else ---------------------------------------------------


def test_array_for_a_list_arrives_exactly(kind: str, make_client: MakeClient) -> None:
    array = np.array([1234567890123456789, -1])
    with answering(response(packb(array))) as url:
        found = make_client(kind, url).get("/", returns=list[int])
    assert found == array.tolist()


def test_large_array_for_a_list_is_one_error(kind: str, make_client: MakeClient) -> None:
    body = packb({"a": np.zeros(4 * MIB, np.uint8)})
    with answering(response(body)) as url, pytest.raises(ValidationError) as caught:
        make_client(kind, url).get("/", returns=dict[str, list[str]])
    assert caught.value.error_count() == 1
