"""Files of every kind, written by Pillow, read back."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dicecast.data import images
from dicecast.data.images import header_size, read_image, read_mask, resize_image, resize_mask
from dicecast.errors import DatasetError

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)
BINARY = {0: 0, 1: 1, 255: 1}


@pytest.fixture
def save(tmp_path):
    def write(pixels, name="picture.png", **options):
        picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        picture.save(tmp_path / name, **options)
        return tmp_path / name

    return write


def repeated(grey):
    return np.repeat(grey[..., None], 3, axis=-1)


def test_colour_is_kept_and_becomes_luma(save):
    path = save(COLOUR)
    np.testing.assert_array_equal(read_image(path, 3), COLOUR)
    luma = COLOUR @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(read_image(path, 1)[..., 0], luma, atol=1)


def test_grey_is_repeated(save):
    path = save(GREY)
    np.testing.assert_array_equal(read_image(path, 1), GREY[..., None])
    np.testing.assert_array_equal(read_image(path, 3), repeated(GREY))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_16_bits_are_scaled_from_their_full_range(save, name, channels):
    values = np.array([[0, 257, 32768], [65535, 100, 129]], dtype=np.uint16)
    expected = np.array([[0, 1, 128], [255, 0, 1]])
    read = read_image(save(values, name), channels)
    np.testing.assert_array_equal(read, np.repeat(expected[..., None], channels, axis=-1))


@pytest.mark.parametrize("mode", ["P", "RGBA", "LA", "1", "CMYK", "YCbCr"])
@pytest.mark.parametrize("channels", [1, 3])
def test_other_modes_are_converted(save, mode, channels):
    picture = Image.fromarray(repeated(np.where(GREY > 99, 255, 0).astype(np.uint8)))
    name = "other.tif" if mode in ("CMYK", "YCbCr") else "other.png"
    read = read_image(save(picture.convert(mode), name), channels)
    np.testing.assert_allclose(read, np.asarray(picture)[..., :channels], atol=2)


def test_floats_between_0_and_1(save):
    path = save(np.array([[0.0, 0.5, 1.0]], dtype=np.float32), "float.tif")
    np.testing.assert_array_equal(read_image(path, 1)[..., 0], [[0, 128, 255]])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3.0, -0.1])
def test_other_floats_are_refused_by_name(save, bad):
    path = save(np.array([[0.0, bad]], dtype=np.float32), "float.tif")
    with pytest.raises(DatasetError, match=r"float\.tif must hold (finite|floats between 0 and 1)"):
        read_image(path, 3)


def test_integers_beyond_16_bits_are_refused(save):
    path = save(np.array([[0, 70000]], dtype=np.int32), "wide.tif")
    with pytest.raises(DatasetError, match=r"wide\.tif must hold integers between 0 and 65535"):
        read_image(path, 1)


def test_exif_orientation_is_applied(save):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(COLOUR, exif=exif)
    assert header_size(path) == (4, 3)
    np.testing.assert_array_equal(read_image(path, 3), np.rot90(COLOUR, k=-1))
    assert header_size(save(COLOUR, "upright.png")) == (3, 4)


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png", "cut.tif", "cut.bmp"])
def test_truncated_files_are_named(save, name):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(noise, name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DatasetError, match=rf"{name} must be an image that can be read to its end"):
        read_image(path, 3)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_what_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    for reader in (lambda: read_image(path, 3), lambda: read_mask(path, BINARY)):
        with pytest.raises(DatasetError, match=r"broken\.png must be an image.*Fetch or export"):
            reader()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"gone\.png must be an image"):
        header_size(tmp_path / "gone.png")


def test_the_pixel_limit_is_read_from_the_header(save, monkeypatch):
    path = save(GREY)
    monkeypatch.setattr(images, "MAX_PIXELS", 11)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("was decoded"))
    with pytest.raises(DatasetError, match=r"at most 11 pixels; its header says 4 x 3"):
        read_image(path, 3)


def test_a_real_bomb_is_refused(save):
    path = save(Image.new("1", (20_000, 10_000)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DatasetError, match=r"picture\.png must"):
            read_image(path, 3)


def test_several_pictures_in_a_file_are_refused(save):
    frames = [Image.fromarray(GREY), Image.fromarray(GREY.copy())]
    path = save(frames[0], "stack.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(DatasetError, match="must hold one picture; it holds 2"):
        read_image(path, 1)


@pytest.mark.parametrize("kind", ["1-bit", "0/255", "0/1", "equal colours", "palette", "alpha"])
def test_masks_of_every_kind(save, kind):
    truth = np.eye(4, dtype=np.uint8)
    palette = Image.fromarray(truth).convert("P")
    palette.putpalette([10, 20, 30, 200, 0, 0])
    written = {
        "1-bit": Image.fromarray(truth * 255).convert("1"),
        "0/255": truth * 255,
        "0/1": truth,
        "equal colours": repeated(truth * 255),
        "palette": palette,
        "alpha": np.dstack([truth * 255, np.full_like(truth, 7)]),
    }[kind]
    np.testing.assert_array_equal(read_mask(save(written), BINARY), truth)


def test_masks_of_16_bits_and_several_classes(save):
    values = np.array([[0, 1000], [65535, 1000]], dtype=np.uint16)
    read = read_mask(save(values), {0: 0, 1000: 1, 65535: 2})
    np.testing.assert_array_equal(read, [[0, 1], [2, 1]])
    with pytest.raises(DatasetError, match=r"also holds 65535 \(1 pixels\)"):
        read_mask(save(values), {0: 0, 1000: 1})


def test_undeclared_values_are_counted(save):
    values = np.array([[0, 3, 3], [255, 7, 0]], dtype=np.uint8)
    with pytest.raises(DatasetError, match=r"picture\.png .* holds 3 \(2 pixels\), 7 \(1 pixels\)"):
        read_mask(save(values), BINARY)


def test_negative_values_of_a_mask_are_undeclared(save):
    with pytest.raises(DatasetError, match=r"-5 \(1 pixels\)"):
        read_mask(save(np.array([[0, -5]], dtype=np.int32), "mask.tif"), BINARY)


def test_masks_in_colour_or_with_fractions_are_refused(save):
    with pytest.raises(DatasetError, match="must be a mask of one channel"):
        read_mask(save(COLOUR), BINARY)
    for value in (0.5, np.nan):
        path = save(np.array([[0.0, value]], dtype=np.float32), "mask.tif")
        with pytest.raises(DatasetError, match="must hold whole numbers"):
            read_mask(path, BINARY)


def test_whole_floats_are_a_mask(save):
    path = save(np.array([[0.0, 255.0]], dtype=np.float32), "mask.tif")
    np.testing.assert_array_equal(read_mask(path, BINARY), [[0, 1]])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_area_vote_against_counting_small_pieces(data):
    """Cuts every pixel into pieces so fine that old and new pixels are both whole in them."""
    old, new = (tuple(data.draw(st.integers(1, 9)) for _ in range(2)) for _ in range(2))
    classes = data.draw(st.integers(2, 4))
    seed = data.draw(st.integers(0, 10**6))
    mask = np.random.default_rng(seed).integers(0, classes, old, dtype=np.uint8)
    pieces = np.kron(mask, np.ones(new, np.uint8)).reshape(new[0], old[0], new[1], old[1])
    votes = [(pieces == index).sum(axis=(1, 3)) for index in range(classes)]
    np.testing.assert_array_equal(resize_mask(mask, new, classes), np.argmax(votes, axis=0))


def test_a_tie_goes_to_the_lower_class():
    assert resize_mask(np.array([[1, 0], [0, 1]], np.uint8), (1, 1), 2).item() == 0
    assert resize_mask(np.array([[2, 1], [1, 2]], np.uint8), (1, 1), 3).item() == 1


def test_images_shrink_by_averaging():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))[..., None]
    small = resize_image(stripes, (8, 8))
    assert small.shape == (8, 8, 1)
    np.testing.assert_allclose(small, 127.5, atol=12)  # One pixel in two would be all or nothing.
    assert resize_image(repeated(stripes[..., 0]), (5, 7)).shape == (5, 7, 3)


def test_the_right_size_is_left_alone():
    assert resize_image(COLOUR, (3, 4)) is COLOUR
    assert resize_mask(GREY, (3, 4), 2) is GREY


def test_postscript_which_would_start_another_program_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "image.eps"
    Image.new("RGB", (4, 4)).save(path)
    with pytest.raises(DatasetError, match="cannot identify image file"):
        read_image(path, 3)
