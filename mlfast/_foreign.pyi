from typing import Any

class Function:
    def __new__(
        cls,
        *,
        n_features: int,
        n_outputs: int,
        kind: int,
        float64: bool,
        margin: bool,
        address: int,
    ) -> Function: ...
    def head_capsule(self) -> Any: ...
