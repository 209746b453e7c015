"""A binary client and a JSON client get the same document, bytes, arrays and NaN aside."""

import datetime as dt
import decimal
import enum
import ipaddress
import pathlib
import re
import uuid
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pytest
from fastapi import FastAPI
from pydantic import (
    AnyUrl,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    HttpUrl,
    Json,
    PlainSerializer,
    RootModel,
    SecretBytes,
    SecretStr,
    SerializeAsAny,
    computed_field,
    model_serializer,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_core import core_schema

from binary_middleware import NumpyArrayField
from tests.fastapi.conftest import Lanes, get, twins, value
from tests.sameness import same

UTC = dt.UTC
PLUS_2 = dt.timezone(dt.timedelta(hours=2))
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 10


class Name(enum.StrEnum):
    A = "a"


class Ratio(float, enum.Enum):
    HALF = 0.5


class Flags(enum.IntFlag):
    READ = 1
    WRITE = 2


class Keys(BaseModel):
    integers: dict[int, int] = {1: 2, -3: 4}
    floats: dict[float, int] = {1.5: 1, 2.0: 2, 1e300: 3, 1e-7: 4}
    bools: dict[bool, int] = {True: 1, False: 0}
    nones: dict[None, int] = {None: 1}
    enums: dict[Colour, int] = {Colour.RED: 1}
    levels: dict[Level, int] = {Level.HIGH: 1}
    names: dict[Name, int] = {Name.A: 1}
    dates: dict[dt.date, int] = {dt.date(2024, 2, 29): 1}
    datetimes: dict[dt.datetime, int] = {dt.datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC): 1}
    times: dict[dt.time, int] = {dt.time(1, 2): 1}
    timedeltas: dict[dt.timedelta, int] = {dt.timedelta(days=1, seconds=2): 1}
    uuids: dict[uuid.UUID, int] = {ID: 1}
    decimals: dict[decimal.Decimal, int] = {decimal.Decimal("1.50"): 1}
    paths: dict[pathlib.Path, int] = {pathlib.Path("/a/b"): 1}
    addresses: dict[ipaddress.IPv4Address, int] = {ipaddress.IPv4Address("1.2.3.4"): 1}
    urls: dict[AnyUrl, int] = {AnyUrl("https://a.example/x"): 1}
    tuples: dict[tuple[int, str], int] = {(1, "a"): 1}
    anything: dict[Any, Any] = {1: {2: {None: {True: {1.5: {Colour.RED: "x"}}}}}}


class Times(BaseModel):
    date: dt.date = dt.date(1, 1, 1)
    naive: dt.datetime = dt.datetime(2024, 2, 29, 23, 59, 59, 999_999)
    whole: dt.datetime = dt.datetime(2024, 1, 1)
    utc: dt.datetime = dt.datetime(2024, 2, 29, tzinfo=UTC)
    offset: dt.datetime = dt.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=PLUS_2)
    early: dt.datetime = dt.datetime(1, 1, 1)
    late: dt.datetime = dt.datetime.max
    time: dt.time = dt.time(1, 2, 3, 4)
    aware_time: dt.time = dt.time(1, 2, 3, tzinfo=UTC)
    day: dt.timedelta = dt.timedelta(days=1)
    short: dt.timedelta = dt.timedelta(microseconds=1)
    negative: dt.timedelta = dt.timedelta(days=-1, seconds=1)
    long: dt.timedelta = dt.timedelta(days=400, hours=3, milliseconds=5)
    anything: Any = (
        dt.date(2024, 1, 1),
        dt.timedelta(hours=1),
        dt.datetime(2024, 1, 1, tzinfo=UTC),
    )


class Scalars(BaseModel):
    decimal_: decimal.Decimal = decimal.Decimal("1.10")
    large_decimal: decimal.Decimal = decimal.Decimal("1E+40")
    colour: Colour = Colour.GREEN
    level: Level = Level.LOW
    name: Name = Name.A
    ratio: Ratio = Ratio.HALF
    flags: Flags = Flags.READ | Flags.WRITE
    uuid_: uuid.UUID = ID
    path: pathlib.Path = pathlib.Path("a/b")
    url: AnyUrl = AnyUrl("https://münchen.example/ä?x=1#f")
    http: HttpUrl = HttpUrl("http://a.example")
    secret: SecretStr = SecretStr("hidden")
    empty_secret: SecretStr = SecretStr("")
    secret_bytes: SecretBytes = SecretBytes(b"hidden")
    v4: ipaddress.IPv4Address = ipaddress.IPv4Address("127.0.0.1")
    v6: ipaddress.IPv6Address = ipaddress.IPv6Address("::1")
    interface: ipaddress.IPv4Interface = ipaddress.IPv4Interface("1.2.3.4/8")
    network: ipaddress.IPv6Network = ipaddress.IPv6Network("2001:db8::/32")
    pattern: re.Pattern[str] = re.compile(r"a+\d")
    size: ByteSize = ByteSize(1024)
    json_: Json[list[int]] = Field(default="[1, 2]", validate_default=True)
    small: float = 1e-300
    whole: float = 3.0
    text: str = "ä\x00\u2028\U0001f600"
    literal: Literal[1, "a", None] = None


class Containers(BaseModel):
    set_: set[int] = {3, 1, 2}
    frozen: frozenset[str] = frozenset({"a"})
    tuple_: tuple[int, str, None] = (1, "a", None)
    variadic: tuple[dt.date, ...] = (dt.date(2024, 1, 1),)
    deque_: deque[uuid.UUID] = deque([ID])
    default: defaultdict[str, list[int]] = defaultdict(list, {"a": [1]})
    ordered: OrderedDict[str, int] = OrderedDict(b=1, a=2)
    iterable: Iterable[dt.date] = Field(
        default_factory=lambda: (dt.date(2024, 1, day) for day in (1, 2))
    )
    anything: Any = {
        "set": {1},
        "deque": deque([1]),
        "enum": [Colour.RED],
        "path": pathlib.Path("/"),
    }
    empty: list[int] = []


class Hidden(BaseModel):
    shown: int = 1
    excluded: str = Field("secret", exclude=True)
    excluded_if: int = Field(0, exclude_if=lambda number: number == 0)


class Aliased(BaseModel):
    model_config = ConfigDict(alias_generator=lambda name: name.upper(), populate_by_name=True)
    some_name: int = 1
    other: Annotated[int, Field(serialization_alias="o-t-h-e-r")] = 2


class Computed(BaseModel):
    side: int = 3

    @computed_field(alias="theArea")
    @property
    def area(self) -> int:
        return self.side**2

    @computed_field
    @property
    def made(self) -> dt.date:
        return dt.date(2024, 1, self.side)


class Wrapped(BaseModel):
    inner: int = 1

    @model_serializer(mode="wrap")
    def _wrap(self, handler: Any) -> Any:
        return {"wrapped": handler(self), "at": dt.date(2024, 1, 1)}


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    born: dt.date = dt.date(2020, 1, 1)


class Litter(BaseModel):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = [Cat(), Dog()]
    either: Cat | Dog | int | str = Dog()
    plain: BaseModel = Cat()
    duck: SerializeAsAny[BaseModel] = Dog()


class Root(RootModel[dict[int, list[dt.date]]]):
    pass


class Point(NamedTuple):
    x: int
    when: dt.date


@dataclass
class Plain:
    when: dt.date = dt.date(2024, 1, 1)
    points: list[Point] = field(default_factory=lambda: [Point(1, dt.date(2024, 1, 2))])
    by_number: dict[int, decimal.Decimal] = field(
        default_factory=lambda: {1: decimal.Decimal("1.5")}
    )


@pydantic_dataclass
class Checked:
    when: dt.date = dt.date(2024, 1, 1)
    some_name: int = Field(1, serialization_alias="someName")


class Recursive(BaseModel):
    children: list["Recursive"] = []
    anything: Any = None


WITH_MODEL: dict[str, tuple[Any, Any]] = {
    "keys": (Keys, Keys()),
    "aliases": (Aliased, Aliased()),
    "times": (Times, Times()),
    "scalars": (Scalars, Scalars()),
    "containers": (Containers, lambda: Containers()),
    "excluded fields": (Hidden, Hidden()),
    "computed fields": (Computed, Computed()),
    "model serialiser": (Wrapped, Wrapped()),
    "unions": (Litter, Litter()),
    "discriminated union": (Annotated[Cat | Dog, Field(discriminator="kind")], Dog()),
    "root model": (Root, {1: [dt.date(2024, 1, 1)]}),
    "named tuple": (Point, Point(1, dt.date(2024, 1, 1))),
    "dataclass": (Plain, Plain()),
    "dict of models": (dict[int, Cat], {1: Cat()}),
    "recursive model": (Recursive, Recursive(children=[Recursive(anything=Plain())])),
    "model in any": (Any, {"a": [Aliased(), Computed(), Plain(), Checked(), Hidden()]}),
    "optional that is None": (Cat | None, None),
    "None": (None, None),
    "any": (Any, {1: [Colour.RED, ID, (1, 2), {3}]}),
}
NO_MODEL: dict[str, Any] = {
    "keys": {
        "str": 0,
        5: 1,
        1.5: 2,
        True: 3,
        None: 4,
        Colour.RED: 5,
        Level.HIGH: 6,
        ID: 7,
        dt.date(2024, 1, 1): 8,
        pathlib.PurePosixPath("/a"): 9,
        Name.A: 10,
    },
    "float keys": {2.0: 1, 1e300: 2, 1e-7: 3},
    "times": [
        dt.date(2024, 1, 1),
        dt.datetime(2024, 1, 1, 2, 3, 4, 5),
        dt.datetime(2024, 1, 1, tzinfo=UTC),
        dt.datetime(2024, 1, 1, tzinfo=PLUS_2),
        dt.time(1, 2, 3),
        dt.timedelta(hours=1, milliseconds=1),
        dt.timedelta(days=-1),
    ],
    "decimals": [decimal.Decimal("1"), decimal.Decimal("1.10"), decimal.Decimal("-0.0")],
    "enums": [Colour.RED, Level.HIGH, Name.A, Ratio.HALF, Flags.READ],
    "leaves": [
        ID,
        pathlib.PurePosixPath("/a/b"),
        pathlib.PureWindowsPath("c:\\a"),
        AnyUrl("https://a.example/x"),
        ipaddress.IPv4Address("1.2.3.4"),
        ipaddress.IPv6Network("2001:db8::/32"),
        SecretStr("hidden"),
        re.compile("a+"),
    ],
    "containers": [
        (1, 2),
        {3},
        frozenset({4}),
        deque([5]),
        OrderedDict(a=6),
        Point(7, dt.date.max),
    ],
    "generator": lambda: (number for number in (1, 2)),
    "models": {
        "a": [Aliased(), Computed(), Hidden(), Times(), Scalars(), Keys(), Wrapped(), Litter()]
    },
    "model itself": Computed(),
    "root model": Root({1: [dt.date(2024, 1, 1)]}),
    "dataclass": Plain(),
    "pydantic dataclass": Checked(),
    "model in a dataclass": Recursive(anything=Plain()),
    "private names of an ORM": {"_sa_instance_state": object, "kept": 1},
    "object with attributes": lambda: type("Thing", (), {"__init__": _set_attributes})(),
    "str": "text",
    "int": 1,
    "True": True,
    "None": None,
    "nothing in it": [{}, [], ""],
}


def _set_attributes(thing: Any) -> None:
    thing.when = dt.date(2024, 1, 1)
    thing.numbers = {1: 2}


def _returning(made: Any) -> Callable[[], Any]:
    """Return an endpoint that returns ``made``, or what it makes if that can be read only once."""
    return lambda: made() if callable(made) else made


@pytest.mark.parametrize("response_model_by_alias", [True, False], ids=["alias", "name"])
@pytest.mark.parametrize(("model", "made"), WITH_MODEL.values(), ids=WITH_MODEL.keys())
def test_with_a_response_model(model: Any, made: Any, response_model_by_alias: bool) -> None:
    def build(app: FastAPI) -> None:
        app.get("/", response_model=model, response_model_by_alias=response_model_by_alias)(
            _returning(made)
        )

    _assert_same_document(build)


@pytest.mark.parametrize("made", NO_MODEL.values(), ids=NO_MODEL.keys())
def test_without_a_response_model(made: Any) -> None:
    _assert_same_document(lambda app: app.get("/", response_model=None)(_returning(made)))


def _assert_same_document(build: Callable[[FastAPI], None]) -> None:
    lanes = Lanes()
    plain, binary = twins(lanes.within(build))
    in_json = plain.get("/")
    in_binary = get(binary)
    assert (in_json.status_code, in_binary.status_code) == (200, 200)
    assert lanes.content_types == ["application/json", "application/msgpack"]
    assert same(value(in_binary), in_json.json())
    again_in_json = binary.get("/")
    assert again_in_json.content == in_json.content


# -- bytes, arrays and NaN aside -------------------------------------------------------------------


class Different(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    raw: bytes = b"\xff"
    nan: float = float("nan")
    infinity: float = float("-inf")
    complex_: complex = 1 + 2j


def different() -> Different:
    return Different()


def test_what_msgpack_has_and_json_has_not() -> None:
    plain, binary = twins(lambda app: app.get("/")(different))
    assert plain.get("/").json() == {
        "raw": "_w==",
        "nan": None,
        "infinity": None,
        "complex_": "1+2j",
    }
    assert same(
        value(get(binary)),
        {"raw": b"\xff", "nan": float("nan"), "infinity": float("-inf"), "complex_": 1 + 2j},
    )


class Label:
    """A type of an app's own, whose text only pydantic's JSON mode knows."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> core_schema.CoreSchema:
        return core_schema.is_instance_schema(cls, serialization=core_schema.to_string_ser_schema())


class OnlyJsonKnows(BaseModel):
    array: NumpyArrayField = NumpyArrayField(np.arange(3))
    label: Label = Label("a")
    path: pathlib.PurePosixPath = pathlib.PurePosixPath("/x")


def only_json_knows() -> OnlyJsonKnows:
    return OnlyJsonKnows()


def test_type_that_only_json_mode_can_write() -> None:
    _, binary = twins(lambda app: app.get("/")(only_json_knows))
    assert same(value(get(binary)), {"array": np.arange(3), "label": "a", "path": "/x"})


class ForJsonOnly(BaseModel):
    model_config = ConfigDict(ser_json_timedelta="float")
    number: Annotated[int, PlainSerializer(str, when_used="json")] = 5
    span: dt.timedelta = dt.timedelta(seconds=90)


def for_json_only() -> ForJsonOnly:
    return ForJsonOnly()


def test_serialisers_for_json_only_run() -> None:
    plain, binary = twins(lambda app: app.get("/")(for_json_only))
    assert plain.get("/").json() == {"number": "5", "span": 90.0}
    assert value(get(binary)) == {"number": "5", "span": 90.0}
