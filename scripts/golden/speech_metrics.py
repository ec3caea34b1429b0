"""Metrics on speech by jiwer, Whisper's normalisers, and scikit-learn.

Writes crates/andiron-speech/tests/golden/speech_metrics.json (error rates and normalised texts) and
crates/andiron-core/tests/golden/roc.json (area under the curve, equal error rate, detection cost).
"""

import golden_json

import jiwer
import numpy
import scipy.interpolate
import scipy.optimize
import sklearn.metrics
from whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer

SEED = 1966

NOTES = {
    "errors": "jiwer.process_words and process_characters; corpus: all pairs at once; counts are "
              "[hits, substitutions, deletions, insertions]",
    "english": "pairs of a text and what whisper's EnglishTextNormalizer makes of it",
    "basic": "a text and what BasicTextNormalizer makes of it: plain, without diacritics, in letters",
}

ROC_NOTES = {
    "auc": "sklearn.metrics.roc_auc_score",
    "eer": "where roc_curve (all thresholds, straight between them) meets tpr = 1 - fpr, by brentq",
    "min_dcf": "least over roc_curve's thresholds of (p miss_cost fnr + (1 - p) false_cost fpr) / "
               "min(p miss_cost, (1 - p) false_cost); [p, miss_cost, false_cost, value]",
}

WORDS = (
    "the a of one two three four five six seven eight nine ten eleven twelve thirteen fifteen nineteen twenty "
    "thirty forty ninety hundred thousand million billion decillion first second third fifth eighth nineth twelfth "
    "twentieth thirties hundreds thousandth sixes tens zero oh o and a half point double triple minus negative "
    "plus pound pounds dollars dollar euros cents cent per percent 5 12 007 3.5 10.0 1,000 $20 £3.07 ¢5 -4 +1 1960s "
    "2nd 3 rd a1b2 Mr. Mrs Dr St. can't won't I'm it's she'd been he's got they'll y'all gonna wanna 'tis Hmm, uh um "
    "[noise] (laughs) <unk> colour grey organise theatre café naïve Straße œuvre ﬁne Ångström İstanbul e.g. U.S.A. "
    "hello, world! yes; no: -- … “quoted” don’t 50% 1% 1 1s ones 20 million x.y 3.14.15 192 168 ½ 10€ & @ # * \u00a0 "
    "per cent and a half time"
).split(" ")


def sentence(random, least, most):
    return " ".join(random.choice(WORDS, random.integers(least, most + 1)).tolist())


def changed(random, text):
    words = []
    for word in text.split(" "):
        chance = random.random()
        if chance < 0.15:
            continue
        words.append(str(random.choice(["b", "c", "d"])) if chance < 0.35 else word)
        if chance > 0.85:
            words.append(str(random.choice(["a", "b", word])))
    return "  ".join(words) if random.random() < 0.2 else " ".join(words)


def counts(found):
    return [found.hits, found.substitutions, found.deletions, found.insertions]


def rates(pairs):
    references, hypotheses = [list(texts) for texts in zip(*pairs)]
    words = jiwer.process_words(references, hypotheses)
    characters = jiwer.process_characters(references, hypotheses)
    return {
        "words": counts(words), "characters": counts(characters),
        "rates": [words.wer, words.mer, words.wil, characters.cer],
    }


def errors(random):
    pairs = [["", ""], ["", "a b"], ["a b", ""], [" a ", "a"], ["a b c", "c a b"]]
    for _ in range(200):
        few = " ".join(random.choice(["a", "b", "c", "d", "é"], random.integers(1, 25)).tolist())
        pairs.append([few, changed(random, few)])
    for _ in range(12):
        long = " ".join(random.choice(["a", "b", "c", "word"], random.integers(60, 150)).tolist())
        pairs.append([long, changed(random, long)])
    return {"pairs": [{"texts": pair, **rates([pair])} for pair in pairs], "corpus": rates(pairs)}


FIXED = [
    "Mr. Smith's colour isn't grey; he'd been to St. Mary's (twice) [laughs].",
    "twenty five", "two hundred and five", "one oh one", "nineteen ninety nine", "three point one four",
    "two and a half million", "and a half", "it took two and a half hours and a half", "double oh seven", "double eleven",
    "five dollars and ten cents", "$2 and 7 cents", "zero point five percent", "ten per cent", "minus five", "minus",
    "twenty first", "one hundred first", "the sixties", "a hundred thousand million", "1.5 million", "1.55 hundred",
    "point five", "1.2.3.4", "one two three four five", "twenty twenty", "nineteen oh five", "0 five", "00 hundred",
    "zero hundred", "100 hundredth", "1.234 thousandths", "oh", "one", "ones", "1s", "$1", "£0.50", "€0.05", "thirty 5",
    "thirty oh five", "forty five sixth", "nine hundred ninety nine decillion and one decillion decillion",
    "99999999999999999999999999999999999999999999 thousand", "triple five point oh", "five point", "point point five",
    "don't y'all think it's gonna be 5,000,000?", "I 've  'got it", "e.g. 3.5. And", "naïve œuvre Straße ﬁ ½ ①", "",
    " ", "(a) <b> [c]", "...", "%", "5 %", "$", "a.b", "It cost £3.07 and ¢5", "plus four pounds", "negative and one",
    "4th of july 3 rd 5 s", "a1b2c3", "organise the theatre's programme centre", "\u0131\u0130", "日本語 5 語", "10-year 1/2",
]


def english(random):
    normalize = EnglishTextNormalizer()
    texts = FIXED + [sentence(random, 1, 14) for _ in range(500)]
    return [[text, normalize(text)] for text in texts]


def basic(random):
    normalizers = [BasicTextNormalizer(), BasicTextNormalizer(True), BasicTextNormalizer(False, True)]
    texts = ["Où est-ce ? (rires)", "日本語、テスト。", "Привет, мир! <x>", "naïve œuvre Straße ﬁ", "", "👍🏽 ok", "हिन्दी"]
    texts += [sentence(random, 1, 9) for _ in range(20)]
    return [[text, *[normalize(text) for normalize in normalizers]] for text in texts]


COSTS = [(0.01, 1.0, 1.0), (0.05, 1.0, 1.0), (0.5, 10.0, 1.0)]


def roc(truth, scores):
    fpr, tpr, _ = sklearn.metrics.roc_curve(truth, scores, drop_intermediate=False)
    meet = scipy.optimize.brentq(lambda x: 1.0 - x - scipy.interpolate.interp1d(fpr, tpr)(x), 0.0, 1.0, xtol=1e-15)
    costs = []
    for p, miss, false in COSTS:
        least = (p * miss * (1 - tpr) + (1 - p) * false * fpr).min() / min(p * miss, (1 - p) * false)
        costs.append([p, miss, false, float(least)])
    return {"auc": float(sklearn.metrics.roc_auc_score(truth, scores)), "eer": float(meet), "min_dcf": costs}


def trials(random):
    cases = []
    for n, shift, digits in [(2, 0.0, 9), (7, 0.5, 9), (40, 1.0, 9), (40, 2.0, 1), (101, 1.5, 9), (300, 0.2, 1), (60, 9.0, 9),
                             (60, -9.0, 9)]:
        truth = random.random(n) < 0.4
        truth[:2] = [True, False]
        scores = numpy.round(random.standard_normal(n) + shift * truth, digits)
        cases.append({"truth": truth.tolist(), "scores": scores.tolist(), **roc(truth, scores)})
    return cases


def main():
    random = numpy.random.Generator(numpy.random.PCG64(SEED))
    body = {"notes": NOTES, "errors": errors(random), "english": english(random), "basic": basic(random)}
    packages = ["jiwer", "numpy", "openai-whisper", "rapidfuzz"]
    golden_json.write("andiron-speech/tests/golden/speech_metrics.json", __file__, packages, SEED, body)
    packages = ["numpy", "scikit-learn", "scipy"]
    golden_json.write("andiron-core/tests/golden/roc.json", __file__, packages, SEED, {"notes": ROC_NOTES, "trials": trials(random)})


if __name__ == "__main__":
    main()
