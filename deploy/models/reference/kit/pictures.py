"""Small pictures of every kind, made from numbers: nothing in them is anybody's."""

import struct

import numpy as np
from PIL import Image, ImageCms, ImageOps


def write(folder):
    """Writes the pictures into a folder of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    scene(70, 64, 1).save(folder / "crop-odd.png")  # 70×64 at 32 is 35 wide: the crop's half pixel shows
    scene(64, 86, 2).save(folder / "crop-odd-tall.png")  # 43 high at 32, 11 too many
    scene(20, 14, 3).save(folder / "smaller.png")
    scene(160, 90, 4).save(folder / "photo.jpg", quality=90)
    scene(96, 120, 5).save(folder / "progressive.jpg", quality=85, progressive=True, subsampling=0)
    scene(1, 1, 6).save(folder / "one.png")
    scene(300, 3, 7).save(folder / "wide.png")
    scene(2, 250, 8).save(folder / "tall.png")
    scene(80, 60, 9).quantize(24, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(folder / "palette.png")
    scene(75, 50, 10).convert("L").save(folder / "grey.png")
    _alpha(64, 48, 11).save(folder / "alpha.png")
    _turned(scene(72, 48, 12), folder / "turned.jpg", 6)
    _turned(scene(60, 44, 13), folder / "mirrored.jpg", 5)
    scene(64, 48, 14).convert("CMYK").save(folder / "cmyk.jpg", quality=90)
    scene(66, 50, 15).save(folder / "wide-gamut.png", icc_profile=wide_gamut())
    _sixteen(folder / "grey-16.png")


def write_large(folder):
    """Pictures that a tower of 224 has to shrink: by less than two, by more, and by a whole number."""
    scene(400, 300, 21).save(folder / "large.jpg", quality=90)
    scene(1021, 683, 22).save(folder / "larger.jpg", quality=88)
    scene(448, 672, 23).save(folder / "double.png")


def scene(width, height, seed):
    """An RGB picture with a smooth ground, shapes with edges, fine stripes and some noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    u, v = (x + 0.5) / width, (y + 0.5) / height
    angle = random.uniform(0, 6.28, 3)
    ground = np.stack([0.5 + 0.4 * np.cos(3 * u + 2 * v * (k + 1) + angle[k]) for k in range(3)], -1)
    for _ in range(4):
        cx, cy, r = random.uniform(0, 1), random.uniform(0, 1), random.uniform(0.08, 0.3)
        inside = (u - cx) ** 2 + (v - cy) ** 2 < r * r
        ground[inside] = random.uniform(0, 1, 3)
    stripes = (u > 0.6) & (v > 0.5) & ((x // 2) % 2 == 0)
    ground[stripes] *= 0.4
    ground += random.normal(0, 0.03, ground.shape)
    return Image.fromarray((ground.clip(0, 1) * 255).round().astype(np.uint8), "RGB")


def upright(path):
    """A picture as every tower here is given it: turned by its EXIF, in sRGB, over white, 8 bits, RGB.

    References differ in this part or leave it out (README.md), so it is done before they are asked.
    """
    image = Image.open(path)
    image.load()
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        grey = np.asarray(image, np.float64) / 257
        return Image.fromarray(np.floor(grey + 0.5).astype(np.uint8), "L").convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    if profile and image.mode in ("RGB", "RGBA"):
        from io import BytesIO

        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        image = ImageCms.profileToProfile(image.convert("RGB"), source, ImageCms.createProfile("sRGB"))
    return image.convert("RGB")


def _alpha(width, height, seed):
    image = scene(width, height, seed).convert("RGBA")
    ramp = np.linspace(0, 255, width).round().astype(np.uint8)
    image.putalpha(Image.fromarray(np.tile(ramp, (height, 1)), "L"))
    return image


def _turned(image, path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, quality=92, exif=exif)


def _sixteen(path):
    y, x = np.mgrid[0:45, 0:60]
    values = (32768 + 30000 * np.sin(x / 9) * np.cos(y / 7)).astype(np.uint16)
    Image.fromarray(values).save(path)


def wide_gamut():
    """An ICC profile, version 2: the primaries of Display P3 and a gamma of 2.2, as three numbers each."""
    xyz = lambda *values: b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(v * 65536)) for v in values)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(2.2 * 256)) + bytes(2)
    text = b"text" + bytes(4) + b"CC0\0"
    description = b"desc" + bytes(4) + struct.pack(">I", 12) + b"wide gamut \0" + bytes(4 + 4 + 2 + 1 + 67)
    description += bytes(-len(description) % 4)
    tags = [
        (b"desc", description),
        (b"cprt", text),
        (b"wtpt", xyz(0.9642, 1.0, 0.8249)),
        (b"rXYZ", xyz(0.51512, 0.2412, -0.00105)),
        (b"gXYZ", xyz(0.29198, 0.69225, 0.04189)),
        (b"bXYZ", xyz(0.1571, 0.06657, 0.78407)),
        (b"rTRC", curve),
        (b"gTRC", curve),
        (b"bTRC", curve),
    ]
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, value in tags:
        table += name + struct.pack(">II", at + len(body), len(value))
        body += value
    header = struct.pack(">I4sI4s4s4s", at + len(body), b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += b"".join(struct.pack(">i", round(v * 65536)) for v in (0.9642, 1.0, 0.8249))
    return header.ljust(128, b"\0") + table + body
