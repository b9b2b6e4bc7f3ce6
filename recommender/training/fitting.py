"""Fits links between items: who follows whom in visits, and the linear model.

The linear model is EASE: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019. The weights B minimise
``|X - XB|^2 + l2 |B|^2`` with a diagonal of zeros, which has the closed form ``B = I - P / diag(P)``,
``P = (X'X + l2 I)^-1``, for the matrix X of shoppers and their items. Followers are item-to-next-item rules whose
weight falls with the distance: Ludewig, Jannach, "Evaluation of Session-based Recommendation Algorithms", UMUAI 2018.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from recommender.model.links import Links
from recommender.model.visits import Visits

LINKS_EACH = 100
MOST_LINEAR_ITEMS = 8_000
"""Items, the most met ones, among which the linear model is fitted: it inverts a dense matrix of them."""
REACH = 10
"""How many places after an item another one counts as following it."""
FOLLOWER_HALF_LIFE_US = 28 * 86_400_000_000


def links_of(matrix: Any, each: int = LINKS_EACH) -> Links:
    """Return a sparse matrix [n_items, n_items] as links: of each row the ``each`` largest positive entries."""
    rows = sp.csr_matrix(matrix)
    rows.data[rows.data < 0] = 0
    rows.eliminate_zeros()
    kept = _largest_of_rows(rows, each)
    return Links(kept.indptr.astype(np.int64), kept.indices.astype(np.int32), kept.data.astype(np.float32))


def followers(visits: Visits, n_items: int) -> Links:
    """Return for each item those met after it: 1 / distance, halved with every 28 days of age."""
    whole = sp.csr_matrix((n_items, n_items), dtype=np.float32)
    if not len(visits):
        return links_of(whole)
    left = 2.0 ** ((visits.ends_us - visits.ends_us[-1]) / FOLLOWER_HALF_LIFE_US)
    visit = np.repeat(np.arange(len(visits)), np.diff(visits.starts))
    for distance in range(1, REACH + 1):
        same = visit[distance:] == visit[:-distance]
        weights = (left[visit[distance:][same]] / distance).astype(np.float32)
        pairs = (visits.items[:-distance][same], visits.items[distance:][same])
        whole = whole + sp.csr_matrix((weights, pairs), shape=(n_items, n_items))
    return links_of(whole)


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
