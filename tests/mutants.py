"""Small changes of a module's code, one at a time: what `mutation.py` tries the tests with."""

from __future__ import annotations

import ast
import contextlib
import copy
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src"
EQUIVALENTS = TESTS / "mutation_equivalents.toml"


@dataclass
class Mutant:
    """One change of one module."""

    module: str
    lines: range  # of the statement
    number: int
    source: str  # the line that changes
    change: str
    code: CodeType
    speed: bool  # whether it compares with a constant that only decides what is faster

    def __str__(self) -> str:
        return f"{self.module}:{self.number}  {self.source}\n      {self.change}"


_SWAPS: dict[type, list[type]] = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div],
    ast.Div: [ast.Mult],
    ast.FloorDiv: [ast.Mult],
    ast.Mod: [ast.Mult],
    ast.Pow: [ast.Mult],
    ast.LShift: [ast.RShift],
    ast.BitOr: [ast.BitAnd],
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.And: [ast.Or],
    ast.Or: [ast.And],
}

# Not code that computes: annotations; texts; checks that only a mistake of ours can fail; on which
# device a tensor is, where there is only the CPU.
_UNCHANGED_FIELDS = {"annotation", "returns", "decorator_list"}
_UNCHANGED_NODES = (ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)
_UNCHANGED_KEYWORDS = {"strict", "what", "desc", "unit", "device"}
_PRINTING = {"_say", "print", "__repr__", "set_postfix"}
_SPEED = re.compile("measured|faster|cache|memory|costs?|plain loop", re.IGNORECASE)


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """What a node may be replaced with."""
    match node:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Constant(value=float(value)):
            yield ast.Constant(2 * value or 1.0)
        case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op):
            yield from (_with(node, op=other()) for other in _SWAPS.get(type(op), []))
        case ast.Compare(ops=[op]):
            yield from (_with(node, ops=[other()]) for other in _SWAPS[type(op)])
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.If(test=ast.Name() | ast.Attribute() | ast.Call() as test):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.IfExp(body=body, orelse=orelse):
            yield _with(node, body=orelse, orelse=body)
        case ast.Call(keywords=keywords):
            for gone in keywords:
                if gone.arg not in _UNCHANGED_KEYWORDS:
                    yield _with(node, keywords=[k for k in keywords if k is not gone])
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield _with(node, value=ast.Constant(None))
        case ast.Expr(value=ast.Call()) | ast.Raise():
            yield ast.Pass()


def _with(node: ast.AST, **fields) -> ast.AST:
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def mutants_of(module: str) -> Iterator[Mutant]:
    """All changes of a module, in the order of its lines."""
    source = path_of(module).read_text()
    tree, lines = ast.parse(source), source.splitlines()
    constants = _speed_constants(tree, lines)
    for owner, name, place, node, statement, inside in _nodes(tree, tree, False):
        names = {n.id for n in ast.walk(_header(statement)) if isinstance(n, ast.Name)}
        if isinstance(statement, ast.Assign) and not inside and names & constants:
            continue
        for new in replacements(node):
            if _is_another_of_the_stack(owner, new):
                continue
            ast.copy_location(new, node)
            with _replaced(owner, name, place, new):
                code = compile(ast.fix_missing_locations(tree), path_of(module), "exec")
            yield Mutant(
                module,
                _lines_of(statement),
                node.lineno,
                lines[node.lineno - 1].strip(),
                f"{_text(node)} -> {_text(new)}",
                code,
                speed=bool(names & constants),
            )


def unchanged(module: str) -> Mutant:
    """No change, at every line."""
    source = path_of(module).read_text()
    code = compile(source, path_of(module), "exec")
    lines = range(1, source.count("\n") + 2)
    return Mutant(module, lines, 0, "", "", code, speed=False)


def _nodes(node, statement, inside):
    """Everything that may be replaced: (owner, field, place in it, node, statement, in a body)."""
    for name, value in ast.iter_fields(node):
        if name in _UNCHANGED_FIELDS:
            continue
        within = inside or (name == "body" and isinstance(node, ast.FunctionDef | ast.Lambda))
        for place, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or _is_unchanged(child, within):
                continue
            of = child if isinstance(child, ast.stmt) else statement
            yield node, name, place if isinstance(value, list) else None, child, of, within
            if not isinstance(child, ast.Raise):
                yield from _nodes(child, of, within)


def _is_unchanged(node: ast.AST, inside: bool) -> bool:
    match node:
        case ast.keyword(arg=name):
            return name in _UNCHANGED_KEYWORDS
        case ast.FunctionDef(name=name) | ast.Call(func=ast.Attribute(attr=name)):
            return name in _PRINTING
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name))):
            return name in _PRINTING
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(value=ast.BinOp(op=ast.BitOr())):
            return not inside  # a union of types
    return isinstance(node, _UNCHANGED_NODES)


def _is_another_of_the_stack(owner: ast.AST, new: ast.AST) -> bool:
    """Whether the last is asked instead of the first, where all that are in the list agree."""
    match owner, new:
        case ast.Subscript(value=ast.Name(id="tasks")), ast.Constant(value=-1):
            return True
        case ast.Subscript(value=ast.Attribute(attr="settings")), ast.Constant(value=-1):
            return True
    return False


@contextlib.contextmanager
def _replaced(owner, name, place, new):
    value = getattr(owner, name)
    changed = new if place is None else [*value[:place], new, *value[place + 1 :]]
    setattr(owner, name, changed)
    try:
        yield
    finally:
        setattr(owner, name, value)


def _header(statement: ast.AST) -> ast.AST:
    """A statement without the statements within it."""
    if not isinstance(getattr(statement, "body", None), list):
        return statement
    return _with(statement, body=[], orelse=[], finalbody=[], handlers=[])


def _lines_of(statement: ast.stmt) -> range:
    end = statement.end_lineno or statement.lineno
    body = getattr(statement, "body", None)
    return range(statement.lineno, max(body[0].lineno if body else end + 1, statement.lineno + 1))


def _text(node: ast.AST) -> str:
    text = ast.unparse(ast.fix_missing_locations(node)).split("\n")[0]
    return text if len(text) <= 100 else f"{text[:97]}..."


def _speed_constants(tree: ast.Module, lines: list[str]) -> set[str]:
    """Constants whose comment says that they decide what is faster: any value is right."""
    found = set()
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            begin = statement.lineno - 1
            while begin and (lines[begin - 1].startswith(("#", "_"))):
                begin -= 1
            if _SPEED.search(" ".join(lines[begin : statement.lineno])):
                found |= {t.id for t in statement.targets if isinstance(t, ast.Name)}
    return {name for name in found if re.fullmatch("_[A-Z_]+", name)}


def path_of(module: str) -> Path:
    path = SOURCE / "skmlp" / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def known_equivalents() -> set[tuple[str, str, str]]:
    entries = tomllib.loads(EQUIVALENTS.read_text())["equivalent"]
    return {(e["module"], e["line"], change) for e in entries for change in e["changes"]}
