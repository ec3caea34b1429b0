"""A Conformer of torchaudio's layers behind two strided convolutions, and torch's CTC loss.

Writes crates/andiron-speech/tests/golden/conformer.json.
"""

import golden_json
import torchaudio_sources

import torch
from torch import nn

SEED = 2020
CONFIG = {"n_mels": 7, "n_tokens": 5, "d_model": 6, "n_heads": 3, "n_layers": 2, "d_hidden": 10, "kernel": 5, "channels": 4}
FRAMES = [23, 9, 1]
TEXTS = [[1, 2, 2, 4], [3, 1], []]

NOTES = {
    "model": "torchaudio.models.conformer.ConformerLayer behind Conv2d(3x3, stride 2, padding 1) with ReLU, twice, and "
             "nn.Linear, with nn.Linear on top; in place of BatchNorm1d stands nn.LayerNorm over the channels of a frame. "
             "Each sound is computed alone, so there is no padding",
    "names": "weights have Andiron's names and torch's layouts; in_proj_weight is split into query, key and value",
    "logits": "[sound][frame][token] in float64 on float32 weights",
    "ctc": "torch.nn.functional.ctc_loss, reduction none, zero_infinity, in float64, on log_softmax of `logits` padded to "
           "the longest; gradients are of the sum of the losses by the logits",
}


class Frame(nn.LayerNorm):
    """Layer normalisation over the channels of [batch, channels, frames]."""

    def forward(self, x):
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class Twin(nn.Module):
    def __init__(self):
        super().__init__()
        conformer = torchaudio_sources.module("models.conformer")
        c, d = CONFIG["channels"], CONFIG["d_model"]
        self.halves = nn.ModuleList([nn.Conv2d(1, c, 3, 2, 1), nn.Conv2d(c, c, 3, 2, 1)])
        self.input = nn.Linear(c * 2, d)
        self.blocks = nn.ModuleList(
            conformer.ConformerLayer(d, CONFIG["d_hidden"], CONFIG["n_heads"], CONFIG["kernel"])
            for _ in range(CONFIG["n_layers"]))
        for block in self.blocks:
            block.conv_module.sequential[3] = Frame(d)
        self.output = nn.Linear(d, CONFIG["n_tokens"])

    def forward(self, frames):
        x = frames.T[None, None]
        for half in self.halves:
            x = half(x).relu()
        x = self.input(x.flatten(1, 2).transpose(1, 2)).transpose(0, 1)
        for block in self.blocks:
            x = block(x, None)
        return self.output(x)[:, 0]


def weights_of(model):
    found = {}

    def put(name, module):
        found[f"{name}.weight"], found[f"{name}.bias"] = module.weight, module.bias

    for at, half in enumerate(model.halves):
        put(f"halves.{at}", half)
    put("input", model.input)
    put("output", model.output)
    for at, block in enumerate(model.blocks):
        name, attention, convolution = f"blocks.{at}", block.self_attn, block.conv_module
        for part, module in (("first", block.ffn1), ("second", block.ffn2)):
            put(f"{name}.{part}.norm", module.sequential[0])
            put(f"{name}.{part}.wide", module.sequential[1])
            put(f"{name}.{part}.narrow", module.sequential[4])
        put(f"{name}.attention_norm", block.self_attn_layer_norm)
        put(f"{name}.mixed", attention.out_proj)
        for part, weight, bias in zip(("query", "key", "value"), attention.in_proj_weight.chunk(3),
                                      attention.in_proj_bias.chunk(3)):
            found[f"{name}.{part}.weight"], found[f"{name}.{part}.bias"] = weight, bias
        put(f"{name}.convolution.norm", convolution.layer_norm)
        for part, place in (("gated", 0), ("depthwise", 2), ("depthwise_norm", 3), ("pointwise", 5)):
            put(f"{name}.convolution.{part}", convolution.sequential[place])
            if part in ("gated", "pointwise"):  # a convolution of one frame is a linear map
                found[f"{name}.convolution.{part}.weight"] = convolution.sequential[place].weight[:, :, 0]
        put(f"{name}.norm", block.final_layer_norm)
    return found


def ctc(logits):
    padded = nn.utils.rnn.pad_sequence(logits).detach().requires_grad_()
    lengths = torch.tensor([len(row) for row in logits])
    losses = nn.functional.ctc_loss(
        padded.log_softmax(2), torch.tensor(sum(TEXTS, [])), lengths, torch.tensor([len(text) for text in TEXTS]),
        reduction="none", zero_infinity=True)
    losses.sum().backward()
    return {"losses": golden_json.significant(losses.tolist()),
            "gradients": golden_json.significant(padded.grad.transpose(0, 1).tolist())}


def main():
    torch.manual_seed(SEED)
    model = Twin()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.4)
    sounds = [torch.randn(frames, CONFIG["n_mels"]) for frames in FRAMES]
    weights = {name: {"shape": list(weight.shape), "values": weight.detach().flatten().tolist()}
               for name, weight in weights_of(model).items()}
    model.double()
    logits = [model(sound.double()) for sound in sounds]
    body = {"config": CONFIG, "notes": NOTES, "texts": TEXTS, "weights": weights,
            "sounds": [sound.flatten().tolist() for sound in sounds],
            "logits": [golden_json.significant(rows.tolist()) for rows in logits], "ctc": ctc(logits)}
    golden_json.write("andiron-speech/tests/golden/conformer.json", __file__, ["torch", "torchaudio"], SEED, body)


if __name__ == "__main__":
    main()
