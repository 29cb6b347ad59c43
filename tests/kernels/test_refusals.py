"""Every kernel, every argument, some ninety values that someone passes some day: taken, or refused in one sentence.

`CALLS` says what each argument takes. A refusal is a TypeError or a ValueError of one sentence that names the argument
and is the same in every run; a message of Python, NumPy, JAX or pybind11 never reaches the caller.
"""

import decimal
import fractions
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import kernels

H, W = 6, 7
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (2, H, W, 3)).astype(np.uint8)
MAPS = RNG.normal(size=(2, H, W)).astype(np.float32)
MASKS = RNG.random((2, H, W)) > 0.5
LEVELS = RNG.integers(0, 4, (2, H, W)).astype(np.uint16)
SETS = RNG.random((3, H, W)) > 0.5


class Raises:
    """An object that raises whatever is asked of it."""

    def __getattr__(self, name):
        raise RuntimeError("no attribute for you. Not one!")

    def __iter__(self):
        raise RuntimeError("no entries for you")

    def __len__(self):
        raise RuntimeError("no length for you")

    def __bool__(self):
        raise RuntimeError("no truth for you")

    def __float__(self):
        raise RuntimeError("no float for you")

    def __index__(self):
        raise RuntimeError("no index for you")

    def __repr__(self):
        raise RuntimeError("no text for you")

    __str__ = __repr__
    __hash__ = None


class LikeTensor:
    """A tensor of some library, whose export raises."""

    shape, ndim, dtype = (2, H, W, 3), 4, "lib.float32"

    def __init__(self, device=1):
        self.device = device

    def __dlpack_device__(self):
        return (self.device, 0)

    def __dlpack__(self, **options):
        raise RuntimeError("cannot export\nfor many reasons. See the manual.")


class BrokenInterface:
    """An object whose array interface is none."""

    def __init__(self):
        self.__array_interface__ = {"shape": "nonsense"}


def masked():
    return np.ma.masked_greater(MAPS, 0.5)


# name -> a function that makes the value
VALUES = {
    "None": lambda: None,
    "True": lambda: True,
    "np.True_": lambda: np.True_,
    "0": lambda: 0,
    "1": lambda: 1,
    "-1": lambda: -1,
    "2**70": lambda: 2**70,
    "10**400": lambda: 10**400,
    "-10**5000": lambda: -(10**5000),
    "0.5": lambda: 0.5,
    "1.0": lambda: 1.0,
    "-1.5": lambda: -1.5,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "-inf": lambda: -float("inf"),
    "1e300": lambda: 1e300,
    "np.int64(1)": lambda: np.int64(1),
    "np.uint8(1)": lambda: np.uint8(1),
    "np.float32(0.5)": lambda: np.float32(0.5),
    "np.float64(nan)": lambda: np.float64("nan"),
    "np.float16(0.5)": lambda: np.float16(0.5),
    "complex": lambda: 1j,
    "Fraction": lambda: fractions.Fraction(1, 2),
    "Decimal": lambda: decimal.Decimal("0.5"),
    "empty string": lambda: "",
    "word": lambda: "abc",
    "number as a string": lambda: "0.5",
    "long string": lambda: "abc\n" * 1000,
    "bytes": lambda: b"abc",
    "empty list": lambda: [],
    "empty tuple": lambda: (),
    "list of numbers": lambda: [0.1, 0.2],
    "falling": lambda: (3.0, 2.0),
    "pair of strings": lambda: ("0", "1"),
    "pair of None": lambda: [None, None],
    "pair of bools": lambda: [False, True],
    "pair of nan": lambda: (float("nan"), 1.0),
    "ragged list": lambda: [[1.0], [1.0, 2.0]],
    "nested list": lambda: [[1.0, 2.0], [3.0, 4.0]],
    "list of one list": lambda: [[[[1]]]],
    "list of words": lambda: ["abc", "def"],
    "long list": lambda: list(range(70000)),
    "dict": lambda: {"a": 1},
    "empty dict": lambda: {},
    "set": lambda: {"abc", "def", "ghi"},
    "generator": lambda: (x for x in (0.1, 0.2)),
    "iterator": lambda: iter([0.1, 0.2]),
    "huge range": lambda: range(10**12),
    "object": object,
    "class": lambda: int,
    "array class": lambda: np.ndarray,
    "function": lambda: len,
    "slice": lambda: slice(3),
    "ellipsis": lambda: ...,
    "memoryview": lambda: memoryview(b"abc"),
    "raises": Raises,
    "tensor that raises": LikeTensor,
    "tensor elsewhere": lambda: LikeTensor(2),
    "broken interface": BrokenInterface,
    "0-d int array": lambda: np.array(1),
    "0-d float array": lambda: np.array(0.5, np.float32),
    "0-d bool array": lambda: np.array(True),
    "0-d nan array": lambda: np.array(np.nan),
    "array of 1": lambda: np.array([0.5]),
    "empty array": lambda: np.zeros(0, np.float32),
    "no pixels": lambda: np.zeros((2, 0, W), np.float32),
    "no channels": lambda: np.zeros((2, H, W, 0), np.uint8),
    "strings": lambda: np.array(["abc", "def"]),
    "objects": lambda: np.full((2, H, W), None, object),
    "dates": lambda: np.zeros((2, H, W), "datetime64[ns]"),
    "date": lambda: np.datetime64("2026-01-01"),
    "complex array": lambda: np.zeros((2, H, W), np.complex64),
    "complex images": lambda: np.zeros((2, H, W, 3), np.complex128),
    "records": lambda: np.zeros((2, H, W), [("a", "f4"), ("b", "i4")]),
    "long doubles": lambda: np.zeros((2, H, W), np.longdouble),
    "int64 array": lambda: np.zeros((2, H, W), np.int64),
    "int64 images": lambda: np.zeros((2, H, W, 3), np.int64),
    "int8 images": lambda: np.zeros((2, H, W, 3), np.int8),
    "other size": lambda: np.zeros((2, H + 1, W), np.float32),
    "other images": lambda: np.zeros((2, H + 1, W, 3), np.uint8),
    "other batch": lambda: np.zeros((5, H, W), np.float32),
    "other image batch": lambda: np.zeros((5, H, W, 3), np.uint8),
    "other mask batch": lambda: np.zeros((5, H, W), bool),
    "grey batch": lambda: np.zeros((9, H, W), np.uint8),
    "channels first": lambda: np.zeros((2, 3, H, W), np.uint8),
    "cube": lambda: np.zeros((7, 7, 7), np.uint8),
    "one line": lambda: np.zeros(W, np.float32),
    "maps of nan": lambda: np.full((2, H, W), np.nan, np.float32),
    "masked array": masked,
    "many axes": lambda: np.zeros((1,) * 60, np.float32),
}

# What of VALUES each kind of argument takes; everything else must be refused.
INTEGERS = {"1", "np.int64(1)", "np.uint8(1)", "0-d int array"}
ANY_FROM_0 = {"0", *INTEGERS, "2**70", "10**400"}
NUMBERS = {"1", "0.5", "1.0", "np.int64(1)", "np.uint8(1)", "np.float32(0.5)", "np.float16(0.5)", "Fraction", "Decimal"}
NUMBERS |= {"0-d int array", "0-d float array"}
FLAGS = {"True", "np.True_", "0", "1", "np.int64(1)", "np.uint8(1)", "0-d bool array", "0-d int array"}
THREADS = {"None", *INTEGERS, "2**70", "10**400"}
COLOURS = {"0", "1", "1.0", "np.int64(1)", "np.uint8(1)", "0-d int array"}

# kernel -> (arguments, {argument: names of VALUES that it takes})
CALLS = {
    "histogram_entropy": (
        {"images": IMAGES},
        {
            "images": {"other images", "other image batch", "many axes"},
            "bins": INTEGERS,
            "range": {"list of numbers"},
            "channels": {"None"},
            "num_threads": THREADS,
        },
    ),
    "mutual_information": (
        {"images": IMAGES, "references": IMAGES[0]},
        {
            "images": {"other image batch"},
            "references": set(),
            "bins": {"None", *INTEGERS},
            "channels": {"None"},
            "num_threads": THREADS,
        },
    ),
    "reveal_levels": (
        {"maps": MAPS, "fractions": (0.1, 0.5)},
        {
            "maps": {"other size", "other batch", "many axes"},
            "fractions": {*NUMBERS, "list of numbers", "array of 1"},
            "always": {"None"},
            "num_threads": THREADS,
        },
    ),
    "reveal": (
        {"images": IMAGES, "levels": LEVELS, "num_levels": 3},
        {
            "images": set(),
            "levels": set(),
            "num_levels": INTEGERS,
            "fill": {*COLOURS, "memoryview"},
            "direction": set(),
            "sigma": NUMBERS,
            "noise": {"0", *NUMBERS},
            "seed": {"0", *INTEGERS},
            "num_threads": THREADS,
        },
    ),
    "reveal_chunks": (
        {"images": IMAGES, "levels": LEVELS, "num_levels": 3},
        {
            "images": set(),
            "levels": set(),
            "num_levels": INTEGERS,
            "fill": {*COLOURS, "memoryview"},
            "max_bytes": {*INTEGERS, "2**70", "10**400"},
            "direction": set(),
            "sigma": NUMBERS,
            "noise": {"0", *NUMBERS},
            "seed": {"0", *INTEGERS},
            "num_threads": THREADS,
        },
    ),
    "random_mask": (
        {"shape": (H, W), "fraction": 0.5, "seed": 1},
        {"shape": set(), "fraction": {"0", *NUMBERS}, "seed": {"0", *INTEGERS}},
    ),
    "top_k_threshold": (
        {"maps": MAPS, "percent": 10.0},
        {"maps": {"other size", "other batch", "many axes"}, "percent": NUMBERS, "num_threads": THREADS},
    ),
    "ebayes_threshold": (
        {"maps": MAPS},
        {
            "maps": {"other size", "other batch", "many axes"},
            "prior": set(),
            "a": {"None", *NUMBERS},
            "sd": {"None", "1e300", "2**70", *NUMBERS},
            "rule": set(),
            "universal_floor": FLAGS,
            "details": FLAGS,
            "num_threads": THREADS,
        },
    ),
    "rank_regions": (
        {"attribution": MAPS, "masks": SETS},
        {
            "attribution": {"other batch"},
            "masks": {"other mask batch", "grey batch", "channels first"},
            "dilate": ANY_FROM_0,
            "fast": FLAGS,
            "min_pixels": {*INTEGERS, "2**70", "10**400"},
            "area": {"1e300", "2**70", *NUMBERS},
            "num_threads": THREADS,
        },
    ),
    "localization_scores": (
        {"maps": MAPS, "masks": MASKS[0]},
        {
            "maps": {"other batch"},
            "masks": set(),
            "scores": {"None"},
            "threshold": NUMBERS,
            "percent": NUMBERS,
            "tolerance": {"0", "1e300", "2**70", *NUMBERS},
            "relu": FLAGS,
            "num_threads": THREADS,
        },
    ),
    "similarity": (
        {"a": MAPS, "b": MAPS[0]},
        {"a": {"other batch"}, "b": set(), "measure": set(), "percent": NUMBERS, "num_threads": THREADS},
    ),
}

RAW = re.compile(
    "not supported between|incompatible function|could not convert|unpack|object is not|has no|takes no|invalid literal"
    "|setting an array|cannot be interpreted|unexpected keyword|ambiguous| at 0x|Traceback|for you|See the manual"
)


def problem(error, argument):
    """What is wrong with a refusal, empty where nothing is."""
    text = str(error)
    if type(error) not in (TypeError, ValueError):
        return f"{type(error).__name__} instead of TypeError or ValueError"
    if not text or "\n" in text or text.endswith(".") or re.search(r"[.!?] [A-Z]", text):
        return "not one sentence"
    if len(text) > 420:
        return f"{len(text)} characters"
    if not re.search(rf"\b{argument}\b", text):
        return f"does not name {argument}"
    if RAW.search(text):
        return f"raw words: {RAW.search(text).group()}"
    return ""


def call(name, **arguments):
    found = getattr(kernels, name)(**arguments)
    return list(found) if name == "reveal_chunks" else found


def call_in_jit(name, **arguments):
    """Traced as under jit, the good arrays being tracers; nothing is computed."""
    static = {key: value for key, value in arguments.items() if value is not CALLS[name][0].get(key)}
    static |= {key: value for key, value in arguments.items() if not isinstance(value, np.ndarray)}
    traced = {key: value for key, value in arguments.items() if key not in static}
    return jax.eval_shape(lambda arrays: call(name, **arrays, **static), traced)


ARGUMENTS = [(name, argument) for name in sorted(CALLS) for argument in CALLS[name][1]]
# NaN in a map is found when the kernel runs; JAX maps that hold it get NaN, or reveal nothing.
TAKEN_BY_JAX = {
    ("rank_regions", "attribution"),
    ("localization_scores", "maps"),
    ("similarity", "a"),
    ("similarity", "b"),
}


def refusals(run, name, argument, taken):
    """What is wrong with the answers to VALUES; each refusal is asked for twice."""
    wrong = []
    for title, value in VALUES.items():
        said = []
        for _ in range(2):
            try:
                run(name, **{**CALLS[name][0], argument: value()})
            except Exception as error:
                said.append(str(error))
                found = problem(error, argument)
                if found:
                    wrong.append(f"{title}: {found}: {error!r}")
        if bool(said) == (title in taken):
            wrong.append(f"{title}: {'refused' if said else 'taken'}: {said[:1]}")
        if len(set(said)) > 1:
            wrong.append(f"{title}: another message each time: {said}")
    return wrong


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_argument_is_in_the_table(name):
    assert set(CALLS[name][1]) == set(inspect.signature(getattr(kernels, name)).parameters)
    call(name, **CALLS[name][0])


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_numpy_faces_refuse_in_one_sentence(name, argument):
    assert refusals(call, name, argument, CALLS[name][1][argument]) == []


@pytest.mark.parametrize(("name", "argument"), [pair for pair in ARGUMENTS if pair[0] != "reveal_chunks"])
def test_jax_faces_refuse_in_one_sentence(name, argument):
    taken = CALLS[name][1][argument] | ({"maps of nan"} if (name, argument) in TAKEN_BY_JAX else set())
    assert refusals(call_in_jit, name, argument, taken) == []


# Arrays, which may be traced, and the seed of a mask, which may be one.
OPERANDS = {"images", "references", "maps", "always", "levels", "fill", "attribution", "masks", "a", "b"}
STATIC = [
    (name, argument)
    for name, argument in ARGUMENTS
    if argument not in OPERANDS - ({"a"} if name == "ebayes_threshold" else set())
    and (name, argument) != ("random_mask", "seed")
]


@pytest.mark.parametrize(
    ("name", "argument"), [*STATIC, ("reveal_chunks", "images"), ("reveal_chunks", "levels"), ("reveal_chunks", "fill")]
)
def test_a_traced_option_is_refused_in_one_sentence(name, argument):
    """An option is static under jit, and chunks are made of values."""
    with pytest.raises((TypeError, ValueError), match="traced") as caught:
        jax.eval_shape(lambda value: call(name, **{**CALLS[name][0], argument: value}), jnp.float32(1))
    assert problem(caught.value, argument) == ""


def test_a_deleted_jax_array_is_refused():
    images = jnp.asarray(IMAGES)
    images.delete()
    with pytest.raises(ValueError, match="images must hold its values; got a JAX array that was deleted or donated"):
        kernels.histogram_entropy(images)


class TestOneSentence:
    """The rules that `problem` checks."""

    @pytest.mark.parametrize(
        ("error", "found"),
        [
            (ValueError("bins must be 1; got 2"), ""),
            (RuntimeError("bins must be 1; got 2"), "RuntimeError instead"),
            (ValueError("bins must be 1. Got 2"), "not one sentence"),
            (ValueError("bins must be 1."), "not one sentence"),
            (ValueError("bins must be 1\ngot 2"), "not one sentence"),
            (ValueError("it must be 1; got 2"), "does not name bins"),
            (TypeError("bins: '<' not supported between instances"), "raw words"),
        ],
    )
    def test_problem(self, error, found):
        assert problem(error, "bins").startswith(found)
        assert bool(problem(error, "bins")) == bool(found)
