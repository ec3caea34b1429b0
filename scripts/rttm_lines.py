#!/usr/bin/env python3
"""A folder of WAV files and RTTM files as JSON Lines for `andiron evaluate` and `andiron train`.

    scripts/rttm_lines.py assets/ami-clips >target/data/meetings.jsonl

A line a WAV file that an RTTM file names: `{"audio": path, "segments": [{"start", "end"}, …]}`, in
seconds. Who speaks is left out. Needs nothing but Python.
"""

import json
import sys
from pathlib import Path


def main():
    folder = Path(sys.argv[1]).resolve()
    spans = {}
    for path in sorted(folder.glob("*.rttm")):
        for line in path.read_text(encoding="utf-8").splitlines():
            kind, name, _, start, length, *_ = line.split()
            if kind == "SPEAKER":
                start, length = float(start), float(length)
                spans.setdefault(name, []).append({"start": start, "end": round(start + length, 6)})
    for path in sorted(folder.glob("*.wav")):
        if path.stem in spans:
            print(json.dumps({"audio": str(path), "segments": spans[path.stem]}))


if __name__ == "__main__":
    main()
