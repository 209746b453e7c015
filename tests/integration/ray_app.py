"""An app for Ray Serve whose routes are methods of its replicas, as in Ray's own documentation.

Without ``from __future__ import annotations``: these methods are pickled by value, without the
names that stand in their annotations alone, so that FastAPI could not look them up in a replica.
"""

import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from ray import serve

from binary_middleware import NumpyArrayField, RouteRule
from binary_middleware.fastapi import add_binary_mode

LIMIT = 32 * 1024 * 1024
app = FastAPI()
add_binary_mode(
    app,
    max_body_size=LIMIT,
    rules=[RouteRule("/small", max_body_size=1024), RouteRule("/strict", mode="require")],
)


@serve.deployment(num_replicas=2, ray_actor_options={"num_cpus": 0.1})
@serve.ingress(app)
class Doubling:
    """A replica, with state that an app of its own could not have."""

    def __init__(self, factor: int) -> None:
        self.factor = factor
        self.release = asyncio.Event()

    @app.post("/double")
    async def double(self, array: NumpyArrayField) -> NumpyArrayField:
        array.array *= self.factor
        return array

    @app.post("/small")
    async def small(self, array: NumpyArrayField) -> NumpyArrayField:
        return array

    @app.post("/strict")
    async def strict(self, array: NumpyArrayField) -> NumpyArrayField:
        return array

    @app.get("/replica")
    async def replica(self) -> str:
        return serve.get_replica_context().replica_id.unique_id

    @app.post("/document")
    async def document(self, request: Request, array: NumpyArrayField) -> str:
        """Name the type that the document has: a dict if the array came as JSON."""
        return type(await request.json()).__name__

    @app.post("/pieces")
    async def pieces(self, request: Request) -> list[int]:
        """Return the sizes of the pieces that the body comes in."""
        return [len(piece) async for piece in request.stream() if piece]

    @app.get("/halves")
    async def halves(self) -> StreamingResponse:
        """Send one half of a response, and the other one after a call of ``/release``."""

        async def stream() -> AsyncIterator[bytes]:
            yield b"first"
            await self.release.wait()
            yield b"second"

        return StreamingResponse(stream(), media_type="application/octet-stream")

    @app.get("/never")
    async def never(self) -> None:
        await asyncio.Event().wait()

    @app.post("/release")
    async def release_halves(self) -> str:
        """Let this replica's responses go on, and name the replica."""
        self.release.set()
        return serve.get_replica_context().replica_id.unique_id


service = Doubling.bind(2)
