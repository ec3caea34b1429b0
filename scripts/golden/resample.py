"""Resampling by scipy's polyphase filter, with a long window.

Writes crates/andiron-speech/tests/golden/resample.json.
"""

import golden_json

import math

import numpy
import scipy.signal
import soxr

SEED = 44100
PAIRS = [(44_100, 16_000), (48_000, 16_000), (8_000, 16_000), (22_050, 16_000), (96_000, 8_000), (16_000, 11_025)]
BAND = 0.9
SECONDS = 0.75
KEPT = 600


def main():
    random = numpy.random.Generator(numpy.random.PCG64(SEED))
    cases = []
    for rate_in, rate_out in PAIRS:
        half = min(rate_in, rate_out) / 2
        hertz = numpy.append(random.uniform(30.0, BAND * half, 24), BAND * half)
        loud, phase = random.uniform(0.005, 0.03, 25), random.uniform(0.0, 6.28, 25)
        sampled = lambda rate, n: (loud * numpy.sin(2 * numpy.pi * hertz * numpy.arange(n)[:, None] / rate + phase)).sum(axis=1)
        source = sampled(rate_in, round(SECONDS * rate_in)).astype(numpy.float32).astype(numpy.float64)
        common = math.gcd(rate_in, rate_out)
        up, down = rate_out // common, rate_in // common
        # Straight to 0.9 of half the lower rate, and -140 dB from half the lower rate on.
        window = scipy.signal.firwin(256 * max(up, down) + 1, 0.95 / max(up, down), window=("kaiser", 14.0))
        found = scipy.signal.resample_poly(source, up, down, window=window)
        first = len(found) // 2 - KEPT // 2
        inner = slice(first, first + KEPT)
        ideal = sampled(rate_out, len(found))
        off = lambda found: 10 * numpy.log10(((found[inner] - ideal[inner]) ** 2).sum() / (ideal[inner] ** 2).sum())
        db = off(found)
        by_soxr = off(soxr.resample(source, rate_in, rate_out, quality="VHQ"))
        print(f"{rate_in} to {rate_out}: against the ideal {db:.1f} dB, soxr's VHQ {by_soxr:.1f} dB")
        assert db < -110
        cases.append({
            "rates": [rate_in, rate_out], "samples": len(source), "first": first,
            "sines": golden_json.significant(numpy.stack([hertz, loud, phase], axis=1).tolist(), 17),
            "output": golden_json.significant(found[inner].tolist()), "ideal_db": round(float(db), 1),
        })
    notes = {
        "sines": "[hertz, amplitude, phase in radians]: the input is their sum, rounded to float32; the highest is at "
                 f"{BAND} of half the lower rate",
        "output": f"scipy.signal.resample_poly, Kaiser window of 256 periods of the lower rate, beta 14: {KEPT} samples from number `first` on, in the middle",
    }
    golden_json.write("andiron-speech/tests/golden/resample.json", __file__, ["numpy", "scipy", "soxr"], SEED,
                      {"notes": notes, "band": BAND, "cases": cases})


if __name__ == "__main__":
    main()
