"""Array arguments of the kernels: whose they are, what is allowed, and how they become what the kernels read.

A call goes through three steps: `read` gives views of its arrays, nothing copied, and their `Home`; the checks look at
shapes and dtypes; `Home.ready` then makes each array contiguous, in native byte order and in a dtype that the kernels
compute in. `Home.give` hands results back as arrays of the library that the arguments came from.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from xaijax.kernels._checks import described, dtype_name, integer, is_traced

HALVES = ("float16", "bfloat16")
"""Floats that the kernels compute in float32, which holds each of their values."""

IMAGE_DTYPES = ("bool", "uint8", "uint16", *HALVES, "float32", "float64")
MAP_DTYPES = (*HALVES, "float32", "float64")
MASK_DTYPES = ("bool", "uint8")

# Pixel numbers fit 32 bits with a sign in every kernel.
MAX_PIXELS = 2**31 - 1

# A longer last axis is rather the width of a grey image, or of an image whose channels come first.
MAX_CHANNELS = 4

# DLPack's device types that NumPy can read: CPU, and pinned or managed memory of CUDA and ROCm.
_CPU_DEVICES = (1, 3, 11, 13)


class Home:
    """The library whose arrays a call was given, and whose arrays it returns."""

    def __init__(self, *, on_jax: bool = False, torch: Any = None) -> None:
        self.on_jax = on_jax
        self._torch = torch

    def ready(self, array: Any, bools: type[np.generic] = np.bool_) -> Any:
        """`array` as the kernels read it; a copy only where it has to be one.

        Args:
            array: what `read` gave.
            bools: the dtype that bools are read as.
        """
        name = dtype_name(array)
        dtype = np.dtype(np.float32 if name in HALVES else bools if name == "bool" else array.dtype)
        if self.on_jax:
            import jax.numpy as jnp

            if isinstance(array, np.ndarray):
                array = array.astype(array.dtype.newbyteorder("="), copy=False)
            array = jnp.asarray(array)
            return array if array.dtype == dtype else array.astype(dtype)
        return np.ascontiguousarray(array, dtype.newbyteorder("=")).reshape(array.shape)

    def give(self, result: Any, dtype: str = "") -> Any:
        """`result` of a kernel as an array of this library, in `dtype` where one is named."""
        if self._torch is not None:
            tensor = self._torch.from_numpy(np.require(result, requirements="W"))
            return tensor.to(getattr(self._torch, dtype)) if dtype else tensor
        if not dtype or dtype_name(result) == dtype:
            return result
        if dtype == "bool":
            return result != 0
        if self.on_jax:
            return result.astype(dtype)
        with np.errstate(over="ignore"):  # beyond the range of a half float is infinity
            return result.astype(_dtype(dtype))


def home(*arrays: Any) -> Home:
    """JAX's where one of the arrays is JAX's, else PyTorch's where one is a tensor, else NumPy's."""
    if is_jax(*arrays):
        return Home(on_jax=True)
    return Home(torch=next((torch for torch in map(_torch_of, arrays) if torch is not None), None))


def read(**arrays: Any) -> tuple[Home, list[Any]]:
    """Views of the arrays, without a copy: JAX arrays and tracers as they are, everything else as NumPy arrays.

    Args:
        **arrays: by the names of the arguments.

    Raises:
        TypeError: when one is no array on the CPU, is masked somewhere, or is a tensor that needs a gradient; when a
            float64 array stands next to a JAX array and JAX works without x64.
        ValueError: when a JAX array was deleted.
    """
    found = home(*arrays.values())
    views = {name: view(array, name) for name, array in arrays.items()}
    if found.on_jax:
        _check_x64(views)
    return found, list(views.values())


def view(array: Any, name: str) -> Any:
    """One of `read`'s views."""
    if type(array) is np.ndarray:
        return array
    if is_jax(array):
        if not is_traced(array) and array.is_deleted():
            raise ValueError(f"{name} must hold its values; got a JAX array that was deleted or donated: make it again")
        return array
    if isinstance(array, np.ma.MaskedArray):
        masked = int(np.count_nonzero(np.ma.getmaskarray(array)))
        if masked:
            raise TypeError(
                f"{name} must have no masked values; got {masked} of {array.size} masked: fill them, or leave them out"
            )
        return np.asarray(array)
    torch = _torch_of(array)
    if torch is not None:
        return _view_of_tensor(array, name, torch)
    if not is_array(array):
        raise TypeError(
            f"{name} must be an array (NumPy, JAX, PyTorch, DLPack or array interface); got {described(array)}"
        )
    try:
        if hasattr(array, "__array_interface__"):
            return np.asarray(array)
        device = int(array.__dlpack_device__()[0])
        if device in _CPU_DEVICES:
            return np.from_dlpack(array)
    except Exception as error:
        raise TypeError(
            f"{name} must be an array that NumPy can read in place; got {described(array)}, and reading it raised "
            f"{type(error).__name__}: pass a NumPy array"
        ) from error
    raise TypeError(
        f"{name} must be on the CPU; got {described(array)} on another device (DLPack's number {device}): "
        "copy it to the CPU first"
    )


def _view_of_tensor(tensor: Any, name: str, torch: Any) -> np.ndarray:
    if tensor.device.type != "cpu":
        raise TypeError(f"{name} must be on the CPU; got a tensor on {tensor.device}: pass {name}.cpu()")
    if tensor.requires_grad:
        raise TypeError(
            f"{name} must be a tensor that needs no gradient, because kernels have none; got one that does: "
            f"pass {name}.detach()"
        )
    try:
        if tensor.dtype == torch.bfloat16:
            import ml_dtypes  # NumPy's bfloat16; JAX brings it

            return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
        return tensor.numpy()
    except Exception as error:
        raise TypeError(
            f"{name} must be a dense tensor that NumPy can read in place; got a tensor of {tensor.dtype} and layout "
            f"{tensor.layout}, and reading it raised {type(error).__name__}: pass a NumPy array"
        ) from error


def _check_x64(views: dict[str, Any]) -> None:
    for name, array in views.items():
        if not is_jax(array) and dtype_name(array) == "float64":
            import jax

            if jax.dtypes.canonicalize_dtype(np.float64) != np.float64:
                raise TypeError(
                    f"{name} must be float32 next to a JAX array, because jax_enable_x64 is off; got float64: "
                    f"pass {name}.astype(numpy.float32), or switch x64 on"
                )


def is_jax(*arrays: Any) -> bool:
    """Whether any argument is a JAX array or tracer; JAX is never imported to find out."""
    kind = getattr(sys.modules.get("jax"), "Array", None)
    return kind is not None and any(isinstance(array, kind) for array in arrays)


def _torch_of(array: Any) -> Any:
    """The module torch where `array` is one of its tensors, else None; torch is never imported to find out."""
    torch = sys.modules.get("torch")
    kind = getattr(torch, "Tensor", None)
    return torch if kind is not None and isinstance(array, kind) else None


def is_array(value: Any) -> bool:
    """Whether `value` is what `read` takes for an array."""
    try:
        exports = hasattr(value, "__array_interface__") or hasattr(value, "__dlpack__")
        return is_jax(value) or _torch_of(value) is not None or (exports and not isinstance(value, type))
    except Exception:  # an object that raises: reading it will say so
        return True


def _dtype(name: str) -> np.dtype:
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def concrete(array: Any, name: str, where: str) -> Any:
    """A JAX array as a NumPy array, everything else as it is; raises for a tracer, which has no values."""
    if is_traced(array):
        raise TypeError(f"{name} must be an array with values in {where}; got a traced array: call it outside jit")
    return np.asarray(array) if is_jax(array) else array


def check_dtype(array: Any, name: str, allowed: Sequence[str]) -> None:
    """Raises TypeError unless the dtype is one of `allowed`."""
    if dtype_name(array) not in allowed:
        choice = f"{', '.join(allowed[:-1])} or {allowed[-1]}" if len(allowed) > 1 else allowed[0]
        raise TypeError(f"{name} must be {choice}; got {dtype_name(array)}")


def check_same_dtype(first: Any, first_name: str, second: Any, second_name: str) -> None:
    """Raises TypeError unless both have one dtype; byte order aside."""
    if dtype_name(first) != dtype_name(second):
        raise TypeError(
            f"{first_name} and {second_name} must have the same dtype; got {dtype_name(first)} and "
            f"{dtype_name(second)}: convert one of them"
        )


def check_pixels(name: str, height: int, width: int) -> None:
    """Raises where an image or map has more than `MAX_PIXELS` pixels."""
    if height * width > MAX_PIXELS:
        raise ValueError(f"{name} must have at most 2^31 - 1 pixels each; got {height} x {width}: split it into tiles")


def check_images(images: Any, name: str = "images") -> None:
    """Raises unless `images` is a non-empty `[..., H, W, C]` of an image dtype."""
    if images.ndim < 3:
        advice = f": write {name}[..., None] for a grey image" if images.ndim == 2 else ""
        raise ValueError(f"{name} must be [..., H, W, C]; got shape {tuple(images.shape)}{advice}")
    if 0 in images.shape[-3:]:
        raise ValueError(f"{name} must have at least one pixel and one channel; got shape {tuple(images.shape)}")
    check_pixels(name, *images.shape[-3:-1])
    check_dtype(images, name, IMAGE_DTYPES)


def check_channels(images: Any, channels: Any, name: str = "images") -> None:
    """Raises where the last axis of `images` may be the width of grey images, and the caller does not say otherwise.

    A batch `[B, H, W]` of grey images is also one image of W channels. Nothing in the array tells them apart.
    """
    found = images.shape[-1]
    if channels is not None:
        if integer(channels, "channels", "None or the number of channels", 1) != found:
            raise ValueError(f"channels must be the last axis of {name}, {found}; got {described(channels)}")
    elif found > MAX_CHANNELS:
        raise ValueError(
            f"{name} must be [..., H, W, C], and a last axis of {found} may be a width; got shape "
            f"{tuple(images.shape)}: write {name}[..., None] for grey images, move channels that come first to the "
            f"end, or pass channels={found} where there are so many"
        )


def check_maps(maps: Any, name: str = "maps", dtypes: Sequence[str] = MAP_DTYPES) -> None:
    """Raises unless `maps` is a non-empty `[..., H, W]` of one of `dtypes`."""
    if maps.ndim < 2:
        raise ValueError(f"{name} must be [..., H, W]; got shape {tuple(maps.shape)}")
    if 0 in maps.shape[-2:]:
        raise ValueError(f"{name} must have at least one pixel; got shape {tuple(maps.shape)}")
    check_pixels(name, *maps.shape[-2:])
    check_dtype(maps, name, dtypes)


def check_same_item(first: Any, first_name: str, second: Any, second_name: str, axes: int) -> None:
    """Raises unless the last `axes` axes (one image, one map) of both are the same."""
    if tuple(first.shape[-axes:]) != tuple(second.shape[-axes:]):
        raise ValueError(
            f"{second_name} must have the last {axes} axes of {first_name}, {tuple(first.shape[-axes:])}; "
            f"got shape {tuple(second.shape)}"
        )


def broadcast_batch(first: Any, first_name: str, second: Any, second_name: str, axes: int) -> tuple[int, ...]:
    """The batch axes (all but the last `axes`) of both together, by NumPy's broadcasting rule."""
    try:
        return np.broadcast_shapes(tuple(first.shape[:-axes]), tuple(second.shape[:-axes]))
    except ValueError:
        raise ValueError(
            f"the leading axes of {first_name} and {second_name} must broadcast; "
            f"got shapes {tuple(first.shape)} and {tuple(second.shape)}"
        ) from None


def check_serves(masks: Any, masks_name: str, maps: Any, maps_name: str) -> None:
    """Raises unless `masks` `[..., H, W]` has the H and W of `maps`, and leading axes that broadcast to theirs."""
    fits = masks.ndim >= 2 and tuple(masks.shape[-2:]) == tuple(maps.shape[-2:])
    if fits:
        try:
            fits = np.broadcast_shapes(masks.shape[:-2], maps.shape[:-2]) == tuple(maps.shape[:-2])
        except ValueError:
            fits = False
    if not fits:
        raise ValueError(
            f"{masks_name} must be [..., H, W] like {maps_name}, leading axes equal or broadcast to theirs; got shape "
            f"{tuple(masks.shape)} for {maps_name} of shape {tuple(maps.shape)}"
        )


def with_batch_rank(array: Any, axes: int, rank: int) -> Any:
    """`array` with axes of length 1 put in front, so that it has `rank` batch axes; never a copy.

    Operands of one FFI call need equal rank: `vmap` puts its axis in front of each. Axes of length one stay as they
    are: the handlers broadcast.
    """
    return array.reshape((1,) * (rank - (array.ndim - axes)) + tuple(array.shape))


def owners(own: Sequence[int], lead: Sequence[int]) -> np.ndarray:
    """For each item of the broadcast leading axes `lead`, in row-major order, the number of the item of an operand
    with the leading axes `own`."""
    items = np.arange(int(np.prod(tuple(own), dtype=np.int64)), dtype=np.int64).reshape(tuple(own))
    return np.ascontiguousarray(np.broadcast_to(items, tuple(lead))).reshape(-1)


def shortened(text: str, length: int = 100) -> str:
    """A text for one line: what is longer ends in dots."""
    return text if len(text) <= length else f"{text[: length - 3].rstrip()}..."
