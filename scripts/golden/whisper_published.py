"""The published Whisper tiny.en and base, from CTranslate2's files: logits by transformers on real
sound, and texts by openai-whisper: greedy, by a beam, with times, of a long sound, and its language.

Needs the assets whisper-tiny-en, whisper-base and librivox (scripts/fetch-assets,
scripts/convert-assets). Writes crates/andiron-speech/tests/golden/whisper.json.
"""

import golden_json

import os
import wave


import numpy
import torch
import transformers
import whisper
from whisper.decoding import DecodingOptions

import whisper_weights

SEED = 0
ASSETS = golden_json.CRATES.parent / "assets"
SENTENCES = ["0870", "0880", "0890", "0920", "0930"]
EVERY = 1297
NOTES = {
    "logits": f"of every place, float32 by transformers: every {EVERY}th, and which is the greatest of all",
    "long": "the five sentences, and 1.5 s of silence behind each, three times over",
}


def samples(name):
    with wave.open(str(ASSETS / "librivox" / f"{name}.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        return numpy.frombuffer(file.readframes(file.getnframes()), numpy.int16).astype(numpy.float32) / 32768


def options(model, **more):
    return {"fp16": False, "language": "en", "suppress_tokens": "-1", **more}


def mel_of(sound, n_mels):
    """Frames of the sound as openai-whisper's `transcribe` gives them to the network."""
    mel = whisper.log_mel_spectrogram(sound, n_mels, padding=whisper.audio.N_SAMPLES)
    content = mel.shape[-1] - whisper.audio.N_FRAMES
    return whisper.pad_or_trim(mel[:, :content], whisper.audio.N_FRAMES)


def decoded(model, mel, **more):
    result = whisper.decode(model, mel, DecodingOptions(**options(model, **more)))
    return {
        "tokens": result.tokens,
        "text": result.text,
        "log_probability": golden_json.significant(result.avg_logprob, 6),
        "no_speech": golden_json.significant(result.no_speech_prob, 6),
    }


def languages(model):
    """As `transcribe` hears it: in the first window, with the frames of silence behind the sound."""
    found = []
    for name in SENTENCES:
        mel = whisper.log_mel_spectrogram(samples(name), 80, padding=whisper.audio.N_SAMPLES)
        _, probabilities = model.detect_language(whisper.pad_or_trim(mel, whisper.audio.N_FRAMES))
        best = sorted(probabilities.items(), key=lambda pair: -pair[1])[:4]
        pairs = [[code, golden_json.significant(p, 6)] for code, p in best]
        found.append({"name": name, "best": pairs})
    return found


def of_model(folder):
    file = ASSETS / folder / "model.bin"
    asked, model = whisper_weights.transformers_model(file), whisper_weights.openai_model(file)
    tokenizer = whisper.tokenizer.get_tokenizer(
        model.is_multilingual, num_languages=model.num_languages, language="en", task="transcribe"
    )
    cases = []
    for name in SENTENCES:
        mel = mel_of(samples(name), 80)
        greedy = decoded(model, mel, without_timestamps=True)
        ids = [*tokenizer.sot_sequence_including_notimestamps, *greedy["tokens"]]
        with torch.no_grad():
            logits = asked(input_features=mel[None], decoder_input_ids=torch.tensor([ids])).logits[0]
        cases.append({
            "name": name,
            "ids": ids,
            "logits": golden_json.significant(logits[:, ::EVERY].flatten().tolist(), 7),
            "greatest": logits.argmax(dim=-1).tolist(),
            "greedy": greedy,
            "times": decoded(model, mel),
            "beam": decoded(model, mel, beam_size=5),
            "beam_times": decoded(model, mel, beam_size=3, patience=2.0, length_penalty=0.5),
        })
        print(name, greedy["text"])
    silence = numpy.zeros(24000, numpy.float32)
    long = numpy.concatenate([part for name in SENTENCES for part in (samples(name), silence)] * 3)
    whole = model.transcribe(
        long, temperature=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0), fp16=False, language="en", condition_on_previous_text=True
    )
    segments = [[round(one["start"], 3), round(one["end"], 3), one["text"], one["temperature"]] for one in whole["segments"]]
    for one in segments:
        print(one)
    body = {
        "cases": cases,
        "long": segments,
        "suppress": sorted(
            {*tokenizer.non_speech_tokens, tokenizer.transcribe, tokenizer.translate, tokenizer.sot, tokenizer.sot_prev,
             tokenizer.sot_lm, tokenizer.no_speech}
        ),
    }
    if model.is_multilingual:
        body["languages"] = languages(model)
        body["translated"] = decoded(model, mel_of(samples("0880"), 80), task="translate", language="de")
    return body


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(os.cpu_count())
    body = {folder.replace("-", "_"): of_model(folder) for folder in ("whisper-tiny-en", "whisper-base")}
    golden_json.write(
        "andiron-speech/tests/golden/whisper.json", __file__, ["openai-whisper", "torch", "transformers"], SEED,
        {**body, "every": EVERY, "notes": NOTES},
    )


if __name__ == "__main__":
    main()
