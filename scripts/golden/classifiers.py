"""Logits of tiny random classifiers in transformers, for texts of several lengths in one batch, and of
PEFT adapters on two of them.

Writes for each a folder as `save_pretrained` makes it, with a tokenizer and `case.json`, into
crates/andiron-nlp/tests/golden/classifiers/.
"""

import golden_json

import json

import peft
import torch
import transformers

SEED = 2019
TARGET = "andiron-nlp/tests/golden/classifiers"
PACKAGES = ["peft", "safetensors", "torch", "transformers"]
TEXTS = [
    "the cat sat on the mat",
    "a",
    "of the dog and the cat that sat on a mat on a hat",
    "dog",
]
WORDS = "the cat sat on mat a of dog and that hat".split()
LABELS = ["zero", "another", "middle"]
COMMON = {
    "vocab_size": 23,
    "hidden_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 28,
    "initializer_range": 0.3,
}
LABELLED = {
    "id2label": dict(enumerate(LABELS)),
    "label2id": {label: at for at, label in enumerate(LABELS)},
}
CASES = {
    "bert": (
        transformers.BertForSequenceClassification,
        transformers.BertConfig,
        dict(COMMON, max_position_embeddings=19, type_vocab_size=2, classifier_dropout=0.3),
    ),
    "distilbert": (
        transformers.DistilBertForSequenceClassification,
        transformers.DistilBertConfig,
        {
            "vocab_size": 23,
            "dim": 20,
            "n_layers": 2,
            "n_heads": 4,
            "hidden_dim": 28,
            "max_position_embeddings": 19,
            "initializer_range": 0.3,
            "problem_type": "single_label_classification",
        },
    ),
    "roberta": (
        transformers.RobertaForSequenceClassification,
        transformers.RobertaConfig,
        dict(
            COMMON,
            max_position_embeddings=21,
            type_vocab_size=1,
            pad_token_id=1,
            problem_type="multi_label_classification",
        ),
    ),
}
# The default target modules of PEFT, and all linear maps of a layer.
ADAPTERS = {
    "bert": ["query", "value"],
    "roberta": ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"],
}
NOTES = {
    "logits": "transformers' in float64 on the float32 weights, text after text without padding",
    "tokenizer": "words of TEXTS, with the special tokens of the encoder's kind",
    "weights": "random, with normalisations and biases drawn too, which a fresh network has at 1 and 0",
}


def tokenizer_of(kind):
    """A `tokenizer.json` of whole words."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] if kind == "roberta" else [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
    ]
    vocabulary = {word: at for at, word in enumerate(special + WORDS)}
    start, end, unknown = (special[0], special[2], special[3]) if kind == "roberta" else (
        special[2], special[3], special[1]
    )
    added = [
        {
            "id": vocabulary[word], "content": word, "single_word": False, "lstrip": False,
            "rstrip": False, "normalized": False, "special": True,
        }
        for word in special
    ]
    part = [{"SpecialToken": {"id": start, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": end, "type_id": 0}}]
    pair = part + [{"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": end, "type_id": 1}}]
    tokens = {
        word: {"id": word, "ids": [vocabulary[word]], "tokens": [word]} for word in (start, end)
    }
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {"type": "TemplateProcessing", "single": part, "pair": pair, "special_tokens": tokens},
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": unknown},
    }


def ids_of(kind, text):
    model = tokenizer_of(kind)
    vocabulary = model["model"]["vocab"]
    start, end = ("<s>", "</s>") if kind == "roberta" else ("[CLS]", "[SEP]")
    return [vocabulary[start]] + [vocabulary[word] for word in text.split()] + [vocabulary[end]]


def logits(model, kind):
    with torch.no_grad():
        rows = [model(torch.tensor([ids_of(kind, text)])).logits[0] for text in TEXTS]
    return torch.stack(rows)


def case_of(model, kind):
    single = logits(model, kind)
    double = logits(model.double(), kind)
    model.float()
    off = float((single.double() - double).abs().max())
    print(f"{kind}: float32 is off by {off:.1e}, greatest {float(double.abs().max()):.2f}")
    return {
        "float32_off": golden_json.significant(off, 2),
        "labels": LABELS,
        "logits": golden_json.significant(double.tolist(), 7),
        "notes": NOTES,
        "texts": TEXTS,
    }


def drawn(model, which):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if which(name, parameter):
                parameter.normal_(0.4, 0.3)


def main():
    folder = golden_json.CRATES / TARGET
    for number, (kind, (model_kind, config_kind, settings)) in enumerate(CASES.items()):
        torch.manual_seed(SEED + number)
        model = model_kind(config_kind(**settings, **LABELLED)).eval()
        drawn(model, lambda _, parameter: parameter.dim() == 1)
        target = folder / kind
        model.save_pretrained(target)
        (target / "model.safetensors").chmod(0o644)
        (target / "tokenizer.json").write_text(json.dumps(tokenizer_of(kind)) + "\n")
        golden_json.write(
            f"{TARGET}/{kind}/case.json", __file__, PACKAGES, SEED + number, case_of(model, kind)
        )
        if kind not in ADAPTERS:
            continue
        settings = peft.LoraConfig(
            task_type="SEQ_CLS", r=3, lora_alpha=5, target_modules=ADAPTERS[kind], lora_dropout=0.1
        )
        adapted = peft.get_peft_model(model, settings).eval()
        drawn(adapted, lambda name, _: "lora_" in name or "modules_to_save" in name)
        target = folder / f"{kind}_adapter"
        adapted.save_pretrained(target)
        (target / "adapter_model.safetensors").chmod(0o644)
        (target / "README.md").unlink(missing_ok=True)
        description = json.loads((target / "adapter_config.json").read_text())
        description["base_model_name_or_path"] = None
        # Sets, whose order differs from run to run.
        for field in ("modules_to_save", "target_modules"):
            description[field].sort()
        (target / "adapter_config.json").write_text(
            json.dumps(description, indent=2, sort_keys=True) + "\n"
        )
        golden_json.write(
            f"{TARGET}/{kind}_adapter/case.json", __file__, PACKAGES, SEED + number, case_of(adapted, kind)
        )


if __name__ == "__main__":
    main()
