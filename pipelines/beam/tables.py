"""Prediction tables as bytes: the same rows as TSV or Parquet."""

import io
from collections.abc import Sequence

from deeprke_tf.runs.table import Prediction, TableWriter, frame_of


def as_tsv(
    rows: Sequence[Prediction],
    comments: Sequence[str],
    with_sd: bool,
    with_places: bool,
) -> bytes:
    """Returns the table that `deeprke predict` writes."""
    file = io.StringIO()
    table = TableWriter(file, comments, with_sd, with_places)
    for row in rows:
        table.write(row)
    return file.getvalue().encode()


def as_parquet(
    rows: Sequence[Prediction],
    comments: Sequence[str],
    with_sd: bool,
    with_places: bool,
) -> bytes:
    """Returns the same columns as Parquet, missing values as null."""
    import pyarrow
    import pyarrow.parquet

    frame = frame_of(rows, with_sd, with_places)
    numbers = frame.select_dtypes(float).columns
    table = pyarrow.Table.from_pandas(
        frame.astype(dict.fromkeys(numbers, "float32")), preserve_index=False
    )
    metadata = {"deeprke": "\n".join(comments)}
    file = io.BytesIO()
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), file)
    return file.getvalue()


WRITERS = {"tsv": as_tsv, "parquet": as_parquet}
