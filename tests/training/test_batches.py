from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dicecast.training.batches import Epochs, Examples, ahead, padded_batches, turn_in_place
from dicecast.training.schedule import Schedule


def dihedral(image: np.ndarray) -> list[bytes]:
    turned = [np.rot90(image, turns) for turns in range(4)]
    return [np.ascontiguousarray(t).tobytes() for i in turned for t in (i, i[:, ::-1])]


def turned(image: np.ndarray) -> np.ndarray:
    """All 8 combinations of turns of one image."""
    images = np.repeat(image[None], 8, axis=0)
    turn_in_place(images, np.array(list(np.ndindex(2, 2, 2)), bool).T)
    return images


def test_turns_are_all_eight_symmetries_of_the_square_and_move_masks_alike() -> None:
    image = np.random.default_rng(0).random((5, 5, 3)).astype(np.float32)
    images, masks = turned(image), turned(image[..., 0] > 0.5)
    assert {i.tobytes() for i in images} == set(dihedral(image))
    np.testing.assert_array_equal(images[..., 0] > 0.5, masks)
    np.testing.assert_array_equal(images[0], image)


def test_a_rectangle_is_flipped_alone() -> None:
    image = np.random.default_rng(0).random((3, 5, 1)).astype(np.float32)
    images = np.repeat(image[None], 4, axis=0)
    flips = np.array([*np.array(list(np.ndindex(2, 2))).T, np.zeros(4)], bool)
    turn_in_place(images, flips)
    expected = [image, image[:, ::-1], image[::-1], image[::-1, ::-1]]
    assert {i.tobytes() for i in images} == {np.ascontiguousarray(e).tobytes() for e in expected}


def numbered(width: int) -> Examples:
    """Examples that tell by every pixel which they are, and by some how they were turned."""
    masks = np.zeros((20, 16, width), np.uint8) + 10 * np.arange(20, dtype=np.uint8)[:, None, None]
    masks[:, :2, :5] += 1
    return Examples(np.repeat(masks[..., None], 3, axis=-1), masks)


@pytest.mark.parametrize("width", [16, 24])
def test_an_epoch_visits_each_example_once_and_turns_it_only_as_allowed(width: int) -> None:
    examples = numbered(width)
    epochs = Epochs(examples, Schedule(epochs=3, batch_size=8))
    (chunk,) = epochs.epoch(seed=3, epoch=2)
    assert chunk.targets.shape == (2, 8, 16, width)
    assert (chunk.real, chunk.first) == (2, 4)
    order = chunk.targets.reshape(16, -1).min(axis=1) // 10
    assert len(set(order)) == 16
    moved = set()
    images = chunk.inputs.reshape(16, 16, width, 3)
    masks = chunk.targets.reshape(16, 16, width)
    for number, image, mask in zip(order, images, masks, strict=True):
        np.testing.assert_array_equal(image, np.repeat(mask[..., None], 3, axis=-1))
        corners = dihedral(examples.targets[number])
        assert np.ascontiguousarray(mask).tobytes() in corners
        moved.add(corners.index(np.ascontiguousarray(mask).tobytes()))
    assert len(moved) >= 3
    still = Epochs(examples, Schedule(epochs=3, batch_size=8, augment=False))
    for image in next(still.epoch(seed=3, epoch=2)).targets.reshape(16, 16, width):
        np.testing.assert_array_equal(image, examples.targets[image.min() // 10])
    for seed, epoch in ((3, 1), (4, 2)):
        other = next(epochs.epoch(seed, epoch)).targets.reshape(16, -1).min(axis=1) // 10
        assert (other != order).any()


def test_reading_ahead_keeps_the_order_and_raises_where_the_reader_did() -> None:
    def broken() -> Any:
        yield 1
        yield 2
        raise OSError("the disk is gone")

    seen = []
    with pytest.raises(OSError, match="the disk is gone"):
        for item in ahead(broken()):
            seen.append(item)
    assert seen == [1, 2]
    assert list(ahead(iter(range(5)))) == list(range(5))
    assert list(ahead(iter(()))) == []


@pytest.mark.parametrize(("count", "batch"), [(1, 5), (5, 5), (7, 3), (8, 64)])
def test_padded_batches_have_one_length_and_hold_each_row_once(count: int, batch: int) -> None:
    parts = list(padded_batches(count, batch))
    assert len({len(rows) for rows, _ in parts}) == 1
    real = np.concatenate([rows[:n] for rows, n in parts])
    np.testing.assert_array_equal(real, np.arange(count))
    assert max(rows.max() for rows, _ in parts) < count
