"""Changes of lightness, colour and place by a given amount, as Pillow and torchvision make them."""

import golden_json  # first: it pins the thread counts

import math

import numpy
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import InterpolationMode, functional

SEED = 80112
BILINEAR = InterpolationMode.BILINEAR
NOTES = {
    "layout": "pixels and changed are [height, width, channels]; rounding may differ by 1 where values are mixed",
    "shear": "torchvision's affine around the upper left corner, as its RandAugment calls it",
}


def picture(generator, width, height, channels):
    """Smooth and noisy parts, dark and light ones, and neither black nor white."""
    shape = (height, width, channels)
    ramp = numpy.add.outer(numpy.arange(height) * 9, numpy.arange(width) * 4)[..., None] % 90
    pixels = (20 + ramp + generator.integers(0, 110, shape) * numpy.array([1.0, 0.6, 0.3][:channels])).astype(numpy.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def sheared(image, x, y):
    degrees = [math.degrees(math.atan(x)), math.degrees(math.atan(y))]
    return functional.affine(image, 0.0, [0, 0], 1.0, degrees, BILINEAR, center=[0, 0])


def changes(image):
    for factor in (0.0, 0.35, 1.0, 1.6):
        yield "brightness", factor, ImageEnhance.Brightness(image).enhance(factor)
        yield "contrast", factor, ImageEnhance.Contrast(image).enhance(factor)
        yield "saturation", factor, ImageEnhance.Color(image).enhance(factor)
        yield "sharpness", factor, ImageEnhance.Sharpness(image).enhance(factor)
    for bits in (1, 4, 7, 8):
        yield "posterise", bits, ImageOps.posterize(image, bits)
    for threshold in (0, 77, 256):
        yield "solarise", threshold, ImageOps.solarize(image, threshold)
    yield "auto-contrast", 0, ImageOps.autocontrast(image)
    yield "equalise", 0, ImageOps.equalize(image)
    for share in (-0.5, -0.12, 0.07, 0.4):
        yield "hue", share, functional.adjust_hue(image, share)
    for share in (-0.3, 0.2):
        yield "shear-x", share, sheared(image, share, 0.0)
        yield "shear-y", share, sheared(image, 0.0, share)
    for pixels in (-3, 2):
        yield "translate-x", pixels, functional.affine(image, 0.0, [pixels, 0], 1.0, [0.0, 0.0], BILINEAR)
        yield "translate-y", pixels, functional.affine(image, 0.0, [0, pixels], 1.0, [0.0, 0.0], BILINEAR)
    for degrees in (-135.0, -17.5, 8.0, 30.0):
        yield "rotate", degrees, functional.rotate(image, degrees, BILINEAR)
    yield "mirror", 0, ImageOps.mirror(image)
    yield "flip", 0, ImageOps.flip(image)


def main():
    generator = numpy.random.default_rng(SEED)
    cases = []
    for width, height, channels in [(19, 13, 3), (11, 17, 1)]:
        image = picture(generator, width, height, channels)
        cases.append({
            "size": [width, height],
            "channels": channels,
            "pixels": numpy.asarray(image).flatten().tolist(),
            "changes": [
                {"name": name, "by": by, "changed": numpy.asarray(changed).flatten().tolist()}
                for name, by, changed in changes(image)
            ],
        })
    body = {"cases": cases, "notes": NOTES}
    packages = ["numpy", "pillow", "torchvision"]
    golden_json.write("andiron-vision/tests/golden/image_changes.json", __file__, packages, SEED, body)


if __name__ == "__main__":
    main()
