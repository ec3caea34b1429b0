"""What benches/peers/run does with sound: voice activity beside the package's own, and log-mel bands beside librosa and
torchaudio."""

import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CLIP = ROOT / "assets" / "ami-clips" / "tst00.wav"
RATE, N_FFT, HOP, BANDS = 16_000, 400, 160, 80
SECONDS = 60


class AndironSound:
    """Andiron's side: `ask` sends a line of work and gives the answer."""

    def __init__(self, ask, made):
        self.ask, self.made = ask, made

    def write(self, samples):
        path = self.made / "sound.f32"
        path.write_bytes(samples.tobytes())
        return str(path)

    def speech(self, samples):
        answer = self.ask({"vad": self.write(samples)})
        return answer["seconds"], answer["spans"]

    def log_mel(self, samples):
        answer = self.ask({"log_mel": self.write(samples)})
        return answer["seconds"], answer["first"]


class Silero:
    """The package's own, whose ONNX and TorchScript files hold a network of the same size with other weights."""

    def __init__(self, onnx):
        import silero_vad

        self.package, self.model = silero_vad, silero_vad.load_silero_vad(onnx=onnx)

    def speech(self, samples):
        import torch

        samples = torch.from_numpy(samples)
        started = time.perf_counter()
        spans = self.package.get_speech_timestamps(samples, self.model)
        return time.perf_counter() - started, [[span["start"] / RATE, span["end"] / RATE] for span in spans]


class Librosa:
    def log_mel(self, samples):
        import librosa
        import numpy

        started = time.perf_counter()
        bands = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=BANDS,
                                               fmin=20, pad_mode="reflect")
        bands = numpy.log(numpy.maximum(bands, 1e-10))
        return time.perf_counter() - started, bands[:, 0].tolist()


class Torchaudio:
    def __init__(self):
        import torchaudio

        self.bands = torchaudio.transforms.MelSpectrogram(
            sample_rate=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=BANDS, f_min=20, norm="slaney", mel_scale="slaney")

    def log_mel(self, samples):
        import torch

        samples = torch.from_numpy(samples)
        with torch.inference_mode():
            started = time.perf_counter()
            bands = self.bands(samples).clamp_min(1e-10).log()
            return time.perf_counter() - started, bands[:, 0].tolist()


def table(seconds, sound, ratios):
    for name, all_of in seconds.items():
        middle = statistics.median(all_of)
        print(f"{name:>20}{1000 * middle:10.1f} ms{sound / middle:10.0f} times as fast as the sound")
    for name, median, low, high in ratios(seconds):
        print(f"Andiron's time by {name}'s: {median:.2f} ({low:.2f} to {high:.2f})", flush=True)


def vad(rounds, andiron, in_turn, ratios):
    import soundfile

    samples, rate = soundfile.read(CLIP, dtype="float32")
    assert rate == RATE
    peers = {"Andiron": andiron, "silero-vad, ONNX": Silero(True), "silero-vad, torch": Silero(False)}
    seconds, answers = in_turn(rounds, peers, lambda peer: peer.speech(samples))
    print(f"voice activity, {len(samples) / RATE:.0f} s of a meeting, frame by frame: median")
    table(seconds, len(samples) / RATE, ratios)
    for name, spans in answers.items():
        print(f"{name:>20}: {len(spans)} segments, {sum(end - start for start, end in spans):.1f} s of speech")


def logmel(rounds, andiron, in_turn, ratios):
    import numpy

    samples = (0.1 * numpy.random.default_rng(7).standard_normal(SECONDS * RATE)).astype(numpy.float32)
    peers = {"Andiron": andiron, "librosa": Librosa(), "torchaudio": Torchaudio()}
    seconds, answers = in_turn(rounds, peers, lambda peer: peer.log_mel(samples))
    for name, first in answers.items():
        off = float(numpy.abs(numpy.array(first) - numpy.array(answers["librosa"])).max())
        assert off < 1e-2, f"{name} is {off} from librosa"
    print(f"log-mel, {BANDS} bands of {N_FFT} samples every {HOP}, {SECONDS} s at {RATE} Hz: median")
    table(seconds, SECONDS, ratios)
