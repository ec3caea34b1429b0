"""Reads encoders that Andiron has trained on pairs of texts and saved, compares the vectors that
transformers makes with them, trains them a step, and saves them again for Andiron to read. Called by
scripts/interchange with a folder.
"""

import json
import pathlib
import sys

import torch
import transformers

TOLERANCE = 1e-5
NAMES = {
    "vectors-bert": "BertModel",
    "vectors-distilbert": "DistilBertModel",
    "vectors-roberta": "RobertaModel",
}


def means(model, tokenizer, texts):
    """The mean of the last states of each text's tokens, as sentence-transformers has it."""
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    if model.config.model_type != "bert":
        batch.pop("token_type_ids", None)
    mask = batch["attention_mask"].unsqueeze(-1).float()
    states = model(**batch).last_hidden_state
    return (states * mask).sum(1) / mask.sum(1)


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, kind in NAMES.items():
        saved = folder / name
        said = json.loads((folder / f"{name}.json").read_text())
        model, loading = transformers.AutoModel.from_pretrained(saved, output_loading_info=True)
        # The pooler is no part of a vector, and is drawn.
        missing = [key for key in loading["missing_keys"] if not key.startswith("pooler.")]
        assert not (missing or loading["unexpected_keys"] or loading["mismatched_keys"]), loading
        assert type(model).__name__ == kind, type(model)
        tokenizer = transformers.AutoTokenizer.from_pretrained(saved)
        assert tokenizer(said["texts"])["input_ids"] == said["ids"], "the tokens differ"
        told = json.loads((saved / "sentence_bert_config.json").read_text())
        assert told["max_seq_length"] == tokenizer.model_max_length == said["max_length"]
        model.eval()
        with torch.no_grad():
            vectors = torch.nn.functional.normalize(means(model, tokenizer, said["texts"]), dim=1)
        off = float((vectors - torch.tensor(said["vectors"])).abs().max())
        assert off < TOLERANCE, (name, off)
        # A step, so that what goes back is not what came.
        torch.manual_seed(3)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        means(model, tokenizer, said["texts"])[:, :3].square().sum().backward()
        optimizer.step()
        with torch.no_grad():
            after = means(model, tokenizer, said["texts"])
        moved = torch.nn.functional.normalize(after, dim=1) - torch.tensor(said["vectors"])
        assert float(moved.abs().max()) > 10 * TOLERANCE
        back = folder / f"{name}-back"
        model.save_pretrained(back)
        tokenizer.save_pretrained(back)
        (folder / f"{name}-back.json").write_text(json.dumps({"vectors": after.tolist()}))
        print(f"{name}: {kind}, vectors differ by {off:.1e} at the most")


if __name__ == "__main__":
    main()
