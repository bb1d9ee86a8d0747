"""PE-level cycle simulation of systolic arrays: real operands through every register, cycles counted, not computed."""

from __future__ import annotations

from archsim.sim.cycle.gemm import CycleResult, simulate_gemm

__all__ = ["CycleResult", "simulate_gemm"]
