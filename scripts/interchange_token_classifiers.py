"""Reads token classifiers that Andiron has trained and saved, compares what they say in transformers
and PEFT, trains them a step, and saves them again for Andiron to read. Called by scripts/interchange with a
folder.
"""

import json
import pathlib
import sys

import peft
import torch
import transformers

TOLERANCE = 1e-4
NAMES = {
    "tokens-bert": "BertForTokenClassification",
    "tokens-distilbert": "DistilBertForTokenClassification",
    "tokens-roberta": "RobertaForTokenClassification",
}
LORA = {"tokens-bert-lora": "tokens-bert"}


def logits(model, rows):
    with torch.no_grad():
        return [model(input_ids=torch.tensor([row])).logits[0].flatten() for row in rows]


def furthest(got, wanted):
    return max(float((a - torch.tensor(b)).abs().max()) for a, b in zip(got, wanted, strict=True))


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, kind in NAMES.items():
        saved = folder / name
        said = json.loads((folder / f"{name}.json").read_text())
        model, loading = transformers.AutoModelForTokenClassification.from_pretrained(
            saved, output_loading_info=True
        )
        assert not any(loading[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys")), loading
        assert type(model).__name__ == kind, type(model)
        tokenizer = transformers.AutoTokenizer.from_pretrained(saved)
        assert tokenizer(said["texts"])["input_ids"] == said["ids"], "the tokens differ"
        model.eval()
        off = furthest(logits(model, said["ids"]), said["logits"])
        assert off < TOLERANCE, (name, off)
        pipeline = transformers.pipeline(
            "token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="first"
        )
        found = 0
        for text, answer in zip(said["texts"], said["answers"], strict=True):
            theirs = [(e["entity_group"], e["start"], e["end"]) for e in pipeline(text)]
            ours = [(e["label"], e["start"], e["end"]) for e in answer["entities"]]
            # RoBERTa's pieces have no mark of their own, and the pipeline guesses the words.
            assert theirs == ours or name == "tokens-roberta", (theirs, ours)
            found += len(ours)
        assert found > 0, "nothing was found"
        # A step, so that what goes back is not what came.
        torch.manual_seed(3)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        loss = sum(model(input_ids=torch.tensor([row])).logits.square().sum() for row in said["ids"])
        loss.backward()
        optimizer.step()
        after = logits(model, said["ids"])
        assert furthest(after, said["logits"]) > 10 * TOLERANCE
        back = folder / f"{name}-back"
        model.save_pretrained(back)
        tokenizer.save_pretrained(back)
        (folder / f"{name}-back.json").write_text(json.dumps({"logits": [row.tolist() for row in after]}))
        print(f"{name}: {kind}, {found} entities, logits differ by {off:.1e} at the most")
    for name, base in LORA.items():
        said = json.loads((folder / f"{name}.json").read_text())
        model = transformers.AutoModelForTokenClassification.from_pretrained(folder / base).eval()
        before = furthest(logits(model, said["ids"]), said["logits"])
        model = peft.PeftModel.from_pretrained(model, folder / name).eval()
        assert model.peft_config["default"].task_type == "TOKEN_CLS"
        off = furthest(logits(model, said["ids"]), said["logits"])
        assert off < TOLERANCE < 0.1 * before, (name, off, before)
        print(f"{name}: on {base}, logits differ by {off:.1e} at the most")


if __name__ == "__main__":
    main()
