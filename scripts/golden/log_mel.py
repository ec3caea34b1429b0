"""Log-mel in the dialects of Whisper, Kaldi and librosa, and MFCC with deltas by librosa.

Writes crates/andiron-speech/tests/golden/log_mel.json.
"""

import golden_json
import torchaudio_sources

import librosa
import numpy
import torch
import whisper.audio

SEED = 1618
RATE = 16_000


def speech_like(random, samples, silence):
    """A gliding voice with noise after `silence` samples of nothing; float32 numbers."""
    seconds = numpy.arange(samples) / RATE
    pitch = 2 * numpy.pi * numpy.cumsum(110 + 40 * numpy.sin(5 * seconds)) / RATE
    signal = sum(numpy.sin(k * pitch + random.uniform(0, 6)) / k for k in range(1, 30))
    signal = 0.1 * signal * (0.6 + 0.4 * numpy.sin(23 * seconds)) + 0.01 * random.standard_normal(samples) + 0.02
    signal[:silence] = 0.0
    return signal.astype(numpy.float32)


def rows(values):
    return golden_json.significant(numpy.asarray(values, dtype=numpy.float64).tolist(), 7)


def of_whisper(signal):
    found = {}
    for n_mels in (80, 128):
        mel = whisper.audio.log_mel_spectrogram(torch.from_numpy(signal), n_mels=n_mels)
        found[f"whisper_{n_mels}"] = rows(mel.numpy().T)
    return found


def of_kaldi(signal):
    kaldi = torchaudio_sources.module("compliance.kaldi")
    fbank = lambda **rest: kaldi.fbank(torch.from_numpy(signal.astype(numpy.float64))[None], dither=0.0,
                                       sample_frequency=RATE, **rest).numpy()
    single = fbank(num_mel_bins=80)
    # The triangles are drawn in the default type; in float32 a narrow one is off by 1e-4 of itself.
    torch.set_default_dtype(torch.float64)
    print(f"triangles in float32: off by {abs(fbank(num_mel_bins=80) - single).max():.1e}")
    found = {
        "kaldi_80": fbank(num_mel_bins=80),
        "kaldi_23_mirror": fbank(num_mel_bins=23, snip_edges=False),
        "kaldi_40_plain": fbank(num_mel_bins=40, window_type="rectangular", remove_dc_offset=False,
                                preemphasis_coefficient=0.0, low_freq=125.0, high_freq=7500.0),
    }
    torch.set_default_dtype(torch.float32)
    return {name: rows(values) for name, values in found.items()}


def of_librosa(signal):
    sound = signal.astype(numpy.float64)
    mel = lambda **rest: librosa.feature.melspectrogram(y=sound, sr=RATE, **rest)
    small = {"n_fft": 512, "hop_length": 200, "n_mels": 40}
    magnitude = librosa.filters.mel(sr=RATE, n_fft=512, n_mels=40, dtype=numpy.float64) @ numpy.abs(
        librosa.stft(sound, n_fft=512, hop_length=200, dtype=numpy.complex128))
    mfcc = librosa.feature.mfcc(y=sound, sr=RATE, n_mfcc=20, **small)
    return {
        "librosa": rows(librosa.power_to_db(mel()).T),
        "librosa_htk": rows(librosa.power_to_db(mel(htk=True, norm=None, **small)).T),
        "librosa_power": rows(mel(win_length=400, pad_mode="constant", **small).T),
        "librosa_magnitude_db": rows(librosa.amplitude_to_db(magnitude, top_db=None).T),
        "librosa_mfcc": rows(mfcc.T),
        "librosa_delta": rows(librosa.feature.delta(mfcc, mode="nearest").T),
        "librosa_delta_delta": rows(librosa.feature.delta(librosa.feature.delta(mfcc, mode="nearest"), mode="nearest").T),
    }


def main():
    random = numpy.random.Generator(numpy.random.PCG64(SEED))
    signals = {"long": speech_like(random, 4_001, 0), "short": speech_like(random, 1_237, 640)}
    body = {
        "notes": {
            "whisper": "whisper.audio.log_mel_spectrogram without padding, in float32; [frame][band]",
            "kaldi": "torchaudio.compliance.kaldi.fbank in float64, dither 0; `kaldi_40_plain` is a rectangular "
                     "window, no DC removal, no pre-emphasis, 125 to 7500 Hz",
            "librosa": "power_to_db(melspectrogram), in float64; `librosa_power` has a window of 400 in the middle of 512 "
                       "and zeros beyond the ends; librosa_mfcc is of 40 bands in decibels",
            "numbers": "7 significant digits; the signals are float32",
        },
        "rate": RATE,
        "signals": {name: golden_json.significant(signal.tolist()) for name, signal in signals.items()},
        "features": {name: {**of_whisper(s), **of_kaldi(s), **of_librosa(s)} for name, s in signals.items()},
    }
    packages = ["librosa", "numpy", "torch", "torchaudio", "openai-whisper"]
    golden_json.write("andiron-speech/tests/golden/log_mel.json", __file__, packages, SEED, body)


if __name__ == "__main__":
    main()
