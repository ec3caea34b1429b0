"""Tiny YOLOX networks with random weights, and what the `yolox` package makes of images, targets and boxes.

The package wants more than its networks do: `pip install --no-deps --no-build-isolation yolox==0.3.0`, and likewise
loguru==0.7.3, opencv-python-headless==5.0.0.93, tabulate==0.10.0, thop==0.1.1.post2209072238, pycocotools==2.0.10,
torchvision==0.29.2, pillow==13.0.0 beside the torch of requirements.txt.

Writes `yolox_NAME.safetensors` (weights), `yolox_nano.pth` (YOLOX-Nano as the package's training saves it) and
`yolox.json`: inference, the losses of one training step with the gradient of a few parameters, the assignment of
targets to cells, and suppression of boxes.
"""

import golden_json  # first: it pins the thread counts

import numpy
import torch
from safetensors.torch import save_file
from yolox.exp import get_exp
from yolox.models import YOLOPAFPN, YOLOX, YOLOXHead
from yolox.utils import postprocess

SEED = 20210718
FOLDER = "andiron-vision/tests/golden"
CLASSES = 3
NETWORKS = {"depthwise": (0.33, 0.046875, True), "plain": (0.67, 0.03125, False)}
# Images are [batch, channels, height, width]; targets are [class, centre x, centre y, width, height] in pixels.
SIZE = (64, 96)
TARGETS = [
    [[1, 20.0, 30.0, 22.0, 18.0], [0, 26.0, 34.0, 30.0, 25.0], [2, 80.0, 12.0, 9.0, 14.0]],
    [],
    [[2, 48.0, 32.0, 70.0, 50.0], [1, 5.0, 60.0, 6.0, 5.0]],
]
# Numbers in a row that tensors of the checkpoint are windows on.
ROW = 1600
GRADIENTS = ["backbone.lateral_conv0.conv.weight", "head.reg_preds.1.bias", "head.cls_preds.0.weight"]
NOTES = {
    "images": "[3, 3, height, width], the value at place i is (i * 2654435761 mod 2^32 >> 27) / 4 - 4",
    "outputs": "[batch, cells, 5 + classes]: raw box numbers, sigmoid of object and classes; eval mode",
    "decoded": "the same with boxes as centre, width and height in pixels",
    "losses": "train mode, with and without the L1 term; sums over all targets divided by the matched cells",
    "checkpoint": "outputs of YOLOX-Nano with the weights in yolox_nano.pth",
    "assignment": "the cells that a target got, by SimOTA, and which target each got; random numbers for each cell",
    "kept": "[x0, y0, x1, y1, object, class score, class] after suppression by class",
}


def network(depth, width, depthwise):
    def settings(module):
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps, module.momentum = 1e-3, 0.03

    model = YOLOX(YOLOPAFPN(depth, width, depthwise=depthwise), YOLOXHead(CLASSES, width, depthwise=depthwise))
    model.apply(settings)
    model.head.initialize_biases(1e-2)
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var") or ".bn." in name and name.endswith("weight"):
            tensor.uniform_(0.7, 1.6)
        elif ".bn." in name and tensor.is_floating_point():
            tensor.normal_(0.0, 0.2)
    return model


def pictures():
    """Three images whose values a formula gives, so that they need not be written down."""
    count = 3 * 3 * SIZE[0] * SIZE[1]
    values = (torch.arange(count, dtype=torch.int64) * 2654435761 % 2**32 >> 27).float() / 4 - 4
    return values.reshape(3, 3, *SIZE)


def padded():
    longest = max(len(one) for one in TARGETS)
    return torch.tensor([one + [[0.0] * 5] * (longest - len(one)) for one in TARGETS])


def training(model, images):
    cases = {}
    for l1 in (False, True):
        model.train()
        model.head.use_l1 = l1
        model.zero_grad()
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        outputs = model(images, padded())
        outputs["total_loss"].backward()
        found = {name: float(value) for name, value in outputs.items()}
        parameters = dict(model.named_parameters())
        gradients = {name: parameters[name].grad.flatten().tolist() for name in GRADIENTS}
        found["gradients"] = {name: golden_json.significant(values) for name, values in gradients.items()}
        cases["l1" if l1 else "plain"] = found
        model.load_state_dict(state)
    return cases


def assignment():
    """Cells of a 48 x 64 image in three grids, random numbers, three targets two of which overlap."""
    head = YOLOXHead(CLASSES, 0.03125)
    sizes = [(6, 8, 8), (3, 4, 16), (2, 2, 32)]
    xs, ys, strides = [], [], []
    for rows, columns, stride in sizes:
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        xs.append(x.flatten())
        ys.append(y.flatten())
        strides.append(torch.full((rows * columns,), stride))
    xs, ys, strides = (torch.cat(part).float()[None] for part in (xs, ys, strides))
    cells = xs.shape[1]
    cases = []
    for count in (1, 3, 5):
        numbers = torch.randn(cells, 5 + CLASSES) * torch.tensor([0.5] * 4 + [1.5] * (1 + CLASSES))
        numbers[:, 2:4] += torch.log(20.0 / strides[0])[:, None]  # of the targets' size, so that many overlap
        centre = (numbers[:, :2] + torch.stack([xs[0], ys[0]], 1)) * strides[0][:, None]
        boxes = torch.cat([centre, torch.exp(numbers[:, 2:4]) * strides[0][:, None]], 1)
        targets = torch.cat([torch.rand(count, 1) * 40 + 10, torch.rand(count, 1) * 30 + 8,
                             torch.rand(count, 2) * 30 + 6], 1)
        classes = torch.randint(0, CLASSES, (count,)).float()
        got, mask, ious, matched, _ = head.get_assignments(
            0, count, cells, targets, classes, boxes, strides, xs, ys,
            numbers[None, :, 5:], boxes[None], numbers[None, :, 4:5], None, None)
        cases.append({
            "numbers": golden_json.significant(numbers.tolist()),
            "targets": golden_json.significant(targets.tolist()),
            "classes": [int(one) for one in classes],
            "cells": mask.nonzero().flatten().tolist(),
            "matched": matched.tolist(),
            "ious": golden_json.significant(ious.tolist()),
        })
    return {"levels": [list(size) for size in sizes], "cases": cases}


def suppression():
    centre = torch.rand(2, 60, 2) * 60
    boxes = torch.cat([centre, torch.rand(2, 60, 2) * 40 + 4, torch.rand(2, 60, 1 + CLASSES)], 2)
    cases = []
    for confidence, overlap in ((0.3, 0.45), (0.05, 0.65), (0.99, 0.5)):
        kept = postprocess(boxes.clone(), CLASSES, confidence, overlap)
        kept = [[] if image is None else golden_json.significant(image.tolist()) for image in kept]
        cases.append({"confidence": confidence, "overlap": overlap, "kept": kept})
    return {"boxes": golden_json.significant(boxes.tolist()), "cases": cases}


def windows(state):
    """The same names and shapes, so that 900,000 weights fit into a small file: all tensors of one fan-in or kind are
    windows on one row of numbers, which torch.save writes once."""
    rows, found = {}, {}
    for at, (name, tensor) in enumerate(state.items()):
        kind = tensor[0].numel() if tensor.dim() == 4 else name.rsplit(".", 1)[1]
        if kind not in rows:
            if kind == "num_batches_tracked":
                rows[kind] = torch.ones(ROW, dtype=torch.int64)
            elif kind in ("weight", "running_var"):
                rows[kind] = torch.rand(ROW) * 0.9 + 0.7
            else:
                rows[kind] = torch.randn(ROW) * (0.2 if isinstance(kind, str) else 1.2 / kind**0.5)
        # Each channel begins one number after the one before, and each tensor too.
        strides = (1, *tensor.stride()[1:])[: tensor.dim()]
        found[name] = rows[kind].as_strided(tensor.shape, strides, at)
    return found


def checkpoint():
    """Writes what the package's trainer saves after ten epochs; gives the outputs of the network in it."""
    settings = get_exp(exp_name="yolox-nano")
    settings.num_classes = CLASSES
    model, optimizer = settings.get_model(), settings.get_optimizer(8)
    state = windows(model.state_dict())
    for name, parameter in model.named_parameters():
        weight = state[name]
        momentum = weight.as_strided(weight.shape, weight.stride(), weight.storage_offset() + 1)
        optimizer.state[parameter]["momentum_buffer"] = momentum
    path = golden_json.CRATES / FOLDER / "yolox_nano.pth"
    # The best average precision is a number of numpy, as pycocotools gives it.
    saved = {"start_epoch": 10, "model": state, "optimizer": optimizer.state_dict(), "best_ap": numpy.float64(0.25)}
    torch.save(saved, path)
    print(f"{path.name}: {path.stat().st_size} bytes")
    model.load_state_dict(torch.load(path, weights_only=False)["model"])
    model.eval().head.decode_in_inference = False
    with torch.no_grad():
        outputs = model(pictures()[:2])
        exact = model.double()(pictures()[:2].double())
    print(f"largest output {outputs.abs().max():.3f}, float32 is off by {(outputs - exact).abs().max():.1e}")
    return {"outputs": golden_json.significant(outputs.flatten().tolist(), 8)}


def main():
    torch.manual_seed(SEED)
    networks = {}
    for name, (depth, width, depthwise) in NETWORKS.items():
        model = network(depth, width, depthwise).eval()
        path = golden_json.CRATES / FOLDER / f"yolox_{name}.safetensors"
        save_file(model.state_dict(), path)
        print(f"{path.name}: {path.stat().st_size} bytes")
        images = pictures()
        with torch.no_grad():
            model.head.decode_in_inference = False
            outputs = model(images[:2])
            model.head.decode_in_inference = True
            decoded = model(images[:2])[..., :4]
        networks[name] = {
            "outputs": golden_json.significant(outputs.flatten().tolist(), 8),
            "decoded": golden_json.significant(decoded.flatten().tolist(), 8),
            "training": training(model, images),
        }
    body = {"networks": networks, "size": list(SIZE), "targets": TARGETS, "assignment": assignment(),
            "suppression": suppression(), "checkpoint": checkpoint(), "notes": NOTES}
    packages = ["numpy", "safetensors", "torch", "torchvision", "yolox"]
    golden_json.write(f"{FOLDER}/yolox.json", __file__, packages, SEED, body)


if __name__ == "__main__":
    main()
