"""msgspec's decoders, and its errors with positions in the whole document."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any, Final

import msgspec
import numpy as np

from binary_middleware.errors import DecodeError

NOT_DECODED: Final = (ValueError, OverflowError, msgspec.MsgspecError)
"""Exceptions of msgspec for bytes that it cannot decode: ``ValueError`` for text that is not UTF-8,
and for timestamps beyond the years of ``datetime``."""


def _plain(levels: int) -> Any:
    leaf: Any = bool | int | float | str | None
    plain = leaf
    for _ in range(levels):  # msgspec knows no recursive types, and this doubles with each level
        plain = leaf | list[plain] | dict[str, plain]  # type: ignore[valid-type]
    return plain


def _decoder(kind: Any) -> Any:
    return msgspec.msgpack.Decoder(kind).decode


decode_any: Final = _decoder(Any)
# What JSON could hold as well, down to a few levels: nothing in there needs a second look. It is as
# fast as decoding without a type, and stops at the first value of another kind.
decode_plain: Final = _decoder(_plain(6))
decode_items: Final = _decoder(list[msgspec.Raw])
decode_text_keys: Final = _decoder(dict[str, msgspec.Raw])
decode_binary_keys: Final = _decoder(dict[bytes, msgspec.Raw])
# ``dict[Any, Raw]`` would decode keys of any size and kind before anybody has counted them.
decode_simple_keys: Final = _decoder(dict[str | int | float | bool | None, msgspec.Raw])
decode_sizes: Final = _decoder(list[int])


def decode_part(decode: Any, part: memoryview, document: memoryview) -> Any:
    """Decode a part of a document.

    Raises:
        DecodeError: msgspec cannot decode it; the position is that in the document.
    """
    try:
        return decode(part)
    except UnicodeDecodeError as exc:
        where = _position_of(exc.object, document)
        raise DecodeError(f"the body is not msgpack: a string is not UTF-8{where}") from exc
    except msgspec.MsgspecError as exc:
        start = address_of(part) - address_of(document) if len(part) else 0
        is_known = 0 <= start <= len(document)
        message = _POSITION.sub(
            lambda at: f"(byte {start + int(at[1])})" if is_known else "", str(exc)
        )
        message = message.removeprefix("MessagePack data is malformed: ").rstrip()
        message = message[:1].lower() + message[1:]
        raise DecodeError(f"the body is not msgpack: {message}") from exc
    except (ValueError, OverflowError) as exc:  # a timestamp that no datetime can be
        raise DecodeError(f"the body is not msgpack that can be read: {exc}") from exc


def is_mismatch(exc: DecodeError) -> bool:
    """Return whether a part is msgpack, but not of the decoder's type."""
    return isinstance(exc.__cause__, msgspec.ValidationError)


def address_of(buffer: memoryview) -> int:
    """Return the address in memory of the first byte of a buffer that is not empty."""
    address: int = np.frombuffer(buffer, np.uint8).__array_interface__["data"][0]
    return address


_POSITION: Final = re.compile(r"\(byte (\d+)\)")
_MAX_PATTERN_SIZE: Final = 256


def _position_of(text: bytes, document: memoryview) -> str:
    """Return the position of a string that msgspec gave no position for, if there is only one."""
    # Its beginning will do: if that occurs once, so does the whole.
    pattern = re.escape(text[:_MAX_PATTERN_SIZE])
    found = [match.start() for match in islice(re.finditer(pattern, document), 2)]
    return f" (byte {found[0]})" if len(found) == 1 else ""
