"""What happens to one site on its way to a record, whoever runs it."""

from deeprke_tf import records
from deeprke_tf.encoding import Encoding
from deeprke_tf.sites import Site


def site_to_record(site: Site, dot_bracket: str, encoding: Encoding) -> bytes:
    """Encodes and serializes one labelled site.

    Args:
      site: The site; its label is 0 or 1.
      dot_bracket: Its structure, as long as its sequence.
      encoding: k, alphabets and fold settings of the dataset.
    """
    if site.label is None:
        raise ValueError(f"{site.name}: a record needs a label.")
    sequence_kmers, structure_kmers = encoding.encode(site.sequence, dot_bracket)
    return records.serialize(site.name, sequence_kmers, structure_kmers, site.label)
