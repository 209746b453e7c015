"""The example's page in a real browser: what people see, by mouse and by keyboard."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from example_app import digits, images
from example_app.chord import chord_wav

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait


def find(page: Chrome, selector: str) -> WebElement:
    return page.find_element(By.CSS_SELECTOR, selector)


def wait(page: Chrome, condition: Callable[[], Any], what: str) -> Any:
    return WebDriverWait(page, 30).until(lambda _: condition(), f"waiting for {what}")


def wait_until_done(page: Chrome, card: str, state: str = "done") -> None:
    """Wait until a card has shown a response, and no call is under way."""
    element = find(page, card)
    wait(
        page,
        lambda: (
            element.get_attribute("data-state") == state
            and element.get_attribute("aria-busy") is None
        ),
        f"{card} {state}: {find(page, f'{card} .status').text!r}",
    )


def forget(page: Chrome, card: str) -> None:
    page.execute_script(f"delete document.querySelector('{card}').dataset.state")


def pixels(page: Chrome, canvas: str) -> np.ndarray:
    """Return the pixels of a canvas, uint8 of shape (height, width, 4)."""
    width, height, values = page.execute_script(
        f"const c = document.querySelector('{canvas}');"
        "return [c.width, c.height, Array.from(c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data)]"
    )
    return np.array(values, np.uint8).reshape(height, width, 4)


def picture(folder: Path, name: str = "small.png") -> Path:
    """Return a grey picture with one white square."""
    values = np.full((40, 60), 60, np.uint8)
    values[10:30, 20:40] = 255
    Image.fromarray(values).save(folder / name)
    return folder / name


def costs(page: Chrome, card: str) -> dict[str, list[str]]:
    """Return the texts of a card's chart: for each heading, JSON and msgpack."""
    summary, *lines = find(page, f"{card} .chart").text.splitlines()
    assert re.fullmatch(
        r"In msgpack \d+ % (fewer|more) bytes and \d+ % (less|more) time than in JSON\.", summary
    )
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith(("Bytes", "Milliseconds")):
            found[line] = []
        elif line not in ("JSON", "msgpack"):
            found[list(found)[-1]].append(line)
    return found


def number(text: str) -> float:
    value, unit = text.split()
    return float(value) * {"B": 1, "kB": 1e3, "MB": 1e6, "ms": 1}[unit]


def keep_picture(page: Chrome, path: Path) -> None:
    """Save a picture of the whole page, however long it is."""
    height, width = page.execute_script(
        "const page = document.documentElement; return [page.scrollHeight, page.clientWidth]"
    )
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    response = page.execute_cdp_cmd(
        "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
    )
    path.write_bytes(base64.b64decode(response["data"]))


def test_a_photograph_is_there_from_the_start(page: Chrome, artifacts: Path) -> None:
    for card in ("#edges", "#sound"):
        wait_until_done(page, card)
    shown = pixels(page, "#gradient")
    assert shown.shape[:2] == (427, 640)
    assert len(np.unique(shown[..., 0])) > 50
    for selector in ("#original", "#edge-picture"):
        assert (
            page.execute_script(f"return document.querySelector('{selector}').naturalWidth") == 640
        )
    found = costs(page, "#edges")
    assert list(found)[:2] == ["Bytes sent", "Bytes received"]
    assert re.fullmatch(r"Milliseconds(, median of [2-5] calls)?", list(found)[2])
    for heading in ("Bytes sent", "Bytes received"):
        json, binary = map(number, found[heading])
        assert 1.3 < json / binary < 1.36  # what base64 adds
    captions = [caption.text for caption in page.find_elements(By.TAG_NAME, "figcaption")]
    assert len(captions) == 4
    assert captions[0] == "China, sent as 196.7 kB"
    assert re.search(r"a Float32Array of 427 . 640 and painted here", captions[2])
    assert re.search(r"a Float32Array of 513 . 85 and painted here", captions[3])
    assert captions[1].startswith("Its edges, received as a PNG of ")
    keep_picture(page, artifacts / "page.png")
    with Image.open(artifacts / "page.png") as screenshot:
        assert screenshot.size[0] > 1100
        assert screenshot.size[1] > 1400
        assert np.asarray(screenshot.convert("L")).std() > 10


def test_the_gradient_is_the_array_that_the_service_sent(page: Chrome, tmp_path: Path) -> None:
    wait_until_done(page, "#edges")
    forget(page, "#edges")
    file = picture(tmp_path)
    find(page, "#picture").send_keys(str(file))
    wait_until_done(page, "#edges")
    shown = pixels(page, "#gradient")
    gradient = images.gradient_magnitude(images.read_luminance(file.read_bytes()), 1.0)
    assert shown.shape[:2] == gradient.shape
    red = 255 * np.minimum(1, 1.6 * np.sqrt(gradient / gradient.max()))
    assert np.abs(shown[..., 0] - red).max() <= 1


def test_the_slider_smooths(page: Chrome, tmp_path: Path) -> None:
    wait_until_done(page, "#edges")
    find(page, "#picture").send_keys(str(picture(tmp_path)))
    wait_until_done(page, "#edges")
    sharp = pixels(page, "#gradient")
    forget(page, "#edges")
    slider = find(page, "#sigma")
    slider.send_keys(Keys.END)  # by keyboard
    assert find(page, "#sigma-value").text == "5 pixels"
    wait_until_done(page, "#edges")
    assert (pixels(page, "#gradient")[..., 0] > 128).sum() > (sharp[..., 0] > 128).sum()


def test_photographs_by_keyboard(page: Chrome) -> None:
    wait_until_done(page, "#edges")
    forget(page, "#edges")
    flower = find(page, "[data-photograph=flower]")
    china = find(page, "[data-photograph=china]")
    page.execute_script("arguments[0].focus()", china)
    ActionChains(page).send_keys(Keys.TAB).perform()
    assert page.switch_to.active_element == flower
    flower.send_keys(Keys.ENTER)
    wait_until_done(page, "#edges")
    assert flower.get_attribute("aria-pressed") == "true"
    assert china.get_attribute("aria-pressed") == "false"


def test_what_is_no_picture_is_said_so(page: Chrome, tmp_path: Path) -> None:
    wait_until_done(page, "#edges")
    (tmp_path / "no.png").write_bytes(b"no picture")
    find(page, "#picture").send_keys(str(tmp_path / "no.png"))
    wait_until_done(page, "#edges", "failed")
    status = find(page, "#edges .status")
    assert status.text == "The image is not a readable JPEG or PNG file."
    assert "bad" in status.get_attribute("class")
    # What is seen belongs together, and so does what the slider sends.
    assert find(page, "#original + figcaption").text == "China, sent as 196.7 kB"
    assert find(page, "[data-photograph=china]").get_attribute("aria-pressed") == "true"
    find(page, "#sigma").send_keys(Keys.ARROW_RIGHT)
    wait_until_done(page, "#edges")
    forget(page, "#edges")
    find(page, "#picture").send_keys(str(tmp_path / "no.png"))  # once more the same file
    wait_until_done(page, "#edges", "failed")
    find(page, "#picture").send_keys(str(picture(tmp_path)))
    wait_until_done(page, "#edges")
    assert status.text == ""


def drop(page: Chrome, selector: str) -> bool:
    """Drop a PNG of 30 x 20 pixels; say whether the browser would open it in place of the page."""
    return page.execute_async_script(
        """
        const [selector, done] = arguments;
        const canvas = new OffscreenCanvas(30, 20);
        canvas.getContext("2d").fillRect(5, 5, 9, 9);
        canvas.convertToBlob().then((blob) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([blob], "a.png", { type: "image/png" }));
          const event = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
          done(document.querySelector(selector).dispatchEvent(event));
        });
        """,
        selector,
    )


@pytest.mark.parametrize("target", ["#drop", "#gradient"])
def test_a_dropped_file(page: Chrome, target: str) -> None:
    wait_until_done(page, "#edges")
    forget(page, "#edges")
    assert not drop(page, target)
    wait_until_done(page, "#edges")
    assert pixels(page, "#gradient").shape[:2] == (20, 30)
    assert find(page, "#original + figcaption").text.startswith("a.png, sent as ")
    assert find(page, "[data-photograph=china]").get_attribute("aria-pressed") == "false"


def test_a_file_that_misses_the_cards_does_not_replace_the_page(page: Chrome) -> None:
    wait_until_done(page, "#edges")
    assert not drop(page, "footer")
    assert pixels(page, "#gradient").shape[:2] == (427, 640)


def likely(page: Chrome) -> str:
    """Return the class that the page shows for the drawing on the pad."""
    ink = 16 * (1 - pixels(page, "#pad")[..., 0] / 255).reshape(8, 32, 8, 32).mean(axis=(1, 3))
    drawn = np.minimum(16, np.floor(ink + 0.5)).astype(np.float32)
    assert drawn.max() > 8
    return str(digits.class_probabilities(drawn[None])[0].argmax())


def test_a_digit_is_classified_as_it_is_drawn(page: Chrome) -> None:
    for card in ("#edges", "#sound"):
        wait_until_done(page, card)  # nothing moves on the page from now on
    pad = find(page, "#pad")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", pad)
    drawing = ActionChains(page).move_to_element_with_offset(pad, 0, -70).click_and_hold()
    for _ in range(10):
        drawing.move_by_offset(0, 14)
    drawing.perform()
    wait_until_done(page, "#digit")
    guess = find(page, "#guess").text
    assert guess == likely(page)  # before the button is released
    ActionChains(page).release().perform()
    heights = page.execute_script(
        "return [...document.querySelectorAll('#probabilities i')].map((i) => i.offsetHeight)"
    )
    assert str(np.argmax(heights)) == guess
    find(page, "#clear").click()
    assert find(page, "#guess").text == "?"
    assert (pixels(page, "#pad") == 255).all()


def test_a_digit_is_classified_while_the_pen_moves_on(page: Chrome) -> None:
    for card in ("#edges", "#sound"):
        wait_until_done(page, card)
    guesses = page.execute_async_script(
        """
        const done = arguments[0];
        const pad = document.querySelector("#pad");
        const box = pad.getBoundingClientRect();
        pad.setPointerCapture = () => {};  // there is no such pointer
        const send = (kind, part) => pad.dispatchEvent(new PointerEvent(kind, {
          buttons: 1, clientX: box.x + box.width / 2, clientY: box.y + box.height * part}));
        const guesses = new Set();
        const began = performance.now();
        send("pointerdown", 0.2);
        (function move() {
          // Never a pause between two moves, until the digit has been classified.
          const time = performance.now() - began;
          guesses.add(document.querySelector("#guess").textContent);
          if (guesses.size > 1 || time > 10_000) return done([...guesses]);
          send("pointermove", 0.2 + 0.6 * Math.min(1, time / 1000));
          requestAnimationFrame(move);
        })();
        """
    )
    assert guesses[0] == "?"
    assert guesses[1].isdigit()


def test_a_digit_by_keyboard(page: Chrome) -> None:
    pad = find(page, "#pad")
    page.execute_script("arguments[0].focus()", pad)
    keys = ActionChains(page)
    for _ in range(9):
        keys.send_keys(Keys.ARROW_UP)
    keys.key_down(Keys.SPACE)
    for _ in range(18):
        keys.send_keys(Keys.ARROW_DOWN)
    keys.key_up(Keys.SPACE).perform()
    wait_until_done(page, "#digit")
    page.execute_script("arguments[0].blur()", pad)  # takes the mark of the pen away
    assert find(page, "#guess").text == likely(page)
    page.execute_script("arguments[0].focus()", pad)
    ActionChains(page).send_keys(Keys.DELETE).perform()
    assert find(page, "#guess").text == "?"
    page.execute_script("arguments[0].blur()", pad)
    assert (pixels(page, "#pad") == 255).all()


def test_the_spectrogram_of_a_sweep_rises(page: Chrome) -> None:
    wait_until_done(page, "#sound")
    forget(page, "#sound")
    find(page, "[data-sound=sweep]").click()
    wait_until_done(page, "#sound")
    shown = pixels(page, "#spectrogram")[..., :3].sum(axis=2)
    assert shown.shape[0] == 513
    loudest = shown.argmax(axis=0)  # row 0 is the highest frequency
    assert [find(page, f"#{name}").text for name in ("highest", "middle", "end")] == [
        "11 kHz",
        "5.5 kHz",
        "2.0 s",
    ]
    assert loudest[5] > loudest[len(loudest) // 2] > loudest[-5]
    assert find(page, "#player").get_attribute("src").startswith("blob:")


def test_a_wav_file_and_a_window_that_is_too_long_for_it(page: Chrome, tmp_path: Path) -> None:
    wait_until_done(page, "#sound")
    forget(page, "#sound")
    (tmp_path / "chord.wav").write_bytes(chord_wav())
    find(page, "#wav").send_keys(str(tmp_path / "chord.wav"))
    wait_until_done(page, "#sound")
    forget(page, "#sound")
    find(page, "#window").send_keys(Keys.END)
    wait_until_done(page, "#sound")
    assert find(page, "#window-value").text == "8192 frames"
    assert pixels(page, "#spectrogram").shape[0] == 4097


def test_progress_is_shown(page: Chrome) -> None:
    for card in ("#edges", "#sound"):
        wait_until_done(page, card)
    bar = find(page, "#edges progress")
    assert not bar.is_displayed()
    page.execute_cdp_cmd("Network.enable", {})
    slow = {"offline": False, "latency": 0, "uploadThroughput": -1}
    page.execute_cdp_cmd(
        "Network.emulateNetworkConditions", {**slow, "downloadThroughput": 300_000}
    )
    try:
        find(page, "[data-photograph=flower]").click()
        wait(page, bar.is_displayed, "a bar")
        assert find(page, "#edges .status").text == "Looking for edges in Flower …"
        assert find(page, "#edges").get_attribute("aria-busy") == "true"
        assert find(page, "#original + figcaption").text.startswith("China")
        wait(page, lambda: 0 < float(bar.get_attribute("value") or 0) < 1, "a part of the response")
        wait(
            page,
            lambda: find(page, "#edges .status").text == "Comparing with JSON …",
            "the comparison",
        )
        assert find(page, "#original + figcaption").text.startswith("Flower")
    finally:
        page.execute_cdp_cmd("Network.emulateNetworkConditions", {**slow, "downloadThroughput": -1})
    wait_until_done(page, "#edges")
    assert find(page, "#edges .status").text == ""
    assert not bar.is_displayed()


def test_a_service_that_is_gone_is_said_so(page: Chrome) -> None:
    wait_until_done(page, "#edges")
    page.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    page.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    try:
        find(page, "#sigma").send_keys(Keys.HOME)
        wait_until_done(page, "#edges", "failed")
        status = find(page, "#edges .status")
        assert status.text == "The service cannot be reached. Is it still running?"
        # A photograph comes from the service as well.
        forget(page, "#edges")
        find(page, "[data-photograph=flower]").click()
        wait_until_done(page, "#edges", "failed")
        assert status.text == "The service cannot be reached. Is it still running?"
        assert find(page, "[data-photograph=china]").get_attribute("aria-pressed") == "true"
    finally:
        online = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        page.execute_cdp_cmd("Network.emulateNetworkConditions", online)
        page.get_log("browser")  # the failed requests are expected there


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screens_and_dark_mode(page: Chrome, artifacts: Path, scheme: str) -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    metrics = {"width": 360, "height": 2600, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for card in ("#edges", "#sound"):
            wait_until_done(page, card)
        width = page.execute_script("return document.documentElement.scrollWidth")
        assert width <= 360  # nothing sticks out at the side
        ground, ink = (
            [
                int(part)
                for part in re.findall(
                    r"\d+",
                    page.execute_script(f"return getComputedStyle(document.body).{name}"),
                )[:3]
            ]
            for name in ("backgroundColor", "color")
        )
        assert (sum(ground) > sum(ink)) == (scheme == "light")
        keep_picture(page, artifacts / f"narrow-{scheme}.png")
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_nothing_comes_from_another_host(page: Chrome, url: str) -> None:
    wait_until_done(page, "#edges")
    loaded = page.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert loaded
    assert all(name.startswith((url, "blob:", "data:")) for name in loaded)


def test_what_the_policy_forbids_is_blocked(page: Chrome, url: str) -> None:
    wait_until_done(page, "#edges")
    blocked = page.execute_async_script(
        """
        const done = arguments[0];
        const blocked = [];
        document.addEventListener("securitypolicyviolation", (event) => {
          blocked.push(event.effectiveDirective);
          if (blocked.length === 3) done(blocked.sort());
        });
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
        document.body.setAttribute("style", "color: red");
        fetch("http://127.0.0.1:1/").catch(() => {});
        """
    )
    assert blocked == ["connect-src", "script-src-elem", "style-src-attr"]
    assert page.execute_script("return window.ran") is None
    page.get_log("browser")  # says that they were blocked, as it must


def luminance(colour: tuple[int, ...]) -> float:
    """Relative luminance of an sRGB colour, from 0 to 1 (WCAG 2.2)."""
    parts = [part / 255 for part in colour]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(one: str, other: str) -> float:
    """Contrast of two colours in hexadecimal, from 1 to 21 (WCAG 2.2)."""
    lights = []
    for colour in (one, other):
        digits_ = colour.strip().removeprefix("#")
        if len(digits_) == 3:
            digits_ = "".join(2 * digit for digit in digits_)
        lights.append(luminance(tuple(bytes.fromhex(digits_))))
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(page: Chrome, scheme: str) -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        names = ("ground", "card", "ink", "faint", "edge", "binary", "json", "bad", "focus")
        colours = {
            name: page.execute_script(
                "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])",
                f"--{name}",
            )
            for name in names
        }
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    for ground in ("ground", "card"):
        for text in ("ink", "faint", "bad", "focus"):  # AA 1.4.3
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for line in ("edge", "binary", "json", "focus"):  # AA 1.4.11
            assert contrast(colours[line], colours[ground]) >= 3, (line, ground)


def test_what_has_the_focus_has_a_ring(page: Chrome) -> None:
    wait_until_done(page, "#edges")
    reached = []
    for _ in range(20):
        ActionChains(page).send_keys(Keys.TAB).perform()
        reached.append(
            page.execute_script(
                """
                const element = document.activeElement;
                // The ring of an input for files is around its label.
                const ringed = element.type === "file" ? element.parentElement : element;
                const { outlineStyle, outlineWidth } = getComputedStyle(ringed);
                const name = element.id || element.dataset.photograph || element.dataset.sound;
                return [name || element.tagName, `${outlineStyle} ${outlineWidth}`];
                """
            )
        )
        if reached[-1][0] == "A":
            break
    assert list(dict.fromkeys(name for name, _ in reached)) == [  # a player has several stops
        *("china", "flower", "picture", "sigma", "pad", "clear"),
        *("chord", "sweep", "wav", "window", "player", "A"),
    ]
    # The buttons of a player have the browser's own rings.
    assert {ring for name, ring in reached if name != "player"} == {"solid 3px"}


@pytest.mark.parametrize("has_own_base64", [True, False])
def test_both_modes_give_the_same_values(page: Chrome, has_own_base64: bool) -> None:
    wait_until_done(page, "#edges")
    equal, size = page.execute_async_script(
        """
        const [hasOwn, done] = arguments;
        if (!hasOwn) {
          delete Uint8Array.fromBase64;
          delete Uint8Array.prototype.toBase64;
        }
        import("/page/service.js").then(async ({ call, download, fromBase64 }) => {
          const document_ = { image: await download("/page/photographs/china.jpg") };
          const binary = (await call("images/edges", document_, "binary")).value;
          const json = (await call("images/edges", document_, "json")).value;
          const same = (one, other) =>
            one.length === other.length && one.every((value, at) => value === other[at]);
          done([
            same(binary.gradient.data, json.gradient.data) &&
              same(binary.edges_png, fromBase64(json.edges_png)),
            binary.gradient.data.length,
          ]);
        });
        """,
        has_own_base64,
    )
    assert equal
    assert size == 427 * 640
