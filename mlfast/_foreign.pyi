from typing import Any

class Function:
    def __init__(
        self,
        *,
        n_features: int,
        n_outputs: int,
        kind: int,
        float64: bool,
        margin: bool,
        address: int,
    ) -> None: ...
    def head_capsule(self) -> Any: ...
