"""Logits of a transformer encoder in torch, for texts of several lengths in one padded batch.

Writes crates/andiron-nlp/tests/golden/text_encoder.json.
"""

import golden_json

import torch
from torch import nn

SEED = 1706
EPSILON = 1e-12
CONFIG = {
    "n_tokens": 11,
    "n_classes": 3,
    "d_model": 6,
    "n_heads": 3,
    "n_layers": 2,
    "d_hidden": 10,
    "max_length": 9,
}
TEXTS = [[2, 10, 3, 3, 7], [9], [4, 1, 5, 6, 2, 8, 10], [3, 2]]

NOTES = {
    "model": (
        "nn.TransformerEncoderLayer (norm_first=False, gelu) on LayerNorm(word + position), the mean of "
        "its outputs over the tokens that are no padding, and nn.Linear; every parameter is random, "
        "biases and normalisations too"
    ),
    "names": (
        "weights have Hugging Face's BERT names and PyTorch's layout; in_proj_weight is split into query, "
        "key and value"
    ),
    "padding": "texts are padded with 0 to the longest and masked by src_key_padding_mask",
    "precision": (
        "weights are float32 numbers printed exactly; logits are torch's in float64 on them; "
        "float32_off is the greatest difference of torch's float32 logits"
    ),
}


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        d = CONFIG["d_model"]
        self.words = nn.Embedding(CONFIG["n_tokens"], d)
        self.positions = nn.Embedding(CONFIG["max_length"], d)
        self.norm = nn.LayerNorm(d, eps=EPSILON)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                d, CONFIG["n_heads"], CONFIG["d_hidden"], 0.0, "gelu", layer_norm_eps=EPSILON, batch_first=True
            )
            for _ in range(CONFIG["n_layers"])
        )
        self.output = nn.Linear(d, CONFIG["n_classes"])

    def forward(self, ids, mask):
        x = self.norm(self.words(ids) + self.positions(torch.arange(ids.shape[1])))
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=~mask)
        counted = mask.unsqueeze(2).to(x.dtype)
        return self.output((x * counted).sum(1) / counted.sum(1))


def weights_of(model):
    """Every parameter under Hugging Face's name."""
    found = {
        "embeddings.word_embeddings.weight": model.words.weight,
        "embeddings.position_embeddings.weight": model.positions.weight,
    }

    def put(name, module):
        found[f"{name}.weight"], found[f"{name}.bias"] = module.weight, module.bias

    put("embeddings.LayerNorm", model.norm)
    put("classifier", model.output)
    for at, layer in enumerate(model.layers):
        name = f"encoder.layer.{at}"
        attention = layer.self_attn
        for part, weight, bias in zip(
            ("query", "key", "value"), attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
        ):
            found[f"{name}.attention.self.{part}.weight"] = weight
            found[f"{name}.attention.self.{part}.bias"] = bias
        put(f"{name}.attention.output.dense", attention.out_proj)
        put(f"{name}.attention.output.LayerNorm", layer.norm1)
        put(f"{name}.intermediate.dense", layer.linear1)
        put(f"{name}.output.dense", layer.linear2)
        put(f"{name}.output.LayerNorm", layer.norm2)
    return found


def main():
    torch.manual_seed(SEED)
    model = Encoder()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.5)
    width = max(map(len, TEXTS))
    ids = torch.tensor([text + [0] * (width - len(text)) for text in TEXTS])
    mask = torch.tensor([[at < len(text) for at in range(width)] for text in TEXTS])
    # With gradients on, torch takes its plain path, not the fused one for inference.
    single = model(ids, mask).detach()
    weights = {
        name: {"shape": list(weight.shape), "values": weight.detach().flatten().tolist()}
        for name, weight in weights_of(model).items()
    }
    double = model.double()(ids, mask).detach()
    off = float((single.double() - double).abs().max())
    print(f"float32 is off by {off:.1e}")
    golden_json.write(
        "andiron-nlp/tests/golden/text_encoder.json",
        __file__,
        ["torch"],
        SEED,
        {
            "config": CONFIG,
            "float32_off": golden_json.significant(off, 2),
            "logits": golden_json.significant(double.tolist()),
            "notes": NOTES,
            "texts": TEXTS,
            "weights": weights,
        },
    )


if __name__ == "__main__":
    main()
