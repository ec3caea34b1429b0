"""examples/data/prompts: the same forty short telephone prompts, spoken in five languages."""

import hashlib
import io
import wave

LANGUAGES = ["en", "es", "fr", "it", "ru"]
NEEDS = [f"prompts-{language}" for language in LANGUAGES]
COUNT = 40
SEED = 7
SHORTEST, LONGEST = 0.5, 2.5  # seconds, both within
MOST_BYTES = 4_000_000


def files(assets):
    recordings = {language: folder(assets / "prompts" / language) for language in LANGUAGES}
    common = set.intersection(*(set(names) for names in recordings.values()))
    fit = [name for name in common if all(
        SHORTEST <= seconds(f"{language}/{name}", recordings[language][name]) <= LONGEST
        for language in LANGUAGES)]
    chosen = sorted(fit, key=draw)[:COUNT]
    made = {f"{language}/{name}.wav": recordings[language][name]
            for language in LANGUAGES for name in sorted(chosen)}
    if len(chosen) < COUNT or sum(map(len, made.values())) > MOST_BYTES:
        raise ValueError(f"{len(chosen)} prompts, {sum(map(len, made.values()))} bytes")
    return made


def draw(name):
    """A prompt's place in the draw. No random generator: its numbers could change with Python."""
    return hashlib.sha256(f"{SEED}:{name}".encode()).digest()


def folder(path):
    return {wav.stem: wav.read_bytes() for wav in path.glob("*.wav")}


def seconds(name, data):
    """How long a recording lasts; it must be what the README promises."""
    with wave.open(io.BytesIO(data)) as wav:
        shape = (wav.getnchannels(), wav.getsampwidth(), wav.getframerate())
        if shape != (1, 2, 8000):
            raise ValueError(f"{name}: wanted one channel, 2 bytes, 8000 Hz, but is {shape}")
        return wav.getnframes() / wav.getframerate()
