from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras import ops

from dicecast.data.cases import FittingData
from dicecast.errors import PluginError
from dicecast.estimation.last_layer import sample_pixels, with_features
from dicecast.training.backbone import Backbone


class Nameless:
    """A network without a layer called logits."""

    layers: tuple[Any, ...] = ()


def test_a_network_without_such_a_layer_is_refused() -> None:
    with pytest.raises(PluginError, match="its layer 'logits'"):
        with_features(Backbone(Nameless(), [], [], "nameless"))


def test_the_features_are_what_the_logits_are_made_from(trainer: Any) -> None:
    images = trainer.data.validation.images
    [(_, outputs)] = with_features(trainer(0)).predict(images)
    layer = trainer(0).network.get_layer("logits")
    places = [id(v) for v in trainer(0).network.trainable_variables]
    kernel, bias = (trainer(0).weights[places.index(id(v))] for v in (layer.kernel, layer.bias))
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.matmul(outputs["features"], kernel[0, 0])) + bias,
        outputs["logits"],
        atol=1e-4,
    )


class Numbered:
    """Stands for a backbone: its output at a pixel is the pixel's number in its case."""

    def predict(self, images: np.ndarray) -> Any:
        for start in range(0, len(images), 5):
            rows = slice(start, min(start + 5, len(images)))
            numbers = np.arange(images[0, ..., 0].size).reshape(1, *images.shape[1:3], 1)
            yield rows, {"number": np.repeat(numbers, len(images[rows]), axis=0)}


def test_few_pixels_are_drawn_from_each_case_under_the_seed(fitting: FittingData) -> None:
    cases, backbone = fitting.validation, Numbered()
    first, again, other = (
        sample_pixels(backbone, cases, "number", 40 * len(cases) + 3, seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.values, again.values)
    assert not np.array_equal(first.values, other.values)
    places = first.values.reshape(len(cases), 40)
    assert len(np.unique(places)) > 150
    masks = np.asarray(cases.masks).reshape(len(cases), -1)
    for case, chosen in enumerate(places):
        assert len(set(chosen)) == 40
        assert first.truth.reshape(places.shape)[case].tolist() == masks[case, chosen].tolist()


def test_all_pixels_are_taken_where_there_are_no_more(fitting: FittingData, trainer: Any) -> None:
    [(_, outputs)] = trainer(0).predict(fitting.validation.images)
    masks = np.asarray(fitting.validation.masks)
    whole = sample_pixels(trainer(0), fitting.validation, "logits", masks.size, 0)
    np.testing.assert_array_equal(whole.values, outputs["logits"].reshape(-1, 2))
    np.testing.assert_array_equal(whole.truth, masks.ravel())
