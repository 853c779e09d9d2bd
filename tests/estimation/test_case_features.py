import numpy as np

from dicecast.estimation.contract import BackbonePredictive, Predictive
from dicecast.estimation.features import FeatureReader


def test_features_do_not_depend_on_the_batch(trainer, disc_data):
    images = disc_data.quality.images
    backbone = BackbonePredictive([trainer(0), trainer(1)]).feature_backbone
    together = FeatureReader(batch_size=20).read(backbone, images)
    apart = FeatureReader(batch_size=3)
    assert together.dtype == np.float32
    np.testing.assert_allclose(apart.read(backbone, images), together, rtol=1e-5)
    # Another member is read by the same graph.
    other = apart.read(trainer(1), images)
    assert other.shape == together.shape
    assert not np.allclose(other, together, rtol=1e-2)


def test_a_predictive_of_no_network_has_no_features():
    assert Predictive().feature_backbone is None
