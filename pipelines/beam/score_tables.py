"""Tables of scores as bytes, the same rows in either format."""

import io

from deeprke_tf.runs.table import SD_COLUMN, Prediction, TableWriter


def as_tsv(rows: list[Prediction], comments: list[str], with_sd: bool) -> bytes:
    """Returns the table that `deeprke predict` writes."""
    file = io.StringIO()
    table = TableWriter(file, comments, with_sd)
    for row in rows:
        table.write(row)
    return file.getvalue().encode()


def as_parquet(rows: list[Prediction], comments: list[str], with_sd: bool) -> bytes:
    """Returns the same as Parquet, what is not known as null."""
    import pyarrow
    import pyarrow.parquet

    columns = {
        "name": pyarrow.array([row.name for row in rows], pyarrow.string()),
        "probability": pyarrow.array(
            [row.probability for row in rows], pyarrow.float32()
        ),
        "calibrated_probability": pyarrow.array(
            [row.calibrated_probability for row in rows], pyarrow.float32()
        ),
        "bound": pyarrow.array([row.bound for row in rows], pyarrow.bool_()),
        "skipped": pyarrow.array([row.skipped for row in rows], pyarrow.string()),
    }
    if with_sd:
        columns[SD_COLUMN] = pyarrow.array(
            [row.probability_sd for row in rows], pyarrow.float32()
        )
    table = pyarrow.table(columns).replace_schema_metadata(
        {"deeprke": "\n".join(comments)}
    )
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()


WRITERS = {"tsv": as_tsv, "parquet": as_parquet}
