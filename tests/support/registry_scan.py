"""What the registry's scan of a published pack looks for: network, other programs, environment variables, text run as code.
Stricter than it need be: any mention of the names counts.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

MODULES = {
    "network": {
        *("socket", "socketserver", "ssl", "select", "asyncio", "urllib", "http", "ftplib", "smtplib", "telnetlib"),
        *("poplib", "imaplib", "xmlrpc", "requests", "aiohttp", "httpx", "urllib3", "websocket", "websockets"),
        *("huggingface_hub", "webbrowser", "paramiko", "zmq", "grpc"),
    },
    "programs": {"subprocess", "pty", "multiprocessing", "ctypes", "cffi", "pip", "ensurepip", "venv", "signal"},
    "code": {"marshal", "code", "codeop", "runpy", "importlib", "zipimport", "dill", "cloudpickle"},
}
NAMES = {
    "programs": {
        "system",
        "popen",
        "startfile",
        "fork",
        "forkpty",
        "posix_spawn",
        "spawnl",
        "spawnv",
        "execv",
        "execl",
    },
    "environment": {"environ", "environb", "getenv", "putenv", "unsetenv", "expandvars"},
}
CALLS = {"eval", "exec", "compile", "__import__", "globals", "breakpoint"}
JAVASCRIPT = {
    "code": re.compile(r"\beval\s*\(|\bnew\s+Function\b|\bset(?:Timeout|Interval)\s*\(\s*[\"'`]|\.innerHTML\b"),
    "network": re.compile(
        r"\bXMLHttpRequest\b|\bWebSocket\b|\bEventSource\b|\bsendBeacon\b"
        r"|\b(?:fetch|import|importScripts)\s*\(\s*[\"'`]\s*(?:https?:)?//|\bfrom\s+[\"'](?:https?:)?//"
    ),
}


def _imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def python(text: str) -> list[str]:
    """What a Python file does that the scan looks for: "class: line: name"."""
    tree = ast.parse(text)
    found = []
    for line, name in _imported(tree):
        first, last = name.split(".")[0], name.split(".")[-1]
        found += [f"{kind}: {line}: {name}" for kind, modules in MODULES.items() if first in modules]
        found += [f"{kind}: {line}: {name}" for kind, names in NAMES.items() if first == "os" and last in names]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            of_os = (isinstance(node.value, ast.Name) and node.value.id == "os") or node.attr in NAMES["environment"]
            found += [
                f"{kind}: {node.lineno}: {node.attr}" for kind, names in NAMES.items() if of_os and node.attr in names
            ]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            found.append(f"code: {node.lineno}: {node.func.id}")
    return found


def javascript(text: str) -> list[str]:
    """The same of a script."""
    lines = list(enumerate(text.splitlines(), start=1))
    return [
        f"{kind}: {n}: {hit[0]}"
        for kind, wanted in JAVASCRIPT.items()
        for n, line in lines
        if (hit := wanted.search(line))
    ]
