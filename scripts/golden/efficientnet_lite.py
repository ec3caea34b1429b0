"""EfficientNet-Lite in torch, as the golden scripts need it: TensorFlow's padding, no squeeze and excitation.

Its names are those of the `efficientnet_lite_pytorch` checkpoints, so that `load_state_dict` takes one.
"""

import math

import torch
from torch import nn
from torch.nn import functional

LITE0 = ((16, 1, 3, 1, 1), (24, 2, 3, 2, 6), (40, 2, 5, 2, 6), (80, 3, 3, 2, 6), (112, 3, 5, 1, 6), (192, 4, 5, 2, 6),
         (320, 1, 3, 1, 6))


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's `SAME` padding: the odd row or column comes last."""

    def forward(self, x):
        pads = []
        for size, kernel, stride in zip(reversed(x.shape[2:]), reversed(self.kernel_size), reversed(self.stride)):
            total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(functional.pad(x, pads))


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    def __init__(self, before, channels, kernel, stride, expansion):
        super().__init__()
        wide = before * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = SameConv(before, wide, 1, bias=False), norm(wide)
        self._depthwise_conv = SameConv(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = norm(wide)
        self._project_conv, self._bn2 = SameConv(wide, channels, 1, bias=False), norm(channels)
        self.adds = stride == 1 and before == channels

    def forward(self, x):
        wide = functional.relu6(self._bn0(self._expand_conv(x))) if hasattr(self, "_expand_conv") else x
        wide = functional.relu6(self._bn1(self._depthwise_conv(wide)))
        narrow = self._bn2(self._project_conv(wide))
        return narrow + x if self.adds else narrow


class EfficientNetLite(nn.Module):
    def __init__(self, channels=3, classes=1000, stem=32, stages=LITE0, wide=1280):
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(channels, stem, 3, 2, bias=False), norm(stem)
        blocks, before = [], stem
        for width, count, kernel, stride, expansion in stages:
            for at in range(count):
                blocks.append(Block(before, width, kernel, stride if at == 0 else 1, expansion))
                before = width
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = SameConv(before, wide, 1, bias=False), norm(wide)
        self._fc = nn.Linear(wide, classes)

    def forward(self, x):
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return self._fc(functional.relu6(self._bn1(self._conv_head(x))).mean((2, 3)))
