"""Short names of the experiments of a benchmark, made of those of their files."""

import re
from collections import Counter
from collections.abc import Sequence

# By number: a part of the file's name, and the short name.
_RBP31 = {
    1: ("AGO1234", "AGO1-4"),
    2: ("AGO2MNASE", "AGO2-PARCLIP-MNase"),
    3: ("Ago2", "AGO2-HITSCLIP-1"),
    4: ("Ago2", "AGO2-HITSCLIP-2"),
    5: ("AGO2", "AGO2-CLIPseq"),
    6: ("eIF4AIII", "EIF4A3-CLIPseq-1"),
    7: ("eIF4AIII", "EIF4A3-CLIPseq-2"),
    8: ("ELAVL1", "ELAVL1-PARCLIP"),
    9: ("ELAVL1MNASE", "ELAVL1-PARCLIP-MNase"),
    10: ("ELAVL1A", "ELAVL1-PARCLIP-A"),
    11: ("ELAVL1", "ELAVL1-CLIPseq"),
    12: ("EWSR1", "EWSR1"),
    13: ("FUS", "FUS"),
    14: ("FUS_mut", "FUS-mutant"),
    15: ("IGF2BP123", "IGF2BP1-3"),
    16: ("hnRNPC", "HNRNPC-iCLIP-1"),
    17: ("HNRNPC", "HNRNPC-iCLIP-2"),
    18: ("hnRNPL_Hela", "HNRNPL-HeLa"),
    19: ("hnRNPL_U266", "HNRNPL-U266"),
    20: ("hnRNPlike", "HNRNPLL"),
    21: ("MOV10", "MOV10"),
    22: ("NSUN2", "NSUN2"),
    23: ("PUM2", "PUM2"),
    24: ("QKI", "QKI"),
    25: ("SFRS1", "SRSF1"),
    26: ("TAF15", "TAF15"),
    27: ("TDP43", "TARDBP"),
    28: ("TIA1", "TIA1"),
    29: ("TIAL1", "TIAL1"),
    30: ("U2AF65", "U2AF2-iCLIP-1"),
    31: ("U2AF65", "U2AF2-iCLIP-2"),
}
_METHOD = r"(?:(?:PAR-?|HITS-?|I)?CLIP(?:-?SEQ)?)_"
_AUTHOR = r"_[A-Z][a-z]+(?:\d{4})?"


def short_names(experiments: Sequence[str]) -> dict[str, str]:
    """Returns a short name, in which the RBP is named, for each experiment.

    >>> short_names(["24_PARCLIP_QKI_hg19", "ALKBH5_Baltz2012", "PARCLIP_PUM2"])
    {'24_PARCLIP_QKI_hg19': 'QKI', 'ALKBH5_Baltz2012': 'ALKBH5', 'PARCLIP_PUM2': 'PUM2'}

    Experiments that would have one name keep more of theirs.
    """
    names = {experiment: _short(experiment) for experiment in experiments}
    counts = Counter(names.values())
    return {
        experiment: name if counts[name] == 1 else experiment
        for experiment, name in names.items()
    }


def _short(experiment: str) -> str:
    if match := re.match(r"(\d+)_", experiment):
        part, name = _RBP31.get(int(match[1]), ("", ""))
        return name if name and part in experiment else experiment
    name = re.sub(f"^{_METHOD}", "", experiment, flags=re.IGNORECASE)
    return re.sub(f"{_AUTHOR}$", "", name)
