#!/usr/bin/env python3
"""The PyTorch twin of examples/fashion_mnist.rs: the same network, the same distributions of the first
weights, the same optimiser and schedule, all 60,000 images of Fashion-MNIST; another order of the data.

    python3 scripts/evidence/fashion_mnist.py --epochs 8

Needs torch and numpy (scripts/golden/requirements.txt) and the files that scripts/fetch-assets brings.
Prints steps, seconds per step and the accuracy on the 10,000 test images with its 95 % interval.
"""
import argparse
import gzip
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "fashion-mnist"


def idx(name):
    raw = gzip.decompress((ASSETS / name).read_bytes())
    axes = raw[3]
    shape = [int.from_bytes(raw[4 + 4 * a : 8 + 4 * a], "big") for a in range(axes)]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


class Block(nn.Module):
    def __init__(self, before, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or before != width:
            self.downsample = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        around = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)) + around)


class ResNet(nn.Module):
    """ResNetConfig with Stem::Medium: crates/andiron-vision/src/models/resnet.rs."""

    def __init__(self, widths, blocks, n_classes):
        super().__init__()
        self.conv1 = nn.Conv2d(1, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        stages, before = [], widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks)):
            for block in range(count):
                stages.append(Block(before, width, 2 if stage > 0 and block == 0 else 1))
                before = width
        self.stages = nn.Sequential(*stages)
        self.fc = nn.Linear(before, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 2)
        return self.fc(self.stages(x).mean((2, 3)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=None, help="stop after so many steps: for timing")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--widths", type=int, nargs="+", default=[24, 48, 96])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)

    train = idx("train-images-idx3-ubyte.gz").astype(np.float32) / 255
    mean, std = train.mean(), train.std()
    prepare = lambda images: torch.from_numpy((images - mean) / std).unsqueeze(1)
    images, labels = prepare(train), torch.from_numpy(idx("train-labels-idx1-ubyte.gz").astype(np.int64))
    test = prepare(idx("t10k-images-idx3-ubyte.gz").astype(np.float32) / 255)
    truth = torch.from_numpy(idx("t10k-labels-idx1-ubyte.gz").astype(np.int64))

    model = ResNet(options.widths, [1] * len(options.widths), 10)
    every = sum(t.numel() for t in model.state_dict().values() if t.is_floating_point())
    print(f"parameters {sum(p.numel() for p in model.parameters())}, {every} with running statistics")
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=options.learning_rate)
    per_epoch = math.ceil(len(images) / options.batch)
    steps = options.epochs * per_epoch
    warmup = steps // 20

    def rate(step):
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    started, step = time.perf_counter(), 0
    last = min(steps, options.steps or steps)
    while step < last:
        order = torch.randperm(len(images))
        for part in order.split(options.batch):
            if step == last:
                break
            for group in optimizer.param_groups:
                group["lr"] = options.learning_rate * rate(step)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images[part]), labels[part])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            if step % (per_epoch // 2) == 0:
                print(f"step {step}/{steps}: loss {loss.item():.4f}", flush=True)
    seconds = time.perf_counter() - started
    print(f"steps {step}, {seconds / step:.4f} s per step, {seconds:.0f} s in all")
    if last < steps:
        return

    model.eval()
    with torch.no_grad():
        right = torch.cat([model(part) for part in test.split(500)]).argmax(1).eq(truth).numpy()
    draws = np.random.default_rng(0).integers(0, len(right), (1000, len(right)))
    low, high = np.quantile(right[draws].mean(1), [0.025, 0.975])
    print(f"test accuracy {right.mean():.4f} ({low:.4f} to {high:.4f})")


if __name__ == "__main__":
    main()
