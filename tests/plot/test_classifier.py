"""Figures of a classifier: the numbers that they show."""

import numpy as np
import pytest

from xaijax import plot
from xaijax.training import reliability

CLASSES = ("glioma", "meningioma", "pituitary")


def luminance(color):
    from matplotlib.colors import to_rgb

    parts = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in to_rgb(color)]
    return np.dot((0.2126, 0.7152, 0.0722), parts)


def test_the_counts_can_be_read_on_every_shade():
    """With the better one of two colours of letters no cell has a contrast below 4.3."""
    import matplotlib

    for percent in range(0, 101, 5):
        counts = np.array([[percent, 100 - percent], [0, 1]])
        axes = plot.confusion_matrix(counts, CLASSES[:2]).axes[0]
        for text, share in zip(axes.texts, (percent / 100, 1 - percent / 100), strict=False):
            light, dark = sorted((luminance(text.get_color()), luminance(matplotlib.colormaps["Blues"](share))))[::-1]
            assert (light + 0.05) / (dark + 0.05) >= 4.3, (percent, text.get_text())


def test_the_confusion_matrix_shows_counts_and_shares():
    counts = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]])
    axes = plot.confusion_matrix(counts, CLASSES, title="t").axes[0]
    assert [text.get_text() for text in axes.texts] == [str(count) for count in counts.ravel()]
    np.testing.assert_allclose(axes.get_images()[0].get_array(), [[0.8, 0.2, 0], [0.1, 0.9, 0], [0, 0, 0]])
    assert [text.get_text() for text in axes.get_yticklabels()] == list(CLASSES)
    with pytest.raises(ValueError, match=r"counts must be \[3, 3\] for 3 classes; got \(2, 2\)"):
        plot.confusion_matrix(np.eye(2), CLASSES)


def test_the_reliability_diagram_shows_the_bins():
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet([1, 1, 1], 200), rng.integers(0, 3, 200)
    found = reliability(labels, probabilities, bins=10)
    figure = plot.reliability_diagram(found)
    upper, lower = figure.axes
    rows = [row for row in found["bins"] if row["images"]]
    np.testing.assert_array_equal(upper.get_lines()[1].get_xdata(), [row["confidence"] for row in rows])
    np.testing.assert_array_equal(upper.get_lines()[1].get_ydata(), [row["accuracy"] for row in rows])
    assert [bar.get_height() for bar in lower.patches] == [row["images"] for row in found["bins"]]
    assert f"ECE {found['ece']:.3f}" in figure.legends[0].get_texts()[1].get_text()


def test_the_embedding_marks_wrong_predictions():
    coordinates = np.arange(12.0).reshape(6, 2)
    labels, predicted = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 2, 0])
    figure = plot.embedding(coordinates, labels, predicted, CLASSES, shares=[0.6, 0.3], title="t")
    right, wrong = ([c.get_offsets() for c in figure.axes[0].collections[start:6:2]] for start in (0, 1))
    np.testing.assert_array_equal(np.concatenate(right), coordinates[labels == predicted])
    np.testing.assert_array_equal(np.concatenate(wrong), coordinates[labels != predicted])
    assert figure.axes[0].get_ylabel() == "second (30%)"


def test_the_course_of_a_training():
    names = ("train_loss", "validation_loss", "validation_accuracy", "validation_macro_f1")
    log = [{"epoch": epoch} | {name: 0.1 * epoch + at for at, name in enumerate(names)} for epoch in (1, 2, 3)]
    left, right = plot.training_curves(log, 2, title="t").axes
    drawn = [line.get_ydata() for axes in (left, right) for line in axes.get_lines()[:2]]
    np.testing.assert_allclose(drawn, [[row[name] for row in log] for name in names])
    assert left.get_lines()[2].get_xdata() == [2, 2]


def test_many_classes_stay_legible():
    """A matrix of ImageNet's classes is no larger than a page, and the numbers go before they overlap."""
    for count, numbers in ((20, True), (60, False), (1000, False)):
        names = [f"class {index}" for index in range(count)]
        figure = plot.confusion_matrix(np.eye(count, dtype=int), names)
        assert max(figure.get_size_inches()) < 20
        assert bool(figure.axes[0].texts) == numbers
