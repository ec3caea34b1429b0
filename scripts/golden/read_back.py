"""Whether transformers reads a bundle as Andiron does: scores of pairs, and candidates for a gap.

    read_back.py FOLDER…     each a bundle with `answers.json` beside its files

Run by `crates/andiron-nlp/tests/{rerank,fill_mask}.rs` where the environment's ANDIRON_PYTHON names a
Python with the packages of requirements.txt. Exit status 1 if an answer differs by more than 1e-4.
"""

import json
import pathlib
import sys

import torch
import transformers

TOLERANCE = 1e-4


def rerank(folder, answers):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for answer in answers:
        pairs = tokenizer([answer["query"]] * len(answer["documents"]), answer["documents"], padding=True,
                          return_tensors="pt")
        if model.config.model_type != "bert":
            pairs.pop("token_type_ids", None)
        with torch.no_grad():
            scores = model(**pairs).logits[:, 0].tolist()
        yield from zip(scores, answer["scores"], strict=True)


def fill_mask(folder, answers):
    model = transformers.AutoModelForMaskedLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    fill = transformers.pipeline("fill-mask", model=model, tokenizer=tokenizer, device="cpu")
    for answer in answers:
        wanted = answer["candidates"]
        for got, own in zip(fill(answer["text"], top_k=len(wanted)), wanted, strict=True):
            if got["token_str"] != own["token"]:
                raise SystemExit(f"{folder}: {got['token_str']!r}, not {own['token']!r}")
            yield got["score"], own["score"]


def main():
    transformers.logging.set_verbosity_error()
    for name in sys.argv[1:]:
        folder = pathlib.Path(name)
        told = json.loads((folder / "answers.json").read_text())
        numbers = list({"rerank": rerank, "fill-mask": fill_mask}[told["task"]](folder, told["answers"]))
        assert numbers, "there are answers"
        worst = max(abs(got - wanted) for got, wanted in numbers)
        print(f"{folder.name}: {len(numbers)} numbers, off by {worst:.1e} at the most")
        if worst > TOLERANCE:
            sys.exit(f"{folder}: off by {worst}")


if __name__ == "__main__":
    main()
