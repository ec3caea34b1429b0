"""The GE2E encoder of Resemblyzer on given mel frames and on given sounds, its equal error rate on 300 recordings, and the
GE2E losses with their slopes by torch.

Reads the assets `resemblyzer`, `stamp-voices` and `prompts-en`, of which nothing but numbers is written. Its own
environment, since the package wants librosa of its time: librosa==0.9.2 numpy==1.26.4 scikit-learn==1.9.1 scipy==1.17.1
soundfile==0.14.0 torch==2.15.0. webrtcvad's trimming of silence is left out.
"""

import golden_json  # first: it pins the thread counts

import importlib.util
import sys
import types

import librosa
import numpy
import soundfile
import torch
from sklearn.metrics import roc_curve

SEED = 7
ASSETS = golden_json.CRATES.parent / "assets"
NOTES = {
    "mels": "frame t, band m of partial p is ((7 t t + 13 t m + 31 m + 5 p) mod 97) / 97 * 10 ** ((t + 3 m + p) mod 6 - 4)",
    "sounds": "sample n of sound s at 16 kHz is 0.02 sin(n (s + 2) / 17) + 0.01 sin(n n (s + 1) / 90000), in doubles",
    "scores": "all pairs of two different recordings; the rate where false acceptance crosses false rejection",
}


def package():
    """The package's modules without its imports of webrtcvad and of a name that scipy has given up."""
    sys.modules["webrtcvad"] = types.ModuleType("webrtcvad")
    morphology = types.ModuleType("scipy.ndimage.morphology")
    morphology.binary_dilation = None
    sys.modules["scipy.ndimage.morphology"] = morphology
    whole = types.ModuleType("resemblyzer")
    whole.__path__ = [str(ASSETS / "resemblyzer")]
    sys.modules["resemblyzer"] = whole
    for name in ("hparams", "audio", "voice_encoder"):
        spec = importlib.util.spec_from_file_location(f"resemblyzer.{name}", ASSETS / "resemblyzer" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        setattr(whole, name, module)
        spec.loader.exec_module(module)
    return whole


def mels(partials, frames=160):
    p, t, m = numpy.ogrid[:partials, :frames, :40]
    return ((7 * t * t + 13 * t * m + 31 * m + 5 * p) % 97 / 97 * 10.0 ** ((t + 3 * m + p) % 6 - 4)).astype(numpy.float32)


def sound(s, samples):
    n = numpy.arange(samples, dtype=numpy.float64)
    return (.02 * numpy.sin(n * (s + 2) / 17) + .01 * numpy.sin(n * n * (s + 1) / 90000)).astype(numpy.float32)


def equal_error_rate(same, scores):
    accepted, found, _ = roc_curve(same, scores, drop_intermediate=False)
    rejected = 1 - found
    at = numpy.flatnonzero(accepted >= rejected)[0]
    rise = (accepted[at] - accepted[at - 1]) - (rejected[at] - rejected[at - 1])
    share = (rejected[at - 1] - accepted[at - 1]) / rise
    return accepted[at - 1] + share * (accepted[at] - accepted[at - 1])


def losses(vectors, speakers, scale, offset):
    """Equations 5 to 9 of the paper, an utterance after the other; the means over those that count."""
    names = sorted(set(speakers))
    softmax, contrast = [], []
    for i, own in enumerate(speakers):
        if speakers.count(own) < 2:
            continue
        row = []
        for name in names:
            of = [vectors[j] for j in range(len(speakers)) if speakers[j] == name and j != i]
            centre = torch.stack(of).mean(0)
            row.append(scale * torch.nn.functional.cosine_similarity(vectors[i], centre, dim=0) + offset)
        row, at = torch.stack(row), names.index(own)
        softmax.append(-row[at] + row.logsumexp(0))
        others = torch.cat([row[:at], row[at + 1:]])
        contrast.append(1 - row[at].sigmoid() + others.sigmoid().max())
    return torch.stack(softmax).mean(), torch.stack(contrast).mean()


def loss_cases(random):
    cases = []
    for speakers, width, at in (([0, 1, 2, 0, 1, 2, 0, 1], 5, (10.0, -5.0)), ([3, 3, 0, 1, 1, 3, 2], 4, (2.5, .7)),
                                ([0, 0, 1], 3, (70.0, -4.0))):
        vectors = numpy.abs(random.normal(size=(len(speakers), width))).round(3)
        for kind in (0, 1):
            leaf = torch.tensor(vectors, requires_grad=True)
            scale, offset = (torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in at)
            unit = leaf / leaf.norm(dim=1, keepdim=True)
            loss = losses(unit, speakers, scale, offset)[kind]
            loss.sum().backward()
            cases.append({
                "kind": ("softmax", "contrast")[kind], "speakers": speakers, "scale": at[0], "offset": at[1],
                "vectors": vectors.tolist(), "loss": golden_json.significant(loss.item(), 9),
                "slopes": golden_json.significant(leaf.grad.tolist(), 9),
                "scale_slope": golden_json.significant(scale.grad.item(), 9),
                "offset_slope": golden_json.significant(offset.grad.item() + 0.0, 9) if kind else 0.0,
            })
    return cases


def main():
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    resemblyzer = package()
    encoder = resemblyzer.voice_encoder.VoiceEncoder("cpu", verbose=False, weights_fpath=ASSETS / "resemblyzer" / "pretrained.pt")
    body = {"notes": NOTES, "losses": loss_cases(numpy.random.default_rng(SEED))}
    with torch.no_grad():
        body["mels"] = golden_json.significant(encoder(torch.from_numpy(mels(3))).tolist(), 9)
        body["short"] = golden_json.significant(encoder(torch.from_numpy(mels(2, 23))).tolist(), 9)
    body["sounds"] = [
        {"samples": samples, "embedding": golden_json.significant(
            encoder.embed_utterance(resemblyzer.audio.normalize_volume(sound(s, samples), -30, increase_only=True)).tolist(), 9)}
        for s, samples in enumerate((9_001, 25_600, 41_777, 60_000))
    ]
    lines = (golden_json.CRATES / "andiron-speech/tests/golden/speakers.tsv").read_text(encoding="utf-8").splitlines()
    voices, vectors = [], []
    for line in lines:
        voice, name = line.split("\t")
        samples, rate = soundfile.read(ASSETS / name, dtype="float32")
        samples = samples.mean(axis=1) if samples.ndim == 2 else samples
        samples = librosa.resample(samples, orig_sr=rate, target_sr=16_000)
        samples = resemblyzer.audio.normalize_volume(samples, -30, increase_only=True)
        vectors.append(encoder.embed_utterance(samples))
        voices.append(voice)
    vectors = numpy.stack(vectors)
    scores, places = vectors @ vectors.T, numpy.triu_indices(len(voices), 1)
    same = numpy.array([[a == b for a in voices] for b in voices])[places]
    rate = equal_error_rate(same, scores[places])
    body["scores"] = {"recordings": len(voices), "pairs": int(len(same)), "same": int(same.sum()),
                      "eer": golden_json.significant(rate, 6)}
    print(body["scores"])
    golden_json.write("andiron-speech/tests/golden/ge2e.json", __file__,
                      ["librosa", "numpy", "scikit-learn", "soundfile", "torch"], SEED, body)


if __name__ == "__main__":
    main()
