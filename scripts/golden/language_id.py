"""Labels and probabilities by fastText's own code (package fasttext-predict).

Reads crates/andiron-nlp/tests/golden/languages.txt, assets/lid-176/lid.176.ftz (brought by
scripts/fetch-assets) and the small models fasttext_*.bin and .ftz beside the golden files (made by
fasttext_models.py), and writes crates/andiron-nlp/tests/golden/fasttext.json.
"""

import golden_json

import fasttext

SEED = 0

GOLDEN = golden_json.CRATES / "andiron-nlp" / "tests" / "golden"
LID = golden_json.CRATES.parent / "assets" / "lid-176" / "lid.176.ftz"

NOTES = {
    "lid": "for each line of languages.txt the 3 best labels, best first, [[label, probability], ...]",
    "small": "the same by model, the 5 best labels, for the lines given with it",
}

LINES = [
    "apple banana cherry", "dog cat", "red green blue blue", "apple dog", "unknown words only",
    "", " ", "čeština äöü 日本", "banana", "cat cat cat red", "__label__fruit apple", "x", "green</s>", "</s> red", "w3 w21", "w259",
]


def answers(model, line, k):
    labels, probabilities = model.predict(line, k=k)
    return [[label, float(p)] for label, p in zip(labels, probabilities)]


def main():
    # As bytes: a carriage return is no end of a line here.
    text = (GOLDEN / "languages.txt").read_bytes().decode()
    lines = text.removesuffix("\n").split("\n")
    model = fasttext.load_model(str(LID))
    lid = [answers(model, line, 3) for line in lines]
    small = {}
    for path in sorted(GOLDEN.glob("fasttext_*.[bf][it][nz]")):
        model = fasttext.load_model(str(path))
        small[path.name] = [answers(model, line, 5) for line in LINES]
    body = {"lid": lid, "lines": LINES, "small": small, "notes": NOTES}
    golden_json.write("andiron-nlp/tests/golden/fasttext.json", __file__, ["fasttext-predict"], SEED, body)


if __name__ == "__main__":
    main()
