"""The only module that speaks to TensorFlow or JAX directly; all else uses ``keras.ops``."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache, wraps
from typing import Any

import keras
import numpy as np

from dicecast.errors import DicecastError
from dicecast.stopwatch import first_calls_apart, timed

BACKEND: str = keras.backend.backend()
SEED_DTYPE = "uint32" if BACKEND == "jax" else "int32"

# Neither takes a whole GPU for itself: workers may share one. Read when the device is first used.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

if BACKEND == "jax":
    import jax
elif BACKEND == "tensorflow":
    import tensorflow as tf
else:
    raise ImportError(
        f"Dicecast runs on the TensorFlow and JAX backends of Keras; KERAS_BACKEND is {BACKEND!r}."
    )

_xla = ContextVar("_xla", default=False)
"""Whether XLA will compile what is being traced; it has not all of TensorFlow's kernels."""

Tensor = Any
"""A tensor of the active backend; neither Keras nor TensorFlow ships types for it."""


def has_accelerator() -> bool:
    """Whether a GPU or TPU is visible."""
    if BACKEND == "jax":
        return bool(jax.default_backend() != "cpu")
    return bool(tf.config.list_physical_devices("GPU"))


def use_xla(accelerate: str) -> bool:
    """Whether ``accelerate`` ("auto", "xla" or "none") means XLA on this device.

    "auto" turns XLA on for an accelerator and off on a CPU, where it makes the training of a
    U-Net several times slower with TensorFlow.
    """
    return accelerate == "xla" or (accelerate == "auto" and has_accelerator())


def compiled(function: Callable[..., Any], accelerate: str = "auto") -> Callable[..., Any]:
    """Compile a function of tensors to one graph, traced once for each shape of its arguments.

    Lists, tuples and dicts of arrays are taken as arguments. JAX always compiles with XLA.
    """
    function = timed("trace")(function)
    if BACKEND == "jax":
        return first_calls_apart(jax.jit(function))
    xla = use_xla(accelerate)

    @wraps(function)
    def traced(*arguments: Any) -> Any:
        token = _xla.set(xla)
        try:
            return function(*arguments)
        finally:
            _xla.reset(token)

    return first_calls_apart(tf.function(traced, jit_compile=xla, autograph=False))


def value_and_gradient(
    function: Callable[[list[Tensor]], tuple[Tensor, Any]], weights: list[Tensor]
) -> tuple[Tensor, Any, list[Tensor]]:
    """Return ``function(weights)``'s value, its auxiliary output, and the gradient of the value."""
    if BACKEND == "jax":
        (value, auxiliary), gradient = jax.value_and_grad(function, has_aux=True)(weights)
        return value, auxiliary, gradient
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(weights)
        value, auxiliary = function(weights)
    return value, auxiliary, tape.gradient(value, weights, unconnected_gradients="zero")


def batch_normalise(
    inputs: Tensor, scale: Tensor, offset: Tensor, epsilon: float, rectify: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise ``(batch, height, width, channels)`` by its own moments, in one kernel if possible.

    Args:
        inputs: In any type of floats.
        scale: By channel, float32.
        offset: Likewise.
        epsilon: Is added to the variance.
        rectify: Whether a ReLU follows.

    Returns:
        The normalised tensor, and the batch's mean and (population) variance by channel.
    """
    if BACKEND == "tensorflow":
        # Keras composes this from moments; the fused kernel trains this U-Net about 1.5x faster.
        if rectify and _rectifies_in_one(inputs):
            outputs, mean, variance = _normalise_and_rectify(inputs, scale, offset, epsilon)
        else:
            outputs, mean, variance = _normalise(inputs, scale, offset, epsilon, rectify)
        count = tf.cast(tf.size(inputs[..., 0]), tf.float32)
        return outputs, mean, variance * (count - 1.0) / count
    mean, variance = keras.ops.moments(inputs, axes=(0, 1, 2))
    scale, offset = (keras.ops.cast(value, inputs.dtype) for value in (scale, offset))
    outputs = keras.ops.batch_normalization(
        inputs, mean, variance, axis=-1, offset=offset, scale=scale, epsilon=epsilon
    )
    return keras.ops.relu(outputs) if rectify else outputs, mean, variance


def _normalise(
    inputs: Tensor, scale: Tensor, offset: Tensor, epsilon: float, rectify: bool
) -> tuple[Tensor, Tensor, Tensor]:
    unknown = np.zeros(0, np.float32)
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=scale,
        offset=offset,
        mean=unknown,
        variance=unknown,
        epsilon=epsilon,
        is_training=True,
    )
    return tf.nn.relu(outputs) if rectify else outputs, mean, variance


def _normalise_and_rectify(
    inputs: Tensor, scale: Tensor, offset: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise and rectify in one pass less than the two kernels, with the same bits."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def fused(inputs: Tensor, scale: Tensor, offset: Tensor) -> tuple[Any, Any]:
        outputs, mean, variance, *kept = _fused_kernel(inputs, scale, offset, epsilon)

        def gradient(upstream: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            found = tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=tf.raw_ops.ReluGrad(gradients=upstream, features=outputs),
                x=inputs,
                scale=scale,
                reserve_space_1=kept[0],
                reserve_space_2=kept[1],
                reserve_space_3=kept[2],
                epsilon=epsilon,
                is_training=True,
            )
            return found.x_backprop, found.scale_backprop, found.offset_backprop

        return (outputs, mean, variance), gradient

    found: tuple[Tensor, Tensor, Tensor] = fused(inputs, scale, offset)
    return found


def _fused_kernel(inputs: Tensor, scale: Tensor, offset: Tensor, epsilon: float) -> list[Tensor]:
    """Return the outputs of TensorFlow's kernel for a normalisation that a ReLU follows.

    TensorFlow's optimiser puts it into graphs that predict, but not into those that train, and it
    has no function in Python. It takes channels in fours; what it gives beside the outputs is what
    ``FusedBatchNormV3`` gives.
    """
    settings = {
        "T": {"type": inputs.dtype.as_datatype_enum},
        "U": {"type": tf.float32.as_datatype_enum},
        "epsilon": {"f": epsilon},
        "exponential_avg_factor": {"f": 1.0},
        "activation_mode": {"s": b"Relu"},
        "data_format": {"s": b"NHWC"},
        "is_training": {"b": True},
        "num_side_inputs": {"i": 0},
    }
    graph = tf.compat.v1.get_default_graph()
    unknown = tf.zeros(0)
    made = graph.create_op(
        "_FusedBatchNormEx",
        [inputs, scale, offset, unknown, unknown],
        [inputs.dtype, *[tf.float32] * 5],
        attrs={name: tf.compat.v1.AttrValue(**value) for name, value in settings.items()},
        name="normalise_and_rectify",
    )
    return list(made.outputs)


def _rectifies_in_one(inputs: Tensor) -> bool:
    in_graph = not tf.executing_eagerly() and not _xla.get()
    return in_graph and inputs.shape[-1] % 4 == 0 and _rectifying_kernel(inputs.dtype.name)


@cache
def _rectifying_kernel(dtype: str) -> bool:
    """Whether this machine has the kernel (TensorFlow's oneDNN on a CPU), found out by trying."""
    if has_accelerator():
        return False

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def tried() -> Tensor:
        inputs = tf.reshape(tf.cast(tf.range(-8.0, 8.0), dtype), (1, 2, 2, 4))
        return _fused_kernel(inputs, tf.ones(4), tf.zeros(4), 1e-3)[0]

    try:
        with tf.init_scope():  # Run it now, although a graph is being traced.
            return bool(tf.reduce_min(tried()) >= 0)
    except tf.errors.OpError:
        return False


def masked_relu(inputs: Tensor, mask: Tensor) -> Tensor:
    """Return ``relu(inputs) * mask`` for a mask of zeros and ones.

    The gradient is the ReLU's own where the output is taken for its input: one pass, and neither
    the mask nor the input is kept for it.
    """
    if BACKEND == "jax":
        return keras.ops.relu(inputs) * mask

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def masked(inputs: Tensor, mask: Tensor) -> tuple[Tensor, Any]:
        outputs = tf.nn.relu(inputs) * mask

        def gradient(upstream: Tensor) -> tuple[Tensor, None]:
            return tf.raw_ops.ReluGrad(gradients=upstream, features=outputs), None

        return outputs, gradient

    return masked(inputs, mask)


def log_gamma(values: Tensor) -> Tensor:
    """Return the logarithm of the gamma function of positive values."""
    return tf.math.lgamma(values) if BACKEND == "tensorflow" else jax.lax.lgamma(values)


def digamma(values: Tensor) -> Tensor:
    """Return the derivative of ``log_gamma``."""
    return tf.math.digamma(values) if BACKEND == "tensorflow" else jax.lax.digamma(values)


def random_bytes(shape: tuple[int | Tensor, ...], seed: Tensor) -> Tensor:
    """Return independent integers, each of 0 .. 255 with equal chance.

    Args:
        shape: The last axis must be known while tracing.
        seed: ``(2,)``, of the type ``SEED_DTYPE``.
    """
    if BACKEND == "jax":
        key = jax.random.wrap_key_data(jax.numpy.asarray(seed, "uint32"), impl="threefry2x32")
        return jax.random.bits(key, shape, "uint8")
    # Quarters of 32-bit numbers: drawing takes the time, not the cutting.
    *outer, last = shape
    words = (last + 3) // 4
    whole = tf.random.stateless_uniform(
        (*outer, words), seed, minval=None, maxval=None, dtype=tf.int32
    )
    quarters = tf.reshape(tf.bitcast(whole, tf.uint8), (*outer, 4 * words))
    return quarters[..., :last] if last < 4 * words else quarters


def scan(
    body: Callable[[Any, Tensor], tuple[Any, Tensor]], carry: Any, length: int, dtype: str
) -> tuple[Any, Tensor]:
    """Return ``carry`` after ``body(carry, index)`` for each index, and what it gave, stacked.

    ``keras.ops.scan`` takes, on TensorFlow, only outputs that have the shapes of the carry; writing
    rows into an array that is carried copies the whole array at each step.

    Args:
        body: Returns the next carry, in the structure of this one, and a tensor.
        carry: Tensors in lists or tuples.
        length: How many steps, at least 1.
        dtype: Of the tensors that are stacked.
    """
    if BACKEND == "jax":
        return jax.lax.scan(body, carry, jax.numpy.arange(length))  # type: ignore[no-any-return]

    def step(index: Tensor, rows: Any, carry: Any) -> tuple[Any, ...]:
        carry, row = body(carry, index)
        return index + 1, rows.write(index, row), carry

    start = (tf.constant(0), tf.TensorArray(dtype, length), carry)
    _, rows, carry = tf.while_loop(lambda index, *_: index < length, step, start)
    return carry, rows.stack()


def spread_over_devices(array: np.ndarray[Any, Any], axis: int) -> Tensor:
    """Lay the batch axis of an array over all devices: what is computed of it is data-parallel.

    Raises:
        DicecastError: The backend is not JAX, or the devices cannot share the axis evenly.
    """
    devices = keras.distribution.list_devices()
    if BACKEND != "jax" or array.shape[axis] % len(devices):
        raise DicecastError(
            "compute.data_parallel needs the JAX backend (KERAS_BACKEND=jax) and a batch that "
            f"divides by the number of devices; got {BACKEND}, a batch of {array.shape[axis]} and "
            f"{len(devices)} devices. Change training.batch_size, or leave data_parallel off."
        )
    mesh = keras.distribution.DeviceMesh((len(devices),), ["batch"], devices)
    axes = ["batch" if place == axis else None for place in range(array.ndim)]
    layout = keras.distribution.TensorLayout(axes, mesh)
    return keras.distribution.distribute_tensor(keras.ops.convert_to_tensor(array), layout)


def as_tensors(arrays: list[np.ndarray[Any, Any]]) -> list[Tensor]:
    """Put arrays on the device once, so that a loop does not send them with every call."""
    return [keras.ops.convert_to_tensor(array) for array in arrays]
