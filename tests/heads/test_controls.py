from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dicecast.metrics.correlation import spearman


def test_constant_is_the_mean_of_the_quality_role(head_of, examples, examples_of):
    predicted = head_of("constant").fit(examples, seed=0).predict(examples_of(5, seed=1).evidence)
    np.testing.assert_array_equal(predicted, examples.quality.mean())


def test_volume_learns_what_the_volume_says(head_of, examples, examples_of):
    unseen = examples_of(80, seed=1)
    predicted = head_of("volume").fit(examples, seed=0).predict(unseen.evidence)
    assert spearman(predicted, unseen.quality) > 0.8


def test_volume_reads_nothing_but_fractions_of_the_image(head_of, examples):
    fitted = head_of("volume").fit(examples, seed=0)
    assert fitted.columns == ("mask_shape/foreground_fraction", "mask_shape/class_1_fraction")
    evidence = examples.evidence
    kept = evidence.mask_shape[["foreground_fraction", "class_1_fraction"]]
    bare = dataclasses.replace(evidence, scores=evidence.scores.iloc[:, :0], mask_shape=kept)
    np.testing.assert_array_equal(fitted.predict(bare), fitted.predict(evidence))


@pytest.mark.parametrize("name", ["constant", "volume"])
def test_a_single_case_is_enough(name, head_of, examples_of):
    alone = examples_of(1)
    fitted = head_of(name).fit(alone, seed=0)
    np.testing.assert_allclose(fitted.predict(alone.evidence), alone.quality)
