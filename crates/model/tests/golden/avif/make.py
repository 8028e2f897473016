#!/usr/bin/env python3
"""Writes AVIF files of every kind that is decoded, and beside each what Pillow decodes of it.

    pip install 'Pillow>=11.3' imagecodecs numpy && ./make.py

Pillow (libavif, dav1d, libyuv) is the reference: upright, over white, 8 bits. It writes 8 bits only, so files
of 10 and 12 bits and of other matrices come from imagecodecs, and the grid's container from here.
"""

import io
import pathlib
import struct

import imagecodecs
import numpy
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent
WIDTH, HEIGHT = 61, 47  # odd, so that the last chroma sample stands for half a pair


def pixels(width=WIDTH, height=HEIGHT):
    """Slopes of each colour, and corners of one: whatever is turned or mirrored wrongly shows."""
    y, x = numpy.mgrid[0:height, 0:width]
    red, green = 255 * x // (width - 1), 255 * y // (height - 1)
    blue = 255 * (x + y) // (width + height - 2)
    image = numpy.stack([red, green, 255 - blue], axis=2).astype(numpy.uint8)
    image[: height // 3, : width // 3] = (200, 30, 40)
    return image


def with_alpha():
    """The same, more transparent from left to right, with a hole."""
    image = pixels()
    alpha = numpy.tile(numpy.linspace(255, 40, WIDTH).astype(numpy.uint8), (HEIGHT, 1))
    alpha[20:30, 20:40] = 0
    return numpy.dstack([image, alpha])


def saved(image, **options):
    """As Pillow writes it."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, "AVIF", speed=6, **options)
    return out.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(pixels(), quality=90, exif=exif.tobytes())


def deep(bits, pixelformat, matrix=None):
    image = pixels()
    if bits > 8:
        image = (image.astype(numpy.uint32) * ((1 << bits) - 1) // 255).astype(numpy.uint16)
    return bytes(
        imagecodecs.avif_encode(
            image, level=90, speed=6, bitspersample=bits, pixelformat=pixelformat, matrix=matrix, codec="aom"
        )
    )


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def full(kind, version, flags, *parts):
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def find(data, *path):
    """The body of a box below others; `meta` and its like have four bytes before their boxes."""
    at, end = 0, len(data)
    for kind in path:
        while True:
            size, name = struct.unpack_from(">I4s", data, at)
            if name == kind:
                break
            at += size
            assert at < end, kind
        end, at = at + size, at + 8 + (4 if kind == b"meta" else 0)
    return data[at:end]


def grid(columns, rows, tile=64):
    """A grid of tiles (ISO/IEC 23008-12, 6.6.2.3), cut at the right and at the bottom."""
    width, height = columns * tile - 11, rows * tile - 7
    whole = pixels(columns * tile, rows * tile)
    whole[height:] = whole[height - 1]
    tiles = []
    for row in range(rows):
        for column in range(columns):
            part = whole[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile]
            tiles.append(saved(part, quality=90, subsampling="4:4:4"))
    av1c = box(b"av1C", find(tiles[0], b"meta", b"iprp", b"ipco", b"av1C"))
    colr = box(b"colr", find(tiles[0], b"meta", b"iprp", b"ipco", b"colr"))
    pixi = box(b"pixi", find(tiles[0], b"meta", b"iprp", b"ipco", b"pixi"))
    bodies = [find(file, b"mdat") for file in tiles]
    described = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    ids = range(2, 2 + len(tiles))
    infos = [full(b"infe", 2, 0, struct.pack(">HH", 1, 0), b"grid\0")]
    infos += [full(b"infe", 2, 1, struct.pack(">HH", number, 0), b"av01\0") for number in ids]
    extents = lambda w, h: full(b"ispe", 0, 0, struct.pack(">II", w, h))
    properties = box(b"ipco", extents(width, height), extents(tile, tile), av1c, colr, pixi)
    associations = [struct.pack(">HB3B", 1, 3, 1, 4, 5)]
    associations += [struct.pack(">HB4B", number, 4, 2, 0x83, 4, 5) for number in ids]

    def meta(offset):
        places = [struct.pack(">HHHHII", 1, 1, 0, 1, 0, len(described))]
        for number, body in zip(ids, bodies):
            places.append(struct.pack(">HHHHII", number, 0, 0, 1, offset, len(body)))
            offset += len(body)
        return full(
            b"meta", 0, 0,
            full(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13)),
            full(b"pitm", 0, 0, struct.pack(">H", 1)),
            full(b"iloc", 1, 0, struct.pack(">HH", 0x4400, len(places)), *places),
            full(b"iinf", 0, 0, struct.pack(">H", len(infos)), *infos),
            full(b"iref", 0, 0, box(b"dimg", struct.pack(">HH", 1, len(tiles)), *[struct.pack(">H", n) for n in ids])),
            box(b"iprp", properties, full(b"ipma", 0, 0, struct.pack(">I", len(associations)), *associations)),
            box(b"idat", described),
        )

    head = box(b"ftyp", b"avif", bytes(4), b"avifmif1miaf")
    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", *bodies)


def animated():
    frames = [Image.fromarray(numpy.roll(pixels(), shift, axis=1)) for shift in (0, 7, 14)]
    out = io.BytesIO()
    frames[0].save(out, "AVIF", save_all=True, append_images=frames[1:], duration=50, quality=90, speed=6)
    return out.getvalue()


def files():
    for name in ("420", "422", "444"):
        yield name, saved(pixels(), quality=90, subsampling=f"{name[0]}:{name[1]}:{name[2]}")
    yield "grey", saved(pixels(), quality=90, subsampling="4:0:0")
    yield "limited", saved(pixels(), quality=90, range="limited")
    yield "alpha", saved(with_alpha(), quality=90)
    yield "premultiplied", saved(with_alpha(), quality=90, alpha_premultiplied=True)
    for orientation in range(2, 9):
        yield f"turned-{orientation}", turned(orientation)
    yield "10-420", deep(10, "420")
    yield "12-444", deep(12, "444")
    yield "12-422", deep(12, "422")
    yield "matrix-bt709", deep(8, "444", 1)
    yield "matrix-bt2020", deep(10, "420", 9)
    yield "matrix-identity", deep(8, "444", 0)
    yield "matrix-ycgco", deep(8, "444", 8)
    yield "grid", grid(2, 2)
    yield "animated", animated()


def reference(data):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def main():
    for old in (*HERE.glob("*.avif"), *HERE.glob("*.png")):
        old.unlink()
    for name, data in files():
        (HERE / f"{name}.avif").write_bytes(data)
        reference(data).save(HERE / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
