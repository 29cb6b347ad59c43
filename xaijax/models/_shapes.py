"""The shape of a model's images as a caller gives it."""

from collections.abc import Sequence

from xaijax._errors import InputError


class OpenSizeError(InputError):
    """A file that takes images of any size, where nobody says which."""


def check_image_shape(input_shape: Sequence[int]) -> tuple[int, int, int]:
    """(H, W, C) as three numbers; refuses (C, H, W), which PyTorch's users write.

    Example:
        >>> check_image_shape((3, 128, 128))
        Traceback (most recent call last):
        ...
        xaijax._errors.InputError: input_shape must be (H, W, C), whatever the model takes: (3, 128, 128) looks like \
(C, H, W); write (128, 128, 3)
    """
    shape = tuple(int(side) for side in input_shape)
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"input_shape must be (H, W, C), all positive; got {tuple(input_shape)}")
    if shape[0] in (1, 3) and min(shape[1:]) >= 16:
        raise InputError(
            f"input_shape must be (H, W, C), whatever the model takes: {shape} looks like (C, H, W); write "
            f"{(*shape[1:], shape[0])}"
        )
    return shape
