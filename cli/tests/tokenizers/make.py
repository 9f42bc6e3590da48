"""Small tokenizers and the ids that Hugging Face's own library gives with them (`cli/tests/suite/tokenizers.rs`).

Run where `pip install tokenizers sentencepiece protobuf` was: python make.py
"""

import io
import json
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, __version__, models, normalizers, pre_tokenizers, processors, trainers

LINES = """\
The quick brown fox jumps over the lazy dog, and the dog does not mind at all.
She sells sea shells by the sea shore; the shells she sells are sea shells for sure.
How much wood would a woodchuck chuck if a woodchuck could chuck wood?
Peter Piper picked a peck of pickled peppers. It's what they've always said, isn't it?
Der schnelle braune Fuchs springt \u00fcber den faulen Hund, und den k\u00fcmmert es nicht.
Le caf\u00e9 est tr\u00e8s bon ici, mais la cr\u00e8me br\u00fbl\u00e9e n'est pas \u00e0 la hauteur.
In 2024 the price rose by 12.5% to $1,234.56 (see page 78-90).
\u4eca\u65e5\u306f\u3068\u3066\u3082\u5929\u6c17\u304c\u3044\u3044\u3067\u3059\u306d\u3002\u660e\u65e5\u306f\u96e8\u3067\u3059\u3002
the films were dull and weak; the stories were great, lovely and superb
""".splitlines()

TEXTS = LINES + [
    "",
    " ",
    "the",
    "Unseen woods, unchucked  peppers\tand\n\nnew lines   ",
    "\u00dcBER CAF\u00c9 \ufb01lm \uff21\uff22\uff23 \u2160",
    "cafe\u0301 \u200b zero\u00a0width \U0001f600 \U0001f468\u200d\U0001f469",
    "<s> is no beginning </s> and <mask> or [MASK] [SEP] <pad> no end",
    "we'll they've I'M HE'S  'quoted'",
    "x" * 120,
    "\u0928\u092e\u0938\u094d\u0924\u0947 \ud55c\uad6d\uc5b4 \u0440\u0443\u0441\u0441\u043a\u0438\u0439",
]


def wordpiece():
    own = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    own.normalizer = normalizers.BertNormalizer()
    own.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    own.train_from_iterator(LINES, trainers.WordPieceTrainer(vocab_size=260, special_tokens=special, show_progress=False))
    around = [(t, own.token_to_id(t)) for t in ("[CLS]", "[SEP]")]
    own.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=around)
    return own


def roberta():
    own = Tokenizer(models.BPE())
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    own.train_from_iterator(
        LINES,
        trainers.BpeTrainer(vocab_size=420, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    sep, cls = [(t, own.token_to_id(t)) for t in ("</s>", "<s>")]
    own.post_processor = processors.RobertaProcessing(sep, cls, add_prefix_space=False)
    return own


def unigram():
    """As `transformers` brings XLM-R's SentencePiece model into this form; the rules of characters are few."""
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        # What a character becomes, in hexadecimal.
        rules.write("FB01\t66 69\nFF21\t41\nFF22\t42\nA0\t20\n200B\t\n9\t20\nA\t20\n65 301\tE9\n")
        rules.flush()
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(LINES), model_writer=model, vocab_size=230, model_type="unigram",
            normalization_rule_tsv=rules.name, hard_vocab_limit=False, minloglevel=2,
        )
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(p.piece, p.score) for p in proto.pieces[3:]]
    own = Tokenizer(models.Unigram(pieces, 3))
    own.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    own.normalizer = normalizers.Sequence([
        normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap),
        normalizers.Replace(Regex(" {2,}"), " "),
    ])
    own.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    own.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return own


ids = {"library": f"tokenizers {__version__}", "texts": TEXTS}
for name, own in [("wordpiece", wordpiece()), ("roberta", roberta()), ("unigram", unigram())]:
    with open(f"{name}.json", "w") as file:
        json.dump(json.loads(own.to_str()), file, separators=(",", ":"))
        file.write("\n")
    own.encode_special_tokens = True
    ids[name] = [own.encode(text).ids for text in TEXTS]
    own.enable_truncation(12)
    ids[f"{name} 12"] = [own.encode(text).ids for text in TEXTS]
with open("ids.json", "w") as file:
    json.dump(ids, file, separators=(",", ":"))
    file.write("\n")
