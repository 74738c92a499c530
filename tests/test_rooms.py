"""Which rooms of the package may import which: downwards only, and never a command."""

import ast
import functools
import graphlib
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the bottom to the top: a room imports rooms of lower floors alone.
FLOORS = (
    ("errors",),
    ("system",),
    ("config",),
    ("presets",),
    ("rna", "evaluation"),
    ("data", "genome"),
    ("networks",),
    ("runs",),
    ("training", "scanning", "explaining", "serving", "auditing"),
    ("tuning", "benchmarking", "diagnostics", "crossvalidation", "panels"),
    ("api",),
    ("workflow",),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# Each in one module, or one folder, alone: they are heavy, or extras.
IMPORTED_BY = {
    "RNA": "deeprke_tf.rna.structure",
    "h5py": "deeprke_tf.networks.saved_weights",
    "gensim": "deeprke_tf.networks.word2vec",
    "onnx": "deeprke_tf.networks.onnx_graph",
    "onnxruntime": "deeprke_tf.runs.onnx_scorer",
    "keras_tuner": "deeprke_tf.tuning",
    "apache_beam": "pipelines.beam",
}


def modules():
    """Every module of the package and its pipelines, by its dotted name."""
    paths = [*ROOT.glob("deeprke_tf/**/*.py"), *ROOT.glob("pipelines/**/*.py")]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in paths
    }


MODULES = modules()


@functools.cache
def imports_of(path):
    """What a module imports, at its top or in a function, but not for types alone."""
    return list(_imports_of(path))


def _imports_of(path):
    tree = ast.parse(path.read_text())
    nodes = list(ast.walk(tree))
    for_types = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in nodes:
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


def arrows():
    """Pairs of modules, of which the first imports the second."""
    for name, path in MODULES.items():
        for imported in imports_of(path):
            if imported in MODULES:
                yield name, imported


def room_of(name):
    """The room of a module; None of a command, and of the package itself."""
    parts = name.split(".")
    if parts[0] != "deeprke_tf" or len(parts) == 1:
        return None
    return parts[1] if parts[1] in FLOOR_OF else None


def test_every_folder_is_a_room_and_every_room_is_there():
    folders = {path.parent.name for path in ROOT.glob("deeprke_tf/*/__init__.py")}
    files = {"errors", "config", "presets"}
    assert folders | files == set(FLOOR_OF)


def test_rooms_import_downwards_only():
    upwards = [
        f"{name} imports {imported}"
        for name, imported in arrows()
        if room_of(name) and room_of(imported) != room_of(name)
        if imported != "deeprke_tf"
        if room_of(imported) is None
        or FLOOR_OF[room_of(imported)] >= FLOOR_OF[room_of(name)]
    ]
    assert not upwards


def test_nobody_imports_a_command():
    commands = {
        name
        for name, path in MODULES.items()
        if "def main(" in path.read_text() and name != "deeprke_tf.cli"
    }
    offenders = [
        f"{name} imports {imported}"
        for name, imported in arrows()
        if imported in commands and name != "deeprke_tf.cli"
    ]
    assert not offenders


def test_no_module_imports_itself_by_a_detour():
    graph = defaultdict(set)
    for name, imported in arrows():
        graph[name].add(imported)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, with the cycle


@pytest.mark.parametrize("library", IMPORTED_BY)
def test_a_heavy_library_is_imported_in_one_place(library):
    place = IMPORTED_BY[library]
    importers = {
        name
        for name, path in MODULES.items()
        if any(imported.split(".")[0] == library for imported in imports_of(path))
    }
    assert importers
    strangers = {n for n in importers if not (n == place or n.startswith(place + "."))}
    assert not strangers
