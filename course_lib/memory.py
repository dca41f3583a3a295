"""How much memory a computation needs, measured.

Tensor storages are watched as torch creates them, so the figure is exact and the same on every
machine; what other libraries allocate, and what an operation allocates inside itself, is not seen.
"""

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemory(TorchDispatchMode):
    """Watches the tensors made inside a ``with`` block.

        with PeakMemory() as memory:
            estimator.fill_grads(network, frames, labels)
        memory.peak        # bytes of the tensors alive at the same time, at most
        memory.largest     # elements of the largest tensor made

    Tensors that existed before, and views of them, do not count.
    """

    def __init__(self):
        super().__init__()
        self.peak = self.largest = 0
        self._known: dict[int, StorageWeakRef] = {}
        self._bytes: dict[int, int] = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        before = {_key(t) for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        result = function(*args, **kwargs)
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and _key(tensor) not in before:
                storage = tensor.untyped_storage()
                self._known[_key(tensor)] = StorageWeakRef(storage)
                self._bytes[_key(tensor)] = storage.nbytes()
                self.largest = max(self.largest, tensor.numel())
        for key in [key for key, storage in self._known.items() if storage.expired()]:
            del self._known[key], self._bytes[key]
        self.peak = max(self.peak, sum(self._bytes.values()))
        return result


def _key(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata
