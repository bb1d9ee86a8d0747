"""os8 and ws8 as ZigZag takes them. Its interpreter runs this file.

Usage: PYTHON zigzag_inputs.py MACHINE M,N,K ...   prints {"MxNxK": [CPU seconds, pJ, cycles]} as JSON.
"""

import json
import logging
import os
import sys
import tempfile
import time

DRAM = {"size": 10_000_000_000, "cost": 512, "width": 64}
AXES = {"os8": (("D1", "D0"), ("D2", "D2")), "ws8": (("D1", "D2"), ("D2", "D1"))}
"""Which loop (D0: m, D1: k, D2: n) each array dimension unrolls."""


def port(name, kind, width, lines):
    return {
        "name": name,
        "type": kind,
        "bandwidth_min": width,
        "bandwidth_max": width,
        "allocation": [f"{operand}, {direction}" for operand, direction in lines],
    }


def memory(size, read, write, operands, ports, served):
    return {
        "size": size,
        "r_cost": read,
        "w_cost": write,
        "area": 0,
        "latency": 1,
        "auto_cost_extraction": False,
        "operands": operands,
        "ports": ports,
        "served_dimensions": served,
    }


def accelerator(name):
    memories = {}
    if name == "os8":
        ways = (
            ("w_port_1", "write", "fh"),
            ("r_port_1", "read", "tl"),
            ("w_port_2", "write", "fl"),
            ("r_port_2", "read", "th"),
        )
        ports = [port(label, kind, 32, [("O", way)]) for label, kind, way in ways]
        memories["rf_o"] = memory(32, 0.03, 0.03, ["O"], ports, [])
    else:
        ports = [port("r_port_1", "read", 8, [("I2", "tl")]), port("w_port_1", "write", 8, [("I2", "fh")])]
        memories["rf_w"] = memory(8, 0.01, 0.01, ["I2"], ports, [])
    down = [("I1", "tl"), ("I2", "tl"), ("O", "tl"), ("O", "th")]
    up = [("I1", "fh"), ("I2", "fh"), ("O", "fh"), ("O", "fl")]
    both = [("I1", "tl"), ("I2", "tl"), ("O", "tl"), ("O", "fl")]
    every = ["D1", "D2"]
    sram_ports = [port("r_port_1", "read", 256, down), port("w_port_1", "write", 256, up)]
    memories["sram"] = memory(262144, 20, 22, ["I1", "I2", "O"], sram_ports, every)
    dram_ports = [port("rw_port_1", "read_write", DRAM["width"], both)]
    memories["dram"] = memory(DRAM["size"], DRAM["cost"], DRAM["cost"], ["I1", "I2", "O"], dram_ports, every)
    return {
        "name": name,
        "memories": memories,
        "operational_array": {"unit_energy": 0.25, "unit_area": 1, "dimensions": every, "sizes": [8, 8]},
    }


def layer(m, n, k):
    return {
        "id": 0,
        "operator_type": "Gemm",
        "equation": "O[d0][d2]+=I[d0][d1]*W[d1][d2]",
        "loop_dims": ["D0", "D1", "D2"],
        "loop_sizes": [m, k, n],
        "operand_precision": {"W": 8, "I": 8, "O": 32, "O_final": 8},
        "operand_source": {"I": 0, "W": 0},
    }


def mapping(name, sizes):
    spatial = {axis: [f"{dim}, {min(8, sizes[dim])}"] for axis, dim in AXES[name]}
    links = {"O": "O", "W": "I2", "I": "I1"}
    return [{"name": "default", "spatial_mapping": spatial, "memory_operand_links": links}]


def main():
    import yaml
    from zigzag.api import get_hardware_performance_zigzag  # pyright: ignore[reportMissingImports]

    name, found = sys.argv[1], {}
    with tempfile.TemporaryDirectory() as folder:
        for text in sys.argv[2:]:
            m, n, k = (int(size) for size in text.split(","))
            files = {
                "hw": accelerator(name),
                "map": mapping(name, {"D0": m, "D1": k, "D2": n}),
                "work": [layer(m, n, k)],
            }
            paths = {}
            for key, content in files.items():
                paths[key] = os.path.join(folder, f"{key}.yaml")
                with open(paths[key], "w", encoding="utf-8") as file:
                    yaml.safe_dump(content, file, sort_keys=False)
            logging.disable(logging.CRITICAL)
            begin = time.process_time()
            energy, cycles, _ = get_hardware_performance_zigzag(
                paths["work"],
                paths["hw"],
                paths["map"],
                opt="energy",
                dump_folder=os.path.join(folder, "dump"),
                loma_show_progress_bar=False,
            )
            found[f"{m}x{n}x{k}"] = [time.process_time() - begin, float(energy), float(cycles)]
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
