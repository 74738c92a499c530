"""Prediction tables as bytes: the same rows as TSV or Parquet."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deeprke_tf.runs.table import (
    Prediction,
    TableWriter,
    WideWriter,
    frame_of,
    wide_frame_of,
)

if TYPE_CHECKING:
    import pandas


def as_tsv(
    rows: Sequence[Prediction],
    comments: Sequence[str],
    with_sd: bool,
    with_places: bool,
    with_rbp: bool,
) -> bytes:
    """Returns the table that `deeprke predict` writes."""
    file = io.StringIO()
    table = TableWriter(file, comments, with_sd, with_places, with_rbp)
    for row in rows:
        table.write(row)
    return file.getvalue().encode()


def as_parquet(
    rows: Sequence[Prediction],
    comments: Sequence[str],
    with_sd: bool,
    with_places: bool,
    with_rbp: bool,
) -> bytes:
    """Returns the same columns as Parquet, missing values as null."""
    return _parquet(frame_of(rows, with_sd, with_places, with_rbp), comments)


def as_wide_tsv(
    rows: Sequence[Prediction], comments: Sequence[str], rbps: Sequence[str]
) -> bytes:
    """Returns the table of `deeprke predict --wide`."""
    file = io.StringIO()
    table = WideWriter(file, comments, rbps)
    for row in rows:
        table.write(row)
    return file.getvalue().encode()


def as_wide_parquet(
    rows: Sequence[Prediction], comments: Sequence[str], rbps: Sequence[str]
) -> bytes:
    """Returns the same columns as Parquet, missing values as null."""
    return _parquet(wide_frame_of(rows, rbps), comments)


def _parquet(frame: "pandas.DataFrame", comments: Sequence[str]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    numbers = frame.select_dtypes(float).columns
    table = pyarrow.Table.from_pandas(
        frame.astype(dict.fromkeys(numbers, "float32")), preserve_index=False
    )
    metadata = {"deeprke": "\n".join(comments)}
    file = io.BytesIO()
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), file)
    return file.getvalue()


WRITERS = {"tsv": as_tsv, "parquet": as_parquet}
WIDE_WRITERS = {"tsv": as_wide_tsv, "parquet": as_wide_parquet}
