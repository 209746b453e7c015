"""Arrays that are refused: nothing is unpickled, and no dtype is trusted."""

from __future__ import annotations

import ast
import contextlib
import os
import pathlib
import pickle
import sys
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
import pytest

import binary_middleware
from binary_middleware.errors import DecodeError
from binary_middleware.formats.msgpack import unpackb
from binary_middleware.formats.msgpack._pack import OUT_OF_LINE_THRESHOLD
from tests.formats.documents import BIG, numpy_map, peer_packb
from tests.formats.owned import owned, unpack_owned
from tests.processes import in_child


def deep_descr(levels: int) -> Any:
    descr: Any = "<i4"
    for _ in range(levels):
        descr = [["a", descr]]
    return descr


POINTERS = b"\x10\x00\x00\x00\x00\x00\x00\x00"


OBJECTS = {
    "kind O": numpy_map(kind=b"O", type="|O"),
    "kind O, text": numpy_map(kind="O", type="|O"),
    "kind O, numeric type": numpy_map(kind=b"O"),
    "kind O, list": numpy_map(kind=b"O", type=[["a", "|O"]]),
    **{
        f"{spelling} under kind {kind!r}": numpy_map(
            kind=kind, type=spelling, shape=[1], data=POINTERS
        )
        for spelling in ("|O", "O", "O8", "<O", "=O", "object", "object_", "i4,O", "O,O", "(1,)O")
        for kind in (b"", b"V", b"O")
    },
    **{
        f"{descr} under kind {kind!r}": numpy_map(kind=kind, type=descr, shape=[1], data=POINTERS)
        for descr in (
            [["a", "|O"]],
            [["a", "O"]],
            [["a", "i4,O"]],
            [["a", "<i4"], ["b", "|O"]],
            [["a", [["b", "|O"]]]],
            [["a", [["b", [["c", "|O", [1]]]]]]],
            [["", "|O"]],
            [[["t", "a"], "|O"]],
            [[b"a", b"|O"]],
        )
        for kind in (b"", b"V", b"O")
    },
    "no kind": {key: value for key, value in numpy_map(type="|O").items() if key != b"kind"},
    "a scalar": {b"nd": False, b"type": "|O", b"data": POINTERS},
    "a structured scalar": {b"nd": False, b"type": [["a", "|O"]], b"data": POINTERS},
}


SHAPES_AND_TYPES = {
    "S0 with elements": numpy_map(type="|S0", shape=[5], data=b""),
    "S0 with very many": numpy_map(type="|S0", shape=[2**62], data=b""),
    "U0": numpy_map(type="<U0", shape=[5], data=b""),
    "V0": numpy_map(type="|V0", shape=[5], data=b""),
    "S without a size": numpy_map(type="S", shape=[5], data=b"12345"),
    "a struct of S0": numpy_map(type=[["a", "S0"]], kind=b"V", shape=[5], data=b""),
    "no fields": numpy_map(type=[], kind=b"V", shape=[0], data=b""),
    "too little data": numpy_map(shape=[3]),
    "too much data": numpy_map(shape=[1]),
    "overflow to the right size": numpy_map(shape=[2**62 + 2]),
    "overflow by two": numpy_map(shape=[2**32, 2**32, 2]),
    "overflow without elements": numpy_map(shape=[2**62, 2**62, 0], data=b""),
    "larger than 64 bits": numpy_map(shape=[2**64 - 1]),
    "negative": numpy_map(shape=[-2]),
    "twice negative": numpy_map(shape=[-1, -2]),
    "minus one": numpy_map(shape=[-1]),
    "bool": numpy_map(shape=[True, 2]),
    "float": numpy_map(shape=[2.0]),
    "nan": numpy_map(shape=[float("nan")]),
    "text": numpy_map(shape=["2"]),
    "nil": numpy_map(shape=[None]),
    "list": numpy_map(shape=[[2]]),
    "a number": numpy_map(shape=2),
    "no shape": numpy_map(shape=None),
    "a map": numpy_map(shape={"a": 2}),
    "65 dimensions": numpy_map(shape=[2] + [1] * 64),
    "100,000 dimensions": numpy_map(shape=[1] * 100_000),
    "20,000 fields": numpy_map(
        type=[[f"f{index}", "|u1"] for index in range(20_000)], kind=b"V", data=bytes(40_000)
    ),
    "200 levels of fields": numpy_map(type=deep_descr(200), kind=b"V"),
    "a unit of zero length": numpy_map(type="<M8[0s]", shape=[1]),
    "a unit of zero length in a field": numpy_map(type=[["a", "<m8[0s]"]], kind=b"V", shape=[1]),
    "comma": numpy_map(type="i4,i4", shape=[1]),
    "unknown": numpy_map(type="bfloat16", shape=[4]),
    "StringDType": numpy_map(type="T", shape=[1]),
    "type is nil": numpy_map(type=None),
    "type is a number": numpy_map(type=4),
    "type is a map": numpy_map(type={"names": ["a"], "formats": ["O"]}),
    "data is text": numpy_map(data="12345678"),
    "data is a list": numpy_map(data=[1, 2]),
    "data is nil": numpy_map(data=None),
    "data is long text": numpy_map(
        data="x" * 4 * OUT_OF_LINE_THRESHOLD, shape=[OUT_OF_LINE_THRESHOLD]
    ),
    "data is a long list": numpy_map(
        data=[bytes(4 * OUT_OF_LINE_THRESHOLD)], shape=[OUT_OF_LINE_THRESHOLD]
    ),
    "data is a long map": numpy_map(
        data={"a": bytes(4 * OUT_OF_LINE_THRESHOLD)}, shape=[OUT_OF_LINE_THRESHOLD]
    ),
    "data is missing in what is long": {b"nd": True, b"more": bytes(4 * OUT_OF_LINE_THRESHOLD)},
    "a long scalar": {b"nd": False, b"type": "<i4", b"data": bytes(4 * OUT_OF_LINE_THRESHOLD)},
    "a long complex": {b"complex": True, b"data": "1" * 4 * OUT_OF_LINE_THRESHOLD},
    "kind is unknown": numpy_map(kind=b"X"),
    "kind is a list": numpy_map(kind=[]),
    "nd is one": numpy_map(nd=1),
    "one key more": numpy_map(more=1),
    "complex too": numpy_map(complex=True),
    "nd alone": {b"nd": True},
    "complex alone": {b"complex": True},
    "complex that is code": {b"complex": True, b"data": "__import__('os').system('true')"},
}


def variants(map_: dict[bytes, Any]) -> list[bytes]:
    """Return the map by itself, inside others, and large enough to be split."""
    document = peer_packb(map_)
    found = [document, b"\x91" + document, b"\x92" + BIG + document, b"\x81\xa1a" + document]
    if isinstance(map_.get(b"data"), bytes):
        long = dict(map_)
        long[b"data"] *= 4 * OUT_OF_LINE_THRESHOLD // (len(map_[b"data"]) or 8)
        if map_[b"data"] and map_.get(b"shape") == [1]:
            long[b"shape"] = [len(long[b"data"]) // 8]
        found += [peer_packb(long), b"\x92" + BIG + peer_packb(long)]
    return found


@pytest.mark.parametrize("name", OBJECTS)
def test_object_arrays_are_refused_in_every_spelling(name: str) -> None:
    for document in variants(OBJECTS[name]):
        for read in (unpackb, lambda data: unpack_owned(owned(data))):
            with pytest.raises(
                DecodeError, match=r"refused|not allowed|must have the keys"
            ) as info:
                read(document)
            assert len(str(info.value)) < 200


@pytest.mark.parametrize("name", SHAPES_AND_TYPES)
def test_arrays_that_are_none_are_refused(name: str) -> None:
    for document in variants(SHAPES_AND_TYPES[name]):
        for read in (unpackb, lambda data: unpack_owned(owned(data))):
            with pytest.raises(DecodeError) as info:
                read(document)
            assert len(str(info.value)) < 400


def test_arrays_nested_as_descriptions_of_arrays_are_refused() -> None:
    for key in ("type", "kind", "shape", "data", "nd"):
        with pytest.raises(DecodeError):
            unpackb(peer_packb(numpy_map(**{key: numpy_map()})))


# -- pickle ----------------------------------------------------------------------------------------


class TouchesAFile:
    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return pathlib.Path.touch, (self.path,)


def pickle_documents(path: pathlib.Path) -> list[bytes]:
    data = pickle.dumps(np.array([TouchesAFile(path)], dtype=object))
    small = msgpack.packb(numpy_map(kind=b"O", type="|O", data=data))
    large = msgpack.packb(
        numpy_map(kind=b"O", type="|O", data=data + bytes(2 * OUT_OF_LINE_THRESHOLD))
    )
    return [
        *(document for whole in (small, large) for document in (whole, b"\x91" + whole)),
        msgpack.packb(numpy_map(kind=b"", type="|O", data=data)),
        msgpack.packb(numpy_map(kind=b"V", type="|O", data=data)),
        msgpack.packb({b"nd": False, b"type": "|O", b"data": data}),
    ]


def test_a_pickle_is_not_loaded(tmp_path: pathlib.Path) -> None:
    marker = tmp_path / "touched"
    documents = pickle_documents(marker)
    msgpack.unpackb(documents[0], object_hook=msgpack_numpy.decode)
    assert marker.exists()  # the reference loads it: the payload is a live one
    marker.unlink()
    for document in documents:
        for read in (unpackb, lambda data: unpack_owned(owned(data))):
            with pytest.raises(DecodeError, match=r"object arrays are refused|not allowed"):
                read(document)
    assert not marker.exists()


def test_nothing_in_the_package_can_unpickle() -> None:
    root = pathlib.Path(binary_middleware.__file__).parent
    files = sorted(root.rglob("*.py"))
    assert root / "formats" / "msgpack" / "_unpack.py" in files
    loaders = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
            if isinstance(node, ast.Attribute):  # numpy's own ways to a pickle
                names += [node.attr] if node.attr in loaders else []
                assert node.attr not in ("allow_pickle", "dumps", "loads") or (
                    isinstance(node.value, ast.Name) and node.value.id in ("json", "tomllib")
                ), f"{file.name}:{node.lineno}"
            roots = {name.partition(".")[0] for name in names}
            assert not roots & (loaders | {"msgpack", "msgpack_numpy"}), file.name


def refuse_all(documents: list[bytes]) -> list[Any]:
    """Return what is made of documents that have to be refused."""
    sys.addaudithook(lambda event, _: event == "pickle.find_class" and os._exit(3))
    accepted = []
    for data in documents:
        for read in (unpackb, lambda data: unpack_owned(np.frombuffer(bytearray(data), np.uint8))):
            with contextlib.suppress(DecodeError):
                accepted.append(repr(read(data)))
    return accepted


CRASHING = [
    peer_packb(numpy_map(type="|O", shape=[1], data=POINTERS)),
    peer_packb(numpy_map(type="i4,O", shape=[1], data=POINTERS * 2)),
    peer_packb(numpy_map(type=[["a", "|O"]], shape=[1], data=POINTERS)),
    peer_packb(numpy_map(type=[["a", "|O"]], shape=[1], data=POINTERS, kind=b"V")),
]


def test_documents_that_crash_msgpack_numpy_are_refused(tmp_path: pathlib.Path) -> None:
    documents = [
        *CRASHING,
        *pickle_documents(tmp_path / "touched"),
        *(peer_packb(map_) for map_ in OBJECTS.values()),
        *(peer_packb(map_) for map_ in SHAPES_AND_TYPES.values()),
    ]
    assert in_child(refuse_all, documents) == []
    assert not (tmp_path / "touched").exists()


def read_with_msgpack_numpy(document: bytes) -> str:
    return repr(msgpack.unpackb(document, object_hook=msgpack_numpy.decode))


@pytest.mark.parametrize("document", CRASHING, ids=range(len(CRASHING)))
def test_these_documents_do_crash_msgpack_numpy(document: bytes) -> None:
    """Or else that they are refused shows nothing."""
    with pytest.raises(BrokenProcessPool):
        in_child(read_with_msgpack_numpy, document)
