"""Resizing, shorter and longer sides, centre crops and padding, as Pillow and torchvision have them.

Pillow's BILINEAR and BICUBIC are antialiased, and round to bytes between the two axes, the width
first. `CenterCrop` of torchvision pads a smaller image with black.
"""

import golden_json  # first: it pins the thread counts

import numpy
from PIL import Image
from torchvision import transforms
from torchvision.transforms import functional

SEED = 1799
FILTERS = {
    "nearest": functional.InterpolationMode.NEAREST,
    "bilinear": functional.InterpolationMode.BILINEAR,
    "bicubic": functional.InterpolationMode.BICUBIC,
}
NOTES = {
    "layout": "pixels and resized are [height, width, channels], sizes are [width, height]",
    "values": "bytes in, bytes out; rounding may differ by 1",
}


def image(generator, width, height, channels):
    """Noise over a ramp: sharp edges for the filters, and no two rows or columns alike."""
    shape = (height, width, channels)
    ramp = numpy.add.outer(numpy.arange(height) * 5, numpy.arange(width) * 3)[..., None] % 128
    pixels = (ramp + generator.integers(0, 128, shape)).astype(numpy.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def flat(picture):
    return numpy.asarray(picture).flatten().tolist()


def main():
    generator = numpy.random.default_rng(SEED)
    sizes = [((13, 9), (5, 4)), ((7, 5), (10, 11)), ((3, 17), (8, 6)), ((31, 2), (7, 3)), ((1, 1), (3, 2)),
             ((8, 8), (1, 1)), ((45, 31), (17, 13)), ((19, 23), (41, 37))]
    resized = []
    for (before, after), channels in zip(sizes, [1, 3, 1, 3, 3, 1, 3, 1]):
        source = image(generator, *before, channels)
        case = {"channels": channels, "from": list(before), "to": list(after), "pixels": flat(source)}
        for name, mode in FILTERS.items():
            case[name] = flat(functional.resize(source, after[::-1], mode))
        resized.append(case)
    steps = []
    bicubic, bilinear = FILTERS["bicubic"], FILTERS["bilinear"]
    for width, height in [(33, 21), (20, 35), (9, 9), (40, 7)]:
        source = image(generator, width, height, 3)
        shorter = transforms.Compose([transforms.Resize(16, bicubic), transforms.CenterCrop((12, 15))])
        # A longer side without a shorter one: torchvision takes `max_size` beside `size` only.
        scale = 18 / max(width, height)
        longer = functional.resize(source, (max(int(height * scale), 1), max(int(width * scale), 1)), bilinear)
        left, top = (20 - longer.width) // 2, (18 - longer.height) // 2
        padded = functional.pad(longer, [left, top, 20 - longer.width - left, 18 - longer.height - top], 114)
        steps.append({
            "from": [width, height],
            "pixels": flat(source),
            "shorter_16_bicubic_crop_15_12": flat(shorter(source)),
            "longer_18_bilinear_pad_20_18_114": flat(padded),
            "crop_15_12": flat(functional.center_crop(source, (12, 15))),
        })
    body = {"cases": resized, "steps": steps, "notes": NOTES}
    packages = ["numpy", "pillow", "torchvision"]
    golden_json.write("andiron-vision/tests/golden/resize.json", __file__, packages, SEED, body)


if __name__ == "__main__":
    main()
