"""The two machines of a study as AccelForge takes them. Its interpreter runs this file.

Usage: PYTHON accelforge_inputs.py MACHINE GLB_BYTES,M,N,K ...   prints {"GLB_BYTES,M,N,K": [CPU seconds, pJ]} as JSON.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
import time

SPATIAL = {
    "a": "[{name: X, fanout: 16}, {name: Y, fanout: 16}]",
    "b": "[{name: X, fanout: 16, reuse: input}, {name: Y, fanout: 16, reuse: output}]",
}
ARCH = """\
arch:
  nodes:
  - !Memory
    name: DRAM
    size: inf
    leak_power: 0
    area: 0
    tensors: {{keep: All}}
    actions:
    - {{name: read, energy: 64, throughput: 16, bits_per_action: 8}}
    - {{name: write, energy: 64, throughput: 16, bits_per_action: 8}}
  - !Memory
    name: GLB
    size: {glb_bits}
    leak_power: 0
    area: 0
    total_latency: max(a.n_calls / a.throughput for a in actions)
    tensors: {{keep: All}}
    actions:
    - {{name: read, energy: 6, throughput: 64, bits_per_action: 8}}
    - {{name: write, energy: 7, throughput: 64, bits_per_action: 8}}
  - !Container
    name: PE
    spatial: {spatial}
  - !Memory
    name: RF
    size: {rf_bits}
    leak_power: 0
    area: 0
    tensors: {{keep: {kept}}}
    actions:
    - {{name: read, energy: 0.1, throughput: inf, bits_per_action: 8}}
    - {{name: write, energy: 0.12, throughput: inf, bits_per_action: 8}}
  - !Compute
    name: MAC
    leak_power: 0
    area: 0
    actions:
    - {{name: compute, energy: 0.2, throughput: 1}}
"""
WORKLOAD = """\
workload:
  iteration_space_shape:
    m: 0 <= m < {m}
    n: 0 <= n < {n}
    k: 0 <= k < {k}
  bits_per_value: {{All: 8}}
  einsums:
  - name: Gemm
    tensor_accesses:
    - {{name: A, projection: [m, k]}}
    - {{name: B, projection: [k, n]}}
    - {{name: C, projection: [m, n], output: True}}
    renames: {{weight: B, input: A, output: C}}
"""
KEPT = {"a": ("64 * 8", "All"), "b": ("8", "weight")}


def main():
    import accelforge as af  # pyright: ignore[reportMissingImports]

    name, found = sys.argv[1], {}
    af.set_n_parallel_jobs(1)
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    for case in sys.argv[2:]:
        glb, m, n, k = (int(size) for size in case.split(","))
        rf_bits, kept = KEPT[name]
        arch = ARCH.format(glb_bits=8 * glb, spatial=SPATIAL[name], rf_bits=rf_bits, kept=kept)
        for file, text in (("arch.yaml", arch), ("work.yaml", WORKLOAD.format(m=m, n=n, k=k))):
            with open(file, "w", encoding="utf-8") as out:
                out.write(text)
        with contextlib.redirect_stdout(io.StringIO()):
            begin = time.process_time()
            spec = af.Spec.from_yaml("arch.yaml", "work.yaml")
            spec.mapper.metrics = af.Metrics.ENERGY
            mappings = spec.map_workload_to_arch()
            seconds = time.process_time() - begin
        found[case] = [seconds, float(mappings.energy())]
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
