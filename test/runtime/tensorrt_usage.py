"""What a source file asks of TensorRT, found in its syntax tree, against the API of one version.

`trt` is the module. Types come from annotations (`config: trt.IBuilderConfig`), constructors and the signatures in the
bindings' docstrings. Whatever `hasattr(x, "name")` or `getattr(x, "name", ...)` asks for may be missing in a version,
within the function that asks.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

OPTIONAL_OVERRIDES = {("IOutputAllocator", "reallocate_output_async")}  # 8.6 calls the one without a stream only


@dataclass(frozen=True)
class Use:
    """One name that the source asks for.

    Attributes:
        owner, name: class (empty for the module) and member.
        line, column: of the end of the name.
        optional: the source asks whether it is there.
        present: this version has it.
    """

    owner: str
    name: str
    line: int
    column: int
    optional: bool
    present: bool


@dataclass
class Findings:
    uses: list[Use] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Thing:
    """What an expression is: the module, a class, an object of one, or a method."""

    kind: str
    owner: str
    name: str = ""


MODULE = Thing("module", "")


def check(source: str, api: dict, file: str = "") -> Findings:
    """Every name and call of a file against one version."""
    checker = _Checker(api, file)
    checker.block(ast.parse(source).body, _Scope())
    return checker.found


class _Scope:
    """Names of a function, and of those around it."""

    def __init__(self, outer: _Scope | None = None) -> None:
        self.names: dict[str, Thing] = dict(outer.names) if outer else {"trt": MODULE}
        self.functions: dict[str, ast.expr | None] = dict(outer.functions) if outer else {}
        self.optional: set[tuple[str, str]] = set(outer.optional) if outer else set()
        self.attributes: dict[str, Thing] = outer.attributes if outer else {}


class _Checker:
    def __init__(self, api: dict, file: str) -> None:
        self.api, self.file, self.found = api, file, Findings()
        self.quiet = False

    # Statements.

    def block(self, body: list[ast.stmt], scope: _Scope) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef):
                scope.functions[node.name] = node.returns
        for node in body:
            self.statement(node, scope)

    def statement(self, node: ast.stmt, scope: _Scope) -> None:
        if isinstance(node, ast.FunctionDef):
            self.function(node, scope)
        elif isinstance(node, ast.ClassDef):
            self.classdef(node, scope)
        elif isinstance(node, ast.AnnAssign):
            thing = self.annotated(node.annotation) or (self.value(node.value, scope) if node.value else None)
            self.assign(node.target, thing, scope)
            if node.value is not None and self.annotated(node.annotation):
                self.value(node.value, scope)
        elif isinstance(node, ast.Assign):
            thing = self.value(node.value, scope)
            for target in node.targets:
                self.assign(target, thing, scope)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            return
        else:
            for _, part in ast.iter_fields(node):
                for child in part if isinstance(part, list) else [part]:
                    if isinstance(child, ast.stmt):
                        self.statement(child, scope)
                    elif isinstance(child, ast.expr):
                        self.value(child, scope)
                    elif isinstance(child, ast.AST):  # with items, exception handlers
                        self.statement(child, scope)

    def function(self, node: ast.FunctionDef, outer: _Scope) -> None:
        scope = _Scope(outer)
        for argument in (*node.args.args, *node.args.kwonlyargs):
            scope.names.pop(argument.arg, None)
            if argument.arg == "trt":
                scope.names["trt"] = MODULE
            elif argument.annotation is not None and (thing := self.annotated(argument.annotation)):
                scope.names[argument.arg] = thing
        for call in ast.walk(node):
            if asked := self.asked_for(call):
                target = self.silently(call.args[0], scope, node)
                if target is not None:
                    scope.optional.add((target.owner, asked))
        self.block(node.body, scope)

    def silently(self, expr: ast.expr, scope: _Scope, function: ast.FunctionDef) -> Thing | None:
        """The type of an expression by what the function assigns, without noting uses."""
        self.quiet, kept = True, dict(scope.names)
        for statement in ast.walk(function):
            if isinstance(statement, ast.Assign):
                thing = self.value(statement.value, scope)
                for target in statement.targets:
                    self.assign(target, thing, scope)
        thing = self.value(expr, scope)
        self.quiet, scope.names = False, kept
        return thing

    def classdef(self, node: ast.ClassDef, outer: _Scope) -> None:
        scope = _Scope(outer)
        scope.attributes = {}
        for base in node.bases:
            thing = self.value(base, scope)
            if thing is not None and thing.kind == "class":
                self.overrides(node, thing.owner, scope)
        methods = [n for n in node.body if isinstance(n, ast.FunctionDef)]
        for method in methods:
            scope.attributes[method.name] = Thing("own", "", ast.unparse(method.returns) if method.returns else "")
        for statement in ast.walk(node):  # self.x: trt.T wherever it stands, x: trt.T in the class
            if isinstance(statement, ast.AnnAssign) and (thing := self.annotated(statement.annotation)):
                target = statement.target
                scope.attributes[target.attr if isinstance(target, ast.Attribute) else target.id] = thing
        self.block(node.body, scope)

    def overrides(self, node: ast.ClassDef, owner: str, scope: _Scope) -> None:
        """Methods that TensorRT calls: each must be one of the base's, with as many arguments."""
        entry = self.api["classes"].get(owner, {"doc": "", "members": {}})
        for method in node.body:
            if not isinstance(method, ast.FunctionDef) or method.name.startswith("_"):
                continue
            ours = len(method.args.args)
            kind, doc = entry["members"].get(method.name, ("", ""))
            counts = [len(parameters) + 1 for parameters, _ in signatures(method.name, doc)] if kind else []
            shown = re.search(rf"def {method.name}\((.*?)\)", entry["doc"])
            counts += [len(shown.group(1).split(","))] if shown else []
            optional = (owner, method.name) in OPTIONAL_OVERRIDES or ("", owner) in scope.optional
            column = method.col_offset + len("def ") + len(method.name)
            self.note(owner, method.name, method.lineno, column, optional, bool(counts))
            if counts and ours not in counts:
                self.problem(method, f"{owner}.{method.name} takes {counts} arguments, ours {ours}")

    def assign(self, target: ast.expr, thing: Thing | None, scope: _Scope) -> None:
        if isinstance(target, ast.Name) and target.id != "trt":
            scope.names.pop(target.id, None)
            if thing is not None:
                scope.names[target.id] = thing
        elif isinstance(target, ast.Attribute):
            if isinstance(target.value, ast.Name) and target.value.id == "self":
                if thing is not None:
                    scope.attributes.setdefault(target.attr, thing)
            else:
                self.value(target, scope)  # a property of TensorRT's

    # Expressions.

    def value(self, node: ast.expr, scope: _Scope) -> Thing | None:
        """What an expression is; notes every use in it."""
        if isinstance(node, ast.Name):
            return scope.names.get(node.id)
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id == "self":
                return scope.attributes.get(node.attr)
            owner = self.value(node.value, scope)
            return self.member(owner, node.attr, node.end_lineno, node.end_col_offset, scope) if owner else None
        if isinstance(node, ast.Call):
            return self.call(node, scope)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child, scope)
            elif isinstance(child, (ast.comprehension, ast.keyword)):
                for part in ast.iter_child_nodes(child):
                    if isinstance(part, ast.expr):
                        self.value(part, scope)
        return None

    def call(self, node: ast.Call, scope: _Scope) -> Thing | None:
        for argument in (*node.args, *(k.value for k in node.keywords)):
            self.value(argument, scope)
        if asked := self.asked_for(node):
            owner = self.value(node.args[0], scope)
            if owner is None:
                return None
            place = node.args[1]
            member = self.member(owner, asked, place.end_lineno, place.end_col_offset - 1, scope)
            return member if node.func.id == "getattr" else None
        if isinstance(node.func, ast.Name) and node.func.id in scope.functions:
            returns = scope.functions[node.func.id]
            return self.annotated(returns) if returns is not None else None
        function = self.value(node.func, scope)
        if function is None:
            return None
        if function.kind == "own":
            return self.annotated(ast.parse(function.name, mode="eval").body) if function.name else None
        if function.kind == "class":
            doc = self.api["classes"].get(function.owner, {}).get("members", {}).get("__init__", ["", ""])[1]
            if "class" not in doc:  # an object that is ours to subclass, or has a signature
                self.arguments(node, f"{function.owner}()", signatures("__init__", doc), 0)
            return Thing("object", function.owner)
        if function.kind == "method":
            entry = self.entry(function.owner, function.name)
            known = signatures(function.name, entry[1]) if entry else []
            unbound = function.owner and isinstance(node.func, ast.Attribute) and function.name == "__init__"
            self.arguments(node, f"{function.owner}.{function.name}", known, 1 if unbound else 0)
            return self.typed(known[0][1]) if known else None
        return None

    def arguments(self, node: ast.Call, what: str, known: list, skip: int) -> None:
        if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
            self.problem(node, f"{what}: starred arguments cannot be checked")
            return
        given, keywords = len(node.args) - skip, {k.arg for k in node.keywords}
        for parameters, _ in known:
            names = [name for name, _ in parameters]
            required = {name for name, optional in parameters[given:] if not optional}
            if given <= len(names) and keywords <= set(names[given:]) and required <= keywords:
                return
        if known:
            self.problem(node, f"{what} takes {[[n for n, _ in p] for p, _ in known]}, is given {given} and {keywords}")

    @staticmethod
    def asked_for(node: ast.AST) -> str | None:
        """The name that hasattr or getattr asks for."""
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("hasattr", "getattr")
            and len(node.args) > 1
            and isinstance(node.args[1], ast.Constant)
        ):
            return str(node.args[1].value)
        return None

    def member(self, owner: Thing, name: str, line: int, column: int, scope: _Scope) -> Thing | None:
        if owner.kind not in ("module", "class", "object"):
            return None
        entry = self.entry(owner.owner, name)
        self.note(owner.owner, name, line, column, (owner.owner, name) in scope.optional, entry is not None)
        if entry is None:
            return None
        kind, doc = entry
        if kind == "class":
            return Thing("class", doc)
        if kind == "value":
            return Thing("object", owner.owner) if doc == owner.owner and owner.owner else None
        if kind == "property":
            found = re.search(r"-> (.+)", doc)
            return self.typed(found.group(1)) if found else None
        return Thing("method", owner.owner, name)

    def entry(self, owner: str, name: str) -> list[str] | None:
        members = self.api["classes"].get(owner, {"members": {}})["members"] if owner else self.api["names"]
        return members.get(name)

    def annotated(self, node: ast.expr | None) -> Thing | None:
        """The object that an annotation means: `trt.X` or `trt.X | None`."""
        found = re.fullmatch(r"trt\.([\w.]+)( \| None)?", ast.unparse(node)) if node is not None else None
        return Thing("object", found.group(1)) if found and found.group(1) in self.api["classes"] else None

    def typed(self, text: str) -> Thing | None:
        """The object that a signature returns; some are written as in C++."""
        name = re.split(r"\.tensorrt\.|::", text.strip())[-1]
        candidates = [c for c in (name, name.removeprefix("I")) if c in self.api["classes"]]
        return Thing("object", candidates[0]) if candidates else None

    def note(self, owner: str, name: str, line: int, column: int, optional: bool, present: bool) -> None:
        if self.quiet:
            return
        self.found.uses.append(Use(owner, name, line, column, optional, present))
        if not present and not optional:
            self.problem(None, f"{owner or 'tensorrt'} has no '{name}'", line)

    def problem(self, node: ast.AST | None, text: str, line: int = 0) -> None:
        if not self.quiet:
            self.found.problems.append(f"{self.file}:{node.lineno if node else line}: {self.api['version']}: {text}")


def signatures(name: str, doc: str) -> list[tuple[list[tuple[str, bool]], str]]:
    """The overloads in a docstring of pybind11's: parameters but for self, each with whether it has a default, and
    the type returned."""
    found = []
    for line in doc.splitlines():
        match = re.fullmatch(rf"(?:\d+\. )?{re.escape(name)}\((.*)\) -> (.+)", line.strip())
        if match:
            parts = _split(match.group(1))
            names = [(part.split(":")[0].strip(), "=" in part) for part in parts]
            found.append((names[1:] if names and names[0][0] == "self" else names, match.group(2)))
    return found


def _split(text: str) -> list[str]:
    """Parameters, at the commas that stand in no brackets."""
    parts, depth, part = [], 0, ""
    for character in text:
        depth += (character in "[(<") - (character in "])>")
        if character == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += character
    return [*parts, part.strip()] if part.strip() else parts
