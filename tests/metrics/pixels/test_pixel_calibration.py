import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from dicecast.metrics.pixels import calibration, proper
from dicecast.metrics.pixels.probabilities import Probabilities, count_probabilities


def of(probabilities, truth):
    probabilities = np.asarray(probabilities, np.float32)
    predicted = probabilities.argmax(axis=-1).astype(np.uint8)
    return count_probabilities(probabilities, np.asarray(truth, np.uint8), predicted)


def certain(confidence, right):
    """One image of one row: two classes, the confidence of class 1, and whether it is right."""
    confidence = np.asarray(confidence, np.float32)
    probabilities = np.stack([1 - confidence, confidence], axis=-1)[np.newaxis, np.newaxis]
    return of(probabilities, np.asarray(right)[np.newaxis, np.newaxis])


@pytest.fixture(params=[2, 4])
def many(request, batch_of):
    return batch_of(classes=request.param)


@pytest.fixture
def summed(many):
    return count_probabilities(many.probabilities, many.truth, many.predicted)


def test_proper_scores_are_scikit_learns(many, summed):
    for image, (probabilities, truth) in enumerate(
        zip(many.probabilities, many.truth, strict=True)
    ):
        classes = probabilities.shape[-1]
        flat, true = probabilities.reshape(-1, classes).astype(np.float64), truth.ravel()
        flat /= flat.sum(axis=1, keepdims=True)
        expected = log_loss(true, flat, labels=range(classes))
        np.testing.assert_allclose(proper.nll(summed)[image], expected, atol=1e-6)
        binary = [brier_score_loss(true == label, flat[:, label]) for label in range(classes)]
        np.testing.assert_allclose(proper.brier(summed)[image], sum(binary), atol=1e-6)
        wrong = (many.predicted[image] != truth).mean()
        np.testing.assert_allclose(proper.error_rate(summed)[image], wrong)


def by_hand(confidence, right):
    """Return the gap and the number of pixels of each filled bin, pixel by pixel."""
    held = {}
    for sure, hit in zip(confidence.ravel(), right.ravel(), strict=True):
        place = int(np.digitize(float(sure), np.append(np.arange(1, 20) / 20, 1 + 1e-8)))
        held.setdefault(place, []).append((float(sure), float(hit)))
    gaps = [abs(np.mean([hit - sure for sure, hit in pixels])) for pixels in held.values()]
    return np.array(gaps), np.array([len(pixels) for pixels in held.values()])


def test_errors_of_equal_width_bins_are_those_of_a_loop_over_pixels(many, summed):
    confidence, right = many.probabilities.max(axis=-1), many.predicted == many.truth
    for image in range(len(confidence)):
        gaps, counts = by_hand(confidence[image], right[image])
        expected = {
            calibration.ece: (gaps * counts).sum() / counts.sum(),
            calibration.average_calibration_error: gaps.mean(),
            calibration.maximum_calibration_error: gaps.max(),
        }
        for metric, value in expected.items():
            np.testing.assert_allclose(metric(summed)[image], value, atol=1e-6)


def test_pooled_errors_are_those_of_all_pixels_as_one_image(many, summed):
    pooled = Probabilities(*(part.sum(axis=0, keepdims=True) for part in summed))
    row = many.probabilities.reshape(1, 1, -1, many.probabilities.shape[-1])
    whole = count_probabilities(row, many.truth.reshape(1, 1, -1), many.predicted.reshape(1, 1, -1))
    for metric in (
        *(proper.nll, proper.brier, calibration.ece, calibration.average_calibration_error),
        *(calibration.maximum_calibration_error, calibration.adaptive_calibration_error),
    ):
        np.testing.assert_allclose(metric(pooled), metric(whole), rtol=1e-9)


def test_the_adaptive_error_is_that_of_sorted_pixels_within_its_bound(many, summed):
    confidence, right = many.probabilities.max(axis=-1), many.predicted == many.truth
    for image in range(len(confidence)):
        order = np.argsort(1 - confidence[image].ravel(), kind="stable")
        gap = (right[image].ravel() - confidence[image].ravel().astype(np.float64))[order]
        running = np.interp(
            np.linspace(0, len(gap), 21), np.arange(len(gap) + 1), np.append(0, np.cumsum(gap))
        )
        exact = np.abs(np.diff(running)).sum() / len(gap)
        limits = np.linspace(0, len(gap), 21)[1:-1]
        ends = np.cumsum(summed.fine[image])
        cut = summed.fine[image][np.searchsorted(ends, limits)]
        bound = cut.sum() / 2 / len(gap)
        found = calibration.adaptive_calibration_error(summed)[image]
        assert abs(found - exact) <= bound * 1.02
        assert bound < 0.2


def test_analytic_cases():
    # Of four pixels with a confidence of 0.75 three are right: calibrated.
    calibrated = certain([0.75] * 4, [1, 1, 1, 0])
    too_sure = certain([0.9] * 10, [1] * 5 + [0] * 5)
    for metric in (
        calibration.ece,
        calibration.average_calibration_error,
        calibration.maximum_calibration_error,
        calibration.adaptive_calibration_error,
    ):
        np.testing.assert_allclose(metric(calibrated), [0.0], atol=1e-7)
        np.testing.assert_allclose(metric(too_sure), [0.4], atol=1e-6)


def test_bins_count_alike_in_the_average_error_alone():
    summed = certain([0.625] * 9 + [0.875], [1] * 9 + [0])
    np.testing.assert_allclose(calibration.average_calibration_error(summed), (0.375 + 0.875) / 2)
    np.testing.assert_allclose(calibration.ece(summed), 0.9 * 0.375 + 0.1 * 0.875)
    np.testing.assert_allclose(calibration.maximum_calibration_error(summed), 0.875)


def test_certainty_is_counted_and_impossible_truth_is_finite():
    summed = certain([1.0, 1.0], [1, 0])
    np.testing.assert_allclose(calibration.ece(summed), 0.5)
    np.testing.assert_allclose(proper.nll(summed), -np.log(1e-7) / 2)
    np.testing.assert_allclose(proper.brier(summed), 1.0)
    curve = calibration.reliability(summed)
    assert np.flatnonzero(~np.isnan(curve.accuracy[0])).tolist() == [19]
