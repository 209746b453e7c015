"""Uses of services and of the client that type checkers refuse, each in a line that says so."""

from __future__ import annotations

from typing import Protocol

from fastapi import FastAPI

from binary_middleware.client import BinaryClient
from binary_middleware.remote import connect, serve, with_options


class Counter(Protocol):
    async def add(self, number: int) -> int: ...

    def names(self) -> list[str]: ...


class Incomplete(Counter):
    def names(self) -> list[str]:
        return []


class Other(Counter):
    async def add(self, number: bytes) -> int:  # refused
        return 1

    def names(self) -> list[bytes]:  # refused
        return []


serve(FastAPI(), Counter, Incomplete())  # refused
serve(object(), Counter, Other())  # refused
serve(FastAPI(), Counter, Other(), max_bdy_size=1)  # refused


async def calls() -> None:
    async with connect(Counter, "http://counter") as counter:
        await counter.add("1")  # refused
        await counter.add()  # refused
        await counter.add(1, by=2)  # refused
        counter.subtract(1)  # refused
        text: str = await counter.add(1)  # refused
        with_options(counter, timeout=5).names(1)  # refused
        with_options(counter, time=5)  # refused
        print(text)
    connect(Counter, "http://counter", retries=3)  # refused
    connect(Counter, "http://counter", concurrency="4")  # refused
    connect(3, "http://counter")  # refused


def results(client: BinaryClient) -> None:
    text: str = client.post("/", {}, int)  # refused
    number: int = client.send("GET", "/", returns=str).value  # refused
    client.get("/", int, time=3)  # refused
    print(text, number)


BinaryClient("http://counter", fallback="fail")  # refused
