#!/usr/bin/env python3
"""Scores of the card's pair by the published cross-encoder's eight-bit package, and what rounding does to them.

    scripts/fetch-assets --only reranker-onnx && scripts/convert-assets     once
    pip install -r benches/peers/requirements.txt                           once, in an environment
    python scripts/evidence/rerank_rounding.py

The card's pair, scored by ONNX Runtime on the package's file, which rounds activations too; by transformers on
the folder that scripts/convert-assets makes; and by transformers there with the inputs of the linear
maps rounded as DynamicQuantizeLinear does, in single and in double precision, with relative noise on those inputs.
Rounded are the inputs of all linear maps, the pooler's and the classifier's among them, as in the package's file.
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
    noise = 0.0

    def given(_, inputs):
        return (rounded(inputs[0] * (1 + noise * torch.randn_like(inputs[0]))),)

    for precision in (torch.float32, torch.float64):
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval().to(precision)

        def scores():
            with torch.inference_mode():
                return [round(model(**pair).logits.item(), 4) for pair in pairs]

        name = str(precision).removeprefix("torch.")
        print(f"transformers, {name}, the folder: {scores()}")
        for layer in model.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.register_forward_pre_hook(given)
        print(f"transformers, {name}, activations rounded: {scores()}")
        # Less than 1e-7 is none in single precision.
        for noise in (1e-7, 1e-6) if precision == torch.float32 else (1e-15, 1e-7, 1e-6):
            drawn = []
            for seed in range(20):
                torch.manual_seed(seed)
                drawn.append(scores())
            spread = "; ".join(f"{min(one)} to {max(one)}" for one in zip(*drawn))
            print(f"  with noise of {noise:g}, 20 draws: {spread}")
        noise = 0.0


if __name__ == "__main__":
    main()
