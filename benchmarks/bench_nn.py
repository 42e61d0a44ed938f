"""asv: layers and the digits network, one example through Python with `out=`; strategies."""

import numpy as np

from benchmarks import linear_classifier, networks
from mlfast import nn, threads

CALLS = range(100)


class One:
    """A hundred calls of one layer, one thread."""

    params = list(networks.layers())
    param_names = ["layer"]

    def setup(self, name):
        threads.set_num_threads(1)
        self.layer, shape = networks.layers()[name]
        self.x = networks.image(shape)
        self.out = self.layer.forward(self.x)

    def time_forward_100(self, name):
        forward, x, out = self.layer.forward, self.x, self.out
        for _ in CALLS:
            forward(x, out)


class Strategy:
    """A hundred calls, the work of each split in one of four ways."""

    params = [
        ["linear 1024 -> 256", "conv 24x24x24 k3 -> 32", "digits network"],
        ["sequential", "spawn", "pool", "static"],
    ]
    param_names = ["layer", "strategy"]

    def setup(self, name, strategy):
        threads.set_num_threads(2)
        self.layer, shape = networks.layers()[name]
        self.x = networks.image(shape)
        self.out = self.layer.forward(self.x, strategy=strategy)
        if not np.array_equal(self.out, self.layer.forward(self.x, strategy="sequential")):
            raise AssertionError("the strategies differ")

    def time_forward_100(self, name, strategy):
        forward, x, out = self.layer.forward, self.x, self.out
        for _ in CALLS:
            forward(x, out, strategy)

    def teardown(self, name, strategy):
        threads.shutdown()


class Batch:
    """256 images, split by image."""

    params = [1, 2]
    param_names = ["threads"]

    def setup(self, n_threads):
        threads.set_num_threads(n_threads)
        self.call = networks.batch_call(256, n_threads)

    def time_predict_256_images(self, n_threads):
        self.call()


class Classifier:
    """The largest of 64 scores of 262,144 features, by batch size."""

    params = [["float64", "float32"], [1, 16, 256]]
    param_names = ["dtype", "examples"]

    def setup(self, dtype, n):
        self.weight = linear_classifier.weights(dtype)
        self.x = linear_classifier.batch(n, dtype)
        self.model = nn.LinearClassifier(self.weight)
        if not np.array_equal(self.model.predict(self.x), (self.x @ self.weight.T).argmax(axis=1)):
            raise AssertionError("the answers differ")

    def time_predict(self, dtype, n):
        self.model.predict(self.x)

    def time_numpy(self, dtype, n):
        (self.x @ self.weight.T).argmax(axis=1)
