"""A recording in the forms that other tools read: CSV, Parquet, TensorBoard's event files, SVG. Neither torch nor Textual here."""
