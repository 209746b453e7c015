"""Edges of a photograph: from the bytes of a JPEG or PNG file to its gradient and an edge picture.

These functions know nothing of HTTP.
"""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

# Enough for a phone's photographs. A file of a few kilobytes can unpack to gigabytes of pixels, so
# the limit is on the pixels that the file declares, not on its bytes.
MAX_PIXELS = 16_000_000

MAX_SIGMA = 10.0

# The two kernels of a Sobel filter sum differences over weights of 8, so this makes the result
# the change in grey level from one pixel to the next.
_SOBEL_WEIGHT = 8.0


class UnreadableImageError(ValueError):
    """The bytes are not a JPEG or PNG image that this service accepts."""


def read_luminance(data: bytes) -> NDArray[np.float32]:
    """Decode a JPEG or PNG file to its luminance.

    Colours are weighted as ITU-R BT.601 luma, transparency is ignored, and the pixels stay as they
    are stored: an EXIF orientation is not applied.

    Args:
        data: the contents of the file.

    Returns:
        Grey levels from 0 (black) to 255 (white), float32 of shape (height, width).

    Raises:
        UnreadableImageError: if ``data`` is not a JPEG or PNG image, is damaged or cut short, or
            has more than ``MAX_PIXELS`` pixels.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            # Only the header has been read so far; the pixels are decoded further down.
            if image.width * image.height > MAX_PIXELS:
                raise UnreadableImageError(
                    f"the image has {image.width} x {image.height} pixels; "
                    f"at most {MAX_PIXELS} are accepted"
                )
            if image.mode.startswith("I"):
                # Pillow clips 16-bit grey to 255 on conversion to "L", so scale it here.
                return np.asarray(image, dtype=np.float32) / np.float32(257)
            return np.asarray(image.convert("L"), dtype=np.float32)
    except UnreadableImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImageError(
            f"the image has too many pixels; at most {MAX_PIXELS} are accepted"
        ) from error
    # A decoder raises whatever the step that meets the damage raises: mostly OSError, but also
    # SyntaxError, ValueError and IndexError. None of it is more than "this file is damaged".
    except Exception as error:
        raise UnreadableImageError("the image is not a readable JPEG or PNG file") from error


def gradient_magnitude(luminance: NDArray[Any], sigma: float) -> NDArray[np.float32]:
    """Return how steeply the luminance changes at each pixel.

    Args:
        luminance: grey levels, shape (height, width).
        sigma: standard deviation, in pixels, of the Gaussian that smooths the image first;
            0 does not smooth.

    Returns:
        Magnitude of the Sobel gradient in grey levels per pixel, float32 of the same shape.
    """
    smoothed = ndimage.gaussian_filter(luminance.astype(np.float32), sigma)
    vertical = ndimage.sobel(smoothed, axis=0)
    horizontal = ndimage.sobel(smoothed, axis=1)
    magnitude: NDArray[np.float32] = np.hypot(vertical, horizontal) / np.float32(_SOBEL_WEIGHT)
    return magnitude


def edge_picture(gradient: NDArray[np.float32]) -> bytes:
    """Draw a gradient as a greyscale picture.

    Args:
        gradient: gradient magnitudes, shape (height, width).

    Returns:
        A PNG file of the same width and height, in which the steepest pixel is white (255); it is
        all black where there is no edge at all.
    """
    steepest = float(gradient.max())
    scale = 255.0 / steepest if steepest > 0 else 0.0
    levels = np.rint(gradient * np.float32(scale)).astype(np.uint8)
    png = io.BytesIO()
    Image.fromarray(levels).save(png, format="PNG")
    return png.getvalue()
