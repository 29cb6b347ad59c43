"""The one contract between models and everything else: a classifier as pure functions of a parameter pytree.

Images are NHWC floats in [0, 1], `[B, H, W, C]`; uint8 and uint16 are scaled where they enter. The preprocessing
that belongs to the weights is inside `logits`. Explainers know this class and arrays, never a model.

A `Classifier` is a pytree whose only children are its parameters: `jax.jit(method)(classifier, images, labels)`
passes them as arguments, and any number of calls with classifiers of one architecture compiles once. The methods
take `params` explicitly, so that a method can differentiate or replace them.
"""

import dataclasses
import functools
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from xaijax import _cpu, _outputs
from xaijax._network import functions, nnx_module, probe, relu
from xaijax._network.base import Array, Network, Recorder, UnsupportedError, check_logits, zeros
from xaijax._network.host import HostNetwork
from xaijax._outputs import Output
from xaijax._ranges import check_range, native
from xaijax.preprocess import Preprocess, Style

__all__ = ["Architecture", "Classifier", "UnsupportedError"]

SHOWN = 10  # names of classes in a notebook
PREPROCESS_LAYER = "preprocess"  # name of the layer that the preprocessing is, where there is one

Shape = tuple[int, int, int]
Params = Any


@dataclass(frozen=True)
class Architecture:
    """Which entry of the model registry builds this network, so that it can be saved and loaded.

    Args:
        name: a name of `xaijax.models.list_models()`.
        options: the options it was made with, as sorted pairs.
    """

    name: str
    options: tuple[tuple[str, Any], ...] = ()


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["params"],
    meta_fields=[
        "network",
        "classes",
        "input_shape",
        "preprocess",
        "layer",
        "relu_rule",
        "architecture",
        "output",
        "thresholds",
    ],
)
@dataclass(frozen=True, repr=False)
class Classifier:
    """A model that gives logits, its parameters, and access to its layers.

    Make one with `from_nnx`, `from_linen`, `from_functions`, `from_function`, or with `xaijax.models`. Everything but
    `params` is static. What a kind of model cannot give is refused by the method that needs it.

    Attributes:
        params: pytree of arrays; batch statistics are part of it.
        network: how the model runs; private.
        classes: the names of the K classes, in the order of the logits; of findings, or of the numbers of a
            regression. A binary output has two names for its one logit.
        input_shape: (H, W, C) of the images it takes.
        preprocess: what its weights expect of pixels in [0, 1].
        layer: the layer that `default_layer` gives, or None to infer it.
        relu_rule: backward rule of its ReLUs, or None for the usual one.
        architecture: its registry entry, or None for a model from elsewhere.
        output: what the logits mean: `"softmax"` (classes that exclude each other), `"sigmoid"` (findings, each there
            or not), `"binary"` (one logit, that of the second class) or `"regression"` (numbers).
        thresholds: probabilities from which on a finding counts as present, one per finding; None for 0.5.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> def logits(params, images):
        ...     return images.mean((1, 2)) @ params
        >>> model = Classifier.from_function(logits, jnp.eye(3), input_shape=(8, 8, 3))
        >>> model.logits(model.params, jnp.ones((2, 8, 8, 3))).shape
        (2, 3)
        >>> model
        Classifier(plain function, 8x8x3, 3 classes, softmax, 9 parameters)
    """

    params: Params
    network: Network
    classes: tuple[str, ...]
    input_shape: Shape
    preprocess: Preprocess
    layer: str | None = None
    relu_rule: str | None = None
    architecture: Architecture | None = None
    output: Output = "softmax"
    thresholds: tuple[float, ...] | None = None

    # ------------------------------------------------------------------------------------------------ constructors

    @classmethod
    def from_nnx(
        cls,
        module: Any,
        *,
        input_shape: Sequence[int],
        classes: Sequence[str] | None = None,
        preprocess: Preprocess | Style | None = None,
        layer: str | None = None,
        output: Output = "softmax",
        select: Callable[[Any], Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> "Classifier":
        """A classifier from any `flax.nnx` module, which is not changed.

        It runs in inference mode: batch norm with its running statistics, dropout off; keyword arguments of the
        module's call named `train`, `training`, `is_training`, `deterministic` or `use_running_average` are set so.

        Args:
            module: a callable module, `[B, H, W, C]` -> logits `[B, K]`.
            input_shape: (H, W, C) of the images.
            classes: K names; default "0", "1", ...
            preprocess: what the weights expect of pixels in [0, 1]; None leaves them.
            layer: the layer that CAM methods take by default; None for the last convolutional block's output (in a
                transformer the first norm of the last block).
            output: what the logits mean, see the class.
            select: function that picks the logits from what the module returns, if that is more.
            arguments: further keyword arguments of the module's call; static.

        Returns:
            The classifier; its parameters are the module's arrays, not copied.

        Raises:
            TypeError: for something that is no callable module.
            ValueError: for logits that are not `[B, K]`, a wrong number of classes or an unknown layer.
        """
        network, params = nnx_module.split(module, arguments=arguments, output=select)
        return cls.from_network(
            network, params, input_shape=input_shape, classes=classes, preprocess=preprocess, layer=layer, output=output
        )

    @classmethod
    def from_linen(
        cls,
        module: Any,
        variables: Mapping[str, Any],
        *,
        input_shape: Sequence[int],
        classes: Sequence[str] | None = None,
        preprocess: Preprocess | Style | None = None,
        layer: str | None = None,
        output: Output = "softmax",
        select: Callable[[Any], Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> "Classifier":
        """A classifier from any `flax.linen` module; its layers are those of `flax.linen.intercept_methods`.

        It runs in inference mode: keyword arguments of the module's call named `train`, `training`, `is_training`,
        `deterministic` or `use_running_average` are set so; for another name give `arguments`.

        Args:
            module: `[B, H, W, C]` -> logits `[B, K]`.
            variables: what `module.init` returned or training made of it: "params", "batch_stats".
            input_shape: (H, W, C) of the images.
            classes: K names; default "0", "1", ...
            preprocess: what the weights expect of pixels in [0, 1]; None leaves them.
            layer: the layer that CAM methods take by default; None to infer it, as for `from_nnx`.
            output: what the logits mean, see the class.
            select: function that picks the logits from what the module returns, if that is more.
            arguments: further keyword arguments of the module's call; static.

        Returns:
            The classifier; its parameters are the variables.

        Raises:
            TypeError: for something that is no linen module.
            ValueError: for variables without "params", and as for `from_nnx`.
        """
        from xaijax._network import linen_module

        network, params = linen_module.wrap(module, variables, arguments=arguments, output=select)
        return cls.from_network(
            network, params, input_shape=input_shape, classes=classes, preprocess=preprocess, layer=layer, output=output
        )

    @classmethod
    def from_functions(
        cls,
        features: Callable[[Params, Any], Any],
        head: Callable[[Params, Any], Any],
        params: Params,
        *,
        input_shape: Sequence[int],
        classes: Sequence[str] | None = None,
        preprocess: Preprocess | Style | None = None,
        layer: str = "features",
        output: Output = "softmax",
    ) -> "Classifier":
        """A classifier from a function pair; the activations between the two are its one layer.

        Args:
            features: `(params, images [B, H, W, C])` -> activations `[B, h, w, c]` (or tokens `[B, T, c]`).
            head: `(params, activations)` -> logits `[B, K]`.
            params: pytree of arrays for both.
            input_shape: (H, W, C) of the images.
            classes: K names; default "0", "1", ...
            preprocess: what the weights expect of pixels in [0, 1]; None leaves them.
            layer: the name of the layer between the two.
            output: what the logits mean, see the class.

        Returns:
            The classifier.

        Raises:
            ValueError: for logits that are not `[B, K]` or a wrong number of classes.
        """
        network = functions.PairNetwork(features, head, layer)
        return cls.from_network(
            network, params, input_shape=input_shape, classes=classes, preprocess=preprocess, layer=layer, output=output
        )

    @classmethod
    def from_function(
        cls,
        logits: Callable[[Params, Any], Any],
        params: Params,
        *,
        input_shape: Sequence[int],
        classes: Sequence[str] | None = None,
        preprocess: Preprocess | Style | None = None,
        output: Output = "softmax",
    ) -> "Classifier":
        """A classifier from one function; for gradient and perturbation methods, which need no layer.

        Args:
            logits: `(params, images [B, H, W, C])` -> logits `[B, K]`.
            params: pytree of arrays.
            input_shape: (H, W, C) of the images.
            classes: K names; default "0", "1", ...
            preprocess: what the weights expect of pixels in [0, 1]; None leaves them.
            output: what the logits mean, see the class.

        Returns:
            The classifier.

        Raises:
            ValueError: for logits that are not `[B, K]` or a wrong number of classes.
        """
        network = functions.FunctionNetwork(logits)
        return cls.from_network(
            network, params, input_shape=input_shape, classes=classes, preprocess=preprocess, output=output
        )

    @classmethod
    def from_network(
        cls,
        network: Network,
        params: Params,
        *,
        input_shape: Sequence[int],
        classes: Sequence[str] | None = None,
        preprocess: Preprocess | Style | None = None,
        layer: str | None = None,
        architecture: Architecture | None = None,
        output: Output = "softmax",
        thresholds: Sequence[float] | None = None,
    ) -> "Classifier":
        """What the other constructors end in; for `xaijax.models`. The arguments are theirs."""
        output = _outputs.check_output(output)
        if preprocess is None or isinstance(preprocess, str):
            preprocess = Preprocess.named(preprocess or "identity")
        shape = _check_input_shape(input_shape, preprocess)
        unnamed = cls(params, network, (), shape, preprocess, layer, None, architecture, output)
        names = _outputs.class_names(output, unnamed._trace().outputs, classes)
        limits = _outputs.check_thresholds(output, len(names), thresholds)
        made = dataclasses.replace(unnamed, classes=names, thresholds=limits)
        if layer is not None and network.has_layers:
            made._check_layers([layer])
        return made

    # ---------------------------------------------------------------------------------------------------- the model

    def logits(self, params: Params, images: Array) -> Array:
        """Logits of a batch.

        Args:
            params: pytree like `self.params`.
            images: `[B, H, W, C]`, float in [0, 1], or uint8 or uint16, which are scaled.

        Returns:
            `[B, K]`, float.

        Raises:
            ValueError: for images that are not of `input_shape`.
        """
        return self._forward(params, images, {}, {})[0]

    def tapped(
        self, params: Params, images: Array, offsets: Mapping[str, Array | None]
    ) -> tuple[Array, dict[str, Array]]:
        """Logits and the activations of layers, with an offset added to each.

        `A_l` is what layer l returns; the model continues with `A_l + offset_l`. The gradient with respect to a zero
        offset is the gradient at that layer, without differentiating the layers before; `jax.vmap` over an offset
        runs only the layers behind it again.

        Args:
            params: pytree like `self.params`.
            images: `[B, H, W, C]`, float in [0, 1], or uint8 or uint16.
            offsets: layer name -> array that broadcasts to the activations, or None to add nothing. See
                `zero_offsets`. In a transformer the patch tokens are `[B, h, w, c]`; the others get no offset.

        Returns:
            `(logits [B, K], {name: activations [B, ...], before the offset})`.

        Raises:
            ValueError: for an unknown layer, one that runs several times (name one of its calls, `"act@1"`), or an
                offset of another shape.
            UnsupportedError: for a classifier without layers.

        Example:
            >>> import jax, jax.numpy as jnp
            >>> from xaijax.classifier import Classifier
            >>> model = Classifier.from_functions(
            ...     lambda params, images: images * 2,
            ...     lambda params, maps: maps.mean((1, 2)) @ params,
            ...     jnp.eye(3),
            ...     input_shape=(4, 4, 3),
            ... )
            >>> images = jnp.ones((1, 4, 4, 3))
            >>> def class_score(offset):
            ...     return model.tapped(model.params, images, {"features": offset})[0][0, 1]
            >>> gradient = jax.grad(class_score)(jnp.zeros((1, 4, 4, 3)))
            >>> gradient[0, 0, 0].tolist()
            [0.0, 0.0625, 0.0]
        """
        self._check_layers(offsets)
        return self._forward(params, images, dict(offsets), {})

    def recorded(self, params: Params, images: Array, recorder: Recorder) -> Array:
        """Logits of a batch, with a recorder of your own that sees the layers and may change what they return.

        `tapped` is this with the recorder that adds offsets.

        Args:
            params: pytree like `self.params`.
            images: `[B, H, W, C]`, float in [0, 1], or uint8 or uint16.
            recorder: a `xaijax._network.base.Recorder` for the shape of the images, used once.

        Returns:
            `[B, K]`, float.
        """
        self._check_images(images)
        return self._apply(params, to_float(images), recorder)

    def zero_offsets(self, images: Array, layers: Sequence[str]) -> dict[str, Array]:
        """Zeros of the shapes of the layers' activations, to differentiate `tapped` by.

        Args:
            images: `[B, H, W, C]`.
            layers: names.

        Returns:
            `{name: [B, ...] zeros}`, float32 where the activations have fewer bits, else in their dtype. Inside
            `shard_map` they vary over the mesh as `images` does.

        Raises:
            ValueError: for an unknown layer.
        """
        self._check_images(images)
        self._check_layers(layers)
        calls = self._trace().calls
        # The gradient with respect to them is at least float32, whatever the activations are.
        kinds = {name: jnp.promote_types(calls[name].dtype, jnp.float32) for name in layers}
        return {name: zeros((images.shape[0], *self._layer_shape(name)), images, kinds[name]) for name in layers}

    def layers(self) -> dict[str, tuple[int, ...]]:
        """The layers that can be tapped, in the order in which their outputs are computed.

        Nothing runs: the model is traced. A layer that runs several times has one entry for each call, `"act@0"`.

        Returns:
            `{name: shape without the batch axis}`; `(h, w, c)` for pictures of activations and for token grids.

        Raises:
            UnsupportedError: for a classifier without layers.
        """
        self._need_layers("layers")
        calls = self._trace().calls  # once: it hashes all parameters' shapes
        return {name: call.shape for name, call in calls.items() if call.shape is not None}

    @property
    def default_layer(self) -> str:
        """The layer that CAM methods take: the last convolutional block's output, or what the model declares.

        In a transformer the first norm of the last block.
        """
        if self.layer is not None:
            return self.layer
        self._need_layers("a default layer")
        found = self._trace().default_layer
        if found is None:
            raise UnsupportedError("no layer of this model gives a picture of activations; name one with layer=")
        return found

    @property
    def default_layer_reason(self) -> str:
        """Why `default_layer` is that layer, in a few words.

        Example:
            >>> from xaijax import models
            >>> models.create("small_cnn", 3, (32, 32, 1)).default_layer_reason
            'declared with the model'
        """
        if self.layer is not None:
            return self.network.layer_reason(self.layer) or "declared with the model"
        self._need_layers("a default layer")
        return self._trace().why

    def token_grid(self, layer: str | None = None) -> tuple[int, int, int] | None:
        """How the tokens of a vision transformer stand: rows and columns of patches, and other tokens in front.

        Args:
            layer: of its layers; default: the default one.

        Returns:
            (rows, columns, class and register tokens in front), or None for a layer that is not a row of tokens.

        Example:
            >>> import jax.numpy as jnp
            >>> from xaijax.classifier import Classifier
            >>> model = Classifier.from_functions(
            ...     lambda p, x: jnp.pad(x.reshape(-1, 16, 3), ((0, 0), (1, 0), (0, 0))),
            ...     lambda p, tokens: tokens.mean(1) @ p,
            ...     jnp.eye(3),
            ...     input_shape=(4, 4, 3),
            ... )
            >>> model.token_grid()
            (4, 4, 1)
        """
        name = self.default_layer if layer is None else layer
        self._check_layers([name])
        call = self._trace().calls[name]
        return None if call.prefix is None or call.shape is None else (call.shape[0], call.shape[1], call.prefix)

    def head(self, params: Params) -> Array | None:
        """Weights of the last dense layer of a model that ends in global average pooling and one dense layer.

        With A the activations of the default layer: `logits = mean(A) @ W + b`.

        Args:
            params: pytree like `self.params`.

        Returns:
            `[c, K]`, or None where the model ends in another way. What it ends in is found by probing the part
            behind the default layer with other parameters, so it does not depend on `params`.
        """
        if not self.has_head():
            return None
        plain = dataclasses.replace(self, params=None, relu_rule=None)
        return probe.head(plain, self.default_layer, params, self._layer_shape(self.default_layer))

    def has_head(self) -> bool:
        """Whether the model ends in global average pooling and one dense layer, so that `head` gives its weights.

        Example:
            >>> from xaijax import models
            >>> models.create("small_cnn", 3, (32, 32, 1)).has_head()
            True
        """
        if not self.network.has_layers or (self._trace().default_layer is None and self.layer is None):
            return False
        plain = dataclasses.replace(self, params=None, relu_rule=None)
        shape = self._layer_shape(self.default_layer)
        return probe.is_pooling_and_dense(plain, self.default_layer, self.params, shape)

    def biases(self, params: Params) -> dict[str, Array]:
        """What each layer adds to its output whatever the input: its bias.

        Of batch norm `β - μ γ / sqrt(σ² + ε)`; of the preprocessing `-mean / std`, as the layer `"preprocess"`
        (`[H, W, C]` where every pixel has its own mean).

        Args:
            params: pytree like `self.params`.

        Returns:
            `{layer: [c]}` in the order of `layers()`, for the layers that have one.

        Raises:
            UnsupportedError: for a classifier made from functions.
        """
        trace = self._trace()
        calls = tuple(call for call in trace.calls.values() if call.name != PREPROCESS_LAYER)
        found = dict(self.network.biases(params, calls))
        if PREPROCESS_LAYER in trace.calls:
            added = self.preprocess.shift()
            wide = added.ndim == 3  # every pixel has its own
            found[PREPROCESS_LAYER] = added if wide else jnp.broadcast_to(added, self.input_shape[-1:])
        return {name: found[name] for name in trace.calls if name in found}

    def param_groups(self, params: Params) -> dict[str, Params]:
        """The parameters layer by layer, from the output backwards.

        Args:
            params: pytree like `self.params`.

        Returns:
            `{layer path: nested dictionaries, a part of params}`; `merge_params` puts changed parts back. Parameters
            of modules that are not called as a whole (a class token) come last.

        Raises:
            UnsupportedError: for a classifier made from functions.
        """
        owners = self.network.owners(params)
        order = {path: index for index, path in enumerate(self._trace().paths)}
        return {path: owners[path] for path in sorted(owners, key=lambda path: -order.get(path, -1))}

    def with_relu(self, rule: str | None) -> "Classifier":
        """The same model with another backward rule in its ReLUs.

        Args:
            rule: `"guided"` passes positive gradients where the input was positive, `"deconvnet"` positive gradients
                everywhere, None the usual rule.

        Returns:
            A classifier with the same parameters.

        Raises:
            UnsupportedError: for a model that has no ReLU within reach.
            ValueError: for another rule.

        References:
            Springenberg et al., "Striving for Simplicity: The All Convolutional Net", ICLR workshop 2015.
        """
        if rule is not None and rule not in relu.RULES:
            raise ValueError(f"rule must be one of {', '.join(relu.RULES)}, or None; got {rule!r}")
        made = dataclasses.replace(self, relu_rule=rule)
        made._trace()
        return made

    def optimized(self, *, dtype: Literal["float32", "bfloat16"] = "float32") -> "Classifier":
        """The same model made faster for explaining.

        Batch normalisation goes into the convolutions before it (in models of `xaijax.models`), and 1x1 convolutions
        become matrix products, which XLA runs faster on the CPU.

        Args:
            dtype: what the layers compute in; the parameters, and the logits, are float32 in both. `"bfloat16"` has 8
                bits of precision: logits differ by some 1e-2 of the largest. It pays on accelerators.

        Returns:
            A classifier with the same classes, layers and logits (within 1e-4 of the largest in float32). A folded
            convolution's own layer gives what its normalisation gave. It can neither be trained nor saved.

        Raises:
            UnsupportedError: for a classifier made neither from an NNX module nor from a converted graph.
            ValueError: for another dtype.

        Example:
            >>> from xaijax import models
            >>> model = models.create("small_cnn", 3, (32, 32, 1))
            >>> "mean" in model.params["stem"]["norm"], "norm" in model.optimized().params["stem"]
            (True, False)
        """
        if dtype not in ("float32", "bfloat16"):
            raise ValueError(f"dtype must be float32 or bfloat16; got {dtype!r}")
        network, params = self.network.optimized(self.params, None if dtype == "float32" else jnp.bfloat16)
        return dataclasses.replace(self, params=params, network=network, architecture=None)

    def with_params(self, params: Params) -> "Classifier":
        """The same model with other parameters, a pytree like `self.params`."""
        return dataclasses.replace(self, params=params)

    def with_preprocess(self, preprocess: Preprocess | Style) -> "Classifier":
        """The same model with another preprocessing of pixels in [0, 1].

        Args:
            preprocess: numbers, or the name of a style; for grey images the means over a style's channels.

        Returns:
            A classifier with the same parameters.

        Raises:
            ValueError: for numbers that do not fit the channels of the images.
        """
        if self.network.host:
            raise UnsupportedError("what a black box expects of pixels is said where it is made: give mean= and std=")
        if isinstance(preprocess, str):
            preprocess = Preprocess.named(preprocess)
            preprocess = preprocess.grey() if self.input_shape[2] == 1 else preprocess
        preprocess.check_shape(self.input_shape)
        return dataclasses.replace(self, preprocess=preprocess)

    def with_output(self, output: Output, *, thresholds: Sequence[float] | None = None) -> "Classifier":
        """The same model with its logits read in another way.

        Args:
            output: what the logits mean, see the class.
            thresholds: probabilities from which on a finding counts as present, one per finding; None for 0.5.

        Returns:
            A classifier with the same parameters and, where they fit, the same names.

        Raises:
            InputError: for a number of logits that this kind of output does not have.

        Example:
            >>> import jax.numpy as jnp
            >>> from xaijax.classifier import Classifier
            >>> model = Classifier.from_function(lambda w, x: x.mean((1, 2)) @ w, jnp.eye(3), input_shape=(8, 8, 3))
            >>> model.with_output("sigmoid").predict(jnp.zeros((1, 8, 8, 3))).tolist()
            [[0.5, 0.5, 0.5]]
        """
        output = _outputs.check_output(output)
        if output == self.output and thresholds is None:
            return self
        if self.network.host and output != self.output:
            raise UnsupportedError("what a black box gives is said where it is made: give output= there")
        kept = None if "binary" in (output, self.output) and output != self.output else self.classes
        names = _outputs.class_names(output, self._logit_count(), kept)
        limits = _outputs.check_thresholds(output, len(names), thresholds)
        return dataclasses.replace(self, output=output, classes=names, thresholds=limits)

    @property
    def targets(self) -> tuple[str, ...]:
        """What each label stands for: the classes; of findings first that they are there, then that they are not.

        Example:
            >>> import jax.numpy as jnp
            >>> from xaijax.classifier import Classifier
            >>> model = Classifier.from_function(
            ...     lambda w, x: x.mean((1, 2)) @ w, jnp.eye(3), input_shape=(8, 8, 3), output="sigmoid"
            ... )
            >>> model.targets
            ('0', '1', '2', 'no 0', 'no 1', 'no 2')
        """
        return _outputs.targets(self.output, self.classes)

    def with_input_shape(self, input_shape: Sequence[int]) -> "Classifier":
        """The same model for images of another size, if it takes them.

        Args:
            input_shape: (H, W, C).

        Returns:
            A classifier with the same parameters.

        Raises:
            ValueError: for a size that the model cannot take.
        """
        shape = _check_input_shape(input_shape, self.preprocess)
        if self.network.host:
            if shape != self.input_shape:
                raise UnsupportedError(f"a black box takes images of {list(self.input_shape)} alone; got {list(shape)}")
            return self
        made = dataclasses.replace(self, input_shape=shape)
        try:
            made._trace()
        except Exception as error:
            raise ValueError(f"this model cannot take images of {list(shape)}: {error}") from error
        return made

    def predict(self, images: Array, *, batch_size: int = 64) -> Array:
        """Class probabilities, or what else the output is; jitted.

        Args:
            images: `[B, H, W, C]`, float in [0, 1], or uint8 or uint16.
            batch_size: most images in one forward pass; it compiles once for any number of images.

        Returns:
            `[B, K]` float: of a softmax each row in [0, 1] with sum 1; of findings (`"sigmoid"`) each number in
            [0, 1]; of a binary output `[B, 2]`, the probabilities of both classes; of a regression its numbers.

        Raises:
            ValueError: for images that are not of `input_shape`, and floats outside [0, 1], which would be read as
                something else than they are.
        """
        self._check_images(images)
        images = native(images)
        check_range(images)
        if isinstance(self.network, HostNetwork) and not isinstance(images, jax.core.Tracer):
            return self.network.predict(np.asarray(images))
        if isinstance(images, jax.core.Tracer) or len(images) <= batch_size:
            return _probabilities(self, images)
        parts = []
        for start in range(0, len(images), batch_size):
            part = images[start : start + batch_size]
            missing = batch_size - len(part)
            if missing:
                filler = np.zeros((missing, *images.shape[1:]), images.dtype)
                part = jnp.concatenate([jnp.asarray(part), filler])
            parts.append(_probabilities(self, part)[: batch_size - missing])
        return jnp.concatenate(parts)

    def parameter_count(self) -> int:
        """How many numbers a training changes; batch statistics are not among them where they are known to be such.

        Example:
            >>> from xaijax import models
            >>> models.create("small_cnn", 3, (32, 32, 1)).parameter_count()
            76563
        """
        return sum(int(np.prod(np.shape(leaf))) for leaf in self.network.trained_leaves(self.params))

    def __repr__(self) -> str:
        return f"Classifier({', '.join(self._words())})"

    def _repr_html_(self) -> str:
        """For notebooks: what `repr` says, the names of the classes, and the preprocessing."""
        kind, size, _, output, parameters = self._words()
        classes = ", ".join(self.classes[:SHOWN]) + (f", ... ({len(self.classes)})" * (len(self.classes) > SHOWN))
        rows = {
            "model": kind,
            "images": size,
            "classes": classes,
            "output": output,
            "parameters": parameters.removesuffix(" parameters"),
            "preprocessing": str(self.preprocess),
        }
        cells = (f"<tr><th>{name}</th><td>{html.escape(value)}</td></tr>" for name, value in rows.items())
        return f"<table><caption>Classifier</caption>{''.join(cells)}</table>"

    # ------------------------------------------------------------------------------------------------------ private

    def _words(self) -> tuple[str, ...]:
        """What `repr` says; nothing is computed, and no array is read."""
        # JAX puts other things in the place of arrays: axes, None, shardings.
        leaves = jax.tree.leaves(self.params)
        counted = bool(leaves) and all(hasattr(leaf, "shape") for leaf in leaves)
        return (
            self.network.kind.partition(" ")[2] if self.architecture is None else self.architecture.name,
            "x".join(map(str, self.input_shape)),
            f"{len(self.classes)} classes",
            self.output,
            f"{_short(self.parameter_count()) if counted else 'unknown'} parameters",
        )

    def _forward(
        self, params: Params, images: Array, taps: dict[str, Array | None], replace: dict[str, Array]
    ) -> tuple[Array, dict[str, Array]]:
        """Run the model; `taps` add to layers, `replace` puts other activations in their place."""
        self._check_images(images)

        def run(
            params: Params, images: Array, taps: dict[str, Array | None], replace: dict[str, Array]
        ) -> tuple[Array, dict[str, Array]]:
            recorder = Recorder(self.input_shape[:2], taps, replace)
            logits = self._apply(params, images, recorder)
            return logits, recorder.activations()

        if self.relu_rule is not None:
            run = relu.replace(run, self.relu_rule)
        return run(params, to_float(images), taps, replace)

    def _apply(self, params: Params, images: Array, recorder: Recorder) -> Array:
        if not self.preprocess.is_identity:
            images = recorder(PREPROCESS_LAYER, self.preprocess(images))
        return check_logits(self.network.apply(params, images, recorder), images.shape[0])

    def _trace(self) -> "probe.Trace":
        leaves, treedef = jax.tree.flatten(self.params)
        shapes = tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
        static = dataclasses.replace(
            self, params=None, classes=(), layer=None, architecture=None, output="softmax", thresholds=None
        )
        return probe.trace(static, treedef, shapes)

    def _logit_count(self) -> int:
        return 1 if self.output == "binary" else len(self.classes)

    def _layer_shape(self, name: str) -> tuple[int, ...]:
        shape = self._trace().calls[name].shape
        assert shape is not None  # only calls that can be tapped are kept
        return shape

    def _need_layers(self, what: str) -> None:
        if not self.network.has_layers:
            raise UnsupportedError(
                f"{what} cannot be had from a classifier made from {self.network.kind}; use Classifier.from_nnx, "
                "from_linen or from_functions, or a method without layers"
            )

    def _check_layers(self, names: Any) -> None:
        if not names:
            return
        self._need_layers("activations")
        trace = self._trace()
        for name in names:
            if name in trace.calls:
                continue
            repeated = [call for call in trace.calls if call.startswith(f"{name}@")]
            if repeated:
                raise ValueError(
                    f"layer {name!r} runs {len(repeated)} times in this model; name one of its calls: "
                    f"{', '.join(repeated)}"
                )
            raise ValueError(f"this model has no layer {name!r}; it has {', '.join(trace.calls)}")

    def _check_images(self, images: Array) -> None:
        shape = getattr(images, "shape", None)
        if shape is None or len(shape) != 4 or tuple(shape[1:]) != self.input_shape:
            got = f"a {type(images).__name__}" if shape is None else str(list(shape))
            raise ValueError(f"the model takes [B, {', '.join(map(str, self.input_shape))}]; got {got}")


def to_float(images: Array) -> Array:
    """Images as floats in [0, 1].

    Args:
        images: any shape; uint8 is divided by 255, uint16 by 65535, floats are taken as they are.

    Returns:
        The same shape, floating.

    Raises:
        TypeError: for other dtypes.

    Example:
        >>> import numpy as np
        >>> from xaijax.classifier import to_float
        >>> to_float(np.array([0, 255], np.uint8)).tolist()
        [0.0, 1.0]
    """
    images = jnp.asarray(native(images))
    if jnp.issubdtype(images.dtype, jnp.floating):
        return images
    if images.dtype in (jnp.uint8, jnp.uint16):
        return images.astype(jnp.float32) / jnp.iinfo(images.dtype).max
    raise TypeError(
        f"images must be float in [0, 1], uint8 or uint16; got {images.dtype}: of values from 0 to 255 give "
        "images.astype(numpy.uint8)"
    )


def merge_params(params: Params, part: Params) -> Params:
    """Parameters with a part of them replaced, as `Classifier.param_groups` gives the parts.

    Args:
        params: nested dictionaries of arrays.
        part: nested dictionaries with some of the same keys.

    Returns:
        Nested dictionaries like `params`.

    Raises:
        ValueError: for a key that is not in `params`.

    Example:
        >>> from xaijax.classifier import merge_params
        >>> merge_params({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
        {'a': {'b': 1, 'c': 3}}
    """
    if not isinstance(params, Mapping) or not isinstance(part, Mapping):
        return part
    unknown = sorted(set(part) - set(params))
    if unknown:
        raise ValueError(f"part must have keys of params only; {', '.join(unknown)} are not there")
    return {key: merge_params(value, part[key]) if key in part else value for key, value in params.items()}


def _short(count: int) -> str:
    """A large number in a few letters.

    Example:
        >>> _short(9), _short(76563), _short(25557032)
        ('9', '76.6 k', '25.6 M')
    """
    for unit, factor in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return str(count)


def _check_input_shape(input_shape: Sequence[int], preprocess: Preprocess) -> Shape:
    shape = tuple(int(size) for size in input_shape)
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"input_shape must be (H, W, C), all positive; got {tuple(input_shape)}")
    preprocess.check_shape(shape)
    return shape


@_cpu.jit
def _probabilities(classifier: Classifier, images: Array) -> Array:
    return _outputs.probabilities(classifier.output, classifier.logits(classifier.params, images))
