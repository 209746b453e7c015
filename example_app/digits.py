"""Handwritten digits: a classifier trained on scikit-learn's digits data set.

An image is an 8 by 8 array of pixel intensities from 0 (paper) to 16 (ink), as ``load_digits``
gives them.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

IMAGE_SHAPE = (8, 8)
MAX_INTENSITY = 16
MAX_BATCH = 10_000
CLASSES = 10


class DigitsSplit(NamedTuple):
    """The digits data set, split once and for all into training and held-out images.

    Images are float64 arrays of shape (n, 8, 8); labels are int64 arrays of shape (n,).
    """

    training_images: NDArray[np.float64]
    held_out_images: NDArray[np.float64]
    training_labels: NDArray[np.int64]
    held_out_labels: NDArray[np.int64]


@cache
def digits_split() -> DigitsSplit:
    """Return 1347 training images and 450 held-out images, the same ones every time."""
    digits = load_digits()
    return DigitsSplit(
        *train_test_split(
            digits.images, digits.target, test_size=0.25, stratify=digits.target, random_state=0
        )
    )


@cache
def trained_classifier() -> Pipeline:
    """Return the classifier, training it on the first call (a fraction of a second)."""
    split = digits_split()
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return classifier.fit(_as_features(split.training_images), split.training_labels)


def class_probabilities(images: NDArray[Any]) -> NDArray[np.float32]:
    """Return the probability of each digit for each image.

    Args:
        images: a batch of integers or floats from 0 to 16, shape (n, 8, 8).

    Returns:
        Probabilities, float32 of shape (n, 10); column k is the digit k and each row sums to 1.
    """
    probabilities: NDArray[np.float64] = trained_classifier().predict_proba(_as_features(images))
    return probabilities.astype(np.float32)


def _as_features(images: NDArray[Any]) -> NDArray[np.float64]:
    """Flatten images of shape (n, 8, 8) to scikit-learn's feature matrix of shape (n, 64)."""
    return images.reshape(len(images), -1).astype(np.float64)
