"""Grad-CAM of the tiny residual networks of `resnet_small.py`, by PyTorch's autograd.

Reads their committed weights and images; the heat is equation 2 of Selvaraju et al. 2017, unscaled.
"""

import golden_json  # first: it pins the thread counts

import json

import torch
from safetensors.torch import load_file

import resnet_small

NOTES = {"heat": "[batch, rows, columns] of the last maps, for each class of each image of the case"}


def grad_cam(model, images, classes):
    kept = {}

    def keep(_module, _inputs, output):
        output.retain_grad()
        kept["maps"] = output

    hook = model.layer3.register_forward_hook(keep)
    logits = model(images)
    logits.gather(1, torch.tensor(classes)[:, None]).sum().backward()
    hook.remove()
    maps = kept["maps"]
    weights = maps.grad.mean((2, 3), keepdim=True)
    return torch.relu((weights * maps).sum(1)).detach()


def main():
    torch.use_deterministic_algorithms(True)
    folder = golden_json.CRATES / resnet_small.FOLDER
    known = json.loads((folder / "resnet_small.json").read_text())["cases"]
    cases = {}
    for stem in ("small", "medium", "large"):
        model = resnet_small.ResNet(stem).eval()
        model.load_state_dict(load_file(folder / f"resnet_{stem}.safetensors"))
        for batch in (1, 3):
            images = torch.tensor(known[f"{stem}_{batch}"]["images"])
            heats = {}
            for first in range(resnet_small.CLASSES):
                classes = [(first + at) % resnet_small.CLASSES for at in range(batch)]
                heats[str(first)] = golden_json.significant(grad_cam(model, images, classes).tolist())
            cases[f"{stem}_{batch}"] = heats
    body = {"cases": cases, "notes": NOTES}
    golden_json.write(
        f"{resnet_small.FOLDER}/grad_cam.json", __file__, ["safetensors", "torch"], resnet_small.SEED, body
    )


if __name__ == "__main__":
    main()
