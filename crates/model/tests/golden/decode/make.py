#!/usr/bin/env python3
"""Writes pictures of every kind that is decoded but AVIF, and beside each what Pillow makes of it.

    pip install -r requirements.txt && ./make.py

The reference is upright (`ImageOps.exif_transpose`), in sRGB (`ImageCms`, perceptual), over white (`paste` by its
alpha), of 8 bits: of 16 bits of grey the higher 8, which is what Pillow itself does with 16 bits of colours.
What Pillow does not write (interlaced and deep PNGs, rare BMPs, small first frames) is written here.
"""

import io
import pathlib
import struct
import zlib

import numpy
from PIL import Image, ImageCms, ImageOps

import profiles

HERE = pathlib.Path(__file__).parent
WIDTH, HEIGHT = 45, 31  # odd, so that the last chroma sample stands for half a pair


def pixels(width=WIDTH, height=HEIGHT):
    """Slopes of each colour, grain, and a corner of one: whatever is turned or mirrored wrongly shows."""
    y, x = numpy.mgrid[0:height, 0:width]
    red, green = 255 * x // max(width - 1, 1), 255 * y // max(height - 1, 1)
    blue = 255 - 255 * (x + y) // max(width + height - 2, 1)
    image = numpy.stack([red, green, blue], axis=2)
    image = image + ((x * 37 + y * 61) % 23 - 11)[..., None]
    image = numpy.clip(image, 0, 255).astype(numpy.uint8)
    image[: height // 3, : width // 3] = (200, 30, 40)
    return image


def alpha():
    """More transparent from left to right, with a hole."""
    values = numpy.tile(numpy.linspace(255, 40, WIDTH).astype(numpy.uint8), (HEIGHT, 1))
    values[12:20, 10:30] = 0
    return values


RGB = Image.fromarray(pixels())
GREY = RGB.convert("L")
RGBA = Image.fromarray(numpy.dstack([pixels(), alpha()]))
PALETTE = RGB.quantize(40)
ADOBE = profiles.rgb(profiles.ADOBE_RGB, 2.2)
P3 = profiles.rgb(profiles.DISPLAY_P3, 2.4)


def reference(data):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):
        image = Image.fromarray((numpy.asarray(image).astype(numpy.uint32) >> 8).astype(numpy.uint8))
    if image.mode in ("P", "PA", "1") or (image.mode == "LA" and not profile) or "transparency" in image.info:
        clear = image.mode in ("PA", "LA") or "transparency" in image.info
        image = image.convert("RGBA" if clear else "RGB")
    if profile:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        try:
            image = ImageCms.profileToProfile(image, source, target, outputMode=mode)
        except ImageCms.PyCMSError as error:
            print("   passed over:", error)
    if image.mode == "RGBA":
        white = Image.new("RGB", image.size, "white")
        white.paste(image.convert("RGB"), mask=image.getchannel("A"))
        return white
    return image.convert("RGB")


def write(name, data):
    made = reference(data)
    (HERE / name).write_bytes(data)
    made.save(HERE / (name + ".png"), optimize=True, icc_profile=None)
    print(name, len(data))


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def exif(orientation):
    made = Image.Exif()
    made[0x0112] = orientation
    return made


def jpegs():
    def jpeg(image, **options):
        return saved(image, format="JPEG", **({"quality": 88} | options))

    write("grey.jpg", jpeg(GREY))
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        write(name + ".jpg", jpeg(RGB, subsampling=subsampling))
    write("progressive.jpg", jpeg(RGB, progressive=True))
    write("restarts.jpg", jpeg(RGB, restart_marker_blocks=2))
    write("rgb.jpg", jpeg(RGB, keep_rgb=True))
    for orientation in range(1, 9):
        write("turned-%d.jpg" % orientation, jpeg(RGB, exif=exif(orientation)))
    for name, size in (("1x1", (1, 1)), ("wide", (300, 1)), ("tall", (2, 300))):
        write(name + ".jpg", jpeg(Image.fromarray(pixels(*size))))

    cmyk = jpeg(RGB.convert("CMYK"))
    write("cmyk.jpg", cmyk)
    marker = cmyk.index(b"\xff\xee\0\x0eAdobe")
    write("ycck.jpg", cmyk[: marker + 15] + b"\2" + cmyk[marker + 16 :])
    write("cmyk-without-adobe.jpg", cmyk[:marker] + cmyk[marker + 16 :])
    write("icc-cmyk.jpg", jpeg(RGB.convert("CMYK"), icc_profile=profiles.cmyk()))

    write("icc-adobe-rgb.jpg", jpeg(RGB, icc_profile=ADOBE))
    write("icc-display-p3.jpg", jpeg(RGB, icc_profile=P3))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    srgb = srgb[:24] + bytes(12) + srgb[36:]  # without the time at which it was made
    write("icc-srgb.jpg", jpeg(RGB, icc_profile=srgb))
    write("icc-grey.jpg", jpeg(GREY, icc_profile=profiles.grey(1.4)))
    write("icc-of-grey-for-rgb.jpg", jpeg(RGB, icc_profile=profiles.grey(1.4)))
    # In two parts, the second first.
    parts = [b"ICC_PROFILE\0" + bytes([number, 2]) + part for number, part in ((2, P3[300:]), (1, P3[:300]))]
    parts = b"".join(b"\xff\xe2" + struct.pack(">H", 2 + len(part)) + part for part in parts)
    plain = jpeg(RGB)
    write("icc-in-parts.jpg", plain[:2] + parts + plain[2:])
    # A profile that cannot be read must not keep the picture from being shown.
    (HERE / "icc-broken.jpg").write_bytes(jpeg(RGB, icc_profile=ADOBE[:150]))
    RGB_AS_JPEG = Image.open(io.BytesIO(jpeg(RGB)))
    RGB_AS_JPEG.save(HERE / "icc-broken.jpg.png", icc_profile=None)

    # What libjpeg complains of, and all others pass over.
    whole = jpeg(RGB)
    table = whole.index(b"\xff\xdb")
    write("odd-bytes-between.jpg", whole[:table] + b"\x12\x34" + whole[table:])
    write("odd-jfif.jpg", whole.replace(b"JFIF\0\1", b"JFIF\0\2"))
    unknown = jpeg(RGB, keep_rgb=True)
    marker = unknown.index(b"\xff\xee\0\x0eAdobe")
    write("odd-adobe.jpg", unknown[: marker + 15] + b"\7" + unknown[marker + 16 :])
    middle = (whole.index(b"\xff\xda") + len(whole)) // 2
    write("damaged.jpg", whole[:middle] + whole[middle + 20 :])


def png(values, depth, kind, interlaced=False, extra=b""):
    """A PNG of any kind: `values` are rows of samples, already within their depth."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    def packed(rows):
        data = b""
        for row in rows:
            row = numpy.asarray(row).reshape(-1)
            if depth == 16:
                line = row.astype(">u2").tobytes()
            else:
                bits = numpy.unpackbits(row.astype(numpy.uint8)[:, None], axis=1)[:, 8 - depth :]
                line = numpy.packbits(bits.reshape(-1)).tobytes()
            data += b"\0" + line
        return data

    if interlaced:
        passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
        parts = [values[top::down, left::across] for top, left, down, across in passes]
        data = b"".join(packed(part) for part in parts if part.size)
    else:
        data = packed(values)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], depth, kind, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def pngs():
    rgb, grey = pixels(), numpy.asarray(GREY)
    deep = rgb.astype(numpy.uint32) * 257 + numpy.arange(WIDTH)[None, :, None] * 5
    deep = numpy.minimum(deep, 65535)
    for depth in (1, 2, 4, 8):
        write("grey-%d.png" % depth, png(grey >> (8 - depth), depth, 0))
    write("grey-16.png", png(deep[..., 0], 16, 0))
    write("rgb-16.png", png(deep, 16, 2))
    deep_alpha = alpha().astype(numpy.uint32) * 257
    write("grey-alpha-16.png", png(numpy.dstack([deep[..., 0], deep_alpha]), 16, 4))
    write("rgba-16.png", png(numpy.dstack([deep, deep_alpha]), 16, 6))
    write("grey-alpha.png", png(numpy.dstack([grey, alpha()]), 8, 4))
    write("rgb.png", saved(RGB, format="PNG"))
    write("rgba.png", saved(RGBA, format="PNG"))
    write("interlaced.png", png(rgb, 8, 2, interlaced=True))
    write("interlaced-2.png", png(grey >> 6, 2, 0, interlaced=True))
    for bits in (1, 2, 4, 8):
        write("palette-%d.png" % bits, saved(RGB.quantize(1 << bits), format="PNG", bits=bits))
    write("palette-clear.png", saved(PALETTE, format="PNG", transparency=7))
    write("palette-alpha.png", saved(PALETTE, format="PNG", transparency=bytes(range(0, 240, 6))))
    write("rgb-clear.png", saved(RGB, format="PNG", transparency=(200, 30, 40)))
    write("grey-clear.png", saved(GREY, format="PNG", transparency=int(grey[0, 0])))
    write("turned-6.png", saved(RGB, format="PNG", exif=exif(6)))
    write("icc-display-p3.png", saved(RGB, format="PNG", icc_profile=P3))
    write("icc-rgba.png", saved(RGBA, format="PNG", icc_profile=ADOBE))
    write("icc-palette.png", saved(PALETTE, format="PNG", icc_profile=ADOBE))
    write("icc-grey.png", saved(GREY, format="PNG", icc_profile=profiles.grey(1.4)))
    write("1x1.png", saved(RGB.crop((20, 20, 21, 21)), format="PNG"))
    write("tall.png", saved(Image.fromarray(pixels(1, 400)), format="PNG"))


def gifs():
    write("plain.gif", saved(PALETTE, format="GIF"))
    write("interlaced.gif", saved(PALETTE, format="GIF", interlace=1))
    write("clear.gif", saved(PALETTE, format="GIF", transparency=7))
    write("grey.gif", saved(GREY, format="GIF"))
    others = [ImageOps.mirror(RGB).quantize(30), ImageOps.flip(RGB).quantize(30)]
    for disposal in (0, 1, 2, 3):
        options = {"save_all": True, "append_images": others, "disposal": disposal, "duration": 50}
        write("animated-%d.gif" % disposal, saved(PALETTE, format="GIF", **options))
    for name, options in (("small", {}), ("small-clear", {"transparency": 7})):
        data = bytearray(saved(PALETTE, format="GIF", interlace=0, **options))
        frame = data.index(b"\x2c\0\0\0\0" + struct.pack("<HH", WIDTH, HEIGHT))
        data[6:10] = struct.pack("<HH", WIDTH + 15, HEIGHT + 9)
        data[frame + 1 : frame + 5] = struct.pack("<HH", 8, 3)
        write(name + "-first.gif", bytes(data))


def webps():
    write("lossless.webp", saved(RGB, format="WEBP", lossless=True))
    write("lossless-alpha.webp", saved(RGBA, format="WEBP", lossless=True))
    write("lossy.webp", saved(RGB, format="WEBP", quality=85))
    write("lossy-alpha.webp", saved(RGBA, format="WEBP", quality=85))
    write("turned-6.webp", saved(RGB, format="WEBP", lossless=True, exif=exif(6)))
    write("icc-adobe-rgb.webp", saved(RGB, format="WEBP", lossless=True, icc_profile=ADOBE))
    options = {"save_all": True, "append_images": [ImageOps.flip(RGBA)], "duration": 50, "lossless": True}
    write("animated.webp", saved(RGB, format="WEBP", **(options | {"append_images": [ImageOps.flip(RGB)]})))
    write("animated-alpha.webp", saved(RGBA, format="WEBP", **options))


def bmp(rows, bits, palette=b"", compression=0, masks=b"", height=HEIGHT):
    offset = 14 + 40 + len(masks) + len(palette)
    colours = len(palette) // 4
    head = struct.pack("<IiiHHIIiiII", 40, WIDTH, height, 1, bits, compression, len(rows), 2835, 2835, colours, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + head + masks + palette + rows


def bmps():
    rgb = pixels()
    for name, image in (("1", RGB.convert("1")), ("8", PALETTE), ("grey", GREY), ("24", RGB)):
        write("bmp-%s.bmp" % name, saved(image, format="BMP"))
    red, green, blue = (rgb[..., channel].astype(numpy.uint16) for channel in range(3))

    def lines(values):
        data = [row.tobytes() for row in values]
        return [row + bytes(-len(row) % 4) for row in data]

    def upwards(values):
        return b"".join(reversed(lines(values)))

    five = (red >> 3) << 10 | (green >> 3) << 5 | blue >> 3
    six = (red >> 3) << 11 | (green >> 2) << 5 | blue >> 3
    write("bmp-555.bmp", bmp(upwards(five.astype("<u2")), 16))
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    write("bmp-565.bmp", bmp(upwards(six.astype("<u2")), 16, compression=3, masks=masks))
    four = numpy.dstack([rgb[..., ::-1], alpha()])
    write("bmp-32.bmp", bmp(upwards(four), 32))
    write("bmp-top-down.bmp", bmp(b"".join(lines(rgb[..., ::-1])), 24, height=-HEIGHT))
    few = numpy.asarray(RGB.quantize(16))
    palette = bytes(RGB.quantize(16).getpalette()[: 16 * 3])
    palette = b"".join(bytes([palette[at + 2], palette[at + 1], palette[at], 0]) for at in range(0, 48, 3))
    even = numpy.pad(few, ((0, 0), (0, 1)))
    write("bmp-4.bmp", bmp(upwards((even[:, ::2] << 4 | even[:, 1::2]).astype(numpy.uint8)), 4, palette))
    runs = b""
    for row in few[::-1]:
        at = 0
        while at < WIDTH:
            length = 1
            while at + length < WIDTH and row[at + length] == row[at]:
                length += 1
            runs += bytes([length, int(row[at])])
            at += length
        runs += b"\0\0"
    write("bmp-rle.bmp", bmp(runs + b"\0\1", 8, palette, compression=1))


for old in HERE.iterdir():
    if old.suffix in (".jpg", ".png", ".gif", ".webp", ".bmp"):
        old.unlink()
jpegs()
pngs()
gifs()
webps()
bmps()
