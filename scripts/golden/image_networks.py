"""Tiny networks for images with random weights, as torchvision, timm and transformers have them, and their logits.

torchvision's ResNet with bottlenecks and MobileNetV2; EfficientNet-Lite by the twin in `efficientnet_lite.py`, its
weights a legacy file with strided tensors, as the published ones are; transformers' ViT, ResNet and MobileNetV2 as
folders with `config.json` and `preprocessor_config.json`; timm's ViT with a class token, with the mean, and without
a class token. Writes `image_networks/NAME/` (weights) and `image_networks.json` (inputs and logits).
"""

import golden_json  # first: it pins the thread counts

import json
import shutil

import timm
import torch
import torchvision
import transformers
from efficientnet_lite import EfficientNetLite
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torchvision.models.resnet import Bottleneck

SEED = 20180113
FOLDER = "andiron-vision/tests/golden"
NOTES = {
    "images": "[batch, channels, height, width], not square; batches of 1 and 3",
    "logits": "[batch, classes], in eval mode: running statistics",
}
LABELS = {0: "cat", 1: "dog", 2: "owl", 3: "cow", 4: "hen"}


class Bottlenecks(nn.Module):
    """torchvision's blocks between a stem and a head of tiny sizes; its own class has full ones."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        before = 4
        for stage, (width, count) in enumerate(((4, 1), (6, 2)), 1):
            blocks = []
            for at in range(count):
                stride, after = (2 if stage > 1 and at == 0 else 1), width * Bottleneck.expansion
                around = None
                if stride != 1 or before != after:
                    around = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
                blocks.append(Bottleneck(before, width, stride, around))
                before = after
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(before, 3)

    def forward(self, x):
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        return self.fc(self.layer2(self.layer1(x)).mean((2, 3)))


def vit(**more):
    return VisionTransformer(img_size=(8, 12), patch_size=4, in_chans=3, num_classes=5, embed_dim=12, depth=2,
                             num_heads=3, mlp_ratio=1.5, **more)


def described(config, **more):
    config.id2label, config.label2id = LABELS, {name: at for at, name in LABELS.items()}
    for name, value in more.items():
        setattr(config, name, value)
    return config


def vit_processor():
    return transformers.ViTImageProcessor(size={"height": 8, "width": 12}, image_mean=[0.4, 0.5, 0.6])


def resnet_processor():
    return transformers.ConvNextImageProcessor(size={"shortest_edge": 21}, image_std=[0.2, 0.3, 0.4])


def mobilenet_processor():
    return transformers.MobileNetV2ImageProcessor(size={"shortest_edge": 20}, crop_size={"height": 18, "width": 13})


def networks():
    """Name, network, height and width, and how its weights are written."""
    yield "resnet_bottleneck", Bottlenecks(), (2, 19, 27), "pth"
    settings = [[1, 32, 1, 1], [2, 48, 2, 2]]
    yield ("mobilenet_v2", torchvision.models.MobileNetV2(3, 0.125, settings, 1), (3, 19, 14), "safetensors")
    stages = ((4, 1, 3, 1, 1), (6, 2, 5, 2, 2))
    yield "efficientnet_lite", EfficientNetLite(2, 3, 4, stages, 10), (2, 18, 13), "legacy"
    yield "timm_vit_token", vit(), (3, 8, 12), "safetensors"
    yield "timm_vit_mean", vit(global_pool="avg", qkv_bias=False), (3, 8, 12), "safetensors"
    yield "timm_vit_gap", vit(global_pool="avg", class_token=False, fc_norm=False), (3, 8, 12), "safetensors"
    config = described(transformers.ViTConfig(hidden_size=12, num_hidden_layers=2, num_attention_heads=3,
                                              intermediate_size=18, image_size=(8, 12), patch_size=4))
    yield "vit", transformers.ViTForImageClassification(config), (3, 8, 12), vit_processor()
    sizes = {"embedding_size": 4, "hidden_sizes": [4, 6], "depths": [1, 2], "layer_type": "basic"}
    config = described(transformers.ResNetConfig(**sizes))
    yield "resnet", transformers.ResNetForImageClassification(config), (3, 19, 27), resnet_processor()
    sizes = {"embedding_size": 4, "hidden_sizes": [16, 24], "depths": [1, 1], "layer_type": "bottleneck"}
    config = described(transformers.ResNetConfig(**sizes))
    yield ("resnet_wide", transformers.ResNetForImageClassification(config), (3, 19, 27),
           resnet_processor())
    config = described(transformers.MobileNetV2Config(depth_multiplier=0.08, min_depth=2, depth_divisible_by=2,
                                                      image_size=(18, 13), finegrained_output=False))
    yield ("transformers_mobilenet_v2", transformers.MobileNetV2ForImageClassification(config), (3, 18, 13),
           mobilenet_processor())


def randomise(model):
    norms = [module for module in model.modules() if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm))]
    with torch.no_grad():
        for tensor in model.parameters():
            fan = max(tensor[0].numel(), 1) if tensor.dim() > 1 else 9
            tensor.normal_(0.0, 1.0 / fan**0.5)
        for norm in norms:
            norm.weight.uniform_(0.5, 2.0)
            if isinstance(norm, nn.BatchNorm2d):
                norm.running_var.uniform_(0.5, 2.0)
                norm.running_mean.normal_(0.0, 0.3)


def write(name, model, how):
    folder = golden_json.CRATES / FOLDER / "image_networks" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    state = model.state_dict()
    if how == "safetensors":
        save_file(state, folder / "model.safetensors")
    elif how == "pth":
        torch.save(state, folder / "weights.pth")
    elif how == "legacy":
        # As the published files have it: channels last in memory.
        strided = {key: tensor.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) if tensor.dim() == 4 else tensor
                   for key, tensor in state.items()}
        torch.save(strided, folder / "weights.pth", _use_new_zipfile_serialization=False)
    else:
        model.save_pretrained(folder)
        how.save_pretrained(folder)
    for path in sorted(folder.iterdir()):
        print(f"{name}/{path.name}: {path.stat().st_size} bytes")


def main():
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    cases = {}
    for name, model, (channels, height, width), how in networks():
        model = model.eval()
        randomise(model)
        write(name, model, how)
        for batch in (1, 3):
            images = torch.randint(-40, 41, (batch, channels, height, width)) / 16
            with torch.no_grad():
                logits = model(images)
                exact = model.double()(images.double())
                model.float()
            logits, exact = getattr(logits, "logits", logits), getattr(exact, "logits", exact)
            print(f"{name}_{batch}: {tuple(logits.shape)}, largest {logits.abs().max():.3f}, "
                  f"float32 is off by {(logits - exact).abs().max():.1e}")
            cases[f"{name}_{batch}"] = {"images": golden_json.significant(images.tolist()), "logits": logits.tolist()}
    packages = ["safetensors", "timm", "torch", "torchvision", "transformers"]
    golden_json.write(f"{FOLDER}/image_networks.json", __file__, packages, SEED, {"cases": cases, "notes": NOTES})


if __name__ == "__main__":
    main()
