"""A tiny DS-CNN with random weights, and what PyTorch makes of clips of odd lengths, each alone.

Writes `ds_cnn.safetensors` (weights) and `ds_cnn.json`.
"""

import golden_json  # first: it pins the thread counts

import torch
from safetensors.torch import save_file
from torch import nn

SEED = 20171120
FOLDER = "andiron-speech/tests/golden"
BANDS, CLASSES, CHANNELS, BLOCKS = 9, 3, 6, 2
NOTES = {"clips": "features [bands, frames] row-major, logits [classes], in eval mode: running statistics"}


def block(conv):
    return nn.ModuleDict({"conv": conv, "norm": nn.BatchNorm2d(conv.out_channels)})


def run(block, x):
    return torch.relu(block["norm"](block["conv"](x)))


class DsCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = block(nn.Conv2d(1, CHANNELS, (4, 10), 2, bias=False))
        self.blocks = nn.ModuleList(nn.ModuleDict({
            "depthwise": block(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS, bias=False)),
            "pointwise": block(nn.Conv2d(CHANNELS, CHANNELS, 1, bias=False)),
        }) for _ in range(BLOCKS))
        self.output = nn.Linear(CHANNELS, CLASSES)

    def forward(self, x):
        x = run(self.first, nn.functional.pad(x[:, None], (4, 5, 1, 2)))
        for one in self.blocks:
            x = run(one["pointwise"], run(one["depthwise"], x))
        return self.output(x.mean((2, 3)))


def main():
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    model = DsCnn().eval()
    state = model.state_dict()
    for name, tensor in state.items():
        if name.endswith("running_var") or name.endswith("norm.weight"):
            tensor.uniform_(0.5, 2.0)
        elif tensor.is_floating_point():
            tensor.normal_(0.0, 0.3)
    path = golden_json.CRATES / FOLDER / "ds_cnn.safetensors"
    save_file(state, path)
    print(f"{path.name}: {path.stat().st_size} bytes")
    clips = []
    with torch.no_grad():
        for frames in (1, 7, 20, 33):
            features = torch.randn(BANDS, frames).mul(1000).round().div(1000)
            logits = model(features[None])[0]
            clips.append({"frames": frames, "features": golden_json.significant(features.flatten().tolist()),
                          "logits": golden_json.significant(logits.tolist())})
    golden_json.write(f"{FOLDER}/ds_cnn.json", __file__, ["torch"], SEED, {"clips": clips, "notes": NOTES})


if __name__ == "__main__":
    main()
