"""The speech front end by librosa (log-mel, MFCC, deltas) and resampling by scipy.

Writes crates/andiron-speech/tests/golden/frontend.json.
"""

import golden_json

import librosa
import numpy
import scipy.signal

SEED = 8000
RATE = 8_000
WIDE_RATE = 16_000
FLOOR = 1e-10
N_MFCC = 13
DELTA_WIDTH = 9
FMIN, FMAX = 20.0, 4_000.0
EDGE = 600
SETTINGS = {
    "n400_h160_m40": {"n_fft": 400, "hop": 160, "n_mels": 40},
    "n400_h160_m64": {"n_fft": 400, "hop": 160, "n_mels": 64},
    "n200_h80_m40": {"n_fft": 200, "hop": 80, "n_mels": 40},
    "n200_h80_m64": {"n_fft": 200, "hop": 80, "n_mels": 64},
}
FILTERBANKS = ["n400_h160_m40", "n200_h80_m64"]

NOTES = {
    "delta": (
        f"librosa.feature.delta, width {DELTA_WIDTH}, order 1, mode 'nearest' (the edge frames are repeated): "
        "delta[t] = sum over k in -4..=4 of k * mfcc[t+k] / 60"
    ),
    "filterbank": (
        "librosa.filters.mel: Slaney's mel scale (htk=False), norm 'slaney' (triangles of area one in Hz); "
        "row i has the weights `weights` from frequency bin `first` on, zero elsewhere"
    ),
    "log_mel": (
        "natural ln(max(mel, 1e-10)), mel = filterbank * |STFT|^2; STFT: periodic Hann window of n_fft samples "
        "(0.5 - 0.5 cos(2 pi n / n_fft)), centred, padded by n_fft/2 on both sides by reflection without the "
        "edge sample, no scaling; frames = 1 + samples / hop (whole division); log_mel[t][mel]"
    ),
    "mfcc": f"DCT-II, orthonormal, over the mel axis of log_mel, first {N_MFCC}, no lifter; mfcc[t][coefficient]",
    "numbers": (
        "9 significant digits; signals are float32 numbers, which 9 digits name exactly; everything else was "
        "computed in float64 from those. Signal 'short' starts with 400 samples of digital silence: its "
        "first frames stand at the floor"
    ),
    "resample": (
        "`input` at 16000 Hz is a sum of steady sines below 3.4 kHz; `output` is the same sines at 8000 Hz "
        "(the ideal, and so the same as every second sample of `input`); `resample_poly.output` is "
        "scipy.signal.resample_poly(input, 1, 2) with the window 'long' (firwin, 513 taps, Kaiser beta 12, cut "
        "at 4 kHz); `db` is 10 log10(sum of squared differences from `output` / sum of squared `output`) over "
        f"output samples {EDGE}..len-{EDGE}, for that window and for scipy's default of 41 taps, whose output is "
        "not stored; `output_11025` is the same sines at 11025 Hz. Time starts at 0 in each: no delay"
    ),
}


def chirps(random, samples, silence):
    """A sum of three chirps and noise, after `silence` samples of nothing; float32 numbers."""
    seconds = numpy.arange(samples) / RATE
    signal = 0.02 * random.standard_normal(samples)
    for low, high, loud in ((80.0, 900.0, 0.5), (2600.0, 400.0, 0.3), (1200.0, 3800.0, 0.1)):
        phase = random.uniform(0.0, 360.0)
        signal += loud * scipy.signal.chirp(seconds, low, seconds[-1], high, phi=phase)
    signal[:silence] = 0.0
    return signal.astype(numpy.float32).astype(numpy.float64)


def filterbank(n_fft, n_mels):
    return librosa.filters.mel(
        sr=RATE, n_fft=n_fft, n_mels=n_mels, fmin=FMIN, fmax=FMAX, htk=False, norm="slaney", dtype=numpy.float64
    )


def compact(weights):
    """The rows of a filterbank without their zeros."""
    rows = []
    for row in weights:
        filled = numpy.flatnonzero(row)
        first, end = int(filled[0]), int(filled[-1]) + 1
        rows.append({"first": first, "weights": golden_json.significant(row[first:end].tolist())})
    return rows


def features(signal, n_fft, hop, n_mels):
    spectrum = librosa.stft(
        signal, n_fft=n_fft, hop_length=hop, window="hann", center=True, pad_mode="reflect", dtype=numpy.complex128
    )
    log_mel = numpy.log(numpy.maximum(filterbank(n_fft, n_mels) @ (numpy.abs(spectrum) ** 2), FLOOR))
    mfcc = librosa.feature.mfcc(S=log_mel, n_mfcc=N_MFCC, dct_type=2, norm="ortho", lifter=0)
    delta = librosa.feature.delta(mfcc, width=DELTA_WIDTH, order=1, mode="nearest")
    assert numpy.allclose(delta, delta_by_formula(mfcc))
    assert numpy.allclose(spectrum, stft_by_formula(signal, n_fft, hop))
    assert log_mel.shape == (n_mels, 1 + len(signal) // hop)
    single = filterbank(n_fft, n_mels).astype(numpy.float32) @ power_float32(signal, n_fft, hop)
    off = abs(numpy.log(numpy.maximum(single, FLOOR)) - log_mel).max()
    print(f"n_fft {n_fft}, {n_mels} mels, {log_mel.shape[1]} frames: float32 off by {off:.1e} in log_mel")
    return {
        "frames": log_mel.shape[1],
        "log_mel": golden_json.significant(log_mel.T.tolist()),
        "mfcc": golden_json.significant(mfcc.T.tolist()),
        "delta": golden_json.significant(delta.T.tolist()),
    }


def power_float32(signal, n_fft, hop):
    """|STFT|^2 in single precision, to say what can be asked of it."""
    spectrum = librosa.stft(
        signal.astype(numpy.float32), n_fft=n_fft, hop_length=hop, window="hann", center=True, pad_mode="reflect"
    )
    assert spectrum.dtype == numpy.complex64
    return numpy.abs(spectrum) ** 2


def delta_by_formula(frames):
    """What the note `delta` says, to prove the note."""
    reach = DELTA_WIDTH // 2
    wide = numpy.pad(frames, ((0, 0), (reach, reach)), mode="edge")
    n = frames.shape[1]
    return sum(k * wide[:, reach + k : reach + k + n] for k in range(-reach, reach + 1)) / 60.0


def stft_by_formula(signal, n_fft, hop):
    """What the note `log_mel` says of the STFT, to prove the note."""
    wide = numpy.pad(signal, n_fft // 2, mode="reflect")
    window = 0.5 - 0.5 * numpy.cos(2 * numpy.pi * numpy.arange(n_fft) / n_fft)
    starts = range(0, len(wide) - n_fft + 1, hop)
    return numpy.array([numpy.fft.rfft(window * wide[start : start + n_fft]) for start in starts]).T


def sines(random, count):
    """Frequencies below 3.4 kHz, amplitudes and phases."""
    return random.uniform(60.0, 3_390.0, count), random.uniform(0.02, 0.1, count), random.uniform(0.0, 6.28, count)


def sampled(parts, rate, samples):
    seconds = numpy.arange(samples)[:, None] / rate
    frequencies, loud, phases = parts
    return (loud * numpy.sin(2 * numpy.pi * frequencies * seconds + phases)).sum(axis=1)


def decibels(found, ideal):
    inner = slice(EDGE, len(ideal) - EDGE)
    return float(10 * numpy.log10(((found - ideal)[inner] ** 2).sum() / (ideal[inner] ** 2).sum()))


def resampling(random):
    parts = sines(random, 17)
    source = sampled(parts, WIDE_RATE, 4_003).astype(numpy.float32).astype(numpy.float64)
    ideal = source[::2]
    assert numpy.allclose(ideal, sampled(parts, RATE, len(ideal)), atol=1e-7)
    long = scipy.signal.firwin(513, 0.5, window=("kaiser", 12.0))
    by_long = scipy.signal.resample_poly(source, 1, 2, window=long)
    by_default = scipy.signal.resample_poly(source, 1, 2)
    db = {"long": decibels(by_long, ideal), "default": decibels(by_default, ideal)}
    print(f"resample_poly against the ideal: long {db['long']:.1f} dB, default {db['default']:.1f} dB")
    return {
        "rate_in": WIDE_RATE,
        "rate_out": RATE,
        "edge": EDGE,
        "input": golden_json.significant(source.tolist()),
        "output": golden_json.significant(ideal.tolist()),
        "resample_poly": {"window": "long", "output": golden_json.significant(by_long.tolist())},
        "db": {key: round(value, 1) for key, value in db.items()},
        "output_11025": golden_json.significant(sampled(parts, 11_025, 2_758).tolist()),
    }


def main():
    random = numpy.random.Generator(numpy.random.PCG64(SEED))
    signals = {"long": chirps(random, 4_001, 0), "short": chirps(random, 1_237, 400)}
    body = {
        "notes": NOTES,
        "rate": RATE,
        "floor": FLOOR,
        "fmin": FMIN,
        "fmax": FMAX,
        "n_mfcc": N_MFCC,
        "delta_width": DELTA_WIDTH,
        "settings": SETTINGS,
        "filterbanks": {
            name: compact(filterbank(SETTINGS[name]["n_fft"], SETTINGS[name]["n_mels"])) for name in FILTERBANKS
        },
        "signals": {name: golden_json.significant(signal.tolist()) for name, signal in signals.items()},
        "features": {
            name: {key: features(signal, **setting) for key, setting in SETTINGS.items()}
            for name, signal in signals.items()
        },
        "resample": resampling(random),
    }
    packages = ["librosa", "numpy", "scipy"]
    golden_json.write("andiron-speech/tests/golden/frontend.json", __file__, packages, SEED, body)


if __name__ == "__main__":
    main()
