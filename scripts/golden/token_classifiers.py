"""Tiny random token classifiers in transformers: their logits, and what the pipeline makes of them.

Writes for each network a folder as `save_pretrained` makes it, with its tokenizer, and `case.json`
with the texts, the logits and the pipeline's entities under each aggregation strategy, into
crates/andiron-nlp/tests/golden/token_classifiers/.
"""

import golden_json

import io
import json

import sentencepiece
import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

SEED = 1902
TARGET = "andiron-nlp/tests/golden/token_classifiers"
PACKAGES = ["safetensors", "tokenizers", "torch", "transformers"]
LABELS = ["B-LOC", "O", "I-LOC", "B-PER", "I-PER"]
STRATEGIES = ("simple", "first", "average", "max")
# Words are set apart by one space, begin with a Latin letter, and none mixes letters and digits: where
# the tokenizer has no prefix for pieces of words (RoBERTa's), the pipeline guesses from the spaces.
TEXTS = [
    "Ana",
    "Zoë Smith went from São Paulo to New York",
    "no name here",
    "in Berlin and in Paris with Tom and Bob Jones and others who stayed at home all day",
    "and Ulan Bator",
]
# With signs that touch words: told apart by tokenizers that have a prefix for pieces of words.
SIGNS = ["(Ana, Bob) left Paris.", "O'Hara's  St. Mary's: 日本!"]
# Of words that are in the pieces' vocabulary of XLM-R's kind as well.
MORE = ["Tom Smith and Bob went in and out with Ana", "Ana and Zoë Jones stayed at home in York"]
# For the pieces alone, whatever the pipeline would make of them.
SPACED = [
    "in Berlin",
    "  two  spaces and   three ",
    "one\nline\tand another\r\n",
    "Ana, Bob and others; in York?",
    "(Ana) [Bob] {Tom}",
    "ananas Berliner Parisian",
    "naïve Zoë, nai\u0308ve",
    "日本 in 日本語",
    "🦀 crab 👩‍👧",
    "x\u00a0y\u3000z\u200bw",
    "▁the ▁▁ sign itself",
    "with <mask> and<mask>here",
    "</s> in a text, <unk> too",
    "QQQ zzzz 12345",
    "a",
]

COMMON = {
    "num_labels": len(LABELS),
    "initializer_range": 0.3,
}
BERT = dict(
    COMMON,
    hidden_size=20,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=28,
    max_position_embeddings=130,
)

NOTES = {
    "entities": "by strategy, for each text [label, start, end, score] of transformers' pipeline",
    "logits": (
        "in float64 on the float32 weights, text after text without the padding, special tokens included; "
        "float32_off is the greatest difference of transformers' float32 logits"
    ),
    "padding": "texts are padded to the longest and masked",
    "weights": "random, with normalisations and biases drawn too; the head's bias makes its labels equally frequent",
}


def word_pieces(lower):
    letters = sorted(set("".join(TEXTS + SIGNS)) - {" "})
    if lower:
        letters = sorted(set("".join(letters).lower()))
    words = ["and", "in", "an", "##ith", "##ar", "##is", "##na", "##er"]
    pieces = letters + ["##" + letter for letter in letters if letter.isalnum()] + words
    vocab = {piece: number for number, piece in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *pieces])}
    made = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=lower, strip_accents=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"]))
    made.decoder = decoders.WordPiece()
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **special)


def byte_pieces():
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    first = sorted({word[0] for text in TEXTS for word in text.split()})
    merges = [("Ġ", letter) for letter in first] + [("n", "d"), ("Ġa", "nd"), ("i", "n"), ("e", "r")]
    pieces = letters + ["".join(pair) for pair in merges]
    vocab = {piece: number for number, piece in enumerate(special + pieces)}
    made = tokenizers.Tokenizer(models.BPE(vocab, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), True, False)
    made.decoder = decoders.ByteLevel()
    named = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", unk_token="<unk>", **named
    )


def probable_pieces():
    """As XLM-R's: sentencepiece's vocabulary, whose numbers are moved for the special tokens in front."""
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS + SIGNS[:1] + MORE),
        model_writer=trained,
        model_type="unigram",
        vocab_size=90,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    pieces = range(3, processor.GetPieceSize())
    vocab = [(special, 0.0) for special in ("<s>", "<pad>", "</s>", "<unk>")]
    vocab += [(processor.IdToPiece(at), golden_json.significant(processor.GetScore(at), 7)) for at in pieces]
    # The pipeline takes a sign for the space that stands alone for a word of its own, so it is rare here.
    vocab = [(piece, -20.0 if piece == "▁" else score) for piece, score in vocab]
    known = {piece for piece, _ in vocab}
    lone = sorted({"▁" + word[0] for text in TEXTS + MORE for word in text.split()} - known)
    vocab += [(piece, -4.5) for piece in lone]
    made = transformers.XLMRobertaTokenizer(vocab=vocab + [("<mask>", 0.0)])
    assert not any("▁" in made.tokenize(text) for text in TEXTS + MORE)
    return made


CASES = {
    "bert": (
        transformers.BertForTokenClassification,
        transformers.BertConfig,
        dict(BERT, type_vocab_size=2, layer_norm_eps=1e-7),
        lambda: word_pieces(False),
        TEXTS + SIGNS,
    ),
    "distilbert": (
        transformers.DistilBertForTokenClassification,
        transformers.DistilBertConfig,
        dict(COMMON, dim=20, n_layers=2, n_heads=4, hidden_dim=28, max_position_embeddings=130),
        lambda: word_pieces(True),
        TEXTS + SIGNS,
    ),
    "roberta": (
        transformers.RobertaForTokenClassification,
        transformers.RobertaConfig,
        dict(BERT, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0, eos_token_id=2),
        byte_pieces,
        TEXTS,
    ),
    "xlm_roberta": (
        transformers.XLMRobertaForTokenClassification,
        transformers.XLMRobertaConfig,
        dict(BERT, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0, eos_token_id=2),
        probable_pieces,
        TEXTS + MORE,
    ),
}


def pieces(tokenizer):
    """Token numbers, places and words of SPACED, and what is said of them."""
    found = []
    for text in SPACED:
        encoded = tokenizer.encode(text)
        offsets, words = encoded.offsets, encoded.word_ids
        found.append({"text": text, "ids": encoded.ids, "offsets": offsets, "words": words})
    note = "text, and its token numbers, their offsets and words, by the package tokenizers"
    return {"pieces": found, "notes": dict(NOTES, pieces=note)}


def entities(model, tokenizer, texts):
    found = {}
    for strategy in STRATEGIES:
        pipeline = transformers.pipeline(
            "token-classification", model=model, tokenizer=tokenizer, aggregation_strategy=strategy
        )
        found[strategy] = [
            [
                [entity["entity_group"], entity["start"], entity["end"], golden_json.significant(entity["score"], 7)]
                for entity in pipeline(text)
            ]
            for text in texts
        ]
        print(f"  {strategy}: {sum(map(len, found[strategy]))} entities")
    return found


def main():
    transformers.logging.set_verbosity_error()
    folder = golden_json.CRATES / TARGET
    for number, (name, (kind, config_kind, settings, make, texts)) in enumerate(CASES.items()):
        torch.manual_seed(SEED + number)
        tokenizer = make()
        labels = dict(enumerate(LABELS))
        config = config_kind(
            vocab_size=len(tokenizer), id2label=labels, label2id={label: i for i, label in labels.items()}, **settings
        )
        model = kind(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() == 1:
                    parameter.normal_(0.5, 0.3)
            model.classifier.weight.normal_(0, 6)
        batch = tokenizer(texts, padding=True, return_tensors="pt")
        if settings.get("type_vocab_size", 1) == 1:
            batch.pop("token_type_ids", None)
        with torch.no_grad():
            # No label is more probable than another over all tokens, so that each is found.
            logits = model(**batch).logits[batch["attention_mask"].bool()]
            model.classifier.bias -= logits.mean(0)
        found = entities(model, tokenizer, texts)
        with torch.no_grad():
            single = model(**batch).logits
        target = folder / name
        model.save_pretrained(target)
        (target / "model.safetensors").chmod(0o644)
        tokenizer.backend_tokenizer.save(str(target / "tokenizer.json"))
        compact = json.loads((target / "tokenizer.json").read_text(encoding="utf-8"))
        (target / "tokenizer.json").write_text(json.dumps(compact, ensure_ascii=False) + "\n", encoding="utf-8")
        with torch.no_grad():
            double = model.double()(**batch).logits
        mask = batch["attention_mask"].bool()
        off = float((single.double() - double)[mask].abs().max())
        print(f"{name}: float32 is off by {off:.1e}, greatest {float(double[mask].abs().max()):.2f}")
        own = name == "xlm_roberta"
        golden_json.write(
            f"{TARGET}/{name}/case.json",
            __file__,
            PACKAGES + ["sentencepiece"] * own,
            SEED + number,
            {
                "entities": found,
                "float32_off": golden_json.significant(off, 2),
                "ids": [row[keep].tolist() for row, keep in zip(batch["input_ids"], mask)],
                "logits": golden_json.significant(double[mask].flatten().tolist(), 7),
                "notes": NOTES,
                "texts": texts,
                **(pieces(tokenizer.backend_tokenizer) if own else {}),
            },
        )


if __name__ == "__main__":
    main()
