"""Tiny residual networks with random weights and running statistics, and what PyTorch makes of two batches.

The blocks are torchvision's BasicBlock, and all names are those of its resnet.py; the stems `small` and `medium`
are ours. Writes `resnet_STEM.safetensors` (the weights) and `resnet_small.json` (inputs and logits).
"""

import golden_json  # first: it pins the thread counts

import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models.resnet import BasicBlock

SEED = 20151210
FOLDER = "andiron-vision/tests/golden"
WIDTHS, BLOCKS, CLASSES, CHANNELS = (4, 6, 5), (1, 2, 1), 3, 2
NOTES = {
    "images": "[batch, channels, height, width], not square; batches of 1 and 3",
    "logits": "[batch, classes], in eval mode: running statistics",
}


class ResNet(nn.Module):
    """torchvision's blocks between a stem and a head of tiny sizes; its own class has full ones."""

    def __init__(self, stem):
        super().__init__()
        kernel, stride = (7, 2) if stem == "large" else (3, 1)
        self.conv1 = nn.Conv2d(CHANNELS, WIDTHS[0], kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.maxpool = {"small": nn.Identity(), "medium": nn.MaxPool2d(2), "large": nn.MaxPool2d(3, 2, 1)}[stem]
        before = WIDTHS[0]
        for stage, (width, count) in enumerate(zip(WIDTHS, BLOCKS), 1):
            blocks = []
            for block in range(count):
                stride, around = (2 if stage > 1 and block == 0 else 1), None
                if stride != 1 or before != width:
                    around = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))
                blocks.append(BasicBlock(before, width, stride, around))
                before = width
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(before, CLASSES)

    def forward(self, x):
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        return self.fc(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


def main():
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    cases = {}
    for stem in ("small", "medium", "large"):
        model = ResNet(stem).eval()
        state = model.state_dict()
        for name, tensor in state.items():
            if tensor.dim() == 1 and name.endswith(("running_var", "weight")):
                tensor.uniform_(0.5, 2.0)
            elif tensor.dim() > 1:  # by fan-in, so that logits are of order 1
                tensor.normal_(0.0, 1.0 / tensor[0].numel() ** 0.5)
            elif tensor.is_floating_point():
                tensor.normal_(0.0, 0.3)
        path = golden_json.CRATES / FOLDER / f"resnet_{stem}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(state, path)
        print(f"{path.name}: {path.stat().st_size} bytes")
        for batch in (1, 3):
            images = torch.randn(batch, CHANNELS, 9, 13)
            with torch.no_grad():
                logits, exact = model(images), model.double()(images.double())
            model.float()
            print(f"{stem}_{batch}: largest {logits.abs().max():.3f}, "
                  f"float32 is off by {(logits - exact).abs().max():.1e}")
            cases[f"{stem}_{batch}"] = {"images": images.tolist(), "logits": logits.tolist()}
    body = {"cases": cases, "notes": NOTES}
    golden_json.write(f"{FOLDER}/resnet_small.json", __file__, ["safetensors", "torch", "torchvision"], SEED, body)


if __name__ == "__main__":
    main()
