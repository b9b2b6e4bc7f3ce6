"""What leads from one item to others: weights by pairs of items, of each item the strongest alone.

The linear model is EASE: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019. The weights B minimise
``|X - XB|^2 + l2 |B|^2`` with a diagonal of zeros, which has the closed form ``B = I - P / diag(P)``,
``P = (X'X + l2 I)^-1``, for the matrix X of shoppers and their items.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse as sp

Numbers = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

LINKS_EACH = 100
MOST_LINEAR_ITEMS = 8_000
"""Items, the most met ones, among which the linear model is fitted: it inverts a dense matrix of them."""
_NOTHING = np.empty(0, np.int32), np.empty(0, np.float32)


class Links(NamedTuple):
    """Rows of weighted items, one for each item: a sparse matrix by rows. The items of a row are in no order."""

    starts: npt.NDArray[np.int64]
    """int64 [n_items + 1]"""
    items: Numbers
    """int32 [n]"""
    weights: Floats
    """float32 [n]"""

    def of(self, item: int) -> tuple[Numbers, Floats]:
        """Return the items that an item leads to and their weights; none for an item beyond the rows."""
        if item + 1 >= len(self.starts):
            return _NOTHING
        part = slice(self.starts[item], self.starts[item + 1])
        return self.items[part], self.weights[part]

    def from_all(self, items: npt.NDArray[Any], weights: npt.NDArray[Any]) -> tuple[Numbers, Floats]:
        """Return the distinct items that some items lead to, each with the weighted sum of the weights."""
        inside = items + 1 < len(self.starts)
        items, weights = items[inside], weights[inside]
        lengths = self.starts[items + 1] - self.starts[items]
        total = int(lengths.sum())
        if not total:
            return _NOTHING
        places = np.arange(total) + np.repeat(self.starts[items] - np.cumsum(lengths) + lengths, lengths)
        reached, inverse = np.unique(self.items[places], return_inverse=True)
        sums = np.bincount(inverse, self.weights[places] * np.repeat(weights, lengths))
        return reached, sums.astype(np.float32)


def links_of(matrix: Any, each: int = LINKS_EACH) -> Links:
    """Return a sparse matrix of shape [n_items, n_items] as links: of each row the ``each`` largest positive entries."""
    rows = sp.csr_matrix(matrix)
    rows.data[rows.data < 0] = 0
    rows.eliminate_zeros()
    kept = _largest_of_rows(rows, each)
    return Links(kept.indptr.astype(np.int64), kept.indices.astype(np.int32), kept.data.astype(np.float32))


def fit_linear(histories: Any, l2: float) -> Links:
    """Fit EASE.

    Args:
        histories: scipy.sparse.csr_matrix [n_shoppers, n_items], how much each has to do with an item, mostly 1.
        l2: regularisation, in shoppers [unitless].
    """
    n_items = histories.shape[1]
    met = np.asarray((histories > 0).sum(axis=0)).ravel()
    chosen = np.sort(np.argsort(-met, kind="stable")[: min(MOST_LINEAR_ITEMS, int((met > 0).sum()))])
    if len(chosen) < 2:
        return links_of(sp.csr_matrix((n_items, n_items), dtype=np.float32))
    some = histories[:, chosen].astype(np.float32)
    gram = np.asfortranarray((some.T @ some).toarray().astype(np.float32))
    gram[np.diag_indices_from(gram)] += l2
    inverse = scipy.linalg.inv(gram, overwrite_a=True, check_finite=False)
    inverse /= -np.diag(inverse)
    inverse[np.diag_indices_from(inverse)] = 0.0
    places = np.argpartition(-inverse, min(LINKS_EACH, len(chosen) - 1), axis=1)[:, :LINKS_EACH]
    found = np.take_along_axis(inverse, places, axis=1)
    rows = np.repeat(chosen, places.shape[1])
    matrix = sp.coo_matrix((found.ravel(), (rows, chosen[places.ravel()])), shape=(n_items, n_items))
    return links_of(matrix)


def _largest_of_rows(rows: Any, each: int) -> Any:
    """Return a CSR matrix with the ``each`` largest entries of each row."""
    order = np.lexsort((-rows.data, np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))))
    places = np.arange(rows.nnz) - np.repeat(rows.indptr[:-1], np.diff(rows.indptr))
    kept = np.sort(order[places < each])
    counts = np.minimum(np.diff(rows.indptr), each)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return sp.csr_matrix((rows.data[kept], rows.indices[kept], indptr), shape=rows.shape)
