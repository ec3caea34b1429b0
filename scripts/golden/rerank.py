"""Scores of tiny random cross-encoders in transformers, for a query and documents of several lengths.

Writes for each network a folder as `save_pretrained` makes it (`config.json`, `model.safetensors`,
`tokenizer.json`) and `case.json` with texts and logits, into crates/andiron-nlp/tests/golden/rerank/.
"""

import golden_json
import tiny_tokenizers

import torch
import transformers

SEED = 1901
TARGET = "andiron-nlp/tests/golden/rerank"
PACKAGES = ["safetensors", "tokenizers", "torch", "transformers"]
QUERIES = [
    ("who lives by the sea?", ["the old sailor", "the house on the hill", "a ship sails over the sea to the hills."]),
    ("where is the house", ["on the hill"]),
]
# Over the length, so that tokens go from the end of the longer text.
LONG = [
    ("the house", ["the sea and the hill and the sea and the hill and the sea and the hill and the ship", "a ship"]),
    ("who lives there by the sea and who lives on the hill and who sails over the sea?", ["the old sailor lives there"]),
    ("who lives by the sea and who lives on the hill? who?", ["the old sailor lives by the sea and the hill, the old sailor"]),
]
MAX_LENGTH = 19
COMMON = {"hidden_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 28,
          "initializer_range": 0.5, "num_labels": 1}
CASES = {
    "bert": (
        transformers.BertForSequenceClassification, transformers.BertConfig, tiny_tokenizers.word_piece,
        dict(COMMON, max_position_embeddings=24, type_vocab_size=2, layer_norm_eps=1e-7),
    ),
    "distilbert": (
        transformers.DistilBertForSequenceClassification, transformers.DistilBertConfig,
        tiny_tokenizers.word_piece,
        {"dim": 20, "n_layers": 2, "n_heads": 4, "hidden_dim": 28, "max_position_embeddings": 24,
         "initializer_range": 0.5, "num_labels": 1},
    ),
    "roberta": (
        transformers.RobertaForSequenceClassification, transformers.RobertaConfig, tiny_tokenizers.byte_pairs,
        dict(COMMON, max_position_embeddings=26, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1),
    ),
}
NOTES = {
    "cut": f"pairs of `long` are cut to {MAX_LENGTH} tokens by truncation='longest_first'",
    "precision": "weights are float32; the scores are transformers' logits in float64 on them, all documents of a "
                 "query in one padded batch; float32_off is the greatest difference of its float32 logits",
    "weights": "random, with normalisations and biases drawn too, which a fresh network has at 1 and 0",
}


def scores(model, tokenizer, query, documents, cut):
    options = {"truncation": "longest_first", "max_length": MAX_LENGTH} if cut else {}
    batch = tokenizer([query] * len(documents), documents, padding=True, return_tensors="pt", **options)
    if model.config.model_type != "bert":
        batch.pop("token_type_ids", None)
    with torch.no_grad():
        return model(**batch).logits[:, 0]


def main():
    for number, (name, (kind, config_kind, make, settings)) in enumerate(CASES.items()):
        torch.manual_seed(SEED + number)
        tokenizer = make()
        config = config_kind(vocab_size=len(tokenizer) + 3, **settings)
        model = kind(config).eval()
        with torch.no_grad():
            for label, parameter in model.named_parameters():
                if parameter.dim() == 1:
                    parameter.normal_(1.0 if label.endswith("weight") else 0.0, 0.3)
        target = golden_json.CRATES / TARGET / name
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
        (target / "model.safetensors").chmod(0o644)
        single = [scores(model, tokenizer, *query, cut) for cut, all in ((False, QUERIES), (True, LONG)) for query in all]
        model.double()
        cases, off = {}, 0.0
        for label, cut, queries in (("queries", False, QUERIES), ("long", True, LONG)):
            cases[label] = []
            for query, documents in queries:
                double = scores(model, tokenizer, query, documents, cut)
                off = max(off, float((single.pop(0).double() - double).abs().max()))
                cases[label].append({
                    "documents": documents, "query": query,
                    "scores": golden_json.significant(double.tolist(), 8),
                })
        print(f"{name}: float32 is off by {off:.1e}; {cases['queries'][0]['scores']}")
        golden_json.write(
            f"{TARGET}/{name}/case.json", __file__, PACKAGES, SEED + number,
            dict(cases, float32_off=golden_json.significant(off, 2), max_length=MAX_LENGTH, notes=NOTES),
        )


if __name__ == "__main__":
    main()
