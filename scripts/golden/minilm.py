"""Embeddings of 200 texts by all-MiniLM-L6-v2 in transformers: 1 to 254 tokens and the two special ones,
of many scripts.

Reads assets/all-minilm-l6-v2, which scripts/fetch-assets brings, and writes
crates/andiron-nlp/tests/golden/minilm.safetensors: the embeddings, and the texts in its header.
"""

import golden_json

import json
import random

import safetensors.numpy
import torch
import transformers

SEED = 384
COUNT = 200
MODEL = golden_json.CRATES.parent / "assets" / "all-minilm-l6-v2"
TARGET = "andiron-nlp/tests/golden/minilm.safetensors"

# Whole words and signs; a text is a run of them, drawn at random, with the spaces between drawn too.
WORDS = """the of and weather stadium lovely unbelievably antidisestablishmentarianism 3.14159 1,000,000 -40°C
don't it's O'Brien e-mail@example.org https://example.org/a?b=c#d #hashtag snake_case CamelCase ALLCAPS
naïve café Zürich Straße ẞ Ærøskøbing İstanbul ıssız Łódź Dvořák Nguyễn Việt résumé Ångström ﬁnance ½ ² № ™
Привет мир Київ Ελλάδα ΟΔΟΣ Ὀδυσσεύς Հայաստան საქართველო ქართული שלום עולם مرحبا بالعالم ۱۲۳ नमस्ते दुनिया
ประเทศไทย 日本語 東京 漢字かな交じり文 カタカナ ﾊﾝｶｸ 你好 世界 繁體中文 한국어 서울 𠜎 𠮷野家 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝒜 ℵ₀ ∑ ∫ √2 ≠ ≤ → ⇌ α β
🙂 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 ❤️ ✓ … – — “quoted” ‘single’ «guillemets» 、。「」 ！？ (a) [b] {c} <d> & * ~ ` ^ | \\ / : ;
[CLS] [SEP] [MASK] [UNK] ##ing ##""".split()
ODD = ["e\u0301", "a\u0308\u0323", "\u200b", "\u00ad", "\ufeff", "\u202e", "zero\u200bwidth", "non\u00a0breaking",
       "\u0000null", "\u0007", "\ufffd", "\ue000", "x" * 120, "क्ष", "\u0e33", "Z\u0351\u036b\u0343a\u0321l\u0322go"]
SPACES = [" "] * 12 + ["  ", "\n", "\t", "\u3000", ""]


def text_of(tokens, tokenizer, draw):
    """A text of so many tokens, special ones not counted."""
    while True:
        text, count = "", 0
        while count < tokens:
            pool = ODD if draw.random() < 0.06 else WORDS
            longer = text + (draw.choice(SPACES) if text else "") + draw.choice(pool)
            longer_count = len(tokenizer.tokenize(longer))
            if longer_count > tokens:
                # A short word may fit still.
                longer = (text + " " if text else "") + draw.choice("abcdefgh")
                longer_count = len(tokenizer.tokenize(longer))
            if longer_count > tokens:
                break
            text, count = longer, longer_count
        if count == tokens:
            return text


def main():
    draw = random.Random(SEED)
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL)
    model = transformers.AutoModel.from_pretrained(MODEL).eval()
    lengths = [1 + round(253 * (number / (COUNT - 1)) ** 5.5) for number in range(COUNT)]
    texts = [text_of(length, tokenizer, draw) for length in lengths]
    found = []
    with torch.no_grad():
        for text, length in zip(texts, lengths):
            batch = tokenizer(text, return_tensors="pt")
            assert batch["input_ids"].shape[1] == length + 2
            mean = model(**batch).last_hidden_state.mean(1)
            found.append(torch.nn.functional.normalize(mean, dim=1)[0])
    embeddings = torch.stack(found).numpy()
    versions = golden_json.versions("safetensors", "tokenizers", "torch", "transformers")
    header = {
        "made_by": "scripts/golden/minilm.py",
        "versions": json.dumps(versions),
        "seed": str(SEED),
        "notes": "mean over all tokens, brought to length 1; text by text, in float32",
        "texts": json.dumps(texts, ensure_ascii=False),
        "tokens": json.dumps([length + 2 for length in lengths]),
    }
    target = golden_json.CRATES / TARGET
    target.write_bytes(safetensors.numpy.save({"embeddings": embeddings}, header))
    print(f"{target.name}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
