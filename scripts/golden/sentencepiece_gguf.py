"""A small SentencePiece vocabulary of pairs (as Llama's) in a GGUF file without weights, and what the
package sentencepiece makes of texts with it.

Writes crates/andiron-nlp/tests/golden/sentencepiece.gguf and sentencepiece.json.
"""

import golden_json

import io

import gguf
import sentencepiece

SEED = 0
N_TOKENS = 400
# Public domain: the beginning of the King James Bible, and of Don Quixote.
CORPUS = """
In the beginning God created the heaven and the earth.
And the earth was without form, and void; and darkness was upon the face of the deep.
And the Spirit of God moved upon the face of the waters.
And God said, Let there be light: and there was light.
And God saw the light, that it was good: and God divided the light from the darkness.
And God called the light Day, and the darkness he called Night.
En un lugar de la Mancha, de cuyo nombre no quiero acordarme, no ha mucho tiempo que vivía un hidalgo.
""".strip().splitlines()
TEXTS = [
    "And God said, Let there be light",
    "the darkness  of the\nwaters ",
    " a leading space",
    "vivía en 1605, naïve 日本 🦀!",
    "x",
    "lightlightlight theearth",
    "\ttabs\tand  two  spaces",
    "▁the sign itself",
]
NOTES = {
    "ids": "by sentencepiece, without a token in front",
    "decoded": "the same tokens as text again, by sentencepiece",
}
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6


def kind(processor, at):
    if processor.IsUnknown(at):
        return UNKNOWN
    if processor.IsControl(at):
        return CONTROL
    return BYTE if processor.IsByte(at) else NORMAL


def main():
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_writer=trained,
        model_type="bpe",
        vocab_size=N_TOKENS,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    pieces = range(processor.GetPieceSize())
    path = golden_json.CRATES / "andiron-nlp/tests/golden/sentencepiece.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([processor.IdToPiece(at) for at in pieces])
    writer.add_token_scores([processor.GetScore(at) for at in pieces])
    writer.add_token_types([kind(processor, at) for at in pieces])
    writer.add_unk_token_id(processor.unk_id())
    writer.add_bos_token_id(processor.bos_id())
    writer.add_eos_token_id(processor.eos_id())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    cases = []
    for text in TEXTS:
        ids = processor.EncodeAsIds(text)
        cases.append({"text": text, "ids": ids, "decoded": processor.DecodeIds(ids)})
    golden_json.write(
        "andiron-nlp/tests/golden/sentencepiece.json",
        __file__,
        ["gguf", "sentencepiece"],
        SEED,
        {"cases": cases, "notes": NOTES, "n_tokens": processor.GetPieceSize()},
    )


if __name__ == "__main__":
    main()
