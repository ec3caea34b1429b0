"""McNemar's test on pairs of right-vectors by statsmodels.

Writes crates/andiron-core/tests/golden/paired.json.
"""

import golden_json

import numpy
from statsmodels.stats.contingency_tables import mcnemar

SEED = 1947

NOTES = {
    "chi_square": (
        "with continuity correction: statistic = (|b - c| - 1)^2 / (b + c), p = upper tail of chi-square with 1 "
        "degree; null where b + c = 0 (statsmodels divides by zero there). Where b = c > 0 the "
        "formula holds as it stands and gives 1 / (b + c), not 0"
    ),
    "exact": (
        "statistic = min(b, c), p = min(1, 2 * P(X <= min(b, c))) with X binomial(b + c, 1/2); "
        "p = 1 where b + c = 0"
    ),
    "table": "[[both right, only first right], [only second right, none right]]; b = only first, c = only second",
    "vectors": (
        "first and second say for each example whether that model was right, '1' or '0'; null where a "
        "case has only its table"
    ),
}


def tail(table, exact):
    if not exact and table[0, 1] + table[1, 0] == 0:
        return None
    result = mcnemar(table, exact=exact, correction=True)
    return {"statistic": float(result.statistic), "p_value": float(result.pvalue)}


def of_table(both, only_first, only_second, none, first=None, second=None):
    table = numpy.array([[both, only_first], [only_second, none]])
    return {
        "first": first,
        "second": second,
        "table": table.tolist(),
        "exact": tail(table, True),
        "chi_square": tail(table, False),
    }


def of_counts(random, both, only_first, only_second, none):
    """Right-vectors with exactly these counts, in a random order."""
    pairs = [(1, 1)] * both + [(1, 0)] * only_first + [(0, 1)] * only_second + [(0, 0)] * none
    shuffled = [pairs[place] for place in random.permutation(len(pairs))]
    first, second = ("".join(str(pair[side]) for pair in shuffled) for side in (0, 1))
    return of_table(both, only_first, only_second, none, first, second)


def of_chances(random, n, chance, slip):
    """Two models that are right with one chance; the second differs from the first with chance `slip`."""
    first = random.random(n) < chance
    second = first ^ (random.random(n) < slip)
    counts = [(first & second).sum(), (first & ~second).sum(), (~first & second).sum(), (~first & ~second).sum()]
    words = ["".join("01"[int(right)] for right in side) for side in (first, second)]
    return of_table(*(int(count) for count in counts), *words)


def main():
    random = numpy.random.Generator(numpy.random.PCG64(SEED))
    cases = {
        "same_answers": of_counts(random, 11, 0, 0, 6),
        "both_always_right": of_counts(random, 7, 0, 0, 0),
        "one_example_equal": of_counts(random, 0, 0, 0, 1),
        "one_example_differs": of_counts(random, 0, 1, 0, 0),
        "one_differs": of_counts(random, 20, 0, 1, 4),
        "equal_counts_small": of_counts(random, 9, 3, 3, 2),
        "equal_counts_large": of_counts(random, 90, 40, 40, 30),
        "one_sided": of_counts(random, 30, 6, 0, 5),
        "one_sided_turned": of_counts(random, 30, 0, 6, 5),
        "small": of_counts(random, 51, 5, 12, 8),
        "just_above_five_percent": of_counts(random, 100, 9, 20, 12),
        "just_below_five_percent": of_counts(random, 100, 8, 20, 12),
        "middle": of_counts(random, 200, 31, 52, 17),
        "random_33": of_chances(random, 33, 0.6, 0.3),
        "random_129": of_chances(random, 129, 0.8, 0.15),
        "random_512": of_chances(random, 512, 0.7, 0.2),
        "random_1001": of_chances(random, 1001, 0.9, 0.05),
        "large_close": of_table(50_000, 2_431, 2_562, 5_007),
        "large_clear": of_table(9_000, 120, 245, 635),
        "large_tiny_p": of_table(5_000, 200, 700, 900),
        "very_large": of_table(900_000, 49_800, 50_200, 12_345),
    }
    print(f"{len(cases)} cases")
    packages = ["numpy", "scipy", "statsmodels"]
    body = {"notes": NOTES, "cases": cases}
    golden_json.write("andiron-core/tests/golden/paired.json", __file__, packages, SEED, body)


if __name__ == "__main__":
    main()
