"""The imports run one way, and the core names no modality."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
LAYERS = (  # from the top; a package imports only from lines below its own, packages of one line not from each other
    ("__main__", "cli", "run"),
    ("commands",),
    ("paper",),
    ("pipeline", "bench"),
    ("training",),
    ("evaluation",),
    ("inference",),
    ("recipe",),
    ("data", "nn"),
    ("losses",),
    ("metrics", "priors"),
    ("batch", "devices", "differentiation", "files", "imports", "plotting"),
    ("limits",),
    ("errors", "_version"),
)
RANK = {name: -level for level, names in enumerate(LAYERS) for name in names}
FOR_SIGNALS = {"batch", "data", "errors", "files", "imports", "limits", "losses", "metrics", "plotting"}
MODALITY = re.compile(
    r"\b(audio|sound|speech|waveform|wav|flac|pixel|mesh|voxel|glb|digit)(es|s)?\b", re.I
)  # "image" is also what every type is previewed as


def imported(path: Path) -> set[tuple[str, str]]:
    """(root, package) of every gonkit and signals import, inside functions and under TYPE_CHECKING too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module == "gonkit":
            names = [f"gonkit.{alias.name}" for alias in node.names]
        found |= {tuple([*name.split("."), ""][:2]) for name in names if name.split(".")[0] in ("gonkit", "signals")}
    return found


def test_imports_run_one_way() -> None:
    wrong = []
    for path in sorted((ROOT / "gonkit").rglob("*.py")):
        package = path.relative_to(ROOT / "gonkit").with_suffix("").parts[0]
        if package == "__init__":  # hands names on, lazily
            continue
        for root, other in imported(path):
            if root == "signals" or (other != package and RANK.get(other, 1) >= RANK.get(package, -99)):
                wrong.append(f"{path.relative_to(ROOT)} imports {root}.{other}")
    for path in sorted((ROOT / "signals").rglob("*.py")):
        for root, other in imported(path):
            if root == "gonkit" and other not in FOR_SIGNALS:
                wrong.append(f"{path.relative_to(ROOT)} imports gonkit.{other}")
    assert not wrong, "\n".join(wrong)


def test_no_circle_of_files() -> None:
    """Also inside a package, and through TYPE_CHECKING imports."""
    files = {p.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): p for p in ROOT.glob("gonkit/**/*.py")}
    files |= {p.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): p for p in ROOT.glob("signals/**/*.py")}
    below: dict[str, set[str]] = {}
    for name, path in files.items():
        if path.name == "__init__.py":
            continue
        modules = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        below[name] = (modules & files.keys()) - {name}
    while free := [name for name, needs in below.items() if not needs & below.keys()]:
        for name in free:
            del below[name]
    assert not below, f"circle among {sorted(below)}"


def test_the_core_names_no_modality() -> None:
    wrong = []
    for path in sorted((ROOT / "gonkit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [getattr(node, "id", None), getattr(node, "attr", None), getattr(node, "arg", None)]
            names += [getattr(node, "name", None)] if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else []
            wrong += [f"{path.name}:{node.lineno} {n}" for n in names if n and MODALITY.search(n.replace("_", " "))]
    assert not wrong, "\n".join(wrong)


def test_files_and_functions_are_short() -> None:
    """Files of at most 300 lines; functions of at most 60, unless they are a table of options."""
    wrong = []
    for folder in ("gonkit", "signals", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text()
            if (lines := len(text.splitlines())) > 300:
                wrong.append(f"{path.relative_to(ROOT)}: {lines} lines")
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef) and not node.name.endswith("add_arguments"):
                    length = node.end_lineno - node.lineno + 1 if node.end_lineno else 0
                    if length > 60:
                        wrong.append(f"{path.relative_to(ROOT)}: {node.name} has {length} lines")
    assert not wrong, "\n".join(wrong)
