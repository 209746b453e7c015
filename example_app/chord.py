"""A chord as a WAV file: a sound for the demonstration that does not have to be shipped."""

import io
import wave

import numpy as np

A_MAJOR = (440.0, 554.37, 659.26)
"""The notes a', c sharp'' and e'' in hertz, in equal temperament."""


def chord_wav(
    notes: tuple[float, ...] = A_MAJOR, *, seconds: float = 1.0, rate: int = 16_000
) -> bytes:
    """Return a WAV file, mono with 16 bits a sample, in which the notes sound together.

    Args:
        notes: frequencies in hertz. All are equally loud, and together reach full scale at most.
        seconds: length of the sound.
        rate: frames per second.
    """
    times = np.arange(round(seconds * rate)) / rate
    sines = np.sin(2 * np.pi * np.outer(notes, times))
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(np.rint(sines.mean(axis=0) * 32_767).astype("<i2").tobytes())
    return file.getvalue()
