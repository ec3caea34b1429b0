"""The published EfficientNet-Lite0 on 20 photographs of ImageNet and on two made images, by the twin in torch.

Reads the assets `efficientnet-lite0` and `imagenet-sample`. The photographs are prepared by Pillow: the shorter side
to 256, bicubic, the middle 224, `(x - 127) / 128`. Only logits are written, never a pixel of a photograph.
"""

import golden_json  # first: it pins the thread counts

import numpy
import torch
from efficientnet_lite import EfficientNetLite
from PIL import Image

SEED = 0
ASSETS = golden_json.CRATES.parent / "assets"
WEIGHTS = ASSETS / "efficientnet-lite0" / "efficientnet-lite0-57934424.pth"
NOTES = {
    "made": "pixel [c, y, x] of [3, height, width] is ((31 c + 7 y y + 13 x + x y) mod 256 - 127) / 128",
    "photographs": "logits of the 1000 classes by the file's name, whose last part is the right class; 5 digits",
}


def prepared(path):
    image = Image.open(path).convert("RGB")
    width, height = image.size
    shorter = min(width, height)
    size = (256, 256 * height // width) if width == shorter else (256 * width // height, 256)
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = round((size[0] - 224) / 2), round((size[1] - 224) / 2)
    pixels = numpy.asarray(image.crop((left, top, left + 224, top + 224)), dtype=numpy.float32)
    return torch.from_numpy((pixels - 127) / 128).permute(2, 0, 1)


def made(height, width):
    c, y, x = (torch.arange(size).reshape(shape) for size, shape in
               ((3, (3, 1, 1)), (height, (1, height, 1)), (width, (1, 1, width))))
    return ((31 * c + 7 * y * y + 13 * x + x * y) % 256 - 127).float() / 128


def main():
    torch.use_deterministic_algorithms(True)
    model = EfficientNetLite()
    model.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    model = model.eval()
    paths = sorted((ASSETS / "imagenet-sample").glob("*.jpg"))
    assert len(paths) == 20, f"{len(paths)} photographs"
    body = {"made": {}, "photographs": {}, "notes": NOTES}
    first = fifth = 0
    with torch.no_grad():
        for path in paths:
            image = prepared(path)[None]
            logits = model(image)[0]
            right = int(path.stem.split("_")[-1])
            best = logits.topk(5).indices.tolist()
            first, fifth = first + (best[0] == right), fifth + (right in best)
            body["photographs"][path.name] = golden_json.significant(logits.tolist(), 5)
        for height, width in ((224, 224), (97, 131)):
            image = made(height, width)[None]
            logits = model(image)[0]
            exact = model.double()(image.double())[0]
            model.float()
            print(f"{height} x {width}: largest {logits.abs().max():.3f}, float32 is off by "
                  f"{(logits - exact).abs().max():.1e}")
            body["made"][f"{height}x{width}"] = golden_json.significant(logits.tolist(), 7)
    print(f"top-1 {first} of 20, top-5 {fifth} of 20")
    golden_json.write("andiron-vision/tests/golden/efficientnet_lite0.json", __file__, ["numpy", "pillow", "torch"],
                      SEED, body)


if __name__ == "__main__":
    main()
