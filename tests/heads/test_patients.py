"""Examples are cut by patient."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dicecast.errors import DicecastError
from dicecast.heads.patients import examples_at, patient_cut, patient_folds

GROUPS = [f"patient{number}" for number in [0, 0, 1, 2, 2, 2, 3, 4, 4, 5, 6, 7, 8, 9]]


def test_each_case_is_held_in_one_fold_and_its_patient_is_not_fitted_on():
    folds = patient_folds("it", GROUPS, 4)
    held = np.concatenate([held for _, held in folds])
    assert sorted(held) == list(range(len(GROUPS)))
    for rows, held in folds:
        assert not {GROUPS[row] for row in rows} & {GROUPS[row] for row in held}
        assert len(rows) + len(held) == len(GROUPS)


def test_as_many_folds_as_patients_and_no_more():
    assert len(patient_folds("it", GROUPS, 10)) == 10
    with pytest.raises(DicecastError, match="it predicts out of fold in 11 folds"):
        patient_folds("it", GROUPS, 11)


@pytest.mark.parametrize(("share", "patients"), [(0.5, 5), (0.2, 2), (0.04, 0), (0.99, 9)])
def test_a_cut_takes_a_share_of_the_patients_whole(share, patients):
    cut = patient_cut(GROUPS, share, seed=1)
    names = np.array(GROUPS)
    assert len(set(names[cut])) == patients
    assert not set(names[cut]) & set(names[~cut])


def test_a_cut_depends_on_patients_and_seed_alone():
    order = np.random.default_rng(0).permutation(len(GROUPS))
    turned = [GROUPS[place] for place in order]
    np.testing.assert_array_equal(patient_cut(turned, 0.5, 1), patient_cut(GROUPS, 0.5, 1)[order])
    assert len({patient_cut(GROUPS, 0.5, seed).tobytes() for seed in (1, 2, 3)}) > 1


def test_examples_of_some_patients_are_these_in_every_part(examples):
    half = dataclasses.replace(examples, evidence=examples.evidence.take(slice(30)))
    fold = dataclasses.replace(
        half, quality=examples.quality[:30], truth=examples.truth[:30], groups=examples.groups[:30]
    )
    whole = dataclasses.replace(examples, folds=(fold,))
    chosen = np.arange(60) % 3 == 0
    part = examples_at(whole, chosen)
    assert part.groups == [f"case{number}" for number in range(0, 60, 3)]
    np.testing.assert_array_equal(part.quality, examples.quality[::3])
    np.testing.assert_array_equal(part.truth, examples.truth[::3])
    for name in ("images", "masks", "uncertainty"):
        everything = getattr(examples.evidence, name)
        np.testing.assert_array_equal(getattr(part.evidence, name), everything[::3])
    expected = examples.evidence.take(np.arange(0, 60, 3))
    assert part.evidence.scores.equals(expected.scores)
    assert part.evidence.mask_shape.equals(expected.mask_shape)
    assert part.folds[0].groups == [f"case{number}" for number in range(0, 30, 3)]
    np.testing.assert_array_equal(part.folds[0].quality, examples.quality[:30:3])
