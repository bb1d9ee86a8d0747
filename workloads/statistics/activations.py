"""Activations of an ONNX model: what its products read while it runs on sample input.

The model runs on one thread, without graph optimizations (they would merge the tensors looked for away), with
deterministic kernels, and with none but the runtime's own operators.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archsim.core.errors import ArchsimError, InputError, Problem, unknown_name
from archsim.core.spelling import brief
from archsim.workloads.arrays import SUFFIXES, stored_array
from archsim.workloads.samples import sample
from archsim.workloads.statistics.sources import Drawing, Tensor, array_names

if TYPE_CHECKING:
    from archsim.workloads.onnx.dims import Sizes
    from archsim.workloads.onnx.values import Value

Array = NDArray[Any]
Samples = Mapping[str, Array]

TOKEN_LIMIT = 10
"""Drawn integers lie from 0 up to below this. Source: estimate: small enough for every vocabulary and index."""
SAMPLES_SUFFIX = ".npz"


def _last(array: Array) -> Array:
    return array


def _channels_last(array: Array) -> Array:
    return np.moveaxis(array, 1, -1)


def _swapped(array: Array) -> Array:
    return array.swapaxes(-1, -2) if array.ndim > 1 else array


Layout = Callable[[Array], Array]

_CONV = dict.fromkeys(("Conv", "ConvInteger", "ConvTranspose"), ((0, _channels_last),))
_MATRIX = dict.fromkeys(("MatMul", "MatMulInteger"), ((0, _last), (1, _swapped)))
_READS: Mapping[str, tuple[tuple[int, Layout], ...]] = MappingProxyType(
    {
        **_CONV,
        **_MATRIX,
        "Gemm": ((0, _last), (1, _swapped)),
        "QLinearConv": ((0, _channels_last),),
        "com.microsoft:QLinearConv": ((0, _channels_last),),
        "com.microsoft:FusedConv": ((0, _channels_last),),
        "QLinearMatMul": ((0, _last), (3, _swapped)),
        "com.microsoft:FusedGemm": ((0, _last), (1, _swapped)),
        "com.microsoft:QGemm": ((0, _last),),
        "com.microsoft:FusedMatMul": ((0, _last), (1, _swapped)),
        "com.microsoft:MatMulNBits": ((0, _last),),
        "com.microsoft:MatMulIntegerToFloat": ((0, _last),),
        "com.microsoft:DynamicQuantizeMatMul": ((0, _last),),
    }
)
"""By operator: the operands of its product, inputs first, and how each is laid out with the reduction last."""


def require_onnxruntime() -> None:
    """Raise InputError with the remedy where the package `onnxruntime` is missing."""
    if find_spec("onnxruntime") is None:
        message = "running a model needs the package onnxruntime, which is not installed"
        raise InputError(Problem(message=message, hint='pip install "archsim[onnx]"'))


def activation_tensors(
    path: str | os.PathLike[str], samples: str | os.PathLike[str] | Drawing, sizes: Sizes | None = None
) -> Iterator[Tensor]:
    """What every product of the model's main graph reads apart from stored weights, on `samples`.

    `samples` is an `.npz` with an array for each input of the model, or how to draw them; `sizes` are those of drawn
    inputs that the model leaves open. Convolutions' inputs have their channels last. Raises InputError for samples that
    do not fit, ArchsimError where the model does not run.
    """
    require_onnxruntime()
    from archsim.workloads.onnx.dims import Sizes, bind
    from archsim.workloads.onnx.reader import read_model

    graph = read_model(path).graph
    stored = set(graph.tensors) | set(graph.sparse)
    wanted = [
        (node, index, layout)
        for node in graph.nodes
        for index, layout in _READS.get(node.op, ())
        if index < len(node.inputs) and node.inputs[index] and node.inputs[index] not in stored
    ]
    session = _session(Path(path), sorted({node.inputs[index] for node, index, _ in wanted}))
    if isinstance(samples, Drawing):
        inputs = _drawn(session, samples, bind(graph.inputs, sizes or Sizes()).inputs)
    else:
        inputs = _read(session, Path(samples))
    source = samples.source if isinstance(samples, Drawing) else f"run on {Path(samples).name}"
    values = _run(session, inputs, Path(path)) | dict(inputs)
    for node, index, layout in wanted:
        array = values.get(node.inputs[index])
        if array is not None and array.size and array.ndim:
            first = index == _READS[node.op][0][0]
            transposed = node.attribute("transA" if first else "transB", 0)
            shown = layout(_swapped(array) if transposed else array)
            yield Tensor(layer=node.name, operand="inputs" if first else "weights", array=shown, source=source)


def _session(path: Path, outputs: Sequence[str]) -> Any:
    """A session of the model whose outputs are the model's and `outputs`."""
    import onnx
    import onnxruntime
    from onnx import inliner

    proto = onnx.load(str(path), load_external_data=False)
    if proto.functions:
        proto = inliner.inline_local_functions(proto)
    there = {output.name for output in proto.graph.output} | {value.name for value in proto.graph.input}
    made = {name for node in proto.graph.node for name in node.output}
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs if name in made - there)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    folder = str(path.resolve().parent)
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    try:
        return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except _failures() as error:
        raise _failed(path, "cannot be loaded for running", error) from None


def _run(session: Any, inputs: Samples, path: Path) -> dict[str, Array]:
    names = [output.name for output in session.get_outputs()]
    try:
        found = session.run(names, dict(inputs))
    except _failures() as error:
        raise _failed(path, "does not run on these samples", error) from None
    return {name: value for name, value in zip(names, found, strict=True) if isinstance(value, np.ndarray)}


def _failures() -> tuple[type[Exception], ...]:
    """What the runtime raises."""
    state = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    kinds = tuple(kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception))
    return (*kinds, RuntimeError, ValueError)


def _failed(path: Path, what: str, error: Exception) -> ArchsimError:
    return ArchsimError(f"{path}: {what}: {brief(str(error).splitlines()[0] if str(error) else type(error).__name__)}")


def _read(session: Any, file: Path) -> Samples:
    """The arrays of a file for the inputs of a model, which take their types. Raises InputError with every misfit."""
    if file.suffix.lower() != SAMPLES_SUFFIX:
        known = [suffix for suffix in SUFFIXES if suffix == SAMPLES_SUFFIX]
        raise InputError(Problem(file=str(file), message=f"samples are a {known[0]} file, an array for each input"))
    declared = {value.name: value for value in session.get_inputs()}
    names = array_names(file)
    problems = [unknown_name("input", name, declared, file=str(file)) for name in names if name not in declared]
    problems += [
        Problem(file=str(file), message=f"has no array for the input '{name}' of shape {value.shape}")
        for name, value in declared.items()
        if name not in names
    ]
    if problems:
        raise InputError(problems)
    return {name: stored_array(f"{file}:{name}").astype(_numpy_type(declared[name].type)) for name in names}


def _drawn(session: Any, drawing: Drawing, bound: Mapping[str, Value]) -> Samples:
    """Drawn arrays for the inputs of a model: floats of the distribution, integers from 0 to 9, all flags true.

    An input whose values are stated has these.
    """
    arrays: dict[str, Array] = {}
    for number, value in enumerate(session.get_inputs()):
        known = bound.get(value.name)
        if known is not None and known.data is not None:
            arrays[value.name] = known.data
            continue
        shape = known.shape if known is not None and known.shape is not None else ()
        elements = int(np.prod(shape, dtype=np.int64))
        dtype = _numpy_type(value.type)
        if dtype.kind == "f":
            drawn: Array = sample(drawing.distribution, max(elements, 1), drawing.seed + number).reshape(-1)[:elements]
        elif dtype.kind == "b":
            drawn = np.ones(elements)
        else:
            drawn = np.random.default_rng([drawing.seed, number]).integers(0, TOKEN_LIMIT, elements)
        arrays[value.name] = drawn.reshape(shape).astype(dtype)
    return arrays


def _numpy_type(declared: str) -> np.dtype[Any]:
    """The element type of the runtime's ``tensor(float)`` and the like."""
    name = declared.removeprefix("tensor(").removesuffix(")")
    known = {"float": "float32", "double": "float64"}
    try:
        return np.dtype(known.get(name, name))
    except TypeError:
        raise InputError(Problem(message=f"an input of type {brief(declared)} cannot be given samples")) from None
