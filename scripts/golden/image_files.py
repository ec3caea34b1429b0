"""Files of images and what Pillow makes of them: JPEG with four inks, an animated GIF, notes of rotation."""

import golden_json  # first: it pins the thread counts

import base64
import io

import numpy
from PIL import Image, ImageOps

SEED = 4444
NOTES = {
    "cmyk": "Pillow stores the inks inverted, as Adobe does, and says so by Adobe's marker",
    "ycck": "the same file with the marker's transform set to 2: the first three inks as luma and chroma",
    "pixels": "[height, width, 3], as RGB; of a JPEG two decoders differ by a few",
}


def smooth(generator, width, height, channels):
    """A coarse noise, enlarged: JPEG keeps it."""
    coarse = generator.integers(0, 256, (3, 4, channels)).astype(numpy.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def jpeg(image, **settings):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95, subsampling=0, **settings)
    return file.getvalue()


def case(file, **more):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(file))).convert("RGB")
    return {
        "file": base64.b64encode(file).decode(),
        "size": list(image.size),
        "pixels": numpy.asarray(image).flatten().tolist(),
        **more,
    }


def main():
    generator = numpy.random.default_rng(SEED)
    inks = numpy.asarray(smooth(generator, 23, 15, 3)).astype(int)
    black = generator.integers(0, 90, (15, 1, 1))
    cmyk = numpy.concatenate([inks, numpy.broadcast_to(black, (15, 23, 1))], 2).astype(numpy.uint8)
    cmyk = jpeg(Image.frombytes("CMYK", (23, 15), cmyk.tobytes()))
    marker = cmyk.index(b"Adobe") + 11
    assert cmyk[marker] == 0
    ycck = cmyk[:marker] + b"\x02" + cmyk[marker + 1 :]
    frames = [smooth(generator, 13, 9, 3).quantize(16) for _ in range(3)]
    gif = io.BytesIO()
    frames[0].save(gif, "GIF", save_all=True, append_images=frames[1:], duration=100)
    cases = {"cmyk": case(cmyk), "ycck": case(ycck), "gif": case(gif.getvalue())}
    upright = smooth(generator, 21, 11, 3)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        cases[f"orientation_{orientation}"] = case(jpeg(upright, exif=exif))
    body = {"cases": cases, "notes": NOTES}
    packages = ["numpy", "pillow"]
    golden_json.write("andiron-vision/tests/golden/image_files.json", __file__, packages, SEED, body)


if __name__ == "__main__":
    main()
