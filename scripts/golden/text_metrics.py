"""Metrics for language by the packages that papers quote them from.

Writes crates/andiron-core/tests/golden/text_metrics.json (scikit-learn, scipy, trec_eval, torch) and
crates/andiron-nlp/tests/golden/text_metrics.json (sacrebleu, rouge-score, NLTK, seqeval).
"""

import golden_json

import itertools

import numpy
import pytrec_eval
import sacrebleu
import scipy.stats
import sklearn.metrics
import torch
from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as lenient
from seqeval.metrics.v1 import precision_recall_fscore_support as strict
from seqeval.scheme import IOB2, IOBES

SEED = 2002

CORE_NOTES = {
    "ranking": (
        "ndcg is scikit-learn's ndcg_score, which averages over the orders of equal scores; mrr and "
        "recall are trec_eval's recip_rank and recall of the first k, averaged over all orders of "
        "equal scores (trec_eval itself sorts equals by name), 0 where nothing is relevant"
    ),
    "correlation": "scipy's pearsonr and spearmanr",
    "multilabel": (
        "scikit-learn's precision_recall_fscore_support with zero_division=0 and accuracy_score, on "
        "matrices; truth and predicted hold class numbers"
    ),
    "perplexity": "exp of torch's cross_entropy over all tokens in float64; texts hold [sum, tokens]",
}

NLP_NOTES = {
    "bleu": (
        "corpus: sacrebleu's BLEU over all examples; sentences: with effective order. counts are "
        "[hypothesis length, reference length, matches, totals]"
    ),
    "chrf": "sacrebleu's CHRF by settings",
    "rouge": "rouge-score's score_multi; each [precision, recall, fmeasure]",
    "stems": "NLTK's PorterStemmer as rouge-score calls it: words of up to 3 letters as they are",
    "entities": (
        "seqeval: default mode, and strict with IOB2 or IOBES; per average [precision, recall, f1], "
        "labels in order with [precision, recall, f1, support]"
    ),
}

WORDS = (
    "the a of in on cat cats dog dogs house houses running runs ran quickly relational nationally "
    "happiness happily skies dying news generously hopefully controlling agreed 1,000 3.14 10-year "
    "U.S. don't it's e-mail (see) \"quoted\" &quot;sign&quot; &amp;lt; A&B co. Mr. $5 50% x=y [1] "
    "naïve Straße ﬁn Привет мир 日本語 你好 😀 é ½ . , ; : ! ? - -- ... / \u00a0 \u2019s \u212a İ"
).split(" ")


def sentence(random, least, most):
    return " ".join(random.choice(WORDS, random.integers(least, most + 1)).tolist())


def changed(random, text):
    """A text like another: words left out, doubled, swapped for others."""
    words = []
    for word in text.split(" "):
        chance = random.random()
        if chance < 0.15:
            continue
        words.append(str(random.choice(WORDS)) if chance < 0.3 else word)
        if chance > 0.95:
            words.append(word)
    if len(words) > 2 and random.random() < 0.3:
        at = int(random.integers(len(words) - 1))
        words[at], words[at + 1] = words[at + 1], words[at]
    return (" " if random.random() < 0.7 else "  ").join(words)


def written(random, n, n_references, least=0, most=14):
    rows = []
    for _ in range(n):
        reference = sentence(random, least, most)
        references = [reference] + [changed(random, reference) for _ in range(n_references - 1)]
        rows.append({"hypothesis": changed(random, reference), "references": references})
    return rows


# ---- For core --------------------------------------------------------------------------------


def orders(scores):
    """Every order of the candidates that the scores allow."""
    groups = [
        [at for at, score in enumerate(scores) if score == value] for value in sorted(set(scores), reverse=True)
    ]
    for picked in itertools.product(*(itertools.permutations(group) for group in groups)):
        yield [at for group in picked for at in group]


def trec(scores, relevance, k):
    """Reciprocal rank and recall of the first k, averaged over the orders of equals."""
    if not any(value > 0 for value in relevance):
        return 0.0, 0.0
    truth = {"q": {f"d{at}": int(value > 0) for at, value in enumerate(relevance)}}
    evaluator = pytrec_eval.RelevanceEvaluator(truth, {"recip_rank", f"recall_{k}"})
    found = []
    for order in orders(scores):
        run = {"q": {f"d{at}": float(len(order) - place) for place, at in enumerate(order[:k])}}
        result = evaluator.evaluate(run)["q"]
        found.append((result["recip_rank"], result[f"recall_{k}"]))
    return tuple(float(numpy.mean(column)) for column in zip(*found))


def ranking(random, n, levels, k):
    if levels:
        scores = random.integers(0, levels, n) / levels
    else:
        scores = random.permutation(n) / 8 - 1
    relevance = random.integers(0, 4, n) * (random.random(n) < 0.4)
    if n > 1:
        ndcg = sklearn.metrics.ndcg_score([relevance], [scores], k=k)
    else:
        ndcg = float(relevance[0] > 0)
    reciprocal_rank, recall = trec(scores.tolist(), relevance.tolist(), k)
    return {
        "scores": scores.tolist(),
        "relevance": relevance.tolist(),
        "k": k,
        "ndcg": float(ndcg),
        "mrr": reciprocal_rank,
        "recall": recall,
    }


def correlation(x, y):
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "pearson": float(scipy.stats.pearsonr(x, y).statistic),
        "spearman": float(scipy.stats.spearmanr(x, y).statistic),
    }


def multilabel(random, n, classes, chance):
    truth = random.random((n, classes)) < chance
    predicted = truth ^ (random.random((n, classes)) < 0.25)
    scores = {"exact": float(sklearn.metrics.accuracy_score(truth, predicted))}
    for average in ("micro", "macro", "weighted", "samples"):
        found = sklearn.metrics.precision_recall_fscore_support(
            truth, predicted, average=average, zero_division=0
        )
        for name, value in zip(("precision", "recall", "f1"), found):
            scores[f"{name}_{average}"] = float(value)
    sets = [
        [numpy.flatnonzero(row).tolist() for row in matrix] for matrix in (truth, predicted)
    ]
    return {"classes": classes, "truth": sets[0], "predicted": sets[1], "scores": scores}


def perplexity(random, lengths, vocabulary):
    texts, logits, targets = [], [], []
    for length in lengths:
        text = torch.from_numpy(random.normal(0, 2, (length, vocabulary)))
        target = torch.from_numpy(random.integers(0, vocabulary, length))
        sums = torch.log_softmax(text, 1).gather(1, target[:, None]).sum()
        texts.append([float(sums), length])
        logits.append(text)
        targets.append(target)
    loss = torch.nn.functional.cross_entropy(torch.cat(logits), torch.cat(targets))
    return {"texts": texts, "perplexity": float(torch.exp(loss))}


def core(random):
    cases = {
        "ranking": [
            ranking(random, n, levels, k)
            for n, levels, k in itertools.product((1, 2, 5, 8), (0, 1, 3), (1, 3, 10))
            if not (n == 8 and levels == 1)
        ]
        + [ranking(random, 31, 0, 10) for _ in range(3)],
        "correlation": [],
        "multilabel": [
            multilabel(random, n, classes, chance)
            for n, classes, chance in ((1, 2, 0.5), (7, 3, 0.4), (23, 5, 0.1), (40, 4, 0.7), (9, 6, 0.02))
        ],
        "perplexity": [perplexity(random, (1,), 3), perplexity(random, (5, 1, 17, 8), 11)],
    }
    for n in (2, 3, 7, 40, 101):
        x = random.normal(0, 1, n)
        cases["correlation"].append(correlation(x, 0.5 * x + random.normal(0, 1, n)))
        ties = numpy.append(random.integers(0, 4, n - 2), [1, 2]).astype(float)
        rounded = numpy.round(ties / 3 + random.normal(0, 1, n), 1)
        rounded[0] -= rounded[0] == rounded[1]  # a constant has no correlation
        cases["correlation"].append(correlation(ties, rounded))
    golden_json.write(
        "andiron-core/tests/golden/text_metrics.json",
        __file__,
        ("numpy", "pytrec_eval-terrier", "scikit-learn", "scipy", "torch"),
        SEED,
        {"cases": cases, "notes": CORE_NOTES},
    )


# ---- For language ----------------------------------------------------------------------------

BLEU_SETTINGS = [
    {},
    {"lowercase": True},
    {"tokenize": "none"},
    {"smooth_method": "floor"},
    {"smooth_method": "add-k"},
    {"smooth_method": "none"},
    {"effective_order": True},
]

CHRF_SETTINGS = [
    {},
    {"word_order": 2},
    {"beta": 1},
    {"char_order": 4, "whitespace": True},
    {"lowercase": True, "word_order": 1},
    {"eps_smoothing": True},
]


def sides(rows):
    """Hypotheses, and references as sacrebleu wants them: a list for each reference."""
    return [row["hypothesis"] for row in rows], [list(column) for column in zip(*(row["references"] for row in rows))]


def bleu_value(score):
    return {
        "score": score.score,
        "precisions": list(score.precisions),
        "brevity_penalty": score.bp,
        "counts": [score.sys_len, score.ref_len, list(score.counts), list(score.totals)],
    }


def translations(rows):
    hypotheses, references = sides(rows)
    bleu, chrf = [], []
    for settings in BLEU_SETTINGS:
        metric = sacrebleu.BLEU(**settings)
        bleu.append({"settings": settings, **bleu_value(metric.corpus_score(hypotheses, references))})
    for settings in CHRF_SETTINGS:
        metric = sacrebleu.CHRF(**settings)
        alone = [metric.sentence_score(row["hypothesis"], row["references"]).score for row in rows]
        corpus = metric.corpus_score(hypotheses, references).score
        chrf.append({"settings": settings, "corpus": corpus, "sentences": alone})
    alone = sacrebleu.BLEU(effective_order=True)
    scores = [alone.sentence_score(row["hypothesis"], row["references"]).score for row in rows]
    return {"examples": rows, "bleu": bleu, "bleu_sentences": scores, "chrf": chrf}


def rouge(rows):
    found = {}
    for name, stemmer in (("plain", False), ("stemmed", True)):
        scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=stemmer)
        scores = [scorer.score_multi(row["references"], row["hypothesis"]) for row in rows]
        found[name] = [[list(score[kind]) for kind in ("rouge1", "rouge2", "rougeL")] for score in scores]
    return {"examples": rows, **found}


def made_words(random, n):
    """Words that look like English ones to a stemmer."""
    starts = "hop fil fail tann fizz hiss troubl siz conflat control rat ceas adopt sensit yell toy syzyg".split()
    starts += "relat condition valen digit radic differen analog viet feudal decis callous formal triplic".split()
    starts += "electr hope good reviv allow infer airlin gyroscop adjust defens irrit replac depend homolog".split()
    starts += "commun activ angular effect bowdler prob roll happ enjo sk d l t c b ab y aa apolog".split()
    ends = "ing ed s es ies ied eed y ly ational tional enci anci izer bli abli alli entli eli ousli ization".split()
    ends += "ation ator alism iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti".split()
    ends += "ical ful ness al ance ence er ic able ible ant ement ment ent ion sion tion ou ism ate iti ous".split()
    ends += ["ive", "ize", "e", "ll", "lle", "", "ee", "at", "bl", "iz", "ss", "sses", "yy", "1"]
    words = {w for w in WORDS if w.isascii() and w.isalnum() and w.islower()}
    words |= set("sky skies dying lying tying news innings outing cannings howe proceed exceed succeed ties dies".split())
    while len(words) < n:
        parts = [random.choice(starts)] + random.choice(ends, random.integers(1, 3)).tolist()
        words.add("".join(str(part) for part in parts))
    return sorted(words)


def tag_sequence(random, length, tags):
    """Mostly well-formed, with faults."""
    found, before = [], "O"
    for _ in range(length):
        after = before.split("-")[-1]
        likely = [tag for tag in tags if before != "O" and tag[0] in "IE" and tag.endswith("-" + after)]
        before = str(random.choice(likely)) if likely and random.random() < 0.6 else str(random.choice(tags))
        found.append(before)
    return found


def seqeval(random, scheme, n, labels):
    prefixes = "BI" if scheme is IOB2 else "BIES"
    tags = ["O", "O", "O"] + [f"{prefix}-{label}" for label in labels for prefix in prefixes]
    truth = [tag_sequence(random, int(random.integers(1, 13)), tags) for _ in range(n)]
    predicted = [
        [tag if random.random() < 0.8 else str(random.choice(tags)) for tag in row] for row in truth
    ]
    found = {"scheme": "bio" if scheme is IOB2 else "bioes", "truth": truth, "predicted": predicted}
    for mode, measure in (
        ("lenient", lambda average: lenient(truth, predicted, average=average, zero_division=0)),
        ("strict", lambda average: strict(truth, predicted, average=average, scheme=scheme, zero_division=0)),
    ):
        found[mode] = {
            average: [float(value) for value in measure(average)[:3]] for average in ("micro", "macro", "weighted")
        }
        each = measure(None)
        found[mode]["labels"] = [[float(value) for value in row] for row in zip(*each)]
    return found


def language(random):
    stemmer = PorterStemmer()
    words = made_words(random, 900)
    tokenizer = Tokenizer13a()
    lines = [sentence(random, 1, 9) for _ in range(40)]
    lines += ["", " ", "a-\nb\nc", "<skipped>x<skipped>", "1.2,3.a,b.-4-5", "..,,--", "&amp;quot; &gt;&lt;", "5.", ".5", "a.b", "\x1ca\x1fb"]
    corpora = [written(random, 12, 1), written(random, 17, 3, 3), written(random, 1, 2, 6), written(random, 5, 1, 0, 3)]
    corpora.append([{"hypothesis": h, "references": [r]} for h, r in (("", "a b"), ("a b", ""), ("a b c d e", "a b c d e"))])
    # Orders in which nothing matches: what smoothing is for.
    corpora.append([{"hypothesis": h, "references": [r]} for h, r in (("a b c d e f", "a x b y c z"), ("g h i", "g h j k"))])
    cases = {
        "tokens": [[line, tokenizer(line)] for line in lines],
        "translations": [translations(rows) for rows in corpora],
        "rouge": [rouge(rows) for rows in (written(random, 20, 1), written(random, 9, 3), corpora[-2])],
        "stems": [[word, stemmer.stem(word) if len(word) > 3 else word] for word in words],
        "entities": [
            seqeval(random, scheme, n, labels)
            for scheme in (IOB2, IOBES)
            for n, labels in ((4, ["PER"]), (9, ["PER", "LOC"]), (30, ["a", "b-c", "ORG", "x_y"]))
        ],
    }
    golden_json.write(
        "andiron-nlp/tests/golden/text_metrics.json",
        __file__,
        ("nltk", "numpy", "rouge-score", "sacrebleu", "seqeval"),
        SEED,
        {"cases": cases, "notes": NLP_NOTES},
    )


def main():
    core(numpy.random.Generator(numpy.random.PCG64(SEED)))
    language(numpy.random.Generator(numpy.random.PCG64(SEED + 1)))


if __name__ == "__main__":
    main()
