"""Fields of every kind, of pydantic's and of this package's."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import pathlib
import re
import uuid
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, Optional

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
    ONE = 1


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Name(enum.StrEnum):
    A = "a"


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]
    puppies: list[Dog] = []


class Sized(BaseModel):
    """All of these fields are attributes of an array, as are those of the next three classes."""

    size: int
    ndim: int = 0
    real: Any = None


@dataclasses.dataclass
class Shape:
    size: int
    ndim: int = 0


class Row(TypedDict):
    size: int


class Pair(NamedTuple):
    size: int
    ndim: int


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    values: list[float] = []
    when: datetime.datetime | None = None


class Forbidding(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = 0


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]


class OwnInit(BaseModel):
    values: list[int] = []
    array: Any = None

    def __init__(self, **data: Any) -> None:
        super().__init__(**data)


class Numbers(pydantic.RootModel[list[int]]):
    pass


class Instance(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    array: np.ndarray


class Signal(ArrayModel):
    samples: Annotated[NDArray[np.float32], ArraySpec("n")]
    times: Annotated[NDArray[np.float64], ArraySpec("n")]


class Base64(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    data: bytes


Hundred = pydantic.create_model("Hundred", **{f"field{i}": (int, ...) for i in range(100)})


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
    "rational": fractions.Fraction,
    "positive": Annotated[int, Field(gt=0, lt=100, multiple_of=3)],
    "fraction": Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)],
    "price": Annotated[decimal.Decimal, Field(max_digits=8, decimal_places=2)],
    "short": Annotated[str, Field(min_length=1, max_length=8, pattern="^[a-z]+$")],
    "stripped": Annotated[str, pydantic.StringConstraints(strip_whitespace=True)],
    "strict-int": Annotated[int, Field(strict=True)],
    "strict-float": pydantic.StrictFloat,
    "strict-str": pydantic.StrictStr,
    "strict-bytes": pydantic.StrictBytes,
    "strict-bool": pydantic.StrictBool,
    "size": pydantic.ByteSize,
    "secret": pydantic.SecretStr,
    "secret-bytes": pydantic.SecretBytes,
    "json": pydantic.Json[Any],
    "json-list": pydantic.Json[list[int]],
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
    "network": ipaddress.IPv6Network,
    "ip-any": pydantic.IPvAnyNetwork,
    # Choices.
    "enum": Colour,
    "int-enum": Level,
    "str-enum": Name,
    "flag": Right,
    "literal": Literal["a", 1, True, None],
    "union": int | str | list[float],
    "union-of-lists": list[int] | list[str] | None,
    "union-of-models": Cat | Dog | Sized,
    "left-to-right": Annotated[float | str | bytes, Field(union_mode="left_to_right")],
    "discriminated": Annotated[Cat | Dog, Field(discriminator="kind")],
    "optional": Optional[int],  # noqa: UP045  # as many write it
    "none": None,
    "any": Any,
    "object": object,
    "hashable": Hashable,
    # Containers.
    "list-any": list[Any],
    "list-int": list[int],
    "list-float": list[float],
    "list-str": list[str],
    "list-bytes": list[bytes],
    "list-enum": list[Colour],
    "list-model": list[Sized],
    "list-hundred": list[Hundred],
    "matrix": list[list[int]],
    "rows": list[list[float]],
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
    "sized": Sized,
    "hundred": Hundred,
    "strict-model": Strict,
    "closed-model": Forbidding,
    "open-model": Open,
    "own-init": OwnInit,
    "root": Numbers,
    "instance": Instance,
    "tree": Dog,
    "dataclass": Shape,
    "typed-dict": Row,
    "named-tuple": Pair,
    "bytes-in-json": Base64,
    # Those of this package.
    "array": NumpyArrayField,
    "array-none": NumpyArrayField | None,
    "list-array": list[NumpyArrayField],
    "dict-array": dict[str, NumpyArrayField],
    "array-or-list": Annotated[NDArray[np.float64], ArraySpec()] | list[int],
    "binary": BinaryBytes,
    "ndarray": Annotated[np.ndarray, ArraySpec()],
    "any-lists": Annotated[np.ndarray, ArraySpec(accept_lists=True)],
    "float32": _typed(np.float32, None, 3),
    "float32-safe": _typed(np.float32, casting="safe", finite=True),
    "float32-same-kind": _typed(np.float32, casting="same_kind", ge=0, le=1),
    "int16-same-kind": _typed(np.int16, casting="same_kind", copy=True),
    "uint8-safe": _typed(np.uint8, casting="safe"),
    "uint8-no": _typed(np.uint8, casting="no", copy=False),
    "complex-same-kind": _typed(np.complex128, casting="same_kind", order="F"),
    "float-lists": _typed(np.float64, "n", "m", accept_lists=True, le=10),
    "square-lists": _typed(np.float32, 2, 2, accept_lists=True),
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
    """Return a model with one field, ``value``, of a kind."""
    return pydantic.create_model(f"Of{kind.title().replace('-', '')}", value=(KINDS[kind], ...))
