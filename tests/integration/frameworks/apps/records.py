"""The documents as dataclasses, for the frameworks that take these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Line:
    item: str
    price: float
    count: int


@dataclass
class Invoice:
    customer: str
    paid: str | None
    lines: list[Line]


@dataclass
class Content:
    name: str
    content: str


@dataclass
class Array:
    shape: list[int]
    dtype: str
    data_b64: str


@dataclass
class Signal:
    rate: float
    samples: Array


@dataclass
class Reservation:
    week: int


@dataclass
class Message:
    text: str
