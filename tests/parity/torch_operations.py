"""Makes graphs_of_torch/torch_operations.npz of tests/models/data: results of every operation, with gradients.

python -m venv peer && peer/bin/pip install torch==2.13.0 . && peer/bin/python tests/parity/torch_operations.py FILE

Each case is the name of an operation with its arguments: in the file's JSON an array is {"array": key}. Results are in
float64; gradients are those of the sum of the first result times stored numbers, with respect to every float argument.
"""

import json
import sys
import warnings
from typing import Any

import numpy as np
import torch

random = np.random.default_rng(7)


def f(*shape: int) -> np.ndarray:
    """Numbers of both signs."""
    return random.normal(size=shape)


def p(*shape: int) -> np.ndarray:
    """Positive numbers."""
    return random.uniform(0.5, 1.5, shape)


def i(high: int, *shape: int) -> np.ndarray:
    """Indices."""
    return random.integers(0, high, shape)


def b(*shape: int) -> np.ndarray:
    """Booleans."""
    return random.random(shape) < 0.5


class Dtype(str):
    """A kind of number, by name."""


KINKS = np.array([[-4.0, -3.0, -1.0, 0.0, 1.0, 3.0, 6.0, 7.0]])
X = (2, 4, 5, 6)  # of images
IMAGE = {"weight": f(6, 2, 3, 3), "bias": f(6), "stride": [2, 1], "padding": [1, 0], "dilation": [1, 2], "groups": 2}
STATISTICS = {"weight": p(4), "bias": f(4), "running_mean": f(4), "running_var": p(4)}
for one in ("running_mean", "running_var"):
    STATISTICS[one].flags.writeable = False  # PyTorch has no derivative with respect to them
POOL = {"kernel_size": [3, 2], "stride": [2, 2], "padding": [1, 0], "ceil_mode": True}
QKV = {"query": f(2, 3, 5, 4), "key": f(2, 3, 7, 4), "value": f(2, 3, 7, 6)}


def pairs(name: str) -> list[dict[str, Any]]:
    """Operands of one shape, that broadcast, and a number."""
    x = f(2, 3, 4, 5)
    return [{"input": x, "other": f(2, 3, 4, 5)}, {"input": x, "other": f(3, 1, 1)}, {"input": x, "other": 1.5}]


def resized(**more: Any) -> list[dict[str, Any]]:
    """Sizes up, down, with and without aligned corners, and by a factor."""
    x = f(*X)
    aligned = [{"align_corners": False}, {"align_corners": True}] if more.get("aligned", True) else [{}]
    return [{"input": x, "output_size": size} | a for size in ([9, 7], [3, 4]) for a in aligned] + [
        {"input": x, "output_size": None, "scale_factors": [1.5, 2.0]} | aligned[0]  # sizes from factors
    ]


CASES: dict[str, list[dict[str, Any]]] = {
    **{name: pairs(name) for name in ("add", "sub", "mul", "fmod", "remainder", "eq", "ne", "lt", "le", "gt", "ge")},
    "div": [*pairs("div"), *(one | {"rounding_mode": mode} for one in pairs("div") for mode in ("floor", "trunc"))],
    "floor_divide": pairs("floor_divide"),
    "rsub": [{"input": f(2, 3), "other": 2.0, "alpha": 3}],
    "pow": [
        {"input": p(2, 3), "exponent": 2.5},
        {"input": f(2, 3), "exponent": 2},
        {"input": 2.0, "exponent": f(2, 3)},
        {"input": p(2, 3), "exponent": f(3)},
    ],
    "maximum": pairs("maximum")[:2],
    "minimum": pairs("minimum")[:2],
    "atan2": pairs("atan2")[:2],
    "where": [{"condition": b(2, 3, 4), "input": f(2, 3, 4), "other": f(4)}],
    "masked_fill": [{"input": f(2, 3, 4), "mask": b(3, 1), "value": -2.0}],
    "lerp": [{"input": f(2, 3), "end": f(2, 3), "weight": 0.3}],
    "addcmul": [{"input": f(2, 3), "tensor1": f(2, 3), "tensor2": f(3), "value": 0.5}],
    **{
        name: [{"input": b(2, 3), "other": b(3)}] for name in ("logical_and", "logical_or", "bitwise_and", "bitwise_or")
    },
    "logical_not": [{"input": b(2, 3)}],
    "bitwise_not": [{"input": b(2, 3)}],
    **{
        name: [{"input": f(*X)}, {"input": KINKS}]
        for name in (
            "relu",
            "relu6",
            "hardsigmoid",
            "hardswish",
            "selu",
            "mish",
            "silu",
            "sigmoid",
            "tanh",
            "erf",
            "neg",
            "abs",
            "sign",
            "sin",
            "cos",
            "exp",
            "expm1",
            "floor",
            "ceil",
            "round",
            "trunc",
            "square",
            "isnan",
            "isinf",
            "clone",
            "alias",
            "detach",
        )
    },
    **{name: [{"input": p(*X)}] for name in ("log", "log1p", "log2", "sqrt", "rsqrt", "reciprocal")},
    "log_sigmoid_forward": [{"input": f(2, 3)}],
    "gelu": [{"input": f(*X)}, {"input": f(*X), "approximate": "tanh"}],
    "hardtanh": [{"input": KINKS}, {"input": KINKS, "min_val": 0.0, "max_val": 6.0}],
    "clamp": [
        {"input": KINKS, "min": -1.0, "max": 3.0},
        {"input": KINKS, "min": 0.0},
        {"input": f(2, 3), "min": f(3), "max": p(2, 3)},
    ],
    "clamp_min": [{"input": KINKS, "min": 0.5}],
    "clamp_max": [{"input": KINKS, "max": 3.0}],
    "threshold": [{"input": KINKS, "threshold": 0.5, "value": -2.0}, {"input": KINKS, "threshold": 0.0, "value": 0.0}],
    "leaky_relu": [{"input": f(*X), "negative_slope": 0.2}],
    "elu": [{"input": f(*X), "alpha": 1.5}],
    "celu": [{"input": f(*X), "alpha": 1.5}],
    "prelu": [{"input": f(*X), "weight": f(4)}, {"input": f(*X), "weight": f(1)}],
    "_prelu_kernel": [{"input": f(*X), "weight": f(1, 4, 1, 1)}],
    "softplus": [{"input": 30 * f(2, 6), "beta": 2.0}],
    **{name: [{"input": f(2, 6, 4), "size": [4, 12]}] for name in ("view", "_unsafe_view")},
    "reshape": [{"input": f(2, 6, 4), "shape": [4, -1]}],
    "flatten": [{"input": f(*X), "start_dim": 1, "end_dim": -2}],
    "unflatten": [{"input": f(2, 6, 4), "dim": -2, "sizes": [2, 3]}],
    "permute": [{"input": f(*X), "dims": [0, 2, -1, 1]}],
    "transpose": [{"input": f(*X), "dim0": 1, "dim1": -1}],
    "t": [{"input": f(2, 3)}],
    "unsqueeze": [{"input": f(2, 3, 4), "dim": d} for d in (0, 2, -1)],
    "squeeze": [
        {"input": f(2, 1, 3, 1)},
        {"input": f(2, 1, 3, 1), "dim": 1},
        {"input": f(2, 1, 3, 1), "dim": [1, 2, -1]},
    ],
    "expand": [{"input": f(3, 1), "size": [2, 3, 4]}, {"input": f(2, 1, 4), "size": [-1, 3, -1]}],
    "expand_as": [{"input": f(3, 1), "other": f(2, 3, 4)}],
    "repeat": [{"input": f(2, 3), "repeats": [2, 1, 3]}],
    "repeat_interleave": [{"input": f(2, 3), "repeats": 2, "dim": 1}],
    "cat": [{"tensors": [f(2, 3, 4), f(2, 1, 4)], "dim": 1}, {"tensors": [f(2, 3), f(2, 2)], "dim": -1}],
    "stack": [{"tensors": [f(2, 3), f(2, 3)], "dim": d} for d in (0, -1)],
    "split_with_sizes": [{"input": f(2, 6), "split_sizes": [1, 2, 3], "dim": 1}],
    "split": [{"input": f(2, 7), "split_size": 3, "dim": -1}],
    "chunk": [{"input": f(2, 7), "chunks": 3, "dim": 1}],
    "unbind": [{"input": f(2, 3, 4), "dim": 1}],
    "slice": [
        {"input": f(2, 7, 3), "dim": 1, "start": 1, "end": 6, "step": 2},
        {"input": f(2, 7), "dim": -1, "start": -3, "end": 9223372036854775807},
    ],
    "select": [{"input": f(2, 3, 4), "dim": 1, "index": -1}],
    "roll": [{"input": f(*X), "shifts": [2, -1], "dims": [2, 3]}, {"input": f(2, 3), "shifts": [2]}],
    "flip": [{"input": f(*X), "dims": [-1, 1]}],
    "pixel_shuffle": [{"input": f(2, 8, 3, 2), "upscale_factor": 2}],
    "pixel_unshuffle": [{"input": f(2, 2, 6, 4), "downscale_factor": 2}],
    "channel_shuffle": [{"input": f(2, 6, 3, 2), "groups": 3}],
    "constant_pad_nd": [{"input": f(*X), "pad": [1, 2, -1, 1], "value": 0.5}],
    "pad": [{"input": f(*X), "pad": [1, 2, 0, 1], "mode": m} for m in ("constant", "reflect", "replicate", "circular")],
    **{name: [{"input": f(2, 4, 6), "padding": [2, 1]}] for name in ("reflection_pad1d", "replication_pad1d")},
    **{name: [{"input": f(*X), "padding": [2, 1, 0, 1]}] for name in ("reflection_pad2d", "replication_pad2d")},
    "unfold": [{"input": f(2, 3, 8), "dimension": -1, "size": 3, "step": 2}],
    "im2col": [{"input": f(*X), "kernel_size": [3, 2], "dilation": [1, 2], "padding": [1, 0], "stride": [2, 1]}],
    "convolution": [
        {"input": f(*X), "transposed": False, "output_padding": [0, 0]} | IMAGE,
        {
            "input": f(*X),
            "weight": f(4, 3, 3, 3),
            "bias": None,
            "stride": [2, 2],
            "padding": [1, 1],
            "dilation": [1, 1],
            "transposed": True,
            "output_padding": [1, 0],
            "groups": 2,
        },
    ],
    "conv2d": [
        {"input": f(*X)} | IMAGE,
        {"input": f(*X), "weight": f(4, 1, 3, 3), "groups": 4},
        {"input": f(*X), "weight": f(3, 4, 1, 1), "stride": [2, 2]},
        {"input": f(*X), "weight": f(3, 4, 3, 2), "padding": "same"},
    ],
    "conv1d": [{"input": f(2, 4, 9), "weight": f(3, 4, 3), "bias": f(3), "stride": [2], "padding": [1]}],
    "conv_transpose2d": [
        {
            "input": f(*X),
            "weight": f(4, 2, 3, 2),
            "bias": f(4),
            "stride": [2, 3],
            "padding": [1, 0],
            "output_padding": [1, 2],
            "groups": 2,
            "dilation": [1, 2],
        }
    ],
    "conv_transpose1d": [{"input": f(2, 4, 5), "weight": f(4, 3, 3), "stride": [2]}],
    "linear": [{"input": f(2, 5, 4), "weight": f(3, 4), "bias": f(3)}, {"input": f(2, 4), "weight": f(3, 4)}],
    "addmm": [
        {"input": f(3), "mat1": f(2, 4), "mat2": f(4, 3)},
        {"input": f(2, 3), "mat1": f(2, 4), "mat2": f(4, 3), "beta": 2, "alpha": 0.5},
    ],
    "mm": [{"input": f(2, 4), "mat2": f(4, 3)}],
    "bmm": [{"input": f(3, 2, 4), "mat2": f(3, 4, 5)}],
    "matmul": [
        {"input": f(2, 3, 2, 4), "other": f(3, 4, 5)},
        {"input": f(2, 3, 4), "other": f(4, 5)},
        {"input": f(2, 4), "other": f(4)},
    ],
    "baddbmm": [{"input": f(3, 2, 5), "batch1": f(3, 2, 4), "batch2": f(3, 4, 5), "beta": 2, "alpha": 0.5}],
    "einsum": [{"equation": "bij,bkj->bik", "tensors": [f(2, 3, 4), f(2, 5, 4)]}],
    "_native_batch_norm_legit_no_training": [
        {"input": f(*X), **STATISTICS, "momentum": 0.1, "eps": 1e-2},
        {"input": f(*X), **STATISTICS, "weight": None, "bias": None, "momentum": 0.1, "eps": 1e-5},
    ],
    "batch_norm": [
        {"input": f(*X), **STATISTICS, "training": False, "momentum": 0.1, "eps": 1e-3, "cudnn_enabled": False}
    ],
    "native_batch_norm": [{"input": f(*X), **STATISTICS, "training": False, "momentum": 0.1, "eps": 1e-3}],
    "_native_batch_norm_legit": [
        {"input": f(*X), "weight": p(4), "bias": f(4), "training": True, "momentum": 0.0, "eps": 1e-3}
    ],
    "instance_norm": [
        {
            "input": f(*X),
            "weight": p(4),
            "bias": f(4),
            "running_mean": None,
            "running_var": None,
            "use_input_stats": True,
            "momentum": 0.1,
            "eps": 1e-3,
            "cudnn_enabled": False,
        }
    ],
    "native_layer_norm": [{"input": f(2, 3, 4), "normalized_shape": [4], "weight": p(4), "bias": f(4), "eps": 1e-2}],
    "layer_norm": [
        {"input": f(2, 3, 4), "normalized_shape": [3, 4], "weight": p(3, 4), "bias": f(3, 4), "eps": 1e-2},
        {"input": f(2, 3, 4), "normalized_shape": [4]},
    ],
    "rms_norm": [
        {"input": f(2, 3, 4), "normalized_shape": [4], "weight": p(4), "eps": 1e-2},
        {"input": f(2, 4), "normalized_shape": [4]},
    ],
    "group_norm": [{"input": f(*X), "num_groups": 2, "weight": p(4), "bias": f(4), "eps": 1e-2}],
    "native_group_norm": [
        {"input": f(*X), "weight": p(4), "bias": f(4), "N": 2, "C": 4, "HxW": 30, "group": 2, "eps": 1e-2}
    ],
    "max_pool2d": [{"input": f(*X)} | POOL, {"input": f(*X), "kernel_size": [2, 2], "dilation": [2, 1]}],
    "max_pool2d_with_indices": [{"input": f(*X)} | POOL],
    "max_pool1d": [{"input": f(2, 3, 8), "kernel_size": [3], "stride": [2], "padding": [1]}],
    "avg_pool2d": [{"input": f(*X), "count_include_pad": c} | POOL for c in (True, False)]
    + [{"input": f(*X), "kernel_size": [2, 2], "divisor_override": 3}],
    "avg_pool1d": [{"input": f(2, 3, 8), "kernel_size": [3], "stride": [2], "padding": [1]}],
    "adaptive_avg_pool2d": [{"input": f(*X), "output_size": s} for s in ([1, 1], [3, 4], [7, 7])],
    "_adaptive_avg_pool2d": [{"input": f(*X), "output_size": [2, 3]}],
    "adaptive_avg_pool1d": [{"input": f(2, 3, 7), "output_size": [3]}],
    "adaptive_max_pool2d": [{"input": f(*X), "output_size": [2, 3]}],
    "adaptive_max_pool1d": [{"input": f(2, 3, 7), "output_size": [3]}],
    "upsample_bilinear2d": resized(),
    "upsample_bicubic2d": resized(),
    "upsample_nearest2d": resized(aligned=False),
    **{
        name: [
            {"input": f(2, 3, 4)},
            {"input": f(2, 3, 4), "dim": [1, -1]},
            {"input": f(2, 3, 4), "dim": [1], "keepdim": True},
        ]
        for name in ("mean", "sum", "amax", "amin")
    },
    "prod": [{"input": f(2, 3, 4), "dim": 1}],
    "argmax": [{"input": f(2, 3, 4), "dim": 1}, {"input": f(2, 3), "dim": None}],
    **{
        name: [
            {"input": f(2, 3, 4)},
            {"input": f(2, 3, 4), "dim": 1, "keepdim": True},
            {"input": f(2, 3), "other": f(3)},
        ]
        for name in ("max", "min")
    },
    "any": [{"input": b(2, 3, 4), "dim": 1}, {"input": b(2, 3)}],
    "all": [{"input": b(2, 3, 4), "dim": -1, "keepdim": True}],
    **{
        name: [
            {"input": f(2, 3, 4), "dim": [1, 2], "correction": 0},
            {"input": f(2, 3, 4), "dim": [1], "correction": 1, "keepdim": True},
        ]
        for name in ("var", "std", "var_mean")
    },
    "linalg_vector_norm": [
        {"input": f(2, 3, 4), "ord": o, "dim": [-1], "keepdim": True} for o in (2, 1, 3.0, float("inf"))
    ],
    "cumsum": [{"input": f(2, 3), "dim": 1}],
    "logsumexp": [{"input": f(2, 3, 4), "dim": [1]}],
    "softmax": [{"input": f(*X), "dim": 1}],
    "log_softmax": [{"input": f(*X), "dim": -1}],
    "_softmax": [{"input": f(*X), "dim": 1, "half_to_float": False}],
    "_log_softmax": [{"input": f(*X), "dim": -1, "half_to_float": False}],
    "scaled_dot_product_attention": [
        QKV,
        QKV | {"attn_mask": f(5, 7), "scale": 0.3},
        QKV | {"attn_mask": np.ones((5, 7), bool) & (np.arange(7) < 4)},
        {"query": f(2, 3, 5, 4), "key": f(2, 3, 5, 4), "value": f(2, 3, 5, 4), "is_causal": True},
        {"query": f(2, 4, 5, 4), "key": f(2, 2, 5, 4), "value": f(2, 2, 5, 4), "enable_gqa": True},
    ],
    "index": [
        {"input": f(3, 4, 5), "indices": [None, i(4, 2, 3)]},
        {"input": f(3, 4, 5), "indices": [i(3, 2), i(4, 2)]},
    ],
    "index_put": [
        {"input": f(3, 4), "indices": [np.array([0, 2])], "values": f(2, 4)},
        {"input": f(3, 4), "indices": [np.array([1, 1])], "values": f(2, 4), "accumulate": True},
    ],
    "index_select": [{"input": f(3, 4, 5), "dim": 1, "index": i(4, 6)}],
    "gather": [{"input": f(3, 4), "dim": 1, "index": i(4, 2, 3)}],
    "embedding": [{"weight": f(5, 3), "indices": i(5, 2, 4)}],
    "slice_scatter": [{"input": f(3, 6), "src": f(3, 2), "dim": 1, "start": 1, "end": 5, "step": 2}],
    "select_scatter": [{"input": f(3, 6), "src": f(3), "dim": 1, "index": -1}],
    "tril": [{"input": f(4, 4), "diagonal": -1}],
    "triu": [{"input": f(4, 4), "diagonal": 1}],
    "diagonal": [{"input": f(3, 4, 4), "dim1": 1, "dim2": 2}],
    "copy": [{"input": f(2, 3), "src": f(3)}],
    "_to_copy": [{"input": f(2, 3), "dtype": Dtype("float32")}, {"input": b(2, 3), "dtype": Dtype("float64")}],
    "full": [{"size": [2, 3], "fill_value": 1.5, "dtype": Dtype("float64")}, {"size": [2], "fill_value": 3}],
    "full_like": [{"input": f(2, 3), "fill_value": 2}],
    "zeros": [{"size": [2, 3]}],
    "ones": [{"size": [2, 3]}],
    "new_zeros": [{"input": f(2), "size": [2, 3]}],
    "new_ones": [{"input": f(2), "size": [2, 3]}],
    "zeros_like": [{"input": f(2, 3)}],
    "ones_like": [{"input": f(2, 3)}],
    "scalar_tensor": [{"s": 1.5, "dtype": Dtype("float64")}],
    "arange": [
        {"end": 5},
        {"start": 1, "end": 8, "step": 2},
        {"start": 0.5, "end": 3.0, "step": 0.5, "dtype": Dtype("float64")},
    ],
    "linspace": [{"start": -1.0, "end": 1.0, "steps": 5, "dtype": Dtype("float64")}],
}


def main() -> None:
    """Run every case and write the file."""
    warnings.simplefilter("ignore")
    arrays: dict[str, np.ndarray] = {}
    described = []

    def keep(array: np.ndarray) -> dict[str, str]:
        key = f"a{len(arrays)}"
        arrays[key] = array
        return {"array": key}

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return keep(value)
        if isinstance(value, Dtype):
            return {"dtype": str(value)}
        if isinstance(value, float) and not np.isfinite(value):
            return {"float": str(value)}
        return [plain(item) for item in value] if isinstance(value, list) else value

    for op, cases in CASES.items():
        for case in cases:
            given: list[torch.Tensor] = []

            def tensor(value: Any, given: list[torch.Tensor] = given) -> Any:
                if isinstance(value, np.ndarray):
                    made = torch.from_numpy(value.copy())
                    if made.is_floating_point():
                        given.append(made.requires_grad_(value.flags.writeable))
                    return made
                if isinstance(value, Dtype):
                    return getattr(torch, value)
                return [tensor(item) for item in value] if isinstance(value, list) else value

            arguments = {
                ("self" if key == "input" and op not in TAKES_INPUT else key): tensor(value)
                for key, value in case.items()
            }
            if op == "pow" and not isinstance(case["input"], np.ndarray):
                result = torch.ops.aten.pow.Scalar(arguments["self"], arguments["exponent"])
            else:
                result = call(op, arguments)
            results = list(result) if isinstance(result, list | tuple) else [result]
            first = results[0]
            entry = {"op": op, "inputs": {key: plain(value) for key, value in case.items()}}
            count = len(results) if op in SEVERAL else 1
            entry["outputs"] = [keep(one.detach().numpy()) for one in results[:count]]
            if first.requires_grad and any(one.requires_grad for one in given):
                mixture = random.normal(size=tuple(first.shape))
                try:
                    (first * torch.from_numpy(np.asarray(mixture))).sum().backward()
                except RuntimeError:  # PyTorch has no derivative of it
                    print("no derivative:", op)
                else:
                    entry["mixture"] = keep(np.asarray(mixture))
                    entry["gradients"] = [None if one.grad is None else keep(one.grad.numpy()) for one in given]
            described.append(entry)
    arrays["cases"] = np.frombuffer(json.dumps(described).encode(), np.uint8)
    np.savez_compressed(sys.argv[1], **arrays)


SEVERAL = ("split", "split_with_sizes", "chunk", "unbind", "var_mean", "max", "min")
TAKES_INPUT = (
    *("conv1d", "conv2d", "convolution", "conv_transpose1d", "conv_transpose2d", "linear", "group_norm", "layer_norm"),
    *(
        "native_group_norm",
        "native_layer_norm",
        "batch_norm",
        "native_batch_norm",
        "_native_batch_norm_legit",
        "rms_norm",
    ),
    *("_native_batch_norm_legit_no_training", "instance_norm"),
)


def call(op: str, arguments: dict[str, Any]) -> Any:
    """An operation of PyTorch by its name and arguments."""
    packet = getattr(torch.ops.aten, op)
    if "scale_factors" in arguments:
        return packet.vec(**{("input" if key == "self" else key): value for key, value in arguments.items()})
    return packet(**arguments)


if __name__ == "__main__":
    main()
