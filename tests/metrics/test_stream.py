"""Model calls of one shape: same answers as calling the model on each piece, and as few calls as there can be."""

import threading
import time

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from xaijax.classifier import to_float
from xaijax.metrics._stream import as_model_input, float_images, in_batches, padded, stream


class Model:
    def __init__(self):
        self.shapes = []

    def __call__(self, images):
        self.shapes.append(images.shape)
        return images.reshape(len(images), -1)[:, :2] * 2.0


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 9), max_size=12), batch_size=st.integers(1, 8))
def test_pieces_come_back_in_order_from_full_chunks(sizes, batch_size):
    rng = np.random.default_rng(0)
    pieces = [(i, rng.random((n, 2, 3, 1)).astype(np.float32)) for i, n in enumerate(sizes)]
    model = Model()
    got = list(stream(model, iter(pieces), batch_size))
    assert [key for key, _ in got] == list(range(len(sizes)))
    for (_, images), (_, predictions) in zip(pieces, got, strict=True):
        np.testing.assert_array_equal(predictions, images.reshape(len(images), -1)[:, :2].astype(np.float64) * 2)
        assert predictions.dtype == np.float64
    assert set(model.shapes) <= {(batch_size, 2, 3, 1)}
    assert len(model.shapes) == -(-sum(sizes) // batch_size)


def test_pieces_are_pulled_only_as_they_are_needed():
    """One chunk is with the model and one is being filled; nothing beyond that."""
    pulled = []

    def pieces():
        for i in range(20):
            pulled.append(i)
            yield i, np.zeros((1, 2, 2, 1), np.uint8)

    answers = stream(lambda images: np.zeros((len(images), 1)), pieces(), 2)
    next(answers)
    time.sleep(0.05)
    assert pulled == [0, 1, 2, 3]
    answers.close()
    assert len(pulled) == 4


def test_the_next_chunk_is_filled_while_the_model_runs():
    """A model that blocks, as those of other frameworks do, does not stop the generator: they meet in the middle."""
    met = threading.Barrier(2, timeout=20)

    def pieces():
        for i in range(4):
            if i:
                met.wait()  # here while the model is at work on chunk i - 1
            yield i, np.full((2, 1, 1, 1), i, np.uint8)

    calls = []

    def predict(images):
        calls.append(int(images[0, 0, 0, 0]))
        if calls[-1] < 3:
            met.wait()
        return images.reshape(len(images), 1)

    got = list(stream(predict, pieces(), 2))
    assert calls == [key for key, _ in got] == [0, 1, 2, 3]


@pytest.mark.parametrize("where", ["generator", "model"])
def test_an_error_on_either_side_is_the_caller_s(where):
    def pieces():
        for i in range(6):
            if where == "generator" and i == 3:
                raise RuntimeError("no image")
            yield i, np.zeros((1, 2, 2, 1), np.uint8)

    def predict(images):
        if where == "model":
            raise RuntimeError("no model")
        return np.zeros((len(images), 1))

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="no image" if where == "generator" else "no model"):
        list(stream(predict, pieces(), 2))
    assert threading.active_count() == before


def test_a_chunk_in_flight_is_never_written_to():
    seen = []

    def lazy(images):
        seen.append((images, images.copy()))
        return np.zeros((len(images), 1))

    list(stream(lazy, [(0, np.arange(24, dtype=np.uint8).reshape(6, 2, 2, 1))], 2))
    for images, copy in seen:
        np.testing.assert_array_equal(images, copy)


@pytest.mark.parametrize(
    ("value", "expected"), [(np.uint8(7), np.uint8(7)), (np.uint16(65535), np.float32(1)), (0.25, np.float32(0.25))]
)
def test_what_the_model_is_given(value, expected):
    got = as_model_input(np.full((1, 2, 2, 1), value))
    assert got.dtype == expected.dtype
    assert (got == expected).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integer_images_become_the_floats_of_the_classifier(dtype):
    """The NumPy twin of `xaijax.classifier.to_float`, for every value there is; XLA may round the last digit up."""
    values = np.arange(np.iinfo(dtype).max + 1, dtype=np.int64).astype(dtype)
    np.testing.assert_array_max_ulp(float_images(values), np.asarray(to_float(values)), maxulp=1)
    assert float_images(values)[[0, -1]].tolist() == [0.0, 1.0]
    assert float_images(values).dtype == np.float32


def test_float_images_are_unchanged():
    for dtype in (np.float32, np.float64):
        values = np.linspace(0, 1, 7, dtype=dtype)
        assert float_images(values) is values


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 20), size=st.integers(1, 9))
def test_batches_of_one_shape_give_what_one_call_gives(count, size):
    rng = np.random.default_rng(count)
    first, second, shapes = rng.random((count, 3)), rng.random((count, 3)), set()

    def function(a, b):
        shapes.add((a.shape, b.shape))
        return a[:, :2] * b[:, 1:]

    found = in_batches(function, size, first, second)
    assert shapes == {((size, 3), (size, 3))}
    np.testing.assert_array_equal(found, first[:, :2] * second[:, 1:])


def test_padding_repeats_the_last_row_and_copies_nothing_else():
    values = np.arange(6).reshape(3, 2)
    assert padded(values, 5).tolist() == [[0, 1], [2, 3], [4, 5], [4, 5], [4, 5]]
    assert padded(values, 3) is values
    assert padded(values, 2) is values
