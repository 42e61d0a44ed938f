from collections.abc import Sequence
from typing import Any, Final, final

import numpy as np

from mlfast.nn._lower import Lowered

KINDS: Final[dict[str, int]]
KEEP_GIL_NS: Final[float]

def instruction_sets() -> tuple[str, ...]: ...
def kernels(isa: str | None = None) -> dict[str, int]: ...

@final
class Plan:
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    isa: str
    def __init__(
        self,
        lowered: Lowered,
        isa: str | None = None,
        splits: Sequence[tuple[int, int]] = (),
    ) -> None: ...
    def head_capsule(self) -> Any: ...
    def forward(self, x: np.ndarray, out: np.ndarray) -> None: ...
    def batch(self, x: np.ndarray, out: np.ndarray, strategy: int, n_threads: int) -> None: ...

class Runner:
    def forward(
        self, x: Any, out: np.ndarray | None = None, strategy: str | None = None
    ) -> np.ndarray: ...
    def __call__(
        self, x: Any, out: np.ndarray | None = None, strategy: str | None = None
    ) -> np.ndarray: ...
    def predict_one(self, image: Any) -> int: ...
    def _forward(self, x: Any, out: Any, strategy: str | None) -> np.ndarray: ...
    def _use(self, plan: Plan | None, strategy: str | None = None) -> None: ...
