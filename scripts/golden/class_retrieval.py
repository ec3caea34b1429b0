"""Retrieval by class among labelled vectors, by trec_eval.

Writes crates/andiron-nlp/tests/golden/class_retrieval.json. Every vector is a query, all others are
the documents, relevant are those of its label, and the score is the cosine in float64.
"""

import golden_json

import numpy
import pytrec_eval

SEED = 2011

NOTES = {
    "scores": "a vector a line: success_1, success_k, P_k, and recall_k times r / min(k, r), with r relevant documents; a label that stands once has no relevant document and 0 in all",
}


def case(random, n, width, n_labels, k):
    labels = [f"l{label}" for label in random.integers(0, n_labels, size=n)]
    labels[3] = "alone"
    centres = {label: random.normal(size=width) for label in sorted(set(labels))}
    vectors = numpy.array([centres[label] + 1.5 * random.normal(size=width) for label in labels])
    vectors = vectors.astype(numpy.float32)
    exact = vectors.astype(numpy.float64)
    unit = exact / numpy.linalg.norm(exact, axis=1, keepdims=True)
    cosines = unit @ unit.T
    apart = numpy.diff(numpy.sort(cosines, axis=1), axis=1)
    assert apart.min() > 1e-6, f"two neighbours are {apart.min()} apart: float32 may order them otherwise"
    others = lambda q: (d for d in range(n) if d != q)
    truth = {f"q{q}": {f"d{d}": int(labels[d] == labels[q]) for d in others(q)} for q in range(n)}
    run = {f"q{q}": {f"d{d}": float(cosines[q, d]) for d in others(q)} for q in range(n)}
    measures = {f"success.1,{k}", f"P.{k}", f"recall.{k}"}
    found = pytrec_eval.RelevanceEvaluator(truth, measures).evaluate(run)
    scores = []
    for q in range(n):
        relevant = sum(truth[f"q{q}"].values())
        of = found[f"q{q}"]
        recall = of[f"recall_{k}"] * relevant / max(1, min(k, relevant))
        scores.append([of["success_1"], of[f"success_{k}"], of[f"P_{k}"], recall])
    means = [round(float(mean), 4) for mean in numpy.mean(scores, axis=0)]
    print(f"{n} vectors, k {k}: {means}")
    return {"vectors": vectors.tolist(), "labels": labels, "k": k, "scores": scores}


def main():
    random = numpy.random.default_rng(SEED)
    cases = [case(random, n, width, n_labels, k)
             for n, width, n_labels, k in ((17, 5, 2, 3), (40, 7, 6, 10), (31, 4, 9, 5), (12, 3, 3, 2))]
    golden_json.write("andiron-nlp/tests/golden/class_retrieval.json", __file__,
                      ["numpy", "pytrec_eval-terrier"], SEED, {"cases": cases, "notes": NOTES})


if __name__ == "__main__":
    main()
