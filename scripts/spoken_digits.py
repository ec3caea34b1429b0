#!/usr/bin/env python3
"""The spoken digits of the asset `spoken-digits` as JSON Lines, for the example of that name.

    scripts/spoken_digits.py assets/spoken-digits/digits.npz target/data/spoken-digits.jsonl

A line a recording: `{"frames": [[13 numbers], …], "label": "3"}`. Needs nothing but Python.
"""

import ast
import json
import struct
import sys
import zipfile
from pathlib import Path

KINDS = {"<f4": "f", "<i8": "q"}


def array(data):
    """Shape and values of a NumPy file of version 1."""
    if data[:8] != b"\x93NUMPY\x01\x00":
        raise ValueError("a NumPy array of version 1 was wanted")
    length = struct.unpack("<H", data[8:10])[0]
    header = ast.literal_eval(data[10:10 + length].decode("ascii"))
    if header["fortran_order"] or header["descr"] not in KINDS:
        raise ValueError(f"not read: {header}")
    kind = KINDS[header["descr"]]
    body = data[10 + length:]
    return header["shape"], struct.unpack(f"<{len(body) // struct.calcsize('<' + kind)}{kind}", body)


def main():
    source, target = map(Path, sys.argv[1:])
    with zipfile.ZipFile(source) as pack:
        (frames, width), values = array(pack.read("X.npy"))
        labels, lengths = (array(pack.read(name))[1] for name in ("y.npy", "lengths.npy"))
    if sum(lengths) != frames or len(labels) != len(lengths):
        raise ValueError(f"{frames} frames, but {sum(lengths)} in {len(lengths)} recordings")
    lines, at = [], 0
    for label, length in zip(labels, lengths):
        rows = [[float(f"{value:.7g}") for value in values[row * width:(row + 1) * width]] for row in range(at, at + length)]
        lines.append(json.dumps({"frames": rows, "label": str(label)}))
        at += length
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(target)
    print(f"{target}: {len(lines)} recordings")


if __name__ == "__main__":
    main()
