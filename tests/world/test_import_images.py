# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as people have them: print colours, 16 bits, turned cameras, damage, bombs."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from backend.data.photos import read_photo
from backend.shared.errors import InputError


def gradient(width: int = 96, height: int = 64) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, 128 + 0 * x], -1).astype(np.uint8)


def test_plain_png_comes_back_exactly(tmp_path):
    Image.fromarray(gradient()).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert np.array_equal(photo.rgb, gradient())
    assert photo.focal_35mm is None and photo.notes == []


def test_cmyk_has_the_colours_it_was_made_from(tmp_path):
    Image.fromarray(gradient()).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    error = np.abs(read_photo(tmp_path / "a.jpg").rgb.astype(int) - gradient())
    assert error.mean() < 4


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_become_eight(tmp_path, ending):
    deep = gradient().astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / f"a.{ending}"), deep[..., ::-1])
    error = np.abs(read_photo(tmp_path / f"a.{ending}").rgb.astype(int) - gradient())
    assert error.max() <= 1


def test_sixteen_bit_grey(tmp_path):
    grey = gradient()[..., 0].astype(np.uint16) * 257
    Image.fromarray(grey).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert np.array_equal(photo.rgb, np.repeat(gradient()[..., :1], 3, axis=2))


@pytest.mark.parametrize("mode", ["P", "LA", "RGBA", "1", "L"])
def test_other_modes_become_rgb(tmp_path, mode):
    Image.fromarray(gradient()).convert(mode).save(tmp_path / "a.png")
    assert read_photo(tmp_path / "a.png").rgb.shape == (64, 96, 3)


def test_exif_turns_the_picture_and_tells_the_lens(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    exif.get_ifd(0x8769)[0xA405] = 28
    Image.fromarray(gradient()).save(tmp_path / "a.jpg", exif=exif, quality=98)
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.size == (64, 96)
    assert np.abs(photo.rgb.astype(int) - np.rot90(gradient(), -1)).mean() < 4
    assert photo.focal_35mm == 28.0


def test_long_pictures_are_scaled_and_said_so(tmp_path):
    Image.fromarray(gradient(400, 40)).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png", max_side=100, min_side=8)
    assert photo.size == (100, 10)
    assert photo.notes == ["'a.png' of 400 x 40 pixels was scaled down to 100 x 10."]


def test_large_jpegs_are_decoded_small(tmp_path):
    Image.fromarray(gradient(1600, 1000)).save(tmp_path / "a.jpg")
    photo = read_photo(tmp_path / "a.jpg", max_side=300)
    assert photo.size == (300, 188)
    assert photo.notes == ["'a.jpg' of 1600 x 1000 pixels was scaled down to 300 x 188."]


def test_one_pixel_is_too_small(tmp_path):
    Image.fromarray(gradient(1, 1)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="only 1 x 1 pixels"):
        read_photo(tmp_path / "a.png")


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes on disk, gigabytes when decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data)
        )  # fmt: skip

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [15_000, 60_000])
def test_bombs_are_refused_before_decoding(tmp_path, side):
    (tmp_path / "a.png").write_bytes(png_that_claims(side, side))
    with pytest.raises(InputError, match="160 megapixels"):
        read_photo(tmp_path / "a.png")


def tiff_that_claims(side: int) -> bytes:
    """16-bit colours, deflated: what Pillow leaves to OpenCV."""
    tags = ((256, 4, 1, side), (257, 4, 1, side), (258, 3, 3, 16), (259, 3, 1, 8), (262, 3, 1, 2),
            (273, 4, 1, 200), (277, 3, 1, 3), (278, 4, 1, side), (279, 4, 1, 20))  # fmt: skip
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(200)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.tif", tiff_that_claims(40_000)),
        ("a.hdr", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 40000 +X 40000\n" + bytes(50)),
    ],
)
def test_deep_bombs_are_refused_before_decoding(tmp_path, name, data, monkeypatch):
    monkeypatch.setattr(cv2, "imread", lambda *_: pytest.fail("it was decoded"))
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match="40000 x 40000 pixels; scale it"):
        read_photo(tmp_path / name)


def test_a_hundred_megapixels_are_scaled_down(tmp_path):
    Image.new("L", (10_000, 10_000), 77).save(tmp_path / "a.png", compress_level=1)
    photo = read_photo(tmp_path / "a.png")
    assert photo.size == (4096, 4096) and photo.rgb[2000, 2000].tolist() == [77, 77, 77]
    assert photo.notes == ["'a.png' of 10000 x 10000 pixels was scaled down to 4096 x 4096."]


MOST_MEMORY = """
import sys, tracemalloc
from pathlib import Path
from backend.data.photos import read_photo
tracemalloc.start()
assert read_photo(Path(sys.argv[1])).rgb[9, 9].tolist() == [4, 4, 4]
print(tracemalloc.get_traced_memory()[1])
"""


def test_sixteen_bits_take_little_more_memory_than_their_pixels(tmp_path):
    """In a process of its own: threads of other tests count too."""
    Image.fromarray(np.full((4000, 5000), 999, np.uint16)).save(tmp_path / "a.png")
    command = [sys.executable, "-c", MOST_MEMORY, str(tmp_path / "a.png")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(told) < 8 * 4000 * 5000


def test_radiance_pictures_become_srgb(tmp_path):
    linear = np.full((40, 60, 3), 0.5, np.float32)
    linear[:20] = 3.0  # brighter than white
    cv2.imwrite(str(tmp_path / "a.hdr"), linear)
    rgb = read_photo(tmp_path / "a.hdr").rgb
    assert rgb[:20].min() == 255
    assert abs(int(rgb[30, 30, 1]) - 188) <= 1  # 0.5 in linear light


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"not a picture at all",
        b"\xff\xd8\xff\xe0" + bytes(40),
        b"II*\0\xff\xff\xff\xff",
        b"#?RADIANCE\n",
    ],
)
def test_damaged_files_are_one_sentence(tmp_path, data):
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(InputError, match=r"'a.jpg'"):
        read_photo(tmp_path / "a.jpg")


def test_cut_off_files_are_one_sentence(tmp_path):
    Image.fromarray(gradient(300, 300)).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="damaged"):
        read_photo(tmp_path / "a.png")


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="no picture at"):
        read_photo(tmp_path / "a.png")


def wide_profile() -> bytes:
    """sRGB's profile with red and blue exchanged: what applies it shows."""
    from PIL import ImageCms

    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {bytes(data[at : at + 4]): at for at in range(132, 132 + 12 * data[131], 12)}
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    data[red + 4 : red + 12], data[blue + 4 : blue + 12] = (
        data[blue + 4 : blue + 12],
        data[red + 4 : red + 12],
    )
    return bytes(data)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "PA"])
def test_profiles_of_pictures_with_alpha_or_palette(tmp_path, mode):
    flat = np.zeros((64, 64, 3), np.uint8)
    flat[:, :32] = (250, 10, 10)
    flat[:, 32:] = (20, 200, 30)
    image = Image.fromarray(flat)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(np.repeat([[0, 255]], 32, 1).astype(np.uint8).repeat(64, 0)))
    elif mode in ("P", "PA"):
        image = image.convert("P", palette=Image.Palette.ADAPTIVE)
    save = {"transparency": 0} if mode == "PA" else {}
    image.save(tmp_path / "a.png", icc_profile=wide_profile(), **save)
    photo = read_photo(tmp_path / "a.png")
    wanted = flat[..., ::-1].astype(int)
    assert np.abs(photo.rgb.astype(int) - wanted).mean() < 4
    assert (photo.alpha is None) == (mode in ("RGB", "P"))


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        ("a.jpg", b"\0\0\0\x18ftypheix\0\0\0\0mif1heic", "HEIC"),
        ("a.jxl", b"\xff\x0a" + bytes(20), "JPEG XL"),
        ("a.jxl", b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a" + bytes(20), "JPEG XL"),
        ("a.dng", b"II*\0\x08\0\0\0\0\0" + bytes(20), "camera raw"),
        ("a.CR3", b"\0\0\0\x18ftypcrx " + bytes(20), "camera raw"),
    ],
)
def test_kinds_that_are_known_and_not_read(tmp_path, name, head, kind):
    (tmp_path / name).write_bytes(head)
    with pytest.raises(InputError, match=f"is a {kind} picture.*export it as JPEG"):
        read_photo(tmp_path / name)


def test_a_raw_picture_under_a_tiffs_name(tmp_path):
    from PIL import TiffImagePlugin

    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[50706] = b"\x01\x04\0\0"
    Image.fromarray(gradient()).save(tmp_path / "a.tif", tiffinfo=info)
    with pytest.raises(InputError, match="camera raw"):
        read_photo(tmp_path / "a.tif")


def test_openexr_is_linear_light(tmp_path):
    import OpenEXR

    linear = np.full((40, 64, 3), 0.2159, np.float32)  # 0.5 in sRGB
    linear[:, 32:] = 7.0
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"RGB": linear}).write(str(tmp_path / "a.exr"))
    photo = read_photo(tmp_path / "a.exr")
    assert abs(int(photo.rgb[5, 5, 0]) - 128) <= 1 and photo.rgb[5, 50, 0] == 255
    whole = (tmp_path / "a.exr").read_bytes()
    (tmp_path / "a.exr").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        read_photo(tmp_path / "a.exr")
