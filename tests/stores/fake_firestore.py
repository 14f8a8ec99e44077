"""A Firestore that answers every call with the same error, and notes what came over the wire."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, NamedTuple, NoReturn, Self

import grpc  # type: ignore[import-untyped]


class Call(NamedTuple):
    method: str
    seconds: float
    """The time-out the caller put on the wire (gRPC's `grpc-timeout` header); over a year when it set none."""


class FailingFirestore(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Listens at `host` within its `with` block."""

    def __init__(self, code: grpc.StatusCode, words: str = "S3CRET") -> None:
        self.calls: list[Call] = []
        self._code = code
        self._words = words

    def __enter__(self) -> Self:
        self._server = grpc.server(ThreadPoolExecutor(4), handlers=[self])
        self.host = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop(None).wait()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = handler_call_details.method.rpartition("/")[2]

        def fail(_: bytes, context: Any) -> NoReturn:
            self.calls.append(Call(method, context.time_remaining()))
            context.abort(self._code, self._words)
            raise AssertionError

        if method == "BatchGetDocuments":
            return grpc.unary_stream_rpc_method_handler(fail)
        return grpc.unary_unary_rpc_method_handler(fail)
