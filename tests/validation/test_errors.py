"""Errors of validation are summarized: what a client sent does not come back whole."""

import json
from typing import Any

import numpy as np
from fastapi.encoders import jsonable_encoder

from binary_middleware._validation.errors import summarize_errors, summarize_input


def test_an_input_is_summarised_once_however_many_errors_it_has() -> None:
    """All fields that a map lacks have the map for their input."""
    encoded: list[Any] = []

    def encode(value: Any) -> Any:
        encoded.append(value)
        return list(value)

    sent = {1, 2, 3}
    errors = [{"type": "missing", "loc": ("body", f"f{n}"), "input": sent} for n in range(100)]
    summaries = summarize_errors(errors, encode)
    assert [each["input"] for each in summaries] == [sent] * 100
    assert len(encoded) == 1


def test_report_is_bounded() -> None:
    errors = [
        {"type": "x", "loc": ("body", "k" * 100_000), "msg": "m" * 100_000, "input": n}
        for n in range(1000)
    ]
    summaries = summarize_errors(errors, jsonable_encoder)
    assert len(json.dumps(summaries)) < 2 * 1024 * 1024
    assert summaries[-1]["type"] == "too_many_errors"
    assert f"{1000 - len(summaries) + 1} further errors" in summaries[-1]["msg"]


def test_times_without_a_unit_have_no_text() -> None:
    scalar = np.frombuffer((5).to_bytes(8, "little"), "M8")[0]
    assert summarize_input(scalar, jsonable_encoder) == "<datetime64>"


def test_errors_of_the_app_are_summarised_as_they_are() -> None:
    class Silent:
        def __repr__(self) -> str:
            raise RuntimeError("no text")

    nested: list[Any] = []
    for _ in range(10_000):
        nested = [nested]
    errors = [{"msg": Silent()}, {"type": "x"}, "text", {"input": nested}]
    summaries = summarize_errors(errors, jsonable_encoder)
    assert summaries[:3] == errors[:3]
    assert summaries[3] == {"input": "<list that nests too deeply>"}
