"""docs/frameworks.md: its code runs, and its table says what was found."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

from tests.integration.frameworks.differences import FRAMEWORKS, need_installed, row
from tests.integration.frameworks.exchanges import ARRAY, Client, Exchange, unpack
from tests.integration.frameworks.servers import ROOT, serving
from tests.test_docs import BLOCK, expected_output

PAGE = (ROOT / "docs" / "frameworks.md").read_text()
SECTIONS = {
    section.partition("\n")[0]: section for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)
}
BY_TITLE = {framework.title: framework for framework in FRAMEWORKS.values()}


def test_each_framework_has_a_section_and_its_code() -> None:
    for title in BY_TITLE:
        assert len(BLOCK.findall(SECTIONS[title])) == 1, title


@pytest.mark.parametrize("title", BY_TITLE)
def test_code_of_a_framework_serves_arrays(title: str, tmp_path: Path) -> None:
    need_installed(*BY_TITLE[title].modules, what=f"the code for {title} in the docs")
    (code,) = BLOCK.findall(SECTIONS[title])
    (tmp_path / "page.py").write_text(code)
    log = tmp_path / "log.txt"
    with serving("uvicorn", "page:app", log, PYTHONPATH=str(tmp_path)) as url:
        document = {"name": "ü", "samples": ARRAY}
        response = Client(url, "application/msgpack").send(Exchange("POST", "/echo", document))
        as_json = Client(url, "application/json").send(Exchange("POST", "/echo", document))
    assert response.status in (200, 201), log.read_text()
    assert response.content_type == "application/msgpack"
    value = unpack(response.body)
    assert value["name"] == "ü"
    assert value["samples"].dtype == ARRAY.dtype
    assert np.array_equal(value["samples"], ARRAY)
    assert as_json.content_type == "application/json"
    assert as_json.document == response.document


def test_other_code_prints_what_it_says() -> None:
    for title in SECTIONS.keys() - BY_TITLE.keys():
        for code in BLOCK.findall(SECTIONS[title]):
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(code, title, "exec", dont_inherit=True), {})
            assert output.getvalue() == expected_output(code), title


def test_table_says_what_was_found() -> None:
    lines = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in cells] for cells in lines]
    found = [cells for cells in rows if cells[0] in BY_TITLE]
    assert found == [row(framework) for framework in FRAMEWORKS.values()]
