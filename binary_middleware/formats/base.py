"""The seam between HTTP and bytes: what the rest of the package may know of a format.

Negotiation asks a format for its media types and variants; an exchange has it decode requests and
encode responses. There is one, msgpack. A second one would implement :class:`Format`, and nothing
outside ``formats`` would change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

__all__ = [
    "MAX_DEPTH",
    "MAX_REQUEST_DEPTH",
    "MAX_STRUCTURE_SIZE",
    "Buffer",
    "Decoded",
    "DocumentFacts",
    "Format",
    "Limits",
    "Relocation",
    "Variant",
]

Buffer = bytes | memoryview
"""A part of an encoded document."""

MAX_DEPTH: Final = 320
"""Containers inside each other. Reading and writing take up to two of Python's frames for each of
them, so that this leaves a third of its recursion limit to the caller."""

MAX_REQUEST_DEPTH: Final = 200
"""The same for the body of a request: pydantic writes 255 at most, so that an app can put what it
was sent into a document of its own, which clients read."""

MAX_STRUCTURE_SIZE: Final = 8 * 1024 * 1024
"""Default limit of structure, in bytes. A byte can become 100 bytes of objects."""


class Limits(NamedTuple):
    """Limits on a document that is decoded."""

    max_structure_size: int = MAX_STRUCTURE_SIZE
    """Bytes of all that is not a large array, string or bytes."""
    max_depth: int = MAX_REQUEST_DEPTH
    """Containers inside each other."""


class DocumentFacts(NamedTuple):
    """Facts about a decoded document that its validation needs."""

    structure_size: int
    """Bytes of structure that were counted while it was decoded."""
    holds_arrays: bool
    """Whether it holds arrays, numpy scalars, or other objects that JSON cannot hold."""
    holds_scalars: bool
    """Whether some of them convert to a number: arrays of one element, numpy scalars."""
    max_structure_size: int
    """The limit of structure, in bytes."""


class Relocation(NamedTuple):
    """Bytes that were moved down in an owned buffer to align an array."""

    start: int
    """The offset that they start at now."""
    length: int
    """The number of bytes."""
    overwritten: bytes
    """The bytes that were at ``start`` before; the others moved down by as many."""


class Decoded(NamedTuple):
    """A document, the facts about it, and how its buffer differs from the bytes received."""

    document: Any
    relocations: list[Relocation]
    facts: DocumentFacts


class Variant(NamedTuple):
    """One way in which a format writes a response: what a strong ETag must tell apart."""

    content_type: str
    """The Content-Type, with the parameters that the client asked for."""
    tag_suffix: bytes
    """The suffix of the entity tag of a response in this variant."""
    parameters: Mapping[str, str]
    """All parameters of the format, with the values in force."""
    carries_times: bool
    """Whether dates, durations, decimals and UUIDs are values of their own, instead of text."""


class Format(Protocol):
    """A binary format for documents."""

    @property
    def name(self) -> str:
        """The name for messages."""

    @property
    def media_types(self) -> tuple[str, ...]:
        """The media types, the preferred one first."""

    @property
    def suffix(self) -> str:
        """The structured syntax suffix of further media types (RFC 6838 §4.2.8), with its plus."""

    @property
    def tag_suffixes(self) -> tuple[bytes, ...]:
        """The suffixes of the entity tags of all variants."""

    @property
    def array_description(self) -> str:
        """The description of an array, for OpenAPI documents."""

    def check_parameters(self, parameters: Mapping[str, str]) -> None:
        """Raise ValueError for a parameter, or a value of one, that the format does not have."""

    def variant(
        self, media_type: str, requested: Mapping[str, str], defaults: Mapping[str, str]
    ) -> Variant:
        """Return the variant for a media type.

        Args:
            media_type: the essence, without parameters.
            requested: the parameters by which a client asked for it; those that the format does
                not have are ignored.
            defaults: the parameters where the client asked for none.
        """

    def decode(self, data: Any, limits: Limits, *, is_owned: bool) -> Decoded:
        """Decode a document.

        Args:
            data: ``bytes``, or a contiguous array of ``uint8``.
            limits: limits on the document.
            is_owned: whether ``data`` is an array that may change and that arrays may be views of:
                it can then be decoded only once.

        Raises:
            DecodeError: not one whole document, or something in it is refused.
            LimitExceeded: over the limits.
        """

    def decode_views(self, data: Any, limits: Limits) -> Any:
        """Decode a document for JSON text: long strings and bytes are views of ``data``.

        Raises:
            DecodeError, LimitExceeded: as for :meth:`decode`.
        """

    def encode(self, document: Any, variant: Variant) -> Sequence[Buffer]:
        """Encode a document into buffers, which show the memory of large arrays and bytes.

        Raises:
            EncodeError: a value cannot be encoded without changing it.
        """
