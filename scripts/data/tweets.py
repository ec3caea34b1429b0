"""examples/data/tweets: the rated tweets as they came, and a table of the good and the bad ones."""

import csv
import io

NEEDS = ["vader-tweets"]
ORIGINAL = "tweets_GroundTruth.txt"
# A mean rating this close to 0 (on the scale -4..4) says neither good nor bad.
UNDECIDED = 0.5


def files(assets):
    original = (assets / "vader-tweets" / ORIGINAL).read_bytes()
    return {ORIGINAL: original, "tweets.csv": table(original.decode("utf-8")).encode("utf-8")}


def table(original):
    """Rows `text,label,rating` in the order of the original; |rating| <= 0.5 is left out."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["text", "label", "rating"])
    # Not splitlines(), which would split a text at rarer separators too.
    for line in original.rstrip("\r\n").split("\r\n"):
        _id, rating, text = line.split("\t")
        if abs(float(rating)) > UNDECIDED:
            writer.writerow([text, "positive" if float(rating) > 0 else "negative", rating])
    return out.getvalue()
