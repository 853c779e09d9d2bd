from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from dicecast.errors import SuiteError
from dicecast.networks.noise import Noise, noise_in_network
from dicecast.networks.unet import UNet


def run(network: object, size: tuple[int, int] = (16, 16), training: bool = False) -> dict:
    images = np.random.default_rng(0).random((2, *size, 3)).astype(np.float32)
    outputs = network(images, training=training)
    return {name: ops.convert_to_numpy(value) for name, value in outputs.items()}


def closed_form(width: int, depth: int, classes: int, channels: int, normalised: bool) -> int:
    """Kernels 3x3, then scale and offset (normalised) or a bias a channel."""

    def block(incoming: int, filters: int) -> int:
        kernels = 9 * incoming * filters + 9 * filters * filters
        return kernels + 2 * filters * (2 if normalised else 1)

    filters = [width * 2**level for level in range(depth + 1)]
    down = sum(block(i, f) for i, f in zip([channels, *filters], filters, strict=False))
    up = sum(block(filters[level] + filters[level + 1], filters[level]) for level in range(depth))
    return down + up + width * classes + classes


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("size", [(32, 32), (48, 64)])
def test_logits_have_the_size_of_the_image(classes: int, size: tuple[int, int]) -> None:
    outputs = run(UNet(width=2, depth=3).build((*size, 3), classes), size)
    assert {name: value.shape for name, value in outputs.items()} == {"logits": (2, *size, classes)}


def test_extra_heads_are_named_outputs_that_leave_the_logits_alone() -> None:
    network = UNet(width=2, depth=1, heads={"confidence": 1, "sigma": 3}).build((16, 16, 3), 2)
    assert {name: value.shape[-1] for name, value in run(network).items()} == {
        "logits": 2,
        "confidence": 1,
        "sigma": 3,
    }
    plain = UNet(width=2, depth=1).build((16, 16, 3), 2)
    assert network.count_params() == plain.count_params() + (2 + 1) * 1 + (2 + 1) * 3


@pytest.mark.parametrize("normalisation", ["batch", "group", "none"])
@pytest.mark.parametrize(("width", "depth", "classes"), [(4, 2, 2), (8, 3, 4)])
def test_number_of_parameters_is_the_closed_form(
    normalisation: str, width: int, depth: int, classes: int
) -> None:
    network = UNet(width, depth, normalisation).build((16, 16, 3), classes)
    counted = sum(int(np.prod(v.shape)) for v in network.trainable_variables)
    assert counted == closed_form(width, depth, classes, 3, normalisation != "none")
    assert np.isfinite(run(network)["logits"]).all()
    assert np.isfinite(run(network, training=True)["logits"]).all()


@pytest.mark.parametrize(
    ("placement", "blocks"),
    [
        ("bottleneck", {"bottleneck"}),
        ("decoder", {"decoder_0", "decoder_1"}),
        ("bottleneck_and_decoder", {"bottleneck", "decoder_0", "decoder_1"}),
        (
            "everywhere",
            {"encoder_0", "encoder_1", "bottleneck", "decoder_0", "decoder_1"},
        ),
    ],
)
def test_dropout_follows_the_blocks_of_its_placement(placement: str, blocks: set[str]) -> None:
    network = UNet(2, 2, dropout_rate=0.5, dropout_placement=placement).build((16, 16, 3), 2)
    found = {layer.name for layer in network.layers if layer.name.endswith("_dropout")}
    assert found == {f"{block}_dropout" for block in blocks}
    quiet = run(network)["logits"]
    with noise_in_network(Noise(np.int32(0), np.int32(0), shared=True)):
        assert (run(network)["logits"] != quiet).any()
    np.testing.assert_array_equal(run(network)["logits"], quiet)


def test_without_a_rate_there_is_no_dropout_and_the_weights_are_the_same_in_number() -> None:
    names = [layer.name for layer in UNet(2, 2).build((16, 16, 3), 2).layers]
    assert not [name for name in names if "dropout" in name]


@pytest.mark.parametrize("size", [(20, 16), (16, 20), (12, 12)])
def test_a_size_that_cannot_be_halved_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(SuiteError, match=rf"multiples of 8; got {size[0]}x{size[1]}"):
        UNet(width=2, depth=3).build((*size, 3), 2)


@pytest.mark.parametrize(
    "fields", [{"width": 0}, {"depth": 0}, {"dropout_rate": 1.0}, {"dropout_rate": -0.1}]
)
def test_impossible_settings_are_refused(fields: dict) -> None:
    with pytest.raises(SuiteError, match="got"):
        UNet(**fields)


def test_a_pixel_sees_both_sides_of_the_skip_connections() -> None:
    # A change of the input's corner reaches the logits there (skip) and far away (bottleneck).
    network = UNet(width=4, depth=3, normalisation="none").build((16, 16, 3), 2)
    images = np.random.default_rng(0).random((1, 16, 16, 3)).astype(np.float32)
    changed = images.copy()
    changed[0, 0, 0] += 5.0
    one, other = (ops.convert_to_numpy(network(i)["logits"]) for i in (images, changed))
    assert (one != other)[0, 0, 0].any()
    assert (one != other)[0, 8:, 8:].any()


def test_group_normalisation_takes_every_width() -> None:
    network = UNet(width=12, depth=1, normalisation="group").build((16, 16, 3), 2)
    assert np.isfinite(run(network)["logits"]).all()
