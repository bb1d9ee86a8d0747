"""Simulation of sparse engines on real operands: zeros are where they are, lanes wait for whom they wait."""

from __future__ import annotations

from archsim.sim.sparse.play import Played, play_outer, play_structured, play_windows

__all__ = ["Played", "play_outer", "play_structured", "play_windows"]
