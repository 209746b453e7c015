"""JAX arrays as fields of models.

::

    class Features(BaseModel):
        tokens: Annotated[jax.Array, JaxSpec("batch", None, dtype="int32")]

The value of the field is the JAX array. It is written from its own memory, and shares the memory
of the received array if that begins at a multiple of 64 bytes, as JAX demands; otherwise it is a
copy. ``model_dump()`` returns a read-only numpy array in the memory of the JAX array.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from binary_middleware.arrays._dims import Size
from binary_middleware.arrays._spec import ArraySpec

try:
    import jax
    import jax.numpy as jnp
except ImportError as exc:
    raise ImportError("binary_middleware.arrays.jax needs JAX: pip install jax") from exc

__all__ = ["JaxSpec"]


class JaxSpec(ArraySpec):
    """:class:`~binary_middleware.arrays.ArraySpec` for ``jax.Array``.

    What JAX would narrow silently is refused: 64-bit types, unless ``jax_enable_x64`` is set.
    ``bfloat16`` and the ``float8`` types need ``binary_middleware.arrays.ml_dtypes.register()``.
    """

    value_type: ClassVar[Any] = jax.Array

    @override
    def parse_annotation(self, source: Any) -> tuple[tuple[Any, ...], tuple[Size, ...] | None]:
        if source is not jax.Array:
            raise TypeError(f"JaxSpec annotates jax.Array, not {source!r}")
        return (), None

    @override
    def from_numpy(self, array: np.ndarray[Any, Any], source: Any) -> Any:
        if isinstance(source, jax.Array):
            return source
        native = array.dtype.newbyteorder("=")
        narrowed = jax.dtypes.canonicalize_dtype(native)
        if narrowed != native:
            raise ValueError(f"JAX would make {narrowed} of {native}, unless jax_enable_x64 is set")
        array = array.astype(native, copy=False)
        try:
            return jnp.from_dlpack(array)
        except BufferError:  # what numpy does not export: read-only arrays, and other dtypes
            try:
                return jnp.asarray(array)
            except (TypeError, ValueError) as exc:
                raise ValueError(f"JAX has no arrays of dtype {str(native)[:40]}") from exc
