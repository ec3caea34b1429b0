"""The published EfficientNet-Lite0, -Lite1 and -Lite2 on 20 photographs of ImageNet and on two made images each, by
the package `efficientnet_lite_pytorch`; of Lite3 and Lite4, of which no registry has weights, the tensors' shapes.

Reads the assets `efficientnet-lite0`, `-lite1`, `-lite2` and `imagenet-sample`. The photographs are prepared by
Pillow: the shorter side to 32 pixels more than the network's own side (224, 240, 260), bicubic, the middle,
`(x - 127) / 128`. Only logits are written, never a pixel of a photograph; of Lite1 and Lite2 the five largest.
"""

import golden_json  # first: it pins the thread counts

import numpy
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

SEED = 0
ASSETS = golden_json.CRATES.parent / "assets"
SIDES = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}
ODD = (97, 131)
NOTES = {
    "made": "pixel [c, y, x] of [3, height, width] is ((31 c + 7 y y + 13 x + x y) mod 256 - 127) / 128",
    "photographs": "by the file's name, whose last part is the right class: logits of the 1000 classes (Lite0), or "
                   "[class, logit] of the five largest; 5 digits",
    "right": "of the photographs, how many have the right class first, and among the first five",
}


def network(name, size):
    """The package pads as TensorFlow does for one size of images, which it is told before."""
    [weights] = (ASSETS / name).glob("*.pth")
    model = EfficientNet.from_name(name, image_size=size)
    model.load_state_dict(torch.load(weights, weights_only=True))
    return model.eval()


def prepared(path, side):
    image = Image.open(path).convert("RGB")
    width, height = image.size
    shorter, wanted = min(width, height), side + 32
    size = (wanted, wanted * height // width) if width == shorter else (wanted * width // height, wanted)
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    pixels = numpy.asarray(image.crop((left, top, left + side, top + side)), dtype=numpy.float32)
    return torch.from_numpy((pixels - 127) / 128).permute(2, 0, 1)


def made(height, width):
    c, y, x = (torch.arange(size).reshape(shape) for size, shape in
               ((3, (3, 1, 1)), (height, (1, height, 1)), (width, (1, 1, width))))
    return ((31 * c + 7 * y * y + 13 * x + x * y) % 256 - 127).float() / 128


def answers(name, side, paths):
    body = {"made": {}, "photographs": {}, "notes": NOTES}
    model = network(name, (side, side))
    first = fifth = 0
    for path in paths:
        logits = model(prepared(path, side)[None])[0]
        best = logits.topk(5).indices.tolist()
        right = int(path.stem.split("_")[-1])
        first, fifth = first + (best[0] == right), fifth + (right in best)
        rounded = golden_json.significant(logits.tolist(), 5)
        if name != "efficientnet-lite0":
            rounded = [[at, rounded[at]] for at in best]
        body["photographs"][path.name] = rounded
    for height, width in ((side, side), ODD):
        image, sized = made(height, width)[None], network(name, (height, width))
        logits = sized(image)[0]
        exact = sized.double()(image.double())[0]
        print(f"{name}, {height} x {width}: largest {logits.abs().max():.3f}, float32 is off by "
              f"{(logits - exact).abs().max():.1e}")
        body["made"][f"{height}x{width}"] = golden_json.significant(logits.tolist(), 7)
    print(f"{name}: top-1 {first} of 20, top-5 {fifth} of 20")
    return body | {"right": [first, fifth]}


def shapes(name):
    tensors = EfficientNet.from_name(name).state_dict().items()
    return {key: list(tensor.shape) for key, tensor in tensors if not key.endswith("num_batches_tracked")}


def main():
    torch.use_deterministic_algorithms(True)
    paths = sorted((ASSETS / "imagenet-sample").glob("*.jpg"))
    assert len(paths) == 20, f"{len(paths)} photographs"
    with torch.no_grad():
        for name, side in SIDES.items():
            file = name.replace("efficientnet-", "efficientnet_")
            golden_json.write(f"andiron-vision/tests/golden/{file}.json", __file__,
                              ["efficientnet_lite_pytorch", "numpy", "pillow", "torch"], SEED,
                              answers(name, side, paths))
    golden_json.write("andiron-vision/tests/golden/efficientnet_lite_shapes.json", __file__,
                      ["efficientnet_lite_pytorch", "torch"], SEED,
                      {name: shapes(name) for name in ("efficientnet-lite3", "efficientnet-lite4")})


if __name__ == "__main__":
    main()
