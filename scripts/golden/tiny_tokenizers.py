"""Tiny tokenizers for the golden scripts: pieces of words as BERT has them, pairs of bytes as RoBERTa."""

import tokenizers
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = [
    "the house on the hill and the house by the sea",
    "a ship sails over the sea to the hills",
    "who lives by the sea? the old sailor lives there",
]
WORDS = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "house", "on", "hill", "##s", "and", "by", "sea",
    "a", "ship", "sail", "##or", "over", "to", "who", "live", "?", "old", "there", ".", "where", "is",
]


def word_piece():
    inner = tokenizers.Tokenizer(
        models.WordPiece({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    inner.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=24,
        # Unless told so, transformers leaves the segments out.
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def byte_pairs():
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    # A small alphabet, so that the network's table is small: the texts' own bytes and no other.
    trainer = trainers.BpeTrainer(vocab_size=60, special_tokens=special, show_progress=False)
    inner.train_from_iterator(TEXTS, trainer)
    inner.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>", model_max_length=24,
        mask_token=tokenizers.AddedToken("<mask>", lstrip=True),
    )
