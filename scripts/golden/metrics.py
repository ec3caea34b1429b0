"""Classification metrics of random cases by scikit-learn.

Writes crates/andiron-core/tests/golden/metrics.json.
"""

import golden_json

import numpy
from sklearn import metrics

SEED = 4711
# Probabilities are whole parts of this: exact in float32 and float64, and each row sums to one exactly.
PARTS = 1024

NOTES = {
    "averages": (
        "scikit-learn was given labels= in full, so macro averages over every label of `labels`, also one "
        "that is neither in y_true nor in y_pred (it counts with 0), and micro equals accuracy; weighted "
        "weighs by support. Over the present labels alone macro would be another number"
    ),
    "confusion": "confusion[i][j]: examples of true label i predicted as j, in the order of `labels`",
    "log_loss": (
        "natural logarithm, mean over examples; probabilities are clipped to [eps, 1-eps] and rows are not "
        "scaled again; log_loss: eps = 2^-52 (float64 input); log_loss_float32: eps = 2^-23 (scikit-learn "
        "given float32)"
    ),
    "probabilities": (
        f"parts[i][j] / {PARTS} is the probability of label j for example i, exact in float32 too; "
        "null where the case has none; with them y_pred is the place of the greatest, the first of equals"
    ),
    "y": "y_true and y_pred are places in `labels`; scikit-learn was given the strings",
    "zero_division": "0: a label never predicted has precision 0, one absent from the truth has recall 0; F1 likewise",
}

WORDS = ["ham", "spam", "ärgerlich", "Zebra", "zebra", "10", "9"]


def labels_of(n_classes, style):
    if style == "words":
        return WORDS[:n_classes]
    if style == "numbers":
        # As strings "10" sorts before "2": an order by text is not the order of `labels`.
        return [str(2 + 4 * place) for place in range(n_classes)]
    return [f"class-{place}" for place in range(n_classes)]


def truth_of(random, n, n_classes, absent, skew):
    """Classes of the truth: `skew` 0 is balanced, 1 strongly not; `absent` labels never occur."""
    weights = (1.0 - 0.85 * skew) ** numpy.arange(n_classes)
    weights[absent] = 0.0
    return random.choice(n_classes, size=n, p=weights / weights.sum())


def guesses_of(random, truth, n_classes, never, skill):
    """Right with chance `skill`, else any label but those never predicted."""
    allowed = [place for place in range(n_classes) if place not in never]
    wild = random.choice(allowed, size=len(truth))
    right = (random.random(len(truth)) < skill) & numpy.isin(truth, allowed)
    return numpy.where(right, truth, wild)


def parts_of(random, truth, n_classes, never, sharpness):
    """Rows of whole parts; a label never predicted gets nothing."""
    lean = random.normal(size=(len(truth), n_classes))
    lean[numpy.arange(len(truth)), truth] += 1.0
    lean[:, never] = -numpy.inf
    shares = numpy.exp(sharpness * lean)
    shares /= shares.sum(axis=1, keepdims=True)
    return numpy.array([random.multinomial(PARTS, row) for row in shares])


def averages(function, truth, guess, labels):
    found = {
        average: float(function(truth, guess, labels=labels, average=average, zero_division=0))
        for average in ("macro", "micro", "weighted")
    }
    each = function(truth, guess, labels=labels, average=None, zero_division=0)
    return {**found, "per_class": each.tolist()}


def log_loss_of(truth, parts, labels, dtype):
    # scikit-learn wants the columns in the sorted order of the labels.
    order = sorted(range(len(labels)), key=lambda place: labels[place])
    rows = (parts[:, order] / PARTS).astype(dtype)
    return float(metrics.log_loss(truth, y_proba=rows, labels=sorted(labels)))


def case(random, n, n_classes, style="classes", absent=(), never=(), skew=0.0, skill=0.7, sharpness=None):
    labels, absent, never = labels_of(n_classes, style), list(absent), list(never)
    y_true = truth_of(random, n, n_classes, absent, skew)
    parts = None
    if sharpness is None:
        y_pred = guesses_of(random, y_true, n_classes, never, skill)
    else:
        parts = parts_of(random, y_true, n_classes, never, sharpness)
        y_pred = parts.argmax(axis=1)
    truth, guess = [labels[place] for place in y_true], [labels[place] for place in y_pred]
    expected = {
        "accuracy": float(metrics.accuracy_score(truth, guess)),
        "precision": averages(metrics.precision_score, truth, guess, labels),
        "recall": averages(metrics.recall_score, truth, guess, labels),
        "f1": averages(metrics.f1_score, truth, guess, labels),
        "support": numpy.bincount(y_true, minlength=n_classes).tolist(),
        "confusion": metrics.confusion_matrix(truth, guess, labels=labels).tolist(),
        "log_loss": None if parts is None else log_loss_of(truth, parts, labels, numpy.float64),
        "log_loss_float32": None if parts is None else log_loss_of(truth, parts, labels, numpy.float32),
    }
    return {
        "labels": labels,
        "y_true": y_true.tolist(),
        "y_pred": y_pred.tolist(),
        "parts": None if parts is None else parts.tolist(),
        "expected": expected,
    }


def cases_of(random):
    def made(*sizes, **options):
        return case(random, *sizes, **options)

    found = {
        "one_right": made(1, 2, skill=1.0),
        "one_wrong": made(1, 3, absent=[1, 2], never=[0]),
        "one_with_probabilities": made(1, 2, sharpness=1.0),
        "all_right": made(23, 4, skill=1.0),
        "all_wrong_two_classes": made(9, 2, absent=[1], never=[0]),
        "one_class_in_truth": made(17, 5, absent=[0, 1, 2, 4], skill=0.5),
        "one_class_predicted": made(31, 3, never=[0, 2], skew=0.5),
        "absent_from_truth": made(40, 4, absent=[2]),
        "never_predicted": made(41, 4, never=[1], skew=0.4),
        "in_neither": made(37, 5, absent=[3], never=[3]),
        "absent_and_never_differ": made(53, 6, absent=[0], never=[4], style="numbers"),
        "imbalanced": made(200, 3, skew=0.97),
        "imbalanced_words": made(151, 7, skew=0.7, style="words", skill=0.4),
        "words_two": made(29, 2, style="words"),
        "numbers_seven": made(97, 7, style="numbers", skill=0.3),
        "probabilities_two": made(33, 2, sharpness=1.0),
        "probabilities_words": made(48, 5, style="words", sharpness=0.8),
        "probabilities_numbers": made(61, 4, style="numbers", sharpness=1.2),
        "probabilities_with_zeros": made(77, 3, never=[1], sharpness=1.0),
        "probabilities_in_neither": made(26, 4, absent=[2], never=[2], sharpness=1.5),
        "probabilities_sure_and_often_wrong": made(45, 3, sharpness=12.0),
        "probabilities_imbalanced": made(120, 6, skew=0.6, sharpness=1.0),
        "probabilities_flat": made(13, 7, sharpness=0.05),
    }
    for number in range(17):
        n, n_classes = int(random.integers(1, 201)), int(random.integers(2, 8))
        missing = random.permutation(n_classes)[: int(random.integers(0, n_classes - 1))].tolist()
        options = {
            "style": ["classes", "words", "numbers"][number % 3],
            "absent": missing if number % 2 else [],
            "never": missing if number % 4 == 2 else [],
            "skew": float(random.random()) * 0.9,
            "skill": float(random.random()),
            "sharpness": float(random.uniform(0.3, 3.0)) if number % 5 == 4 else None,
        }
        found[f"random_{number:02}"] = made(n, n_classes, **options)
    return found


def main():
    random = numpy.random.Generator(numpy.random.PCG64(SEED))
    found = cases_of(random)
    with_rows = sum(case["parts"] is not None for case in found.values())
    print(f"{len(found)} cases, {with_rows} with probabilities")
    body = {"notes": NOTES, "parts": PARTS, "cases": found}
    packages = ["numpy", "scikit-learn"]
    golden_json.write("andiron-core/tests/golden/metrics.json", __file__, packages, SEED, body)


if __name__ == "__main__":
    main()
