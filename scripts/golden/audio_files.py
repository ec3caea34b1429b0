"""Small FLAC, Ogg Vorbis and MP3 files, and what libsndfile reads from them.

Writes crates/andiron-speech/tests/golden/audio/ and crates/andiron-speech/tests/golden/audio_files.json.
"""

import golden_json

import numpy
import soundfile

SEED = 1993
RATE = 16_000
FILES = [("mono.flac", "FLAC", "PCM_16", 1), ("stereo.flac", "FLAC", "PCM_24", 2), ("stereo.ogg", "OGG", "VORBIS", 2),
         ("mono.mp3", "MP3", "MPEG_LAYER_III", 1)]


def main():
    random = numpy.random.Generator(numpy.random.PCG64(SEED))
    folder = golden_json.CRATES / "andiron-speech/tests/golden/audio"
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for name, kind, subtype, channels in FILES:
        samples = 2_501 if kind == "FLAC" else 5_003
        seconds = numpy.arange(samples)[:, None] / RATE
        sound = 0.3 * numpy.sin(2 * numpy.pi * (300 + 2000 * seconds) * seconds + numpy.arange(channels))
        sound += 0.01 * random.standard_normal(sound.shape)
        soundfile.write(folder / name, sound, RATE, format=kind, subtype=subtype)
        read, rate = soundfile.read(folder / name, dtype="float64", always_2d=True)
        assert rate == RATE
        print(f"{name}: {(folder / name).stat().st_size} bytes, {len(read)} samples")
        files[name] = {"rate": rate, "samples": golden_json.significant(read.mean(axis=1).tolist(), 7)}
    notes = {"files": "what soundfile (libsndfile) reads, channels mixed to their mean"}
    golden_json.write("andiron-speech/tests/golden/audio_files.json", __file__, ["numpy", "soundfile"], SEED,
                      {"notes": notes, "files": files})


if __name__ == "__main__":
    main()
