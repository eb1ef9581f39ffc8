"""No call to an outside service stands inside a transaction: its locks would be held for as long as the service takes.

Claim and commit, call, then settle in a second transaction that compares the attempt.
"""

import ast
from collections.abc import Iterator

from tests.architecture.sources import FunctionNode, Source, explain, package

OUTSIDE = {"gateway", "mail_server", "smtp"}  # `mailer` writes mails down; they leave after the commit
OUTSIDE_TYPES = {"MessageGateway", "GuardedGateway", "TwilioGateway"}


def test_no_function_takes_a_transaction_and_a_gateway() -> None:
    found = [line for source in package() for function in source.functions() for line in _both(source, function)]
    assert not found, explain(found, "Split it: claim in one transaction, call outside of any, settle in a second.")


def test_no_gateway_is_used_inside_a_transaction() -> None:
    found = [line for source in package() for line in used_inside(source)]
    assert not found, explain(found, "Leave the transaction before the outside service is called.")


def test_the_rule_sees_what_it_forbids() -> None:
    text = """
async def settle(tx: Transaction, carrier: MessageGateway) -> None: ...
async def run(database, gateway):
    async with database.transaction() as tx:
        await actions.settle(tx, gateway)
class Lane:
    async def run(self):
        async with self._database.transaction():
            await self._gateway.send(1)
"""
    source = Source(package()[0].path, text, ast.parse(text))
    assert [line for function in source.functions() for line in _both(source, function)]
    assert len(list(used_inside(source))) == 2


def _both(source: Source, function: FunctionNode) -> Iterator[str]:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    annotations = {ast.unparse(a.annotation).rsplit(".", 1)[-1] for a in arguments if a.annotation is not None}
    names = {a.arg for a in arguments}
    if ("Transaction" in annotations or "tx" in names) and (OUTSIDE_TYPES & annotations or OUTSIDE & names):
        yield f"{source.name}:{function.lineno} {function.name}"


def used_inside(source: Source) -> Iterator[str]:
    for node in source.nodes():
        if isinstance(node, ast.AsyncWith) and any(_opens_transaction(item) for item in node.items):
            for inner in (child for statement in node.body for child in ast.walk(statement)):
                if _name(inner).lstrip("_") in OUTSIDE and isinstance(getattr(inner, "ctx", None), ast.Load):
                    yield f"{source.name}:{getattr(inner, 'lineno', 0)} {_name(inner)}"


def _opens_transaction(item: ast.withitem) -> bool:
    called = item.context_expr
    return isinstance(called, ast.Call) and isinstance(called.func, ast.Attribute) and called.func.attr == "transaction"


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""
