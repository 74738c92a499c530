"""What windows are cut from."""

from typing import NamedTuple

from deeprke_tf.genome.annotation import Annotation
from deeprke_tf.genome.genome import Genome
from deeprke_tf.genome.regions import Regions
from deeprke_tf.genome.spliced import SplicedTranscripts


class Ground(NamedTuple):
    """What windows are cut from.

    Attributes:
      genome: The genome.
      annotation: Transcripts on its chromosomes; None: there are none.
      regions: Their regions.
      spliced: Transcripts to cut from; None: all windows lie on the genome.
    """

    genome: Genome
    annotation: Annotation | None = None
    regions: Regions | None = None
    spliced: SplicedTranscripts | None = None
