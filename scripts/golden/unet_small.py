"""A tiny U-Net with random weights, and what PyTorch makes of images of odd sizes; the dice loss with its gradient.

Writes `unet.safetensors` (weights) and `unet.json`; `unet_squares.safetensors` is of a network in which squares of
2 x 2 pixels are channels, as `pixel_unshuffle` and `pixel_shuffle` have it.
"""

import golden_json  # first: it pins the thread counts

import torch
from safetensors.torch import save_file
from torch import nn

SEED = 20150518
FOLDER = "andiron-vision/tests/golden"
CHANNELS, CLASSES, WIDTH, DEPTH = 2, 3, 4, 2
NOTES = {
    "logits": "[batch, classes, height, width], in eval mode: running statistics; in double precision",
    "dice": "1 - mean over classes of (2 sum(p y) + 1) / (sum(p) + sum(y) + 1), sums over all rows",
}


class Double(nn.Module):
    def __init__(self, before, width):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x):
        return torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class Rise(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.convs = Double(2 * width, width)

    def forward(self, x, skip):
        x = self.up(x)
        x = nn.functional.pad(x, (0, skip.shape[3] - x.shape[3], 0, skip.shape[2] - x.shape[2]))
        return self.convs(torch.cat([skip, x], 1))


class UNet(nn.Module):
    def __init__(self, side=1):
        super().__init__()
        self.side = side
        widths = [WIDTH << level for level in range(DEPTH + 1)]
        first = [CHANNELS * side**2, *widths]
        self.down = nn.ModuleList(Double(before, width) for before, width in zip(first, widths))
        self.up = nn.ModuleList(Rise(width) for width in reversed(widths[:-1]))
        self.head = nn.Conv2d(WIDTH, CLASSES * side**2, 1)

    def forward(self, x):
        height, width = x.shape[2:]
        x = nn.functional.pad(x, (0, -width % self.side, 0, -height % self.side))
        logits = nn.functional.pixel_shuffle(self.inside(nn.functional.pixel_unshuffle(x, self.side)), self.side)
        return logits[:, :, :height, :width]

    def inside(self, x):
        passed = []
        for level, double in enumerate(self.down):
            if level > 0:
                passed.append(x)
                x = nn.functional.max_pool2d(x, 2)
            x = double(x)
        for rise in self.up:
            x = rise(x, passed.pop())
        return self.head(x)


def dice(logits, truth):
    said, hot = logits.softmax(1), nn.functional.one_hot(truth, logits.shape[1]).float()
    return 1 - ((2 * (said * hot).sum(0) + 1) / (said.sum(0) + hot.sum(0) + 1)).mean()


def drawn(side, file):
    """A network with random weights, which are written to a file."""
    model = UNet(side).eval()
    state = model.state_dict()
    for name, tensor in state.items():
        if name.endswith("running_var") or ".bn" in name and name.endswith("weight"):
            tensor.uniform_(0.5, 2.0)
        elif tensor.dim() == 4:  # by fan-in, so that logits are of order 1
            fan = tensor.shape[0] if name.endswith("up.weight") else tensor[0].numel()
            tensor.normal_(0.0, 1.3 / fan**0.5)
        elif tensor.is_floating_point():
            tensor.normal_(0.0, 0.3)
    path = golden_json.CRATES / FOLDER / file
    save_file(state, path)
    print(f"{path.name}: {path.stat().st_size} bytes")
    return model


def answers(model, sizes):
    cases = []
    for batch, height, width in sizes:
        images = torch.randn(batch, CHANNELS, height, width)
        with torch.no_grad():
            single, logits = model(images), model.double()(images.double())
        model.float()
        off = (single - logits).abs().max()
        print(f"{height} x {width}: largest {logits.abs().max():.3f}, float32 is off by {off:.1e}")
        cases.append({"size": [batch, height, width], "images": golden_json.significant(images.flatten().tolist()),
                      "logits": golden_json.significant(logits.flatten().tolist())})
    return cases


def main():
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    cases = answers(drawn(1, "unet.safetensors"), ((1, 8, 12), (2, 11, 6), (1, 5, 7)))
    losses = []
    for rows, classes in ((7, 3), (5, 4)):
        logits = torch.randn(rows, classes, requires_grad=True)
        truth = torch.randint(0, classes - 1, (rows,))  # the last class is nowhere
        loss = dice(logits, truth)
        loss.backward()
        losses.append({"classes": classes, "logits": golden_json.significant(logits.flatten().tolist()),
                       "truth": truth.tolist(), "loss": float(loss.detach()),
                       "gradient": golden_json.significant(logits.grad.flatten().tolist())})
    squares = answers(drawn(2, "unet_squares.safetensors"), ((1, 8, 12), (2, 11, 9)))
    body = {"cases": cases, "dice": losses, "notes": NOTES, "squares": squares}
    golden_json.write(f"{FOLDER}/unet.json", __file__, ["safetensors", "torch"], SEED, body)


if __name__ == "__main__":
    main()
