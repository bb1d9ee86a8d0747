"""PE-level cycle simulation of systolic arrays: real operands through every register, cycles counted, not computed."""

from __future__ import annotations

from archsim.sim.cycle.estimate import CycleEstimate, estimate_gemm_cycles
from archsim.sim.cycle.gemm import CycleResult, simulate_gemm

__all__ = ["CycleEstimate", "CycleResult", "estimate_gemm_cycles", "simulate_gemm"]
