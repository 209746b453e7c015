"""``serve``: routes for the methods of a contract."""

from __future__ import annotations

from typing import Any, Protocol

import pytest
from fastapi import FastAPI

from binary_middleware.remote import serve
from tests.remote.services import Images, ImagesHere


def test_the_document_shows_the_contract() -> None:
    app = FastAPI()
    serve(app, Images, ImagesHere(), prefix="/images")
    operation = app.openapi()["paths"]["/images/gradient"]["post"]
    assert operation["description"] == "Return the gradient of an image."
    body = app.openapi()["components"]["schemas"]["Body_gradient_images_gradient_post"]
    assert body["required"] == ["image"]
    assert body["properties"]["sigma"]["default"] == 1.0


class MoreImages(Images, Protocol):
    def more(self) -> int: ...


class Partial:
    def gradient(self, image: Any) -> None: ...


class Inheriting(Images):
    pass


class OnlyMore(MoreImages):
    def more(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("contract", "implementation", "message"),
    [
        (Images, object, r"object.gradient\(\) is missing; Images declares it"),
        (Images, Partial, r"Partial.gradient\(\) does not accept the parameters that Images decl"),
        (Images, Inheriting, r"Inheriting.gradient\(\) is missing; Images declares it"),
        (MoreImages, OnlyMore, r"OnlyMore.gradient\(\) is missing; MoreImages declares it"),
    ],
)
def test_incomplete_implementations(contract: Any, implementation: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        serve(FastAPI(), contract, implementation())
