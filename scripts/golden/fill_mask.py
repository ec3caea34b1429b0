"""Logits of tiny random masked language models in transformers, and what its fill-mask pipeline answers.

Writes for each network a folder as `save_pretrained` makes it (`config.json`, `model.safetensors`,
`tokenizer.json`) and `case.json`, into crates/andiron-nlp/tests/golden/fill_mask/.
"""

import golden_json
import tiny_tokenizers

import torch
import transformers

SEED = 1810
TARGET = "andiron-nlp/tests/golden/fill_mask"
PACKAGES = ["safetensors", "tokenizers", "torch", "transformers"]
# Token numbers, for the logits of every token. None is a padding.
IDS = [[2, 5, 6, 4, 8, 9, 3], [4], [2, 13, 14, 15, 9, 17, 5, 12, 3], [2, 4, 3]]
GAPS = ["the {} on the hill", "{} lives by the sea?", "a ship sails over the {} to the hills.", "{}"]
TOP_K = 7
COMMON = {"hidden_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 28,
          "initializer_range": 0.3}
CASES = {
    "bert": (
        transformers.BertForMaskedLM, transformers.BertConfig, tiny_tokenizers.word_piece,
        dict(COMMON, max_position_embeddings=24, type_vocab_size=2, layer_norm_eps=1e-7, hidden_act="relu"),
    ),
    "distilbert": (
        transformers.DistilBertForMaskedLM, transformers.DistilBertConfig, tiny_tokenizers.word_piece,
        {"dim": 20, "n_layers": 2, "n_heads": 4, "hidden_dim": 28, "max_position_embeddings": 24,
         "initializer_range": 0.3},
    ),
    "roberta": (
        transformers.RobertaForMaskedLM, transformers.RobertaConfig, tiny_tokenizers.byte_pairs,
        dict(COMMON, max_position_embeddings=26, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1,
             hidden_act="gelu_new"),
    ),
}
NOTES = {
    "candidates": f"of pipeline('fill-mask', top_k={TOP_K}) in float32, for each text of `gaps`",
    "precision": "weights are float32; the logits are transformers' in float64 on them, of every token of `ids`, text "
                 "after text without the padding of their one batch; float32_off is the greatest difference of its "
                 "float32 logits",
    "weights": "random, with normalisations and biases drawn too, which a fresh network has at 1 and 0",
}


def padded(rows, value):
    width = max(map(len, rows))
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


def main():
    for number, (name, (kind, config_kind, make, settings)) in enumerate(CASES.items()):
        torch.manual_seed(SEED + number)
        tokenizer = make()
        config = config_kind(vocab_size=len(tokenizer), **settings)
        model = kind(config).eval()
        with torch.no_grad():
            for label, parameter in model.named_parameters():
                if parameter.dim() == 1:
                    parameter.normal_(1.0 if label.endswith("weight") else 0.0, 0.3)
        target = golden_json.CRATES / TARGET / name
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
        (target / "generation_config.json").unlink(missing_ok=True)
        (target / "model.safetensors").chmod(0o644)
        fill = transformers.pipeline("fill-mask", model=model, tokenizer=tokenizer, top_k=TOP_K, device="cpu")
        gaps = []
        for gap in GAPS:
            text = gap.format(tokenizer.mask_token)
            answer = fill(text)
            gaps.append({
                "candidates": [
                    {"score": golden_json.significant(one["score"], 7), "token": one["token_str"]} for one in answer
                ],
                "text": text,
            })
        mask = padded([[1] * len(row) for row in IDS], 0)
        batch = {"input_ids": padded(IDS, config.pad_token_id or 0), "attention_mask": mask}
        with torch.no_grad():
            single = model(**batch).logits
            double = model.double()(**batch).logits
        off = float((single.double() - double)[mask.bool()].abs().max())
        print(f"{name}: float32 is off by {off:.1e}; {gaps[0]}")
        golden_json.write(
            f"{TARGET}/{name}/case.json", __file__, PACKAGES, SEED + number,
            {
                "float32_off": golden_json.significant(off, 2), "gaps": gaps, "ids": IDS,
                "logits": golden_json.significant(double[mask.bool()].flatten().tolist(), 7),
                "notes": NOTES, "top_k": TOP_K,
            },
        )


if __name__ == "__main__":
    main()
