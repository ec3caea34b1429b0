"""A small vocabulary of pairs of bytes in two GGUF files without weights, one split as Llama 3 splits a
text and one as Qwen2 does, and the token numbers that transformers' tokenizers give texts.

Writes crates/andiron-nlp/tests/golden/split_llama_bpe.gguf, split_qwen2.gguf and gguf_splits.json.
"""

import golden_json

import inspect
import json

import gguf
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers
from transformers.convert_slow_tokenizer import TikTokenConverter
from transformers.models.qwen2.tokenization_qwen2 import Qwen2Tokenizer

SEED = 0
N_TOKENS = 700
END = "<|end_of_text|>"
# A token that no merges lead to: Llama's tokenizer takes a whole split that is a token as it is.
WHOLE = ["Ġfurthermost"]
CORPUS = [
    "I'll say that it's 1234567 and we've 89 of them, don't you think they're THEY'RE so?",
    "In 2024 the year's 365 days were 52 weeks; 1000000 seconds are 11 days.",
    "the house on the hill and the house by the sea   with   spaces\n\n\tand tabs\r\n",
    "été à la mer, où l'été est là; España, mañana, naïve, Grüße, Привет мир, 日本語 のテキスト",
    "fn main() {\n    let x = 123 + 4567;\n    println!(\"{x}\");\n}\n",
    # What (?i) parts after the first letter, often enough for pairs of its own.
    *[f"{a}'Mara {a}'Sx {a}'Reality {a}'\u017fx" for a in "bcdfghkp"],
]
TEXTS = [
    "the house by the sea",
    " a leading space, and a trailing one ",
    "12 123 1234 12345 123456789",
    "year2024, 3.14159 and 1,000,000",
    "I'll you've THEY'RE it'S don'T he'd I'M",
    "'tis the sailors' house",
    "'vengeance, O'Reality, O'Mara, the'llamas, d'Artagnan, it'Sx",
    "two  spaces   three    four",
    "line\nline\n\nline\r\n\r\n  indented",
    "tabs\tand\t\ttabs \t mixed \n ",
    "\n\n\n",
    "   ",
    "été e\u0301te\u0301 naïve nai\u0308ve",
    "Å \u212b A\u030a, \ufb01ne",
    "Привет, мир! Как дела?",
    "日本語のテキスト、123個。",
    "🦀 crabs 👩‍👩‍👧 and a flag 🇪🇺!",
    "x\u00a0y\u3000z\u2028w\u0085v",
    "½ ² Ⅷ ١٢٣٤ ४५६७",
    "it\u2019s it'\u017fx WE'\u0130 'sx",
    "fn main() {\n    let x = 123;\n}\n\n",
    "!!!??? ...\n---\n#hash @at_sign snake_case",
    f"one text{END}another 1234",
    "the furthermost hill, furthermost",
]
NOTES = {
    "ids": "by the package tokenizers, with the splitting of transformers' own tokenizer of that kind",
    "splits": "the name of tokenizer.ggml.pre, under which the vocabulary lies in split_*.gguf",
    "whole": "tokens that no merges lead to, which Llama's tokenizer takes as they are",
}


def byte_level():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def split(pattern):
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(tokenizers.Regex(pattern), behavior="isolated", invert=False), byte_level()]
    )


def llama_bpe(vocab, merges):
    made = tokenizers.Tokenizer(models.BPE(vocab, merges, ignore_merges=True))
    pattern = inspect.signature(TikTokenConverter).parameters["pattern"].default
    made.pre_tokenizer = split(pattern)
    return made


def qwen2(vocab, merges):
    # It adds to its vocabulary the tokens that it knows by name, which is why it is only asked how it splits.
    theirs = Qwen2Tokenizer()
    made = tokenizers.Tokenizer(models.BPE(vocab, merges))
    made.normalizer = theirs.backend_tokenizer.normalizer
    made.pre_tokenizer = theirs.backend_tokenizer.pre_tokenizer
    return made


def vocabulary():
    learner = tokenizers.Tokenizer(models.BPE())
    learner.normalizer = normalizers.NFC()
    # A text is not split, so there are pairs across every split: another split has other tokens.
    learner.pre_tokenizer = byte_level()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=N_TOKENS, min_frequency=1, show_progress=False, initial_alphabet=alphabet
    )
    learner.train_from_iterator(CORPUS + TEXTS, trainer)
    model = json.loads(learner.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get) + WHOLE + [END]
    assert len(set(tokens)) == len(tokens)
    return tokens, [tuple(pair) for pair in model["merges"]]


def main():
    tokens, merges = vocabulary()
    vocab = {token: at for at, token in enumerate(tokens)}
    control, normal = int(gguf.TokenType.CONTROL), int(gguf.TokenType.NORMAL)
    splits = {}
    for name, make in (("llama-bpe", llama_bpe), ("qwen2", qwen2)):
        path = golden_json.CRATES / f"andiron-nlp/tests/golden/split_{name.replace('-', '_')}.gguf"
        writer = gguf.GGUFWriter(path, "llama" if name == "llama-bpe" else name)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(name)
        writer.add_token_list(tokens)
        writer.add_token_types([control if token == END else normal for token in tokens])
        writer.add_token_merges([" ".join(pair) for pair in merges])
        writer.add_eos_token_id(vocab[END])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        made = make(vocab, merges)
        made.decoder = decoders.ByteLevel()
        made.add_special_tokens([END])
        splits[name] = [{"text": text, "ids": made.encode(text, add_special_tokens=False).ids} for text in TEXTS]
    differ = sum(a != b for a, b in zip(*splits.values()))
    print(f"{len(tokens)} tokens, {len(merges)} merges; {differ} of {len(TEXTS)} texts have other tokens")
    golden_json.write(
        "andiron-nlp/tests/golden/gguf_splits.json",
        __file__,
        ["gguf", "tokenizers", "transformers"],
        SEED,
        {"notes": NOTES, "n_tokens": len(tokens), "splits": splits, "whole": WHOLE},
    )


if __name__ == "__main__":
    main()
