"""Detection on a file of a series: any CSV or Parquet of times and values.

In: a path, columns.  Out: a score, and where it is one an alarm, for every row.  Never: a row that
depends on a later one.
"""
