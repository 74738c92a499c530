"""Names of the files of an explanation; `files` says what they hold."""

ATTRIBUTIONS, MEME, TABLE = "attributions.npz", "motifs.meme", "motifs.tsv"
LOGOS, MANIFEST, REPORT = "logos", "explain.json", "report.html"
