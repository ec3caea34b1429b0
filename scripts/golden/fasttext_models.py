"""Trains the smallest fastText models that use each part of its file format.

Writes crates/andiron-nlp/tests/golden/fasttext_*.bin and .ftz. It needs fastText itself, whose
package has the same module as fasttext-predict's; so an environment of its own:

    python3 -m venv ~/.cache/andiron-fasttext
    ~/.cache/andiron-fasttext/bin/pip install fasttext-wheel==0.9.2 'numpy<2'
    ~/.cache/andiron-fasttext/bin/python scripts/golden/fasttext_models.py

One thread and fastText's own seed: a second run gives the same files.
"""

import pathlib
import random
import tempfile

import fasttext

SEED = 12
GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "crates" / "andiron-nlp" / "tests" / "golden"

WORDS = {
    "fruit": "apple banana cherry plum pear orange",
    "animal": "cat dog horse cow čáp äffchen",
    "colour": "red green blue black yellow white",
    "number": "one two three four five six",
    "place": "日本 paris rome 中国 oslo lima",
}

# fastText refuses to quantise fewer rows than a byte has values.
BUCKETS = 300
LABELS = 260

MODELS = {
    "softmax": {"loss": "softmax", "bucket": 0},
    "tree": {"loss": "hs", "minn": 2, "maxn": 4, "bucket": 64},
    "ova": {"loss": "ova", "wordNgrams": 3, "bucket": 50},
    "negatives": {"loss": "ns", "minn": 1, "maxn": 2, "bucket": 40, "neg": 2},
    "quantised": {"loss": "hs", "minn": 2, "maxn": 3, "bucket": BUCKETS},
    "pruned": {"loss": "softmax", "minn": 2, "maxn": 3, "wordNgrams": 2, "bucket": BUCKETS},
    "wide": {"loss": "hs", "bucket": 0},
}

QUANTISED = {
    "quantised": {"qnorm": False},
    "pruned": {"qnorm": True, "cutoff": 270, "dsub": 2},
    "wide": {"qnorm": True, "qout": True},
}


def some_lines(chance):
    lines = []
    for count, (label, words) in zip((60, 45, 30, 20, 10), WORDS.items()):
        for _ in range(count):
            others = " ".join(WORDS.values()).split()
            picked = chance.choices(words.split(), k=3) + chance.choices(others, k=1)
            lines.append(f"__label__{label} {' '.join(picked)}")
    return lines


def many_labels():
    """So many that the output matrix too can be quantised."""
    return [f"__label__{n} w{n} w{n * 7 % LABELS}" for n in range(LABELS) for _ in range(1 + n % 5)]


def main():
    chance = random.Random(SEED)
    sets = {"some": some_lines(chance), "many": many_labels()}
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in MODELS.items():
            lines = sets["many" if name == "wide" else "some"]
            chance.shuffle(lines)
            data = pathlib.Path(folder) / f"{name}.txt"
            data.write_text("\n".join(lines) + "\n", encoding="utf-8")
            model = fasttext.train_supervised(str(data), dim=5, epoch=15, lr=0.5, thread=1, verbose=0, **settings)
            path = GOLDEN / f"fasttext_{name}.bin"
            if name in QUANTISED:
                model.quantize(str(data), thread=1, **QUANTISED[name])
                path = path.with_suffix(".ftz")
            model.save_model(str(path))
            print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
