"""Weights of hashed n-grams by scikit-learn's TfidfVectorizer.

Writes crates/andiron-nlp/tests/golden/tfidf.json. Where words alone are taken, scikit-learn makes the
n-grams itself; with characters in words it gets them from here, as andiron_nlp::features::NGrams
says they are. A feature goes into the file as its row: FNV-1a of 64 bits, the upper half folded onto
the lower, 31 bits of it, and the remainder by the rows.
"""

import golden_json

import numpy
from sklearn.feature_extraction.text import TfidfVectorizer

SEED = 1972

NOTES = {
    "formula": "smooth_idf, norm l2: idf = ln((1 + n) / (1 + df)) + 1; with sublinear 1 + ln tf for tf",
    "weights": "for each text of `texts`, [row, weight] by ascending row; the idf is learnt from `train`",
}

WORDS = "wheat rye maize oil gas barrel ship port crude grain price of the at né straße".split()


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value


def row(feature, n_buckets):
    value = fnv(feature.encode())
    return ((value ^ (value >> 32)) & 0x7FFFFFFF) % n_buckets


def characters(word, least, most):
    marked = f"<{word}>"
    for length in range(least, min(most, len(marked)) + 1):
        yield from (marked[at:at + length] for at in range(len(marked) - length + 1))


def features(text, words, least, most):
    tokens = text.split()
    for at, word in enumerate(tokens):
        for length in range(1, words + 1):
            if at + length <= len(tokens):
                yield "".join(f"\0{token}" for token in tokens[at:at + length])
        yield from characters(word, least, most)


def vectorizer(words, least, most, n_buckets, sublinear):
    if most == 0:
        # scikit-learn's own words and runs of words, which it joins by a space.
        return TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, words), sublinear_tf=sublinear), (
            lambda name: row("".join(f"\0{token}" for token in name.split(" ")), n_buckets))
    analyzer = lambda text: [row(one, n_buckets) for one in features(text, words, least, most)]
    return TfidfVectorizer(analyzer=analyzer, sublinear_tf=sublinear), int


def case(train, texts, words, least, most, n_buckets, sublinear):
    model, to_row = vectorizer(words, least, most, n_buckets, sublinear)
    model.fit(train)
    rows = [to_row(name) for name in model.get_feature_names_out()]
    assert len(set(rows)) == len(rows), "two features of scikit-learn in one row"
    matrix = model.transform(texts).toarray()
    assert all((matrix > 0).sum(axis=1) > 2), "a text has hardly a feature"
    weights = [sorted([rows[at], float(line[at])] for at in numpy.flatnonzero(line)) for line in matrix]
    return {
        "words": words, "least_characters": least, "most_characters": most, "n_buckets": n_buckets,
        "sublinear": sublinear, "train": train, "texts": texts, "weights": weights,
    }


def main():
    random = numpy.random.default_rng(SEED)
    text = lambda: " ".join(random.choice(WORDS, size=random.integers(3, 10)))
    train = [text() for _ in range(11)]
    # Texts of the training part only: what no training text has, scikit-learn's vocabulary lacks.
    texts = [train[2], train[7], train[9] + " " + train[9]]
    words_only = [train[2], train[7], train[9]]
    cases = [
        case(train, words_only, 1, 3, 0, 1 << 20, False),
        case(train, words_only, 2, 3, 0, 1 << 20, False),
        case(train, words_only, 2, 3, 0, 1 << 20, True),
        case(train, words_only, 1, 3, 5, 1 << 20, False),
        case(train, texts, 2, 2, 4, 97, True),
        case(train, texts, 2, 3, 5, 13, False),
    ]
    golden_json.write("andiron-nlp/tests/golden/tfidf.json", __file__, ["numpy", "scikit-learn"], SEED,
                      {"cases": cases, "notes": NOTES})


if __name__ == "__main__":
    main()
