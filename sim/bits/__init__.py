"""Bit-level engines on real bits: what each group of lanes steps through, who waits for whom, and the exact product."""
