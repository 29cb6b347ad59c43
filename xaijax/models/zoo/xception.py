"""Xception, as Keras has it.

References:
    Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017.
"""

from typing import Any

import jax
from flax import nnx

from xaijax.models.zoo._entry import from_module, register
from xaijax.models.zoo._weights import Rule, Source, keras_conv, keras_norm
from xaijax.models.zoo.layers import Chain, ConvNorm, Head, batch_norm, conv, max_pool

EPSILON = 1e-3
# Blocks with a strided shortcut: channels of their separable convolutions, and whether a ReLU comes first.
REDUCING = {2: ((128, 128), False), 3: ((256, 256), True), 4: ((728, 728), True), 13: ((728, 1024), True)}
MIDDLE = range(5, 13)


class Separable(nnx.Module):
    """3x3 depthwise and 1x1 convolution, batch norm; ReLU before or behind."""

    FOLDS = (("pointwise", "norm"),)  # see Classifier.optimized

    def __init__(self, inputs: int, outputs: int, *, before: bool, after: bool, rngs: nnx.Rngs) -> None:
        self.before, self.after = before, after
        self.depthwise = conv(inputs, inputs, 3, groups=inputs, rngs=rngs)
        self.pointwise = conv(inputs, outputs, 1, rngs=rngs)
        self.norm = batch_norm(outputs, EPSILON, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = self.norm(self.pointwise(self.depthwise(jax.nn.relu(x) if self.before else x)))
        return jax.nn.relu(x) if self.after else x


class ReducingBlock(nnx.Module):
    """Two separable convolutions and a pooling, beside a strided 1x1 shortcut."""

    def __init__(self, inputs: int, widths: tuple[int, int], *, relu_first: bool, rngs: nnx.Rngs) -> None:
        self.sepconv1 = Separable(inputs, widths[0], before=relu_first, after=False, rngs=rngs)
        self.sepconv2 = Separable(widths[0], widths[1], before=True, after=False, rngs=rngs)
        self.shortcut = ConvNorm(inputs, widths[1], 1, 2, padding="SAME", epsilon=EPSILON, activation=None, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return max_pool(self.sepconv2(self.sepconv1(x)), 3, 2, "SAME") + self.shortcut(x)


class MiddleBlock(Chain):
    """Three separable convolutions and a shortcut."""

    def __call__(self, x: Any) -> Any:
        return x + super().__call__(x)


class Xception(nnx.Module):
    """Two convolutions, twelve blocks with shortcuts, two separable convolutions."""

    def __init__(
        self, name: str, num_classes: int, channels: int, *, variant: str, head: dict[str, Any], rngs: nnx.Rngs
    ) -> None:
        options: dict[str, Any] = {"padding": "VALID", "epsilon": EPSILON, "rngs": rngs}
        self.block1 = Chain(conv1=ConvNorm(channels, 32, 3, 2, **options), conv2=ConvNorm(32, 64, 3, **options))
        inputs = 64
        for number in range(2, 14):
            if number in REDUCING:
                widths, relu_first = REDUCING[number]
                block: nnx.Module = ReducingBlock(inputs, widths, relu_first=relu_first, rngs=rngs)
                inputs = widths[1]
            else:
                block = MiddleBlock(
                    **{f"sepconv{i}": Separable(inputs, inputs, before=True, after=False, rngs=rngs) for i in (1, 2, 3)}
                )
            setattr(self, f"block{number}", block)
        self.block14 = Chain(
            sepconv1=Separable(inputs, 1536, before=False, after=True, rngs=rngs),
            sepconv2=Separable(1536, 2048, before=False, after=True, rngs=rngs),
        )
        self.head = Head(2048, num_classes, rngs=rngs, **head)

    def features(self, x: Any) -> Any:
        """What the head reads."""
        for number in range(1, 15):
            x = getattr(self, f"block{number}")(x)
        return x

    def __call__(self, x: Any) -> Any:
        return self.head(self.features(x))


_SEPARABLE = r"block(\d+)_sepconv(\d)"
KERAS_RULES: list[Rule] = [
    *keras_conv(r"block1_conv(\d)", "block1.conv{0}.conv"),
    *keras_norm(r"block1_conv(\d)_bn", "block1.conv{0}.norm"),
    (_SEPARABLE + "/depthwise_kernel", "block{0}.sepconv{1}.depthwise.kernel", "depthwise"),
    (_SEPARABLE + "/pointwise_kernel", "block{0}.sepconv{1}.pointwise.kernel", "same"),
    *keras_norm(_SEPARABLE + "_bn", "block{0}.sepconv{1}.norm"),
    # The shortcuts have no names of their own, only numbers.
    *(
        rule
        for index, number in enumerate(REDUCING)
        for rule in (
            *keras_conv(f"conv2d#{index}", f"block{number}.shortcut.conv"),
            *keras_norm(f"batch_normalization#{index}", f"block{number}.shortcut.norm"),
        )
    ),
]

register(
    from_module(
        "xception",
        Xception,
        variants=("keras",),
        size=299,
        minimum=71,
        layer="block14",
        preprocess="tf",
        sources=(
            Source(
                library="keras",
                rules=KERAS_RULES,
                has=("block14_sepconv2/pointwise_kernel",),
                features=2048,
                style="tf",
                first="block1.conv1.conv.kernel",
                numbered=True,
            ),
        ),
        summary="Xception: depthwise separable convolutions with shortcuts",
    )
)
