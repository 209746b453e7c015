"""The example service and its demonstration, in JSON mode and in binary mode."""

import base64
import io
import re
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import numpy as np
import pytest
from fastapi import FastAPI, Request, Response
from PIL import Image
from starlette.testclient import TestClient

from binary_middleware import packb
from binary_middleware.remote import serve
from example_app import digits, images, sounds
from example_app.app import app
from example_app.chord import A_MAJOR, chord_wav
from example_app.demo import BinaryMode, Body, JsonMode, Mode, exchange, first_difference
from example_app.demo import planned_calls as demo_calls
from example_app.gradients import Gradients, GradientsHere, connection_to
from example_app.server import ServerError, running_server
from tests.serving import serving

REPOSITORY = Path(__file__).resolve().parent.parent
CHINA = (resources.files("sklearn.datasets.images") / "china.jpg").read_bytes()


class Received(NamedTuple):
    """Status and decoded body of a response."""

    status: int
    body: Body


class Caller:
    """Calls the service in one mode and insists on a response in that mode's media type."""

    def __init__(self, client: TestClient, mode: Mode) -> None:
        self.client = client
        self.mode = mode

    def get(self, path: str) -> Received:
        return self._response(self.client.get(path, headers={"Accept": self.mode.media_type}))

    def post(self, path: str, body: Body) -> Received:
        headers = {"Accept": self.mode.media_type, "Content-Type": self.mode.media_type}
        content = self.mode.encode(body)
        return self._response(self.client.post(path, content=content, headers=headers))

    def _response(self, response: Any) -> Received:
        assert response.headers["Content-Type"] == self.mode.media_type
        return Received(response.status_code, self.mode.decode(response.content))


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.fixture(params=[JsonMode(), BinaryMode()], ids=lambda mode: mode.name)
def caller(client: TestClient, request: pytest.FixtureRequest) -> Caller:
    return Caller(client, request.param)


def image_file(
    levels: Any, image_format: str = "PNG", mode: str | None = None, **options: Any
) -> bytes:
    """Return an image file with the grey levels or colours of an array."""
    image = Image.fromarray(np.asarray(levels))
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, format=image_format, **options)
    return file.getvalue()


def assert_refused(response: Received, message: str) -> None:
    """Assert that a request was refused, with a text like ``message`` in the reasons."""
    assert response.status == 422
    assert re.search(message, str(response.body["detail"]))


def test_health(caller: Caller) -> None:
    assert caller.get("/health") == (200, {"status": "ok"})


# Digits


def test_held_out_digits_are_recognised(caller: Caller) -> None:
    split = digits.digits_split()
    status, body = caller.post("/digits/classify", {"images": split.held_out_images})
    assert status == 200
    probabilities = body["probabilities"]
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (450, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert body["digits"] == probabilities.argmax(axis=1).tolist()
    assert np.mean(np.array(body["digits"]) == split.held_out_labels) > 0.9


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", ">f4"])
def test_any_real_data_type_gives_the_same_digits(caller: Caller, dtype: str) -> None:
    batch = digits.digits_split().held_out_images[:20]
    expected = digits.class_probabilities(batch)
    status, body = caller.post("/digits/classify", {"images": batch.astype(dtype)})
    assert status == 200
    np.testing.assert_array_equal(body["probabilities"], expected)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        pytest.param(np.zeros((8, 8)), r"8, 8\), got float64 \(8, 8\)", id="one image"),
        pytest.param(np.zeros((3, 8, 9)), r"8, 8\), got float64 \(3, 8, 9\)", id="too wide"),
        pytest.param(np.zeros((2, 64)), r"8, 8\), got float64 \(2, 64\)", id="flat"),
        pytest.param(np.zeros(()), r"8, 8\), got float64 \(\)", id="scalar"),
        pytest.param(np.zeros((0, 8, 8)), r"\(n=1\.\.10000, 8, 8\), got float64 \(0", id="empty"),
        pytest.param(np.zeros((10_001, 8, 8), np.uint8), r"got uint8 \(10001", id="too many"),
        pytest.param(np.zeros((1, 8, 8), bool), "integer or floating .* got bool", id="bool"),
        pytest.param(np.zeros((1, 8, 8), complex), "got complex128", id="complex"),
        pytest.param(np.full((1, 8, 8), 17), "less than or equal to 16", id="too dark"),
        pytest.param(np.full((1, 8, 8), -1), "greater than or equal to 0", id="negative"),
        pytest.param(np.full((1, 8, 8), np.nan), "greater than or equal to 0", id="not a number"),
    ],
)
def test_wrong_batches_are_refused(caller: Caller, batch: Any, message: str) -> None:
    response = caller.post("/digits/classify", {"images": batch})
    assert_refused(response, message)
    assert response.body["detail"][0]["loc"] == ["body", "images"]


def test_digits_in_lists_are_recognised(client: TestClient) -> None:
    batch = digits.digits_split().held_out_images[:3]
    response = client.post("/digits/classify", json={"images": batch.tolist()})
    assert response.json()["digits"] == digits.class_probabilities(batch).argmax(axis=1).tolist()


@pytest.mark.parametrize("value", ["text", 3, None, {"shape": [1, 8, 8]}])
def test_batches_that_are_no_array_are_refused(caller: Caller, value: Any) -> None:
    response = caller.post("/digits/classify", {"images": value})
    assert_refused(response, "images")


# Edges


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_edges_of_a_photograph(caller: Caller, image_format: str) -> None:
    with Image.open(io.BytesIO(CHINA)) as image:
        photograph = image_file(image, image_format)
    status, body = caller.post("/images/edges", {"image": photograph, "sigma": 2.0})
    assert status == 200
    expected = images.gradient_magnitude(images.read_luminance(photograph), 2.0)
    assert expected.shape == (427, 640)
    assert body["gradient"].dtype == np.float32
    np.testing.assert_array_equal(body["gradient"], expected)
    with Image.open(io.BytesIO(body["edges_png"])) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (640, 427))
        levels = np.asarray(picture)
    assert levels.max() == 255
    np.testing.assert_allclose(levels, expected * (255 / expected.max()), atol=0.51)


def test_sigma_smooths_and_has_a_default(caller: Caller) -> None:
    def steepest(**parameters: float) -> float:
        status, body = caller.post("/images/edges", {"image": CHINA, **parameters})
        assert status == 200
        return float(body["gradient"].max())

    assert steepest(sigma=0) > steepest(sigma=1) > steepest(sigma=10) > 0
    assert steepest() == steepest(sigma=1)


def test_gradient_is_in_grey_levels_per_pixel(caller: Caller) -> None:
    ramp = np.tile(np.arange(0, 120, 3, dtype=np.uint8), (30, 1))
    _, body = caller.post("/images/edges", {"image": image_file(ramp), "sigma": 0})
    np.testing.assert_array_equal(body["gradient"][:, 1:-1], np.full((30, 38), 3, np.float32))


def test_a_flat_image_has_no_edges(caller: Caller) -> None:
    flat = np.full((20, 10, 3), 200, np.uint8)
    _, body = caller.post("/images/edges", {"image": image_file(flat)})
    np.testing.assert_array_equal(body["gradient"], np.zeros((20, 10), np.float32))
    with Image.open(io.BytesIO(body["edges_png"])) as picture:
        assert picture.getextrema() == (0, 0)


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"not an image", id="text"),
        pytest.param(bytes(range(256)), id="noise"),
        pytest.param(image_file(np.zeros((4, 4), np.uint8), "GIF"), id="GIF"),
        pytest.param(CHINA[:5000], id="cut short"),
        pytest.param(CHINA[:400], id="header cut short"),
        pytest.param(image_file(np.eye(40, dtype=np.uint8))[:60], id="PNG cut short"),
    ],
)
def test_unreadable_images_are_refused(caller: Caller, file: bytes) -> None:
    response = caller.post("/images/edges", {"image": file})
    assert response == (422, {"detail": "the image is not a readable JPEG or PNG file"})


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [4_001, 10_000, 14_000])
def test_decompression_bombs_are_refused(caller: Caller, side: int) -> None:
    # 14,000 is past the size at which Pillow refuses, and 10,000 past that at which it warns.
    bomb = image_file(np.zeros((side, side), bool))
    assert len(bomb) < 50_000
    assert_refused(caller.post("/images/edges", {"image": bomb}), "pixels; at most 16000000")


@pytest.mark.parametrize("sigma", [-0.1, 10.1, float("1e300"), "wide", None])
def test_sigma_out_of_range_is_refused(caller: Caller, sigma: Any) -> None:
    response = caller.post("/images/edges", {"image": CHINA, "sigma": sigma})
    assert response.status == 422
    (reason,) = response.body["detail"]
    assert reason["loc"] == ["body", "sigma"]
    assert reason["input"] == sigma


def test_a_missing_image_is_refused(caller: Caller) -> None:
    # The reason repeats the body, so this one has bytes in it that are no text.
    response = caller.post("/images/edges", {"photograph": CHINA})
    assert_refused(response, "Field required")
    assert response.body["detail"][0]["loc"] == ["body", "image"]


@pytest.mark.parametrize(
    ("mode", "content", "status", "media_type"),
    [
        pytest.param(JsonMode(), b'{"image": ', 422, "application/json", id="JSON"),
        pytest.param(BinaryMode(), b"\xc1", 400, "application/problem+msgpack", id="binary"),
    ],
)
def test_a_body_that_cannot_be_decoded_is_refused(
    client: TestClient, mode: Mode, content: bytes, status: int, media_type: str
) -> None:
    headers = {"Accept": mode.media_type, "Content-Type": mode.media_type}
    response = client.post("/images/edges", content=content, headers=headers)
    assert response.status_code == status
    assert response.headers["Content-Type"] == media_type
    assert mode.decode(response.content)["detail"]


def test_base64_that_cannot_be_decoded_is_refused(client: TestClient) -> None:
    response = client.post("/images/edges", json={"image": "!!!"})
    assert_refused(Received(response.status_code, response.json()), "base64")


def test_json_clients_see_base64(client: TestClient) -> None:
    dot = np.zeros((3, 5), np.uint8)
    dot[1, 2] = 8
    # Browsers and most languages write the alphabet of RFC 4648 section 4, with + and /.
    text = base64.b64encode(image_file(dot)).decode()
    assert "+" in text or "/" in text
    response = client.post("/images/edges", json={"image": text, "sigma": 0})
    assert response.status_code == 200
    body = response.json()
    assert set(body["gradient"]) == {"shape", "dtype", "data_b64"}
    assert body["gradient"]["shape"] == [3, 5]
    assert body["gradient"]["dtype"] == "float32"
    gradient = np.frombuffer(base64.b64decode(body["gradient"]["data_b64"]), np.float32)
    # The two Sobel kernels around a single dot of 8.
    diagonal = np.sqrt(np.float32(2))
    expected = np.zeros((3, 5), np.float32)
    expected[:, 1:4] = [[diagonal, 2, diagonal], [2, 0, 2], [diagonal, 2, diagonal]]
    np.testing.assert_allclose(gradient.reshape(3, 5), expected, rtol=1e-6)


# Spectrogram


def sound_file(pcm: bytes, *, rate: int = 8_000, width: int = 2, channels: int = 1) -> bytes:
    """Return a WAV file with the given samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, width, rate, 0, "NONE", "not compressed"))
        writer.writeframes(pcm)
    return file.getvalue()


def test_spectrogram_of_a_chord(caller: Caller) -> None:
    status, body = caller.post("/spectrogram", {"wav": chord_wav(rate=8_000), "window": 2_000})
    assert status == 200
    assert body["rate"] == 8_000
    # 4 Hz from one frequency to the next, and windows of 250 ms that overlap by half.
    np.testing.assert_allclose(body["frequencies"], np.arange(1_001) * 4)
    np.testing.assert_allclose(body["times"], np.arange(1, 8) / 8)
    amplitudes = body["amplitudes"]
    assert (amplitudes.dtype, amplitudes.shape) == (np.float32, (1_001, 7))
    for note in A_MAJOR:
        near = np.abs(body["frequencies"] - note) < 4
        assert np.all(amplitudes[near].max(axis=0) > 0.28)
    far = np.all([np.abs(body["frequencies"] - note) > 16 for note in A_MAJOR], axis=0)
    assert amplitudes[far].max() < 0.01


def test_the_window_has_a_default(caller: Caller) -> None:
    _, body = caller.post("/spectrogram", {"wav": chord_wav()})
    assert body["amplitudes"].shape == (513, 30)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_sine_of_full_scale_has_amplitude_one(caller: Caller, width: int) -> None:
    full_scale = (1 << (8 * width - 1)) - 1
    sine = np.rint(np.sin(np.arange(4_096) * (2 * np.pi * 32 / 256)) * full_scale).astype("<i8")
    low = 0 if width > 1 else 128  # samples of one byte are unsigned
    pcm = (sine + low).astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width].tobytes()
    file = sound_file(pcm, width=width)
    _, body = caller.post("/spectrogram", {"wav": file, "window": 256})
    # The sine is in the middle of a frequency, and the window spreads it to both neighbours.
    np.testing.assert_allclose(body["amplitudes"][32], 1, atol=0.02)
    np.testing.assert_allclose(body["amplitudes"][[31, 33]], 0.5, atol=0.02)
    assert body["amplitudes"][35:].max() < 0.02


def test_a_constant_is_at_zero_hertz(caller: Caller) -> None:
    file = sound_file(np.full(512, 16_384, "<i2").tobytes())
    _, body = caller.post("/spectrogram", {"wav": file, "window": 512})
    np.testing.assert_allclose(body["amplitudes"][0], 0.5, rtol=1e-5)


def test_channels_are_averaged(caller: Caller) -> None:
    loud_and_silent = np.zeros((512, 2), "<i2")
    loud_and_silent[:, 0] = 16_384
    file = sound_file(loud_and_silent.tobytes(), channels=2)
    _, body = caller.post("/spectrogram", {"wav": file, "window": 512})
    np.testing.assert_allclose(body["amplitudes"][0], 0.25, rtol=1e-5)


def wav_with(at: int, field: bytes) -> bytes:
    """Return a WAV file whose header is not what it should be."""
    file = bytearray(chord_wav())
    file[at : at + len(field)] = field
    return bytes(file)


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"not a sound", id="text"),
        pytest.param(bytes(range(256)), id="noise"),
        pytest.param(CHINA, id="JPEG"),
        pytest.param(chord_wav()[:20], id="header cut short"),
        pytest.param(chord_wav()[:5_000], id="cut short"),
        pytest.param(sound_file(b""), id="no samples"),
        pytest.param(wav_with(20, b"\x03\0"), id="floating point"),
        pytest.param(wav_with(22, b"\0\0"), id="no channels"),
        pytest.param(wav_with(24, b"\0\0\0\0"), id="rate 0"),
        pytest.param(wav_with(34, b"\0\0"), id="samples of no bits"),
        pytest.param(wav_with(34, b"\x40\0"), id="samples of 64 bits"),
    ],
)
def test_unreadable_sounds_are_refused(caller: Caller, file: bytes) -> None:
    response = caller.post("/spectrogram", {"wav": file})
    assert response == (422, {"detail": "the sound is not a readable PCM WAV file"})


def test_long_sounds_are_refused(caller: Caller) -> None:
    file = sound_file(bytes(sounds.MAX_FRAMES + 1), width=1)
    assert_refused(caller.post("/spectrogram", {"wav": file}), "8000001 frames; at most 8000000")


def test_sounds_shorter_than_a_window_are_refused(caller: Caller) -> None:
    response = caller.post("/spectrogram", {"wav": sound_file(bytes(600)), "window": 302})
    assert response == (422, {"detail": "the sound has 300 frames, fewer than a window of 302"})


@pytest.mark.parametrize("window", [254, 16_386, 1_001, 512.5, "wide", None])
def test_windows_out_of_range_are_refused(caller: Caller, window: Any) -> None:
    response = caller.post("/spectrogram", {"wav": chord_wav(), "window": window})
    assert response.status == 422
    (reason,) = response.body["detail"]
    assert (reason["loc"], reason["input"]) == (["body", "window"], window)


# Reading files


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    levels = np.array([[0, 257, 25_700, 65_535]], np.uint16)
    np.testing.assert_array_equal(images.read_luminance(image_file(levels)), [[0, 1, 100, 255]])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_kind_of_png_is_read(mode: str) -> None:
    checks = np.kron(np.eye(4), np.full((5, 5), 255)).astype(np.uint8)
    np.testing.assert_array_equal(images.read_luminance(image_file(checks, mode=mode)), checks)


# The demonstration


def test_demo_prints_a_table_and_writes_pictures(tmp_path: Path) -> None:
    demo = run_demo(tmp_path / "new" / "folder")
    assert (demo.returncode, demo.stderr) == (0, "")
    lines = demo.stdout.splitlines()
    assert re.split(r"\s{2,}", lines[0])[:4] == ["call", "mode", "bytes sent", "bytes received"]
    row = re.compile(r"(?:JSON|binary) +([\d,]+) +([\d,]+) +([\d.]+)(?: +([\d.]+) +([\d.]+))?$")
    rows = [match for match in map(row.search, lines) if match]
    assert len(rows) == 12
    for json_row, binary_row in zip(rows[::2], rows[1::2], strict=True):
        json_bytes, binary_bytes = (
            sum(int(cell.replace(",", "")) for cell in match.group(1, 2))
            for match in (json_row, binary_row)
        )
        assert binary_bytes < json_bytes
        assert float(binary_row[4]) == pytest.approx(json_bytes / binary_bytes, abs=0.006)
    # Where nearly all of a body is data, base64 adds a third.
    assert float(rows[-1][4]) == pytest.approx(4 / 3, abs=0.01)
    for name in ("china", "flower"):
        with Image.open(tmp_path / "new" / "folder" / f"{name}_edges.png") as picture:
            assert picture.size == (640, 427)
            assert np.asarray(picture).max() == 255


def test_demo_says_why_it_failed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    demo = run_demo(file)
    assert demo.returncode == 1
    assert demo.stdout == ""
    assert demo.stderr.startswith("The demonstration failed.")
    assert str(file) in demo.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to find the server")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_server_behind(tmp_path: Path, number: int) -> None:
    demo = start_demo(tmp_path)
    children = Path(f"/proc/{demo.pid}/task/{demo.pid}/children")
    try:
        deadline = time.monotonic() + 60
        while not (pids := children.read_text().split()):
            assert demo.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # Half a second later the server has begun to start but does not listen yet.
        time.sleep(0.5)
        demo.send_signal(number)
        assert demo.wait(30) == 128 + number
    finally:
        demo.kill()
        demo.communicate()
    assert not Path(f"/proc/{pids[0]}").exists()


def test_a_server_that_dies_is_reported_with_its_log() -> None:
    health, *_ = demo_calls()
    with running_server() as server, server.client() as client:
        response, _ = exchange(server, client, health, BinaryMode())
        assert response == {"status": "ok"}
        server.process.kill()
        with pytest.raises(ServerError, match=r"exit code -9(?s:.*)Application startup complete"):
            exchange(server, client, health, BinaryMode())
    assert server.process.returncode == -signal.SIGKILL


def test_the_service_runs_by_itself_until_interrupted() -> None:
    command = [sys.executable, "-m", "example_app", "--port", "0"]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            urls = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in process.stderr)
            url = next(filter(None, urls))[0]
            assert httpx2.get(f"{url}/health", trust_env=False).json() == {"status": "ok"}
            process.send_signal(signal.SIGINT)
            process.wait(30)
        finally:
            process.kill()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ({"a": b"1"}, {"a": b"2"}, "a has different values"),
        ({"a": b"1"}, {"a": "1"}, "a is a bytes and a str"),
        ({"a": 1}, {"b": 1}, r"fields \['a'\] and \['b'\]"),
        (np.zeros(2), np.ones(2), "different elements"),
        (np.zeros(2), np.zeros(2, np.float32), r"float64 \(2,\) and float32 \(2,\)"),
        (np.zeros(2), np.zeros((2, 1)), r"\(2,\) and float64 \(2, 1\)"),
        ([1, 2], [1, 2.5], "different values"),
    ],
)
def test_differences_are_found(one: Any, other: Any, difference: str) -> None:
    assert re.search(difference, first_difference(one, other) or "")
    assert first_difference(one, one) is None


def start_demo(folder: Path) -> subprocess.Popen[str]:
    """Start the demonstration as a user does."""
    command = [sys.executable, "-m", "example_app.demo", "--out", str(folder)]
    return subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run_demo(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the demonstration to its end."""
    with start_demo(folder) as demo:
        try:
            stdout, stderr = demo.communicate(timeout=120)
        except BaseException:
            demo.terminate()
            raise
    return subprocess.CompletedProcess(demo.args, demo.returncode, stdout, stderr)


def test_gradients_come_from_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """One service calls another, by the declaration that both have."""
    calls: list[str] = []
    service = FastAPI()

    @service.middleware("http")
    async def note(request: Request, call_next: Any) -> Response:
        calls.append(f"{request.url.path} {request.headers['content-type']}")
        response: Response = await call_next(request)
        return response

    serve(service, Gradients, GradientsHere())
    picture = (resources.files("sklearn.datasets.images") / "china.jpg").read_bytes()
    with TestClient(app) as client:
        body = packb({"image": picture, "sigma": 2.0})
        headers = {"content-type": "application/msgpack"}
        here = client.post("/images/edges", content=body, headers=headers)
        with serving(service) as url:
            monkeypatch.setenv("GRADIENTS_URL", url)
            there = client.post("/images/edges", content=body, headers=headers)
            connection_to(url).close()
    assert calls == ["/magnitude application/msgpack"]
    assert there.status_code == 200
    assert there.content == here.content


@pytest.mark.parametrize(
    "path", ["/", "/page/app.js", "/page/style.css", "/page/photographs/china.jpg"]
)
def test_the_page_has_a_content_security_policy(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    directives = response.headers["content-security-policy"].split("; ")
    policy = {name: sources for name, _, sources in (each.partition(" ") for each in directives)}
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in str(policy)
    assert "*" not in str(policy)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    tag = {"if-none-match": response.headers["etag"]}
    if path.startswith("/page/") and not path.endswith("jpg"):
        assert client.get(path, headers=tag).status_code == 304


def test_nothing_on_the_page_is_inline(client: TestClient) -> None:
    page = client.get("/").text
    assert not re.search(r"<script(?![^>]* src=)|<style|\s(on\w+|style)=|javascript:", page)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_policy_is_not_for_pages_with_scripts_of_others(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert "<script" in response.text
    assert "content-security-policy" not in response.headers
