"""examples/data/digits: scikit-learn's 8x8 digits as gzipped idx files, the format of MNIST."""

import gzip
import struct
import zlib

NEEDS = ["digits"]
SIDE = 8
# The source counts the black pixels in blocks of 4x4.
DARKEST = 16


def files(assets):
    with gzip.open(assets / "digits" / "digits.csv.gz", "rt", encoding="ascii") as source:
        rows = [[int(float(value)) for value in line.split(",")] for line in source]
    if any(len(row) != SIDE * SIDE + 1 or not 0 <= min(row) <= max(row) <= DARKEST for row in rows):
        raise ValueError("digits.csv.gz: wanted 64 values in 0..=16 and a label in each row")
    pixels = bytes(round(value * 255 / DARKEST) for row in rows for value in row[:-1])
    labels = bytes(row[-1] for row in rows)
    return {
        "digits-images-idx3-ubyte.gz": gzipped(idx([len(rows), SIDE, SIDE], pixels)),
        "digits-labels-idx1-ubyte.gz": gzipped(idx([len(rows)], labels)),
    }


def idx(sizes, data):
    """Two zeros, type 8 (unsigned byte), number of axes, their sizes (big-endian), the bytes."""
    return struct.pack(f">HBB{len(sizes)}I", 0, 8, len(sizes), *sizes) + data


def gzipped(data):
    """Header by hand: gzip.compress() writes another one from one Python to the next."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    header = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"  # deflate, no name, no time, best, system unknown
    trailer = struct.pack("<II", zlib.crc32(data), len(data))
    return header + deflate.compress(data) + deflate.flush() + trailer
