import numpy as np
from PIL import Image

from dicecast.figures import CasePicture, draw_case


def picture(channels=3, maps=2):
    generator = np.random.default_rng(0)
    mask = np.zeros((16, 16), np.uint8)
    mask[4:9, 4:9] = 1
    return CasePicture(
        "case",
        generator.integers(0, 255, (16, 16, channels)).astype(np.uint8),
        mask,
        np.roll(mask, 2, axis=0),
        {f"map_{i}": generator.random((16, 16)).astype(np.float32) for i in range(maps)},
        ["true Dice 0.600"],
    )


def test_a_case_becomes_a_readable_png_the_same_each_time(tmp_path):
    for name in ("a.png", "b.png"):
        draw_case(picture(), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert min(image.size) > 300


def test_grey_images_single_maps_and_empty_masks_can_be_drawn(tmp_path):
    case = picture(channels=1, maps=1)
    empty = CasePicture(
        case.title, case.image, case.truth * 0, case.mask * 0, {"zero": case.maps["map_0"] * 0}, []
    )
    draw_case(case, tmp_path / "grey.png")
    draw_case(empty, tmp_path / "empty.png")
