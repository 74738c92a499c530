"""From RNA letters to k-mer ids inside a TensorFlow graph, for serving.

The same encoding as `sites.clean_site`, `structure.loop_contexts` and
`encoding.Encoding`, in core TensorFlow operations alone, so that a SavedModel loads
where neither this package nor TensorFlow Text is installed. Tests compare the two. A
site that Python skips becomes a row of one unknown k-mer, which later gets NaN: one bad
row does not fail its batch.

Strings are [batch]; letters are numbers, [batch, width], where width is the length of
the longest string. The only TensorFlow Text import.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from deeprke_tf.data.encoding import Encoding
from deeprke_tf.data.kmers import FIRST_KMER_ID, UNKNOWN_ID, KmerVocabulary
from deeprke_tf.rna.sites import rna_letters
from deeprke_tf.rna.structure import LOOP_CONTEXTS

Views = dict[str, tf.RaggedTensor]

# Numbers of letters outside an alphabet.
_UNKNOWN = -1
_FOREIGN = -2

_STEPS = {"(": 1, ".": 0, ")": -1}
_FOREIGN_STEP = 2

# ASCII white space, as `str.split` has it.
_WHITE_SPACE = r"[\t-\r\x1c-\x1f ]+"


def encode(
    encoding: Encoding,
    sequence: tf.Tensor,
    *,
    dot_bracket: tf.Tensor | None = None,
    contexts: tf.Tensor | None = None,
) -> Views:
    """Encodes the views of a batch of sites.

    N padding at the ends is removed, with its structure. A row is valid if
    `sites.clean_site` accepts it; loop contexts must be as long as the sequence and
    must not pair the padding.

    Args:
      encoding: Encoding of the ids.
      sequence: DNA or RNA letters, string [batch]; white space is dropped.
      dot_bracket: Structures, string [batch], each as long as its sequence.
      contexts: Loop contexts in place of structures, string [batch]; with neither, the
        sequence is encoded alone.

    Returns:
      The ids of each view by feature name, ragged int64 [batch, (n_kmers)]. A valid row
      has a known sequence k-mer; an invalid row is a single `UNKNOWN_ID`.
    """
    sequence = tf.strings.regex_replace(sequence, _WHITE_SPACE, "")
    n_letters = tf.strings.length(sequence)
    width = tf.maximum(tf.reduce_max(n_letters), encoding.k)
    nucleotides = encoding.sequence_alphabet
    letters, valid = _numbers(sequence, width, nucleotides, "N", rna_letters)
    in_site = _in_site(letters)
    ids = {"sequence_kmers": _kmer_ids(letters, encoding.sequence_vocabulary)}
    structure = contexts if dot_bracket is None else dot_bracket
    if structure is not None:
        vocabulary = encoding.structure_vocabulary
        name_loops = _numbers if dot_bracket is None else loop_contexts
        loops, fits = name_loops(structure, width, vocabulary.alphabet)
        valid &= fits & (n_letters == tf.strings.length(structure))
        valid &= ~tf.reduce_any(_paired(loops, vocabulary) & ~in_site, axis=1)
        ids["structure_kmers"] = _kmer_ids(loops, vocabulary)
    return _site_rows(ids, in_site, valid, encoding.k)


def _in_site(letters: tf.Tensor) -> tf.Tensor:
    """Marks the range from first to last known nucleotide, bool [batch, width]."""
    known = tf.cast(letters >= 0, tf.int32)
    before, after = tf.cumsum(known, axis=1), tf.cumsum(known, axis=1, reverse=True)
    return (before > 0) & (after > 0)


def _paired(loops: tf.Tensor, vocabulary: KmerVocabulary) -> tf.Tensor:
    return loops == vocabulary.alphabet.index("S")


def loop_contexts(
    dot_bracket: tf.Tensor, width: tf.Tensor, alphabet: str = LOOP_CONTEXTS
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the loop context of each nucleotide in a batch of structures.

    Sorted by the depth before them, the positions of one loop are adjacent, and its
    closing bracket is the last.

    Args:
      dot_bracket: Structures, string [batch].
      width: Number of positions, at least 1; longer structures are cut.
      alphabet: Loop contexts in the order of their numbers.

    Returns:
      The number of each loop context, int32 [batch, width], -1 past the end of a
      structure; and which structures are balanced dot-bracket, bool [batch]. Numbers of
      unbalanced structures are meaningless.
    """
    steps, inside = _steps(dot_bracket, width)
    depth = tf.cumsum(steps, axis=1)
    balanced = (
        tf.reduce_all(steps != _FOREIGN_STEP, axis=1)
        & tf.reduce_all(depth >= 0, axis=1)
        & (depth[:, -1] == 0)
    )
    steps = tf.where(balanced[:, tf.newaxis], steps, 0)
    number = {letter: alphabet.index(letter) for letter in LOOP_CONTEXTS}
    by_branches = tf.constant([number[letter] for letter in "HIM"])
    contexts = tf.gather(by_branches, tf.minimum(_inner_pairs(steps), 2))
    paired = tf.cast(steps != 0, tf.int32)
    exterior = tf.cumsum(steps, axis=1) == 0
    pairs_before = tf.cumsum(paired, axis=1)
    pairs_after = tf.cumsum(paired, axis=1, reverse=True)
    contexts = tf.where(exterior, number["M"], contexts)
    contexts = tf.where(pairs_after == 0, number["T"], contexts)
    contexts = tf.where(pairs_before == 0, number["F"], contexts)
    contexts = tf.where(steps != 0, number["S"], contexts)
    return tf.where(inside, contexts, _UNKNOWN), balanced


def _steps(dot_bracket: tf.Tensor, width: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the change of depth at each symbol; see `_looked_up`."""
    table = np.full(256, _FOREIGN_STEP, np.int32)
    for symbol, step in _STEPS.items():
        table[ord(symbol)] = step
    steps, inside = _looked_up(dot_bracket, width, table)
    return tf.where(inside, steps, 0), inside


def _inner_pairs(steps: tf.Tensor) -> tf.Tensor:
    """Counts the inner pairs of the loop that each unpaired position lies in.

    Args:
      steps: Balanced: 1 where a pair opens, -1 where it closes, else 0, int32
        [batch, width].

    Returns:
      int32 [batch, width]; meaningless where a position is paired or exterior.
    """
    shape = tf.shape(steps)
    # An opening bracket belongs to the loop outside it, a closing one to the loop that
    # it closes: both have the depth of that loop before them.
    depth = tf.cumsum(steps, axis=1, exclusive=True)
    order = tf.argsort(depth, axis=1, stable=True)
    ordered = tf.gather(steps, order, batch_dims=1)
    loop = tf.cumsum(tf.cast(ordered < 0, tf.int32), axis=1, exclusive=True)
    first = tf.range(shape[0])[:, tf.newaxis] * shape[1]
    # The exterior loop has no closing bracket; without its pairs it adds nothing to the
    # first loop of depth 1, which gets the same number.
    inner = (ordered > 0) & (tf.gather(depth, order, batch_dims=1) > 0)
    n_inner = tf.math.unsorted_segment_sum(
        tf.cast(inner, tf.int32), first + loop, shape[0] * shape[1]
    )
    in_order = tf.gather(n_inner, first + loop)
    places = tf.reshape(first + order, [-1, 1])
    values = tf.scatter_nd(places, tf.reshape(in_order, [-1]), [shape[0] * shape[1]])
    return tf.reshape(values, shape)


def _numbers(
    texts: tf.Tensor,
    width: tf.Tensor,
    alphabet: str,
    unknown: str = "",
    normalize: Callable[[str], str] = str,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Numbers the letters of texts in the order of an alphabet.

    Args:
      texts: string [batch].
      width: Number of letters; longer strings are cut.
      alphabet: The letters that have a number.
      unknown: Letters that have none but may occur.
      normalize: From a letter as it came to one of the alphabet.

    Returns:
      int32 [batch, width], negative if unknown and past the end of a text, and which
      texts have no foreign letter, bool [batch].
    """
    table = np.full(256, _FOREIGN, np.int32)
    for byte in range(256):
        letter = normalize(chr(byte))
        if letter in alphabet:
            table[byte] = alphabet.index(letter)
        elif letter in unknown:
            table[byte] = _UNKNOWN
    numbers, inside = _looked_up(texts, width, table)
    native = tf.reduce_all((numbers != _FOREIGN) | ~inside, axis=1)
    return tf.where(inside, numbers, _UNKNOWN), native


def _looked_up(
    texts: tf.Tensor, width: tf.Tensor, table: np.ndarray
) -> tuple[tf.Tensor, tf.Tensor]:
    """Looks up each byte of texts in a table, int32 [256].

    Returns:
      int32 [batch, width], and which positions lie inside their text, bool
      [batch, width].
    """
    letters = tf.io.decode_raw(texts, tf.uint8, fixed_length=width)
    inside = tf.sequence_mask(tf.strings.length(texts), width)
    return tf.gather(tf.constant(table), tf.cast(letters, tf.int32)), inside


def _kmer_ids(letters: tf.Tensor, vocabulary: KmerVocabulary) -> tf.Tensor:
    """Returns the ids of all k-mers, int64 [batch, width - k + 1].

    Args:
      letters: Numbers in the vocabulary's alphabet, negative if unknown, int32
        [batch, width], at least k wide.
      vocabulary: The k-mers.
    """
    k, base = vocabulary.k, len(vocabulary.alphabet)
    kmers = tf_text.sliding_window(letters, width=k, axis=1)  # [..., k]
    powers = tf.constant([base**power for power in reversed(range(k))])
    ids = FIRST_KMER_ID + tf.reduce_sum(kmers * powers, axis=-1)
    known = tf.reduce_min(kmers, axis=-1) >= 0
    return tf.cast(tf.where(known, ids, UNKNOWN_ID), tf.int64)


def _site_rows(
    ids: dict[str, tf.Tensor], in_site: tf.Tensor, valid: tf.Tensor, k: int
) -> Views:
    """Keeps the k-mers inside each site; see `encode` for what it returns.

    Args:
      ids: k-mer ids of each view, int64 [batch, width - k + 1].
      in_site: Letters inside the site, bool [batch, width].
      valid: Rows without a fault so far, bool [batch].
      k: Letters of a k-mer.
    """
    n_windows = tf.shape(in_site)[1] - k + 1
    kept = in_site[:, :n_windows] & in_site[:, k - 1 :]
    known = ids["sequence_kmers"] >= FIRST_KMER_ID
    valid &= tf.reduce_any(kept & known, axis=1)
    kept = tf.where(valid[:, tf.newaxis], kept, tf.range(n_windows) == 0)
    n_kmers = tf.reduce_sum(tf.cast(kept, tf.int64), axis=1)
    views = {}
    for name, all_ids in ids.items():
        harmless = tf.where(valid[:, tf.newaxis], all_ids, UNKNOWN_ID)
        values = tf.boolean_mask(harmless, kept)
        views[name] = tf.RaggedTensor.from_row_lengths(values, n_kmers, validate=False)
    return views
