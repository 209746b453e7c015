"""The example's page in a real browser: what people see, by mouse and by keyboard."""

from __future__ import annotations

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
    """Wait until a card has shown an answer, and no call is under way."""
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
    """The pixels of a canvas, uint8 of shape (height, width, 4)."""
    width, height, values = page.execute_script(
        f"const c = document.querySelector('{canvas}');"
        "return [c.width, c.height, Array.from(c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data)]"
    )
    return np.array(values, np.uint8).reshape(height, width, 4)


def picture(folder: Path, name: str = "small.png") -> Path:
    """A grey picture with one white square."""
    values = np.full((40, 60), 60, np.uint8)
    values[10:30, 20:40] = 255
    Image.fromarray(values).save(folder / name)
    return folder / name


def costs(page: Chrome, card: str) -> dict[str, list[str]]:
    """What the chart of a card says: for each heading, JSON and msgpack."""
    lines = find(page, f"{card} .chart").text.splitlines()
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
    assert list(found) == ["Bytes sent", "Bytes received", "Milliseconds, all in all"]
    for heading in ("Bytes sent", "Bytes received"):
        json, binary = map(number, found[heading])
        assert 1.3 < json / binary < 1.36  # what base64 adds
    page.save_screenshot(str(artifacts / "page.png"))
    with Image.open(artifacts / "page.png") as screenshot:
        assert screenshot.size[0] == 1200
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
    find(page, "#picture").send_keys(str(picture(tmp_path)))
    wait_until_done(page, "#edges")
    assert status.text == ""


def test_a_dropped_file(page: Chrome) -> None:
    wait_until_done(page, "#edges")
    forget(page, "#edges")
    page.execute_async_script(
        """
        const done = arguments[0];
        const canvas = new OffscreenCanvas(30, 20);
        canvas.getContext("2d").fillRect(5, 5, 9, 9);
        canvas.convertToBlob().then((blob) => {
          const data = new DataTransfer();
          data.items.add(new File([blob], "a.png", { type: "image/png" }));
          document.querySelector("#drop").dispatchEvent(
            new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
          done();
        });
        """
    )
    wait_until_done(page, "#edges")
    assert pixels(page, "#gradient").shape[:2] == (20, 30)


def likely(page: Chrome) -> str:
    """What the classifier says of what is on the pad."""
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


def test_a_service_that_is_gone_is_said_so(page: Chrome) -> None:
    wait_until_done(page, "#edges")
    page.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    page.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    try:
        find(page, "#sigma").send_keys(Keys.HOME)
        wait_until_done(page, "#edges", "failed")
        assert find(page, "#edges .status").text == (
            "The service cannot be reached. Is it still running?"
        )
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
        (artifacts / f"narrow-{scheme}.png").write_bytes(page.get_screenshot_as_png())
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_nothing_comes_from_another_host(page: Chrome, url: str) -> None:
    wait_until_done(page, "#edges")
    loaded = page.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert loaded
    assert all(name.startswith((url, "blob:", "data:")) for name in loaded)
