"""Resizing by the triangle filter, as PyTorch does it on floats.

`interpolate(mode="bilinear", antialias=True, align_corners=False)`: the filter of Pillow's BILINEAR,
without Pillow's rounding to bytes between the two axes.
"""

import golden_json  # first: it pins the thread counts

import torch

SEED = 1799
NOTES = {
    "layout": "pixels and resized are [height, width, channels], sizes are [height, width]",
    "values": "bytes in; unrounded numbers of the same scale out",
}


def main():
    generator = torch.Generator().manual_seed(SEED)
    cases = []
    sizes = [((9, 13), (4, 5)), ((5, 7), (11, 10)), ((17, 3), (6, 8)), ((2, 31), (3, 7)), ((1, 1), (2, 3)), ((8, 8), (1, 1))]
    for channels, (before, after) in zip([1, 3, 1, 3, 3, 1], sizes):
        pixels = torch.randint(0, 256, (*before, channels), generator=generator)
        image = pixels.permute(2, 0, 1).unsqueeze(0).double()
        resized = torch.nn.functional.interpolate(image, after, mode="bilinear", antialias=True, align_corners=False)
        values = resized[0].permute(1, 2, 0).flatten().tolist()
        cases.append({
            "channels": channels,
            "from": list(before),
            "to": list(after),
            "pixels": pixels.flatten().tolist(),
            "resized": golden_json.significant(values),
        })
    body = {"cases": cases, "notes": NOTES}
    golden_json.write("andiron-vision/tests/golden/resize.json", __file__, ["torch"], SEED, body)


if __name__ == "__main__":
    main()
