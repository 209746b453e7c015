"""The documentation's site, as ``make docs`` builds it, in a real browser."""

from __future__ import annotations

import io
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("selenium", reason="selenium is not installed")
pytest.importorskip("furo", reason="the packages of the site are not installed")
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.test_package import PUBLIC

DOCS = Path(__file__).parents[3] / "docs"
PAGES = (
    *("index", "quickstart", "fastapi", "architecture", "performance", "conformance"),
    *("benchmarks/results", "reference/index", "reference/fastapi"),
)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the site is built into, by the command of the Makefile."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", DOCS, folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


class _Page(HTMLParser):
    """The links of a page, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.add(value)
            elif name == "id" and value:
                self.anchors.add(value)


def test_reference_lists_exactly_the_public_names(site: Path) -> None:
    inventory = zlib.decompress((site / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode()
    roles = dict(line.split()[:2] for line in inventory.splitlines())
    documented = {name: set[str]() for name, role in roles.items() if role == "py:module"}
    for name, role in roles.items():
        module, _, member = name.rpartition(".")
        if module in documented and role != "py:module":
            documented[module].add(member)
    expected = {name: set(import_module(name).__all__) for name in documented}
    assert documented == expected
    # The names of these are documented as those of the whole package; the specs for arrays of
    # other libraries need them, and the command line has a page.
    whole = {"errors", "exchange_info", "middleware", "options"}
    listed = {name.removesuffix(".__init__") for name in PUBLIC - {"__init__", "__main__"} - whole}
    listed = {name for name in listed if not name.startswith("arrays.")} - {"cli"}
    assert set(documented) == {
        "binary_middleware",
        *(f"binary_middleware.{each}" for each in listed),
    }


def test_no_link_is_dead(site: Path) -> None:
    pages = {path.resolve(): _Page(path.read_text()) for path in site.rglob("*.html")}
    assert len(pages) > 30
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:  # elsewhere, or data in the link itself
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages[target].anchors if target in pages else {parts.fragment}
            if not target.is_file() or unquote(parts.fragment) not in known:
                dead.append(f"{path.relative_to(site.resolve())}: {link}")
    assert not dead


def test_nothing_of_the_markup_is_left(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text()
        assert "``" not in text, path
        assert '<span class="pre">\\</span>' not in text, path


@pytest.mark.parametrize("width", [390, 1300])
def test_pages_are_whole(browser: Chrome, site: Path, artifacts: Path, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.get_log("browser")
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for page in PAGES:
            browser.get((site / f"{page}.html").as_uri())
            assert browser.find_element(By.TAG_NAME, "h1").text
            widest, missing, faces = browser.execute_script(
                """
                const unseen = [...document.images].filter((image) => !image.naturalWidth);
                return [document.documentElement.scrollWidth, unseen.map((image) => image.src),
                  performance.getEntriesByType("resource").map((entry) => entry.name)];
                """
            )
            assert widest <= width, page  # what is wider is moved in a frame of its own
            assert not missing, page
            assert all(name.startswith(("file:", "data:")) for name in faces), page
            if page == "index":
                browser.save_screenshot(str(artifacts / f"site-{width}.png"))
        assert not browser.get_log("browser")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_figures_follow_the_switch_for_dark_mode(browser: Chrome, site: Path) -> None:
    feature = {"name": "prefers-color-scheme", "value": "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    brightness = {}
    try:
        for theme in ("light", "dark"):
            browser.get((site / "architecture.html").as_uri())
            browser.execute_script("document.body.dataset.theme = arguments[0]", theme)
            figure = browser.find_element(By.CSS_SELECTOR, "article img")
            with Image.open(io.BytesIO(figure.screenshot_as_png)) as seen:
                brightness[theme] = np.asarray(seen.convert("L")).mean()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert brightness["light"] > 200
    assert brightness["dark"] < 60
