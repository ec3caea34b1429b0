"""Last hidden states of tiny random encoders in transformers, for texts of several lengths in one batch.

Writes for each encoder a folder as `save_pretrained` makes it (`config.json`, `model.safetensors`) and
`case.json` with the texts and the states, into crates/andiron-nlp/tests/golden/encoders/.
"""

import golden_json

import torch
import transformers

SEED = 1810
TARGET = "andiron-nlp/tests/golden/encoders"
PACKAGES = ["safetensors", "torch", "transformers"]
# Token numbers; 1 is RoBERTa's padding, which in text 2 stands in the middle as well.
TEXTS = [[2, 36, 3, 3, 7, 11, 0], [9], [4, 1, 5, 6, 2, 8, 35, 12, 30], [3, 2]]
SEGMENTS = [[0, 0, 0, 1, 1, 1, 1], [0], [0, 0, 0, 0, 0, 1, 1, 2, 2], [1, 0]]

COMMON = {
    "vocab_size": 37,
    "hidden_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 28,
    "initializer_range": 0.3,
}
# `BertForPreTraining` and `…ForMaskedLM` are models with a head: their files have a prefix before the
# encoder's names, and the head's tensors too.
CASES = {
    "bert": (
        transformers.BertModel,
        transformers.BertConfig,
        dict(COMMON, max_position_embeddings=13, type_vocab_size=3, layer_norm_eps=1e-7),
    ),
    "bert_with_head": (
        transformers.BertForPreTraining,
        transformers.BertConfig,
        dict(COMMON, max_position_embeddings=9, type_vocab_size=3, hidden_act="relu"),
    ),
    "distilbert": (
        transformers.DistilBertForMaskedLM,
        transformers.DistilBertConfig,
        {
            "vocab_size": 37,
            "dim": 20,
            "n_layers": 2,
            "n_heads": 4,
            "hidden_dim": 28,
            "max_position_embeddings": 13,
            "initializer_range": 0.3,
        },
    ),
    "roberta": (
        transformers.RobertaForMaskedLM,
        transformers.RobertaConfig,
        dict(COMMON, max_position_embeddings=15, type_vocab_size=1, layer_norm_eps=1e-5),
    ),
    "xlm_roberta": (
        transformers.XLMRobertaModel,
        transformers.XLMRobertaConfig,
        dict(
            COMMON,
            max_position_embeddings=15,
            type_vocab_size=3,
            hidden_act="gelu_new",
            layer_norm_eps=1e-6,
            pad_token_id=1,
        ),
    ),
}

NOTES = {
    "padding": "texts are padded to the longest with the configuration's pad_token_id and masked",
    "precision": (
        "weights are float32; the states are transformers' in float64 on them, text after text without the "
        "padding; float32_off is the greatest difference of its float32 states"
    ),
    "weights": "random, with normalisations and biases drawn too, which a fresh network has at 1 and 0",
}


def padded(rows, width, value):
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


def states(model, batch):
    encoder = getattr(model, model.base_model_prefix, model)
    with torch.no_grad():
        return encoder(**batch).last_hidden_state


def main():
    folder = golden_json.CRATES / TARGET
    for number, (name, (kind, config_kind, settings)) in enumerate(CASES.items()):
        torch.manual_seed(SEED + number)
        config = config_kind(**settings)
        model = kind(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() == 1:
                    parameter.normal_(0.5, 0.3)
        width = max(map(len, TEXTS))
        batch = {
            "input_ids": padded(TEXTS, width, config.pad_token_id),
            "attention_mask": padded([[1] * len(text) for text in TEXTS], width, 0),
        }
        segments = getattr(config, "type_vocab_size", 0) > 1
        if segments:
            batch["token_type_ids"] = padded(SEGMENTS, width, 0)
        single = states(model, batch)
        target = folder / name
        model.save_pretrained(target)
        (target / "generation_config.json").unlink(missing_ok=True)
        (target / "model.safetensors").chmod(0o644)
        double = states(model.double(), batch)
        mask = batch["attention_mask"].bool()
        off = float((single.double() - double)[mask].abs().max())
        print(f"{name}: float32 is off by {off:.1e}, greatest {float(double[mask].abs().max()):.2f}")
        golden_json.write(
            f"{TARGET}/{name}/case.json",
            __file__,
            PACKAGES,
            SEED + number,
            {
                "float32_off": golden_json.significant(off, 2),
                "notes": NOTES,
                "segments": SEGMENTS if segments else [],
                "states": golden_json.significant(double[mask].flatten().tolist(), 7),
                "texts": TEXTS,
            },
        )


if __name__ == "__main__":
    main()
