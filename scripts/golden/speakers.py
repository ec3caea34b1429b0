"""The 300 recordings on which speakers are told apart: ten voices, thirty recordings each, of a second or more.

Reads the assets `stamp-voices` and `prompts-en`. Writes names alone, a line each: the voice, a tab, the file below
`assets/`. One volunteer reads in each of nine languages; the tenth voice is Allison Smith's, of Asterisk's prompts.
"""

import golden_json

import random

import soundfile

SEED = 7
ASSETS = golden_json.CRATES.parent / "assets"
VOICES = ["be", "bg", "ca", "da", "el", "es", "fr", "ro", "ru"]
LEAST, EACH = 1.0, 30


def main():
    generator, lines = random.Random(SEED), []
    voices = {voice: sorted((ASSETS / "stamp-voices").glob(f"*_desc_{voice}.ogg")) for voice in VOICES}
    voices["en"] = sorted((ASSETS / "prompts" / "en").glob("*.wav"))
    for voice, paths in sorted(voices.items()):
        generator.shuffle(paths)
        long = (path for path in paths if soundfile.info(path).duration >= LEAST)
        chosen = sorted(next(long) for _ in range(EACH))
        lines += [f"{voice}\t{path.relative_to(ASSETS)}" for path in chosen]
    target = golden_json.CRATES / "andiron-speech/tests/golden/speakers.tsv"
    target.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    print(f"{target.name}: {len(lines)} lines")


if __name__ == "__main__":
    main()
