"""Training and sampling on one device: images a second, and what share of its rate that is."""

from __future__ import annotations

import time
from typing import Any

import keras

from dicecast.estimation.contract import BackbonePredictive
from dicecast.estimation.sampling import Sampler
from dicecast.networks.backend import has_accelerator
from dicecast.networks.matrix_rate import matrix_rate
from dicecast.networks.operations import training_operations
from dicecast.training.backbone import Backbone
from workloads.images import blobs
from workloads.our_training import timed, trainer

RATE = 0.3


def facts() -> dict[str, Any]:
    """Return the device's name and whether it is an accelerator."""
    return {"device": _name(), "accelerator": has_accelerator()}


def rate(precision: str, side: int | None) -> float:
    """Return the operations a second of products of matrices with ``side`` rows."""
    return matrix_rate(precision, side)


def train(store: str, setting: dict[str, Any], work: dict[str, int]) -> dict[str, Any]:
    """Train a network without dropout; the first epoch, in which graphs are made, is left out.

    Args:
        store: A folder; what is trained is kept there.
        setting: ``height``, ``width``, ``precision`` and ``accelerate``.
        work: ``batch``, ``examples`` and ``epochs``.
    """
    made = trainer(store, validation=work["batch"], examples=work["examples"], **setting)
    backbone, seconds = timed(made, 1, work["epochs"], batch_size=work["batch"])
    steps = work["examples"] // work["batch"] * work["epochs"]
    return _result(steps * work["batch"], seconds, training_operations(backbone.network))


def weights(store: str, setting: dict[str, Any]) -> None:
    """Train a network with dropout for one step, so that ``sample`` finds it in the store."""
    _backbone(store, setting)


def sample(store: str, setting: dict[str, Any], work: dict[str, int]) -> dict[str, Any]:
    """Predict with every measure; the first pass, in which graphs are made, is left out.

    Args:
        store: Where ``weights`` was called before, in another process: training needs memory.
        setting: As for ``train``.
        work: ``batch``, ``images`` and ``draws``; more than one is MC dropout.
    """
    backbone, draws = _backbone(store, setting), work["draws"]
    predictive = BackbonePredictive([backbone], draws, noisy=draws > 1)
    sampler = Sampler(2, setting["accelerate"], work["batch"])
    images = blobs(work["images"], 2, setting["height"], setting["width"]).images
    for stack in (images[: work["batch"]], images):
        started = time.perf_counter()
        for _ in sampler.predict(predictive, stack, seed=0):
            pass
        seconds = time.perf_counter() - started
    return _result(len(images), seconds, backbone.inference.operations(draws))


def _backbone(store: str, setting: dict[str, Any]) -> Backbone:
    return trainer(store, examples=2, validation=2, **setting)(
        0, epochs=1, batch_size=2, dropout_rate=RATE
    )


def _result(images: int, seconds: float, operations: int) -> dict[str, Any]:
    return {
        "images": images,
        "seconds": seconds,
        "images_per_second": images / seconds,
        "operations_per_image": operations,
        "operations_per_second": images * operations / seconds,
        "peak_device_mib": _peak_memory(),
    }


def _name() -> str:
    if keras.backend.backend() == "jax":
        import jax  # noqa: PLC0415  the other backend need not be installed

        return str(jax.local_devices()[0].device_kind)
    import tensorflow as tf  # noqa: PLC0415

    devices = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(devices[0]) if devices else {}
    return str(details.get("device_name", "cpu"))


def _peak_memory() -> float | None:
    """Return the most memory that was in use on the device, in MiB; a processor does not tell."""
    if not has_accelerator():
        return None
    if keras.backend.backend() == "jax":
        import jax  # noqa: PLC0415  as above

        return float(jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]) / 2**20
    import tensorflow as tf  # noqa: PLC0415

    return float(tf.config.experimental.get_memory_info("GPU:0")["peak"]) / 2**20
