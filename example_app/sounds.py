"""Spectrogram of a sound: from the bytes of a WAV file to the amplitude of each frequency.

These functions know nothing of HTTP.
"""

import io
import wave
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

# Three minutes at 44.1 kHz. The spectrogram takes four bytes for each of these frames, and a few
# times as much while it is computed.
MAX_FRAMES = 8_000_000

MIN_WINDOW = 256
MAX_WINDOW = 16_384


class UnreadableSoundError(ValueError):
    """The bytes are not a WAV file that this service accepts."""


class Recording(NamedTuple):
    """A sound, its channels averaged."""

    rate: int
    """Frames per second."""
    samples: NDArray[np.float32]
    """Shape (frames,), from -1 to 1."""


class Spectrogram(NamedTuple):
    """The strength of each frequency in each window of a sound."""

    times: NDArray[np.float64]
    """The middle of each window in seconds, shape (windows,)."""
    frequencies: NDArray[np.float64]
    """In hertz, from 0 to half the frame rate, shape (frequencies,)."""
    amplitudes: NDArray[np.float32]
    """1 for a sine of full scale, shape (frequencies, windows)."""


def read_wav(data: bytes) -> Recording:
    """Decode a WAV file of integer samples.

    Args:
        data: the contents of the file: PCM of 8, 16, 24 or 32 bits, any number of channels.

    Returns:
        The recording, its channels averaged.

    Raises:
        UnreadableSoundError: if ``data`` is not such a file, has no samples, is cut short, or has
            more than ``MAX_FRAMES`` frames.
    """
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, width, rate, frames, *_ = file.getparams()
            if frames > MAX_FRAMES:
                raise UnreadableSoundError(
                    f"the sound has {frames} frames; at most {MAX_FRAMES} are accepted"
                )
            pcm = file.readframes(frames)
    except UnreadableSoundError:
        raise
    # ``wave`` raises its own Error and EOFError, and what struct and seek make of damaged headers.
    except Exception as error:
        raise UnreadableSoundError("the sound is not a readable PCM WAV file") from error
    if not 1 <= width <= 4 or not rate or not pcm or len(pcm) != frames * channels * width:
        raise UnreadableSoundError("the sound is not a readable PCM WAV file")
    return Recording(rate, _samples(pcm, width).reshape(frames, channels).mean(axis=1))


def _samples(pcm: bytes, width: int) -> NDArray[np.float32]:
    """Return PCM samples of ``width`` bytes each as floats from -1 to 1."""
    if width == 1:  # the only width that is unsigned
        return np.frombuffer(pcm, np.uint8).astype(np.float32) / np.float32(128) - np.float32(1)
    if width == 3:
        # numpy has no integers of 24 bits: a byte of zeros below makes them 32.
        padded = np.zeros((len(pcm) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(pcm, np.uint8).reshape(-1, 3)
        pcm, width = padded.tobytes(), 4
    full_scale = np.float32(1 << (8 * width - 1))
    return np.frombuffer(pcm, f"<i{width}").astype(np.float32) / full_scale


def spectrogram(recording: Recording, window: int) -> Spectrogram:
    """Return the amplitude of each frequency in windows that overlap by half.

    Args:
        recording: a sound of at least ``window`` frames. What is left at its end and does not fill
            half a window is not looked at.
        window: length of a window in frames, an even number.

    Raises:
        ValueError: if the sound is shorter than a window.
    """
    rate, samples = recording
    if len(samples) < window:
        raise ValueError(f"the sound has {len(samples)} frames, fewer than a window of {window}")
    hop = window // 2
    shape = signal.windows.hann(window, sym=False).astype(np.float32)
    segments = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    amplitudes = np.abs(fft.rfft(segments * shape)).T / shape.sum()
    # A real sine has half its amplitude at the negative frequency, which is left out.
    amplitudes[1:-1] *= 2
    return Spectrogram(
        times=(np.arange(len(segments)) * hop + hop) / rate,
        frequencies=fft.rfftfreq(window, 1 / rate),
        amplitudes=np.ascontiguousarray(amplitudes),
    )
