#!/usr/bin/env python3
"""Why the published cross-encoder's eight-bit package does not give its card's scores.

    scripts/fetch-assets --only reranker-onnx && scripts/convert-assets     once
    pip install -r benches/peers/requirements.txt                           once, in an environment
    python scripts/evidence/rerank_rounding.py

The card's pair, scored by ONNX Runtime on the package's file, which rounds activations too; by transformers on
the folder that scripts/convert-assets makes; and by transformers there with the inputs of the encoder's linear
maps rounded as DynamicQuantizeLinear does, with relative noise on the embeddings.
"""

import pathlib

import onnxruntime
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

ASSETS = pathlib.Path(__file__).resolve().parents[2] / "assets"
QUERY = "How many people live in Berlin?"
DOCUMENTS = (
    "Berlin had a population of 3,520,031 registered inhabitants in an area of 891.82 square kilometers.",
    "Berlin is well known for its museums.",
)


def rounded(x):
    least, greatest = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    step = (greatest - least) / 255
    zero = round(min(max(-least / step, 0), 255))
    return (torch.clamp(torch.round(x / step) + zero, 0, 255) - zero) * step


def main():
    folder = ASSETS / "ms-marco-minilm-l12"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pairs = [tokenizer(QUERY, document, return_tensors="pt") for document in DOCUMENTS]
    print("card:", [9.2189, -4.0780])
    session = onnxruntime.InferenceSession(ASSETS / "reranker-onnx" / "model.onnx", providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    print("ONNX Runtime, the package's file:",
          [round(session.run(None, {name: pair[name].numpy() for name in names})[0].item(), 4) for pair in pairs])
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()

    def scores():
        with torch.inference_mode():
            return [round(model(**pair).logits.item(), 4) for pair in pairs]

    print("transformers, the folder:", scores())
    for layer in model.bert.encoder.modules():
        if isinstance(layer, torch.nn.Linear):
            layer.register_forward_pre_hook(lambda _, inputs: (rounded(inputs[0]),))
    print("transformers, activations rounded:", scores())
    for noise in (1e-7, 1e-6, 1e-5):
        hook = model.bert.embeddings.register_forward_hook(
            lambda *called, noise=noise: called[2] * (1 + noise * torch.randn_like(called[2])))
        drawn = []
        for seed in range(20):
            torch.manual_seed(seed)
            drawn.append(scores())
        hook.remove()
        spread = "; ".join(f"{min(one)} to {max(one)}" for one in zip(*drawn))
        print(f"and noise of {noise:g} on the embeddings, 20 draws: {spread}")


if __name__ == "__main__":
    main()
