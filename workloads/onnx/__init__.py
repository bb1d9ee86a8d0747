"""ONNX models as traces: shapes and constants are followed through the graph, nothing of it is run.

Nothing is imported here: the modules below need the extra `onnx`, which `archsim.workloads.onnx.extra` checks for.
"""
