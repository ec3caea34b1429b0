"""Silero VAD by the package's own network in tinygrad, and its segments: probabilities of two meetings of half a minute,
the segments of random probabilities under many settings, and the frames' AUC and F1 over thirteen meetings.

Reads the assets `silero-vad` and `ami-clips`; of the sounds no sample is written. tinygrad wants clang.
"""

import golden_json  # first: it pins the thread counts

import os

os.environ.setdefault("DEV", "CPU")

import importlib.util
import itertools
import sys
import types

import numpy
import soundfile
from sklearn.metrics import f1_score, roc_auc_score
from tinygrad import Tensor, TinyJit
from tinygrad.nn.state import load_state_dict, safe_load

SEED = 7
ASSETS = golden_json.CRATES.parent / "assets"
RATE, FRAME, CONTEXT = 16_000, 512, 64
WRITTEN = ("tst00", "dev01")
SETTINGS = [
    dict(zip(("threshold", "min_speech_duration_ms", "min_silence_duration_ms", "speech_pad_ms", "max_speech_duration_s"), of))
    for of in [(.5, 250, 100, 30, None), (.3, 0, 0, 0, None), (.6, 64, 31, 100, None), (.5, 100, 64, 200, None),
               (.5, 250, 100, 30, 1.5), (.4, 32, 0, 17, .7), (.5, 33, 200, 45, 1.0), (.1, 100, 160, 30, 2.0)]
]
NOTES = {
    "clips": "one probability for each 512 samples, 9 digits",
    "segments": "random probabilities in thousandths; spans in samples, the sound 100 samples short of its frames",
    "scores": "a frame is speech if its middle lies in a span of the RTTM files",
}


def package(name):
    path = ASSETS / "silero-vad" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def probabilities(model, samples):
    samples = numpy.concatenate([numpy.zeros(CONTEXT), samples, numpy.zeros(-len(samples) % FRAME)]).astype(numpy.float32)
    state, found = Tensor.zeros(2, 1, 128).contiguous().realize(), []

    @TinyJit
    def step(frame, state):
        out, after = model(frame, state)
        return out.realize(), after.contiguous().realize()

    for at in range(CONTEXT, len(samples), FRAME):
        out, after = step(Tensor(samples[None, at - CONTEXT:at + FRAME]).contiguous().realize(), state)
        found.append(float(out.numpy()[0, 0]))
        state = Tensor(after.numpy()).contiguous().realize()
    return found


def spans():
    found = {}
    for path in sorted((ASSETS / "ami-clips").glob("*.rttm")):
        for line in path.read_text(encoding="utf-8").splitlines():
            _, name, _, start, length, *_ = line.split()
            found.setdefault(name, []).append((float(start), float(start) + float(length)))
    return found


def main():
    model = package("tinygrad_model").TinySileroVAD()
    load_state_dict(model, safe_load(ASSETS / "silero-vad" / "silero_vad_16k.safetensors"), verbose=False)
    truth, clips, all_truth, all_said = spans(), {}, [], []
    paths = sorted((ASSETS / "ami-clips").glob("*.wav"))
    assert len(paths) == 13, f"{len(paths)} clips"
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32")
        assert rate == RATE and samples.ndim == 1
        said = probabilities(model, samples)
        middles = [(i + .5) * FRAME / RATE for i in range(len(said))]
        all_truth += [any(a <= at < b for a, b in truth[path.stem]) for at in middles]
        all_said += said
        if path.stem in WRITTEN:
            clips[path.stem] = golden_json.significant(said, 9)
    # utils_vad imports torch for tensors and packaging for versions; neither is used here.
    torch = types.ModuleType("torch")
    torch.no_grad = lambda: (lambda function: function)
    torch.Tensor, torch.device = object, lambda name: name
    sys.modules.setdefault("torch", torch)
    utils = package("utils_vad")
    random, cases = numpy.random.default_rng(SEED), []
    for settings, exit_threshold in itertools.product(SETTINGS, (None, .25)):
        # A walk, so that there are spans of every length.
        walk = numpy.abs(numpy.cumsum(random.normal(0, .22, 400)) % 2 - 1)
        thousandths = [int(value) for value in numpy.round(walk * 1000)]
        given = {name: value for name, value in settings.items() if value is not None}
        samples = 400 * FRAME - 100
        found = utils.get_speech_timestamps_from_probs(
            [value / 1000 for value in thousandths], neg_threshold=exit_threshold, audio_length_samples=samples, **given)
        cases.append({"settings": settings | {"neg_threshold": exit_threshold}, "thousandths": thousandths,
                      "samples": samples, "spans": [[span["start"], span["end"]] for span in found]})
    scores = {
        "frames": len(all_said), "speech": sum(all_truth),
        "auc": roc_auc_score(all_truth, all_said),
        "f1": f1_score(all_truth, [value >= .5 for value in all_said]),
    }
    print(scores, [len(case["spans"]) for case in cases])
    body = {"clips": clips, "segments": cases, "scores": golden_json.significant(list(scores.values()), 9), "notes": NOTES}
    body["scores"] = dict(zip(scores, body["scores"]))
    golden_json.write("andiron-speech/tests/golden/silero_vad.json", __file__,
                      ["numpy", "scikit-learn", "soundfile", "tinygrad"], SEED, body)


if __name__ == "__main__":
    main()
