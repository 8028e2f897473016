"""ICC profiles of a few hundred bytes, made from nothing: version 2, as ICC.1:2001-04 has it."""

import struct

import numpy

# Primaries of Adobe RGB (1998) and of Display P3, adapted to D50: red, green, blue in XYZ.
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
D50 = (0.9642, 1.0, 0.8249)


def rgb(primaries, gamma):
    """Primaries and one gamma."""
    tags = [(name, xyz(value)) for name, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries)]
    return profile(b"mntr", b"RGB ", b"XYZ ", tags + [(name, curve(gamma)) for name in (b"rTRC", b"gTRC", b"bTRC")])


def grey(gamma):
    """Shades of grey by a gamma."""
    return profile(b"mntr", b"GRAY", b"XYZ ", [(b"kTRC", curve(gamma))])


def cmyk():
    """Inks that are duller than light is: a table of five steps each to Lab."""
    steps = numpy.linspace(0, 1, 5)
    c, m, y, k = numpy.meshgrid(steps, steps, steps, steps, indexing="ij")
    white = numpy.array([0.92, 0.93, 0.90])
    inks = numpy.array([[0.10, 0.45, 0.75], [0.80, 0.08, 0.35], [0.90, 0.80, 0.06], [0.05, 0.05, 0.06]])
    light = white
    for share, ink in zip((c, m, y, k), inks):
        light = light * (1 - share[..., None] * (1 - ink))
    to_xyz = numpy.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
    ratio = light**2.2 @ to_xyz.T / numpy.array(D50)
    f = numpy.where(ratio > 216 / 24389, numpy.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    lab = numpy.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)
    table = numpy.stack([lab[..., 0] * 2.55, lab[..., 1] + 128, lab[..., 2] + 128], -1)
    table = numpy.clip(numpy.rint(table), 0, 255).astype(numpy.uint8).tobytes()
    straight = bytes(range(256))
    identity = struct.pack(">9i", *(65536 if place % 4 == 0 else 0 for place in range(9)))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 5, 0]) + identity + straight * 4 + table + straight * 3
    return profile(b"prtr", b"CMYK", b"Lab ", [(b"A2B0", lut)])


def xyz(value):
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(part * 65536) for part in value))


def curve(gamma):
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)


def profile(kind, space, between, tags):
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78)
    tags = [(b"desc", text), (b"cprt", b"text" + bytes(4) + b"none\0"), (b"wtpt", xyz(D50))] + tags
    table, data = b"", b""
    begin = 128 + 4 + 12 * len(tags)
    for name, value in tags:
        table += name + struct.pack(">II", begin + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = struct.pack(">I4xI", begin + len(data), 0x02400000) + kind + space + between
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data
