"""A field of every kind that pydantic knows, and of every kind that is ours."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import ipaddress
import pathlib
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, NotRequired, Optional

import annotated_types
import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from binary_middleware import NumpyArrayField
from binary_middleware.arrays import ArrayModel, ArraySpec
from binary_middleware.fields import BinaryBytes


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    bark: float


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    count: int
    when: datetime.datetime | None = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: str


class Tree(BaseModel):
    value: int
    children: list[Tree] = []


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


class Film(TypedDict):
    title: str
    year: NotRequired[int]


class Pair(NamedTuple):
    first: int
    second: str


class Signal(ArrayModel):
    samples: Annotated[NDArray[np.float32], ArraySpec("n")]
    times: Annotated[NDArray[np.float64], ArraySpec("n")]


class Base64(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    data: bytes


def _typed(dtype: Any, *sizes: Any, **settings: Any) -> Any:
    if isinstance(dtype, type):
        return Annotated[NDArray[dtype], ArraySpec(*sizes, **settings)]
    return Annotated[np.ndarray, ArraySpec(*sizes, dtype=dtype, **settings)]


KINDS: Final[dict[str, Any]] = {
    # Numbers, text and bytes.
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "bytes": bytes,
    "complex": complex,
    "decimal": decimal.Decimal,
    "positive": Annotated[int, Field(gt=0, lt=100, multiple_of=3)],
    "fraction": Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)],
    "price": Annotated[decimal.Decimal, Field(max_digits=8, decimal_places=2)],
    "short": Annotated[str, Field(min_length=1, max_length=8, pattern="^[a-z]+$")],
    "strict-int": Annotated[int, Field(strict=True)],
    "strict-float": pydantic.StrictFloat,
    "strict-str": pydantic.StrictStr,
    "strict-bytes": pydantic.StrictBytes,
    "strict-bool": pydantic.StrictBool,
    "size": pydantic.ByteSize,
    "secret": pydantic.SecretStr,
    "secret-bytes": pydantic.SecretBytes,
    "json": pydantic.Json[Any],
    "pattern": re.Pattern[str],
    "base64": pydantic.Base64Bytes,
    # Time.
    "date": datetime.date,
    "datetime": datetime.datetime,
    "time": datetime.time,
    "timedelta": datetime.timedelta,
    "past": pydantic.PastDate,
    "aware": pydantic.AwareDatetime,
    "naive": pydantic.NaiveDatetime,
    # Names of things.
    "uuid": uuid.UUID,
    "uuid4": pydantic.UUID4,
    "path": pathlib.Path,
    "url": pydantic.AnyUrl,
    "http-url": pydantic.HttpUrl,
    "ip": ipaddress.IPv4Address,
    "ip-any": pydantic.IPvAnyNetwork,
    # Choices.
    "enum": Colour,
    "int-enum": Level,
    "flag": Right,
    "literal": Literal["a", 1, True, None],
    "union": int | str | list[float],
    "left-to-right": Annotated[float | str | bytes, Field(union_mode="left_to_right")],
    "discriminated": Annotated[Cat | Dog, Field(discriminator="kind")],
    "optional": Optional[int],  # noqa: UP045  # as many write it
    "none": None,
    "any": Any,
    "object": object,
    # Containers.
    "list-any": list[Any],
    "list-int": list[int],
    "list-float": list[float],
    "list-str": list[str],
    "list-bytes": list[bytes],
    "list-enum": list[Colour],
    "list-model": list[Cat],
    "matrix": list[list[int]],
    "three": Annotated[list[int], Field(min_length=1, max_length=3)],
    "set": set[int],
    "frozenset": frozenset[str],
    "tuple": tuple[int, ...],
    "pair": tuple[int, str],
    "deque": collections.deque[int],
    "dict": dict[str, int],
    "dict-any": dict[Any, Any],
    "dict-int": dict[int, float],
    "dict-date": dict[datetime.date, str],
    "defaultdict": collections.defaultdict[str, list[int]],
    "counter": collections.Counter[str],
    "ordered": collections.OrderedDict[str, int],
    "mapping": Mapping[str, Any],
    "sequence": Sequence[int],
    "sequence-str": Sequence[str],
    "iterable": Iterable[int],
    "unique": Annotated[list[int], annotated_types.Len(0, 4)],
    # Models.
    "model": Cat,
    "strict-model": Strict,
    "open-model": Open,
    "tree": Tree,
    "dataclass": Point,
    "typed-dict": Film,
    "named-tuple": Pair,
    "bytes-in-json": Base64,
    # Ours.
    "array": NumpyArrayField,
    "array-none": NumpyArrayField | None,
    "list-array": list[NumpyArrayField],
    "dict-array": dict[str, NumpyArrayField],
    "binary": BinaryBytes,
    "ndarray": Annotated[np.ndarray, ArraySpec()],
    "float32": _typed(np.float32, None, 3),
    "float32-safe": _typed(np.float32, casting="safe", finite=True),
    "float32-same-kind": _typed(np.float32, casting="same_kind", ge=0, le=1),
    "int16-same-kind": _typed(np.int16, casting="same_kind", copy=True),
    "uint8-safe": _typed(np.uint8, casting="safe"),
    "uint8-no": _typed(np.uint8, casting="no", copy=False),
    "complex-same-kind": _typed(np.complex128, casting="same_kind", order="F"),
    "float-lists": _typed(np.float64, "n", "m", accept_lists=True, le=10),
    "int-lists": _typed(np.int64, accept_lists=True, casting="same_kind"),
    "bool-lists": _typed(np.bool_, accept_lists=True),
    "bool-equiv": _typed(np.bool_, casting="equiv"),
    "any-number": _typed(np.number),
    "text-8": _typed("U8", casting="same_kind"),
    "bytes-8": _typed("S8", casting="same_kind"),
    "days": _typed("datetime64[D]", casting="same_kind", finite=True),
    "seconds": _typed("datetime64[s]", casting="same_kind"),
    "milliseconds": _typed("timedelta64[ms]", casting="same_kind"),
    "table": _typed([("a", "<i4"), ("b", "<f8")], casting="same_kind", order="F"),
    "signal": Signal,
}


def model_of(kind: str) -> type[BaseModel]:
    """A model with one field, ``value``, of a kind."""
    return pydantic.create_model(f"Of{kind.title().replace('-', '')}", value=(KINDS[kind], ...))
