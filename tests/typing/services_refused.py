"""Uses of services and of the client that type checkers refuse, each in a line that says so."""

from __future__ import annotations

from typing import Protocol

from fastapi import FastAPI

from binary_middleware.client import BinaryClient
from binary_middleware.remote import Service, with_options


class Counter(Service, Protocol):
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


Counter.serve(FastAPI(), Incomplete())  # refused
Counter.serve(FastAPI(), object())  # refused


async def calls() -> None:
    async with Counter.connect("http://counter") as counter:
        await counter.add("1")  # refused
        await counter.add()  # refused
        await counter.add(1, by=2)  # refused
        counter.subtract(1)  # refused
        text: str = await counter.add(1)  # refused
        with_options(counter, timeout=5).names(1)  # refused
        print(text)


def answers(client: BinaryClient) -> None:
    text: str = client.post("/", {}, int)  # refused
    number: int = client.send("GET", "/", returns=str).value  # refused
    print(text, number)
