"""Reads classifiers and low-rank factors that Andiron has trained and saved, compares what they say in
transformers and PEFT, trains them a step, and saves them again for Andiron to read. Called by
scripts/interchange with a folder.
"""

import json
import pathlib
import sys

import peft
import torch
import transformers

TOLERANCE = 1e-4
NAMES = {
    "bert": "BertForSequenceClassification",
    "bert-frozen": "BertForSequenceClassification",
    "distilbert": "DistilBertForSequenceClassification",
    "roberta": "RobertaForSequenceClassification",
    "roberta-several": "RobertaForSequenceClassification",
    "bert-lora": "BertForSequenceClassification",
    "distilbert-lora": "DistilBertForSequenceClassification",
    "roberta-lora": "RobertaForSequenceClassification",
    "roberta-several-lora": "RobertaForSequenceClassification",
    "pairs-bert-lora": "BertForSequenceClassification",
}


def logits(model, rows):
    with torch.no_grad():
        return torch.stack([model(input_ids=torch.tensor([row])).logits[0] for row in rows])


def loaded(saved, said, name):
    """The model as a user of transformers or PEFT gets it."""
    if name.endswith("-lora"):
        base = transformers.AutoModelForSequenceClassification.from_pretrained(said["base"])
        return peft.PeftModel.from_pretrained(base, saved, is_trainable=True), base
    model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
        saved, output_loading_info=True
    )
    assert not any(loading[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys")), loading
    tokenizer = transformers.AutoTokenizer.from_pretrained(saved)
    assert tokenizer(said["texts"])["input_ids"] == said["ids"], "the tokens differ"
    padded = tokenizer(said["texts"], padding=True, return_tensors="pt")
    padded.pop("token_type_ids", None)
    model.eval()
    with torch.no_grad():
        batch = model(**padded).logits
    off = float((batch - torch.tensor(said["logits"])).abs().max())
    assert off < TOLERANCE, (name, off)
    return model, model


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, kind in NAMES.items():
        saved = folder / name
        said = json.loads((folder / f"{name}.json").read_text())
        model, plain = loaded(saved, said, name)
        assert type(plain).__name__ == kind, type(plain)
        model.eval()
        off = float((logits(model, said["ids"]) - torch.tensor(said["logits"])).abs().max())
        assert off < TOLERANCE, (name, off)
        # A step, so that what goes back is not what came.
        torch.manual_seed(3)
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
        loss = sum(model(input_ids=torch.tensor([row])).logits[0].square().sum() for row in said["ids"])
        loss.backward()
        optimizer.step()
        after = logits(model, said["ids"])
        assert float((after - torch.tensor(said["logits"])).abs().max()) > 10 * TOLERANCE
        back = folder / f"{name}-back"
        model.save_pretrained(back)
        if not name.endswith("-lora"):
            transformers.AutoTokenizer.from_pretrained(saved).save_pretrained(back)
        said = {"base": said["base"], "ids": said["ids"], "logits": after.tolist()}
        (folder / f"{name}-back.json").write_text(json.dumps(said))
        print(f"{name}: {kind}, logits differ by {off:.1e} at the most")


if __name__ == "__main__":
    main()
