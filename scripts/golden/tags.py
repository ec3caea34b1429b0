"""Entities from token scores by transformers' token classification pipeline, and from tags by seqeval.

Writes crates/andiron-nlp/tests/golden/tags.json. The pipeline's own `aggregate` and filter run on
scores from a seed; there is no network and no tokenizer: what a tokenizer would say of a token
(its place, and whether it goes on with a word) is given with it.
"""

import golden_json

from types import SimpleNamespace

import numpy
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOBES, Entities
from transformers import TokenClassificationPipeline
from transformers.pipelines.token_classification import AggregationStrategy

SEED = 2003

NOTES = {
    "tokens": "a token is [start, end, word or null, scores]; null is a special token, which the pipeline leaves out",
    "entities": "by strategy, [label, start, end, score], without those labelled O",
    "bioes": (
        "tags, and seqeval's entities [label, first, behind the last]: strict with its scheme IOBES, which leaves "
        "out what is not well formed, and of its default mode; well_formed is a tagging without a fault"
    ),
}

LABELS = [
    ["O", "B-PER", "I-PER"],
    ["B-LOC", "O", "I-LOC", "B-ORG", "I-ORG"],
    ["O", "I-a-b", "B-a-b", "I-c", "B-c"],
    ["O", "noun", "verb"],
]

PIECES = "ber lin stadt né 日本 o x_y ing 😀 ab".split()


def pipeline(labels):
    made = object.__new__(TokenClassificationPipeline)
    made.model = SimpleNamespace(config=SimpleNamespace(id2label=dict(enumerate(labels))))
    made.tokenizer = SimpleNamespace(convert_tokens_to_string=" ".join)
    return made


def case(random, labels, n_words, sureness):
    text, tokens = "", [[0, 0, None]]
    for word in range(n_words):
        text += " " if text and random.random() < 0.8 else ""
        for _ in range(random.integers(1, 5)):
            piece = str(random.choice(PIECES))
            tokens.append([len(text), len(text) + len(piece), word])
            text += piece
    tokens.append([0, 0, None])
    logits = random.normal(0, sureness, (len(tokens), len(labels))).astype(numpy.float32)
    shifted = numpy.exp(logits - logits.max(-1, keepdims=True))
    scores = shifted / shifted.sum(-1, keepdims=True)
    if random.random() < 0.3:
        scores = numpy.round(scores, 1).astype(numpy.float32)  # ties
    before, entities = None, []
    for index, ((start, end, word), row) in enumerate(zip(tokens, scores)):
        if word is not None:
            entities.append({
                "word": text[start:end], "scores": row, "start": start, "end": end, "index": index,
                "is_subword": word == before,
            })
        before = word
    found = {}
    for name in ("simple", "first", "average", "max"):
        groups = pipeline(labels).aggregate(entities, AggregationStrategy(name))
        found[name] = [
            [group["entity_group"], group["start"], group["end"], float(group["score"])]
            for group in groups if group["entity_group"] != "O"
        ]
    return {
        "text": text,
        "labels": labels,
        "tokens": [[*token, [float(value) for value in row]] for token, row in zip(tokens, scores)],
        "entities": found,
    }


def well_formed(random, labels, length):
    """Entities of one to four tags, and what is between them."""
    tags = []
    while len(tags) < length:
        label = str(random.choice(labels))
        inside = int(random.integers(0, 3))
        parts = (["O"], [f"S-{label}"], [f"B-{label}", *[f"I-{label}"] * inside, f"E-{label}"])
        tags += parts[random.integers(0, 3)]
    return tags


def bioes(tags, is_well_formed):
    strict = [[entity.tag, entity.start, entity.end] for entity in Entities([tags], IOBES).entities[0]]
    default = [[label, first, last + 1] for label, first, last in get_entities(tags)]
    if is_well_formed:
        assert strict == default
    return {"tags": tags, "well_formed": is_well_formed, "strict": strict, "default": default}


def taggings(random):
    cases = []
    for labels in (["PER"], ["LOC", "ORG"], ["a-b", "c", "a"]):
        known = ["O", *[f"{prefix}-{label}" for label in labels for prefix in "BIES"]]
        for length in (1, 2, 5, 9, 14, 23):
            cases.append(bioes(well_formed(random, labels, length), True))
            cases.append(bioes([str(tag) for tag in random.choice(known, length)], False))
    return cases


def main():
    random = numpy.random.Generator(numpy.random.PCG64(SEED))
    cases = [
        case(random, labels, n_words, sureness)
        for labels in LABELS
        for n_words, sureness in ((1, 1), (4, 0.3), (7, 1), (11, 2), (16, 4))
    ]
    body = {"bioes": taggings(random), "cases": cases, "notes": NOTES}
    packages = ["numpy", "seqeval", "transformers"]
    golden_json.write("andiron-nlp/tests/golden/tags.json", __file__, packages, SEED, body)


if __name__ == "__main__":
    main()
