"""One self-contained HTML page of a sweep, an evaluation or a comparison: pure, from records of arrays and strings."""
