"""Names of chromosomes: the same one is `chr1`, `1` or `NC_000001.11`.

UCSC, Ensembl and RefSeq name chromosomes differently, and peaks, genome and annotation
of one experiment come from any of them. A name of one file is matched to a name of the
genome where that is unambiguous.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

# RefSeq accessions of the nuclear chromosomes, by the number of the first one: names in
# the order of the accessions.
_HUMAN = [*map(str, range(1, 23)), "X", "Y"]
_MOUSE = [*map(str, range(1, 20)), "X", "Y"]
_ROMAN = [
    "I",
    "II",
    "III",
    "IV",
    "V",
    "VI",
    "VII",
    "VIII",
    "IX",
    "X",
    "XI",
    "XII",
    "XIII",
    "XIV",
    "XV",
    "XVI",
]
_FLY = {"NC_004354": "X", "NT_033779": "2L", "NT_033778": "2R", "NT_037436": "3L"}
_FLY |= {"NT_033777": "3R", "NC_004353": "4", "NC_024512": "Y"}
_REFSEQ = {
    f"NC_{first + i:06d}": name
    for first, names in ((1, _HUMAN), (67, _MOUSE), (1133, _ROMAN))
    for i, name in enumerate(names)
} | _FLY
# Human, mouse, yeast, fly, worm, rat, zebrafish.
_MITOCHONDRIA = ("012920", "005089", "001224", "024511", "001328", "001665", "002333")
_REFSEQ |= {f"NC_{number}": "M" for number in _MITOCHONDRIA}

_ACCESSION = re.compile(r"([A-Z]{2}_\d+)(?:\.\d+)?")
_PREFIX = re.compile(r"chr(?:omosome)?[_-]?(?=.)", re.IGNORECASE)
# UCSC writes the accession KI270706.1 of a scaffold as chr1_KI270706v1_random.
_SCAFFOLD = re.compile(r"(?:\w+_)?([A-Z]{2}\d{6})v(\d+)(?:_(?:random|alt|fix))?")
_MITOCHONDRION = {"M", "MT", "MITO", "MITOCHONDRION", "MITOCHONDRION_GENOME"}


def common_name(name: str) -> str:
    """Returns what names of one chromosome have in common.

    >>> [common_name(name) for name in ("chr1", "1", "NC_000001.11", "Chr1")]
    ['1', '1', '1', '1']
    >>> [common_name(name) for name in ("chrM", "MT", "chrIV", "chrUn_KI270742v1")]
    ['M', 'M', 'IV', 'KI270742.1']
    """
    accession = _ACCESSION.fullmatch(name)
    if accession and accession[1] in _REFSEQ:
        return _REFSEQ[accession[1]]
    short = _PREFIX.sub("", name, count=1)
    if scaffold := _SCAFFOLD.fullmatch(short):
        return f"{scaffold[1]}.{scaffold[2]}"
    return "M" if short.upper() in _MITOCHONDRION else short


class ChromosomeNames:
    """The names of a genome's chromosomes, by which names of other files are found.

    >>> names = ChromosomeNames(["chr1", "chrM", "22:20000001-21000000"])
    >>> [names.find(name) for name in ("chr1", "1", "NC_012920.1", "22", "chr2")]
    ['chr1', 'chr1', 'chrM', None, None]

    Args:
      names: Of the genome.
    """

    def __init__(self, names: Iterable[str]):
        self._names = dict.fromkeys(names)
        self._by_common_name: dict[str, list[str]] = defaultdict(list)
        for name in self._names:
            self._by_common_name[common_name(name)].append(name)

    def find(self, name: str) -> str | None:
        """Returns the genome's name of a chromosome.

        Args:
          name: As another file has it.

        Returns:
          The same name, or else the one name that means the same; None where the genome
          has none, or more than one.
        """
        if name in self._names:
            return name
        found = self._by_common_name.get(common_name(name), [])
        return found[0] if len(found) == 1 else None
