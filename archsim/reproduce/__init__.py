"""Published results recomputed: each claim is a data file, and what recomputes it is declared there."""

from archsim.reproduce.catalog import claim_ids
from archsim.reproduce.run import reproduce

__all__ = ["claim_ids", "reproduce"]
