"""What weights expect of pixels: range, channel order, mean and standard deviation of channels or of every pixel.

Images of xaijax are float, NHWC, RGB or grey, in [0, 1]. The preprocessing that belongs to a model's weights is part
of `Classifier.logits`, so that a black baseline is a black picture and attributions are per displayed pixel.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from xaijax._errors import InputError

Style = Literal["identity", "tf", "caffe", "torch", "xrv"]


GREY_LEVEL = 1 / 255


class PixelStatistics:
    """The mean and standard deviation of every pixel over a set of images.

    Args:
        mean: `[H, W, C]`, of pixels in [0, 1].
        std: `[H, W, C]`, positive.

    Raises:
        InputError: for arrays of other shapes, or a std that is not positive.

    Example:
        >>> PixelStatistics(np.zeros((2, 3, 1)), np.ones((2, 3, 1))).shape
        (2, 3, 1)
    """

    def __init__(self, mean: Any, std: Any) -> None:
        self.mean, self.std = (np.ascontiguousarray(value, np.float32) for value in (mean, std))
        if self.mean.ndim != 3 or self.mean.shape != self.std.shape:
            raise InputError(f"mean and std must be [H, W, C], both; got {self.mean.shape} and {self.std.shape}")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and (self.std > 0).all()):
            raise InputError("mean and std of every pixel must be finite, std above 0")
        for value in (self.mean, self.std):
            value.setflags(write=False)
        self.digest = hashlib.sha256(self.mean.tobytes() + self.std.tobytes()).hexdigest()[:16]

    @classmethod
    def of(cls, parts: Iterable[NDArray[Any]]) -> "PixelStatistics":
        """Those of images.

        A pixel that varies by less than a grey level (the black border of a scan) is divided by a grey level, 1/255.

        Args:
            parts: batches `[n, H, W, C]`, uint8 or float in [0, 1].

        Returns:
            The statistics over all images of all parts.

        Raises:
            InputError: where there is no image.
        """
        count = 0
        total: NDArray[np.float64] = np.zeros(0)
        squares: NDArray[np.float64] = np.zeros(0)
        for part in parts:
            if not len(part):
                continue
            values = np.asarray(part, np.float64) / (255 if part.dtype == np.uint8 else 1)
            if not count:
                total, squares = (np.zeros(values.shape[1:]) for _ in range(2))
            count += len(values)
            total += values.sum(axis=0)
            squares += (values**2).sum(axis=0)
        if not count:
            raise InputError("the mean of every pixel needs images; got none")
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 0))
        return cls(mean, np.maximum(std, GREY_LEVEL))

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "PixelStatistics":
        """From what `plain` gave."""
        shape = tuple(int(side) for side in plain["shape"])
        mean, std = (
            np.frombuffer(base64.b64decode(plain[name], validate=True), "<f4").reshape(shape)
            for name in ("mean", "std")
        )
        return cls(mean, std)

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C)."""
        return self.mean.shape

    def plain(self) -> dict[str, Any]:
        """As JSON values; the numbers as base64 of little-endian float32."""
        texts = {
            name: base64.b64encode(getattr(self, name).astype("<f4").tobytes()).decode() for name in ("mean", "std")
        }
        return {"shape": list(self.shape), **texts}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PixelStatistics) and (self.shape, self.digest) == (other.shape, other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"PixelStatistics({'x'.join(map(str, self.shape))}, {self.digest})"


@dataclass(frozen=True, repr=False)
class Preprocess:
    """Pixels in [0, 1] -> what a model's weights expect: `(scale · order(x) - mean) / std`.

    With `pixels` every pixel of that is standardised by its own mean and standard deviation.

    Args:
        scale: factor on the pixels in [0, 1]: 1 or 255.
        mean: per channel, in the scaled unit and in `order`; one number for all channels.
        std: per channel, in the scaled unit and in `order`; one number for all channels; not zero.
        order: `"rgb"` leaves the channels, `"bgr"` turns them round first.
        pixels: mean and standard deviation of every pixel, for images of one size; None for none.

    Raises:
        ValueError: for a std of zero, another order, or values that are not finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.preprocess import Preprocess
        >>> Preprocess.named("tf")(jnp.zeros((1, 1, 1, 3))).ravel().tolist()
        [-1.0, -1.0, -1.0]
    """

    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    order: Literal["rgb", "bgr"] = "rgb"
    pixels: PixelStatistics | None = None

    def __repr__(self) -> str:
        text = f"scale={self.scale}, mean={self.mean}, std={self.std}, order={self.order!r}"
        return f"Preprocess({text}{'' if self.pixels is None else f', pixels={self.pixels}'})"

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            value = getattr(self, name)
            object.__setattr__(
                self, name, tuple(float(v) for v in (value if isinstance(value, tuple | list) else [value]))
            )
        object.__setattr__(self, "scale", float(self.scale))
        numbers = (self.scale, *self.mean, *self.std)
        if self.pixels is not None and not isinstance(self.pixels, PixelStatistics):
            raise ValueError(f"pixels must be PixelStatistics or None; got {type(self.pixels).__name__}")
        if not all(abs(number) < float("inf") for number in numbers) or 0.0 in self.std or not self.scale:
            raise ValueError(f"scale, mean and std must be finite, scale and std not zero; got {self}")
        if self.order not in ("rgb", "bgr"):
            raise ValueError(f'order must be "rgb" or "bgr"; got {self.order!r}')

    @classmethod
    def named(cls, style: Style | str) -> "Preprocess":
        """One of the field's styles.

        Args:
            style: `"identity"` [0, 1]; `"tf"` [-1, 1]; `"caffe"` BGR in [0, 255] minus ImageNet's mean;
                `"torch"` minus ImageNet's mean, divided by its standard deviation; `"xrv"` [-1024, 1024], as the chest
                X-ray networks of TorchXRayVision expect.

        Returns:
            The preprocessing.

        Raises:
            ValueError: for another name.

        References:
            keras.applications.imagenet_utils.preprocess_input (names and numbers);
            Cohen et al., "TorchXRayVision: A library of chest X-ray datasets and models", MIDL 2022.
        """
        if style == "identity":
            return cls()
        if style == "tf":
            return cls(mean=(0.5,), std=(0.5,))
        if style == "caffe":
            return cls(scale=255.0, mean=(103.939, 116.779, 123.68), order="bgr")
        if style == "torch":
            return cls(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
        if style == "xrv":
            return cls.of_range(-1024, 1024)
        raise ValueError(f"preprocess must be a Preprocess or one of {', '.join(get_args(Style))}; got {style!r}")

    @classmethod
    def of_range(cls, low: float, high: float) -> "Preprocess":
        """Black becomes `low` and white `high`.

        Example:
            >>> Preprocess.of_range(-1024, 1024)
            Preprocess(scale=2048.0, mean=(1024.0,), std=(1.0,), order='rgb')
        """
        return cls(scale=high - low, mean=(-low,))

    @classmethod
    def standardized(cls, *parts: NDArray[Any]) -> "Preprocess":
        """Every pixel minus its mean over images, divided by its standard deviation over them.

        Args:
            *parts: batches `[n, H, W, C]` of images, uint8 or float in [0, 1].

        Returns:
            The preprocessing, for images of that size.

        Raises:
            InputError: where there is no image.

        Example:
            >>> images = np.stack([np.zeros((2, 2, 1)), np.ones((2, 2, 1))])
            >>> Preprocess.standardized(images)(images).ravel().tolist()
            [-1.0, -1.0, -1.0, -1.0, 1.0, 1.0, 1.0, 1.0]
        """
        return cls(pixels=PixelStatistics.of(parts))

    @classmethod
    def words(cls, style: str) -> str:
        """A style with its numbers, for messages.

        Example:
            >>> Preprocess.words("tf")
            'tf (mean 0.5, std 0.5)'
        """
        if style not in get_args(Style):
            return f"{style} preprocessing"
        one = cls.named(style)
        if one.is_identity:
            return f"{style} (pixels in [0, 1] as they are)"
        parts = [f"scale {one.scale:g}"] if one.scale != 1 else []
        parts += [f"mean {' '.join(f'{value:g}' for value in one.mean)}", f"std {' '.join(f'{v:g}' for v in one.std)}"]
        return f"{style} ({', '.join(parts + ['BGR'] * (one.order == 'bgr'))})"

    @classmethod
    def read(cls, words: Sequence[str]) -> "Preprocess":
        """What the command line's --preprocess says: a style, or numbers for mean and std.

        Args:
            words: the name of a style; or `range=LOW,HIGH`, what black and white become; or `mean=M[,M,M]`,
                `std=S[,S,S]`, `scale=F`, `order=bgr`, of pixels in [0, 1].

        Returns:
            The preprocessing.

        Raises:
            InputError: for other words or numbers.

        Example:
            >>> Preprocess.read(["mean=0.5", "std=0.25"])
            Preprocess(scale=1.0, mean=(0.5,), std=(0.25,), order='rgb')
        """
        if len(words) == 1 and "=" not in words[0]:
            try:
                return cls.named("identity" if words[0] == "unit" else words[0])
            except ValueError:
                pass
        if len(words) == 1 and words[0].startswith("range="):
            try:
                low, high = map(float, words[0].removeprefix("range=").split(","))
                return cls.of_range(low, high)
            except ValueError:
                raise InputError(
                    f"preprocess is {words[0]!r}; a range is two different numbers, what black and white become, such "
                    "as range=-1024,1024"
                ) from None
        given: dict[str, Any] = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not equals or name not in ("scale", "mean", "std", "order") or name in given:
                raise InputError(
                    f"preprocess is {' '.join(words)!r}; it must be one of {', '.join(get_args(Style))}, or "
                    "range=LOW,HIGH, or numbers such as mean=0.5 std=0.25, or mean=0.485,0.456,0.406 "
                    "std=0.229,0.224,0.225"
                )
            try:
                numbers = None if name == "order" else tuple(map(float, value.split(",")))
            except ValueError:
                raise InputError(f"preprocess has {word!r}; {name} must be numbers, separated by commas") from None
            given[name] = value if numbers is None else numbers[0] if name == "scale" else numbers
        try:
            return cls(**given)
        except ValueError as error:
            raise InputError(str(error)) from None

    @property
    def is_identity(self) -> bool:
        """True where nothing is changed."""
        return self == Preprocess()

    def grey(self) -> "Preprocess":
        """The same for one channel: mean and std averaged over the channels, exact where they are equal."""
        mean, std = (sum(values) / len(values) for values in (self.mean, self.std))
        return Preprocess(self.scale, (mean,), (std,))

    def describe(self) -> dict[str, Any]:
        """As JSON values, for a run: of `pixels` the shape and a digest."""
        numbers = {"scale": self.scale, "mean": list(self.mean), "std": list(self.std), "order": self.order}
        if self.pixels is None:
            return numbers
        return numbers | {"pixels": {"shape": list(self.pixels.shape), "digest": self.pixels.digest}}

    def check_shape(self, shape: Sequence[int]) -> None:
        """Refuse images (H, W, C) that the numbers do not fit."""
        channels = shape[2]
        if self.pixels is not None and self.pixels.shape != tuple(shape):
            height, width = self.pixels.shape[:2]
            raise ValueError(
                f"every pixel is standardised for images of {list(self.pixels.shape)}, and these are {list(shape)}: "
                f"take images of {height}x{width} pixels, or another preprocessing"
            )
        counts = {len(values) for values in (self.mean, self.std)} - {1}
        if counts - {channels} or (self.order == "bgr" and channels != 3):
            raise ValueError(self._misfit(channels))

    def _misfit(self, channels: int) -> str:
        """Why the numbers do not fit, and which would."""
        own = max(len(self.mean), len(self.std), 3 * (self.order == "bgr"))
        said = f"preprocessing for {own} channels does not fit images of {channels} channel{'s' * (channels != 1)}: "
        if channels != 1:
            return said + f"give one number for all, or {channels}, for mean and std"
        one = self.grey()
        scale = "" if one.scale == 1 else f"scale={one.scale:g} "
        return said + f"give one number each, as --preprocess {scale}mean={one.mean[0]:.4g} std={one.std[0]:.4g}"

    def __call__(self, images: Any) -> Any:
        """`[..., H, W, C]` in [0, 1] -> the same shape in the weights' unit; differentiable."""
        import jax.numpy as jnp  # the command line reads preprocessing without JAX

        if self.is_identity:
            return images
        if self.order == "bgr":
            images = images[..., ::-1]
        images = jnp.asarray(images)  # float64 becomes what JAX computes in
        # One product and one sum, so that `shift` is exactly what is added.
        factor = jnp.asarray([self.scale / std for std in self.std], images.dtype)
        if self.pixels is not None:
            factor = factor / jnp.asarray(self.pixels.std, images.dtype)
        return images * factor + self.shift(images.dtype)

    def shift(self, dtype: Any = np.float32) -> Any:
        """What is added to every pixel, `-mean / std`, the first bias: `[C]` or `[1]`, with `pixels` `[H, W, C]`."""
        import jax.numpy as jnp

        mean, std = self.mean, self.std
        count = max(len(mean), len(std))
        mean, std = (values * count if len(values) == 1 else values for values in (mean, std))
        added = jnp.asarray([-m / s for m, s in zip(mean, std, strict=True)], dtype)
        if self.pixels is None:
            return added
        return (added - jnp.asarray(self.pixels.mean, dtype)) / jnp.asarray(self.pixels.std, dtype)


def read_as(described: Mapping[str, Any] | None) -> str:
    """What a model makes of pixels, in words, from what `describe` gave; "" where it is not known.

    Example:
        >>> read_as({"scale": 1.0, "mean": [0.5], "std": [0.5], "order": "rgb"})
        'black as -1, white as 1 (mean 0.5, std 0.5)'
        >>> read_as({"scale": 1.0, "mean": [0.0], "std": [1.0], "order": "rgb"})
        'pixels in [0, 1]'
    """
    if not described:
        return ""
    scale, means, stds = float(described["scale"]), described["mean"], described["std"]
    numbers = [
        *([f"scale {scale:g}"] if scale != 1 else []),
        *(f"{name} {' '.join(f'{v:.4g}' for v in values)}" for name, values in (("mean", means), ("std", stds))),
        *(["channels as BGR"] if described["order"] == "bgr" else []),
    ]
    plain = (scale, list(means), list(stds), described["order"]) == (1, [0], [1], "rgb")
    pixels = described.get("pixels")
    if pixels:
        height, width = pixels["shape"][:2]
        own = f"each pixel by its own mean and std over images ({height} × {width})"
        return own if plain else f"{own}, before that {', '.join(numbers)}"
    if plain:
        return "pixels in [0, 1]"
    if len(means) == len(stds) == 1:
        black, white = (0 - means[0]) / stds[0], (scale - means[0]) / stds[0]
        return f"black as {black:.4g}, white as {white:.4g} ({', '.join(numbers)})"
    return ", ".join(numbers)
