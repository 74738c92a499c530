"""What happens to sites on their way to records, whoever runs it."""

from collections.abc import Sequence

from deeprke_tf import records
from deeprke_tf.encoding import Encoding
from deeprke_tf.sites import Site


def sites_to_records(
    sites: Sequence[Site], dot_brackets: Sequence[str], encoding: Encoding
) -> list[bytes]:
    """Encodes and serializes labelled sites.

    Args:
      sites: Some thousand at once, their labels 0 or 1.
      dot_brackets: The structure of each site, as long as its sequence.
      encoding: k, alphabets and fold settings of the dataset.
    """
    labels = []
    for site in sites:
        if site.label is None:
            raise ValueError(f"{site.name}: a record needs a label.")
        labels.append(site.label)
    names = [site.name for site in sites]
    ids = encoding.encode_all([site.sequence for site in sites], dot_brackets)
    return records.serialize_all(names, *ids, labels)
