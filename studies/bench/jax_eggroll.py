"""EGGROLL in jitted JAX, for the benchmark alone."""

import jax
import jax.numpy as jnp
import numpy as np

from studies.bench.generation import Setting, batches

GROUP = 8
BETA, THRESHOLD, SCALE, SIGMA, RATE = 0.9, 1.0, 10.0, 0.02, 0.001


def contestant(setting: Setting, rank: int):
    """The next generation: sampling, evaluation, centred ranks, gradient and Adam."""
    step = jax.jit(lambda *arguments: _generation(setting, rank, *arguments))
    weights = _weights(setting)
    moments = jax.tree.map(jnp.zeros_like, weights)
    state, draw = [weights, moments, moments, 0], batches(setting)

    def run():
        frames, labels = draw(state[3])
        frames, labels = jnp.asarray(frames.numpy()), jnp.asarray(labels.numpy())
        result = step(*state[:3], jnp.float32(state[3]), frames, labels)
        state[:3] = jax.block_until_ready(result)
        state[3] += 1

    return run


def _weights(setting):
    generator = np.random.default_rng(0)
    shapes = [(2312, setting.hidden), (setting.hidden, 10)]
    return [
        (
            jnp.asarray(generator.normal(0, 1.2 / shape[0] ** 0.5, shape), jnp.float32),
            jnp.zeros(shape[1], jnp.float32),
        )
        for shape in shapes
    ]


def _lif(voltage, current):
    voltage = BETA * voltage + current
    spikes = (voltage > THRESHOLD).astype(jnp.float32)
    return voltage * (1 - spikes), spikes


def _fitness(rates, labels):
    scores = jax.nn.log_softmax(SCALE * rates)
    return jnp.take_along_axis(scores, labels[:, None], axis=-1).mean()


def _generation(setting, rank, weights, first, second, step, frames, labels):
    (w1, b1), (w2, b2) = weights
    steps, batch, _ = frames.shape
    draws = setting.population // 2
    base = (frames.reshape(-1, 2312) @ w1 + b1).reshape(steps, batch, -1)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(0), step.astype(int)), draws)
    scale = SIGMA / rank**0.5

    def factors(key):
        k = jax.random.split(key, 6)
        hidden, normal = setting.hidden, jax.random.normal
        return (
            normal(k[0], (2312, rank)), normal(k[1], (hidden, rank)), normal(k[2], (hidden,)),
            normal(k[3], (hidden, rank)), normal(k[4], (10, rank)), normal(k[5], (10,)),
        )  # fmt: skip

    def pair(noise):
        bi1, a1, e1, bi2, a2, e2 = noise
        shift = scale * (frames @ bi1) @ a1.T + SIGMA * e1
        signs = jnp.array([1.0, -1.0])[:, None, None]

        def advance(state, currents):
            hidden, output, total = state
            shared, own = currents
            hidden, spikes = _lif(hidden, shared + signs * own)
            own = scale * (spikes @ bi2) @ a2.T + SIGMA * e2
            output, spikes = _lif(output, spikes @ w2 + b2 + signs * own)
            return (hidden, output, total + spikes), None

        state = tuple(jnp.zeros((2, batch, n)) for n in (setting.hidden, 10, 10))
        (_, _, total), _ = jax.lax.scan(advance, state, (base, shift))
        return jax.vmap(lambda rates: _fitness(rates, labels))(total / steps)

    noise = jax.vmap(factors)(keys)
    groups = jax.tree.map(lambda x: x.reshape(-1, GROUP, *x.shape[1:]), noise)
    fitness = jax.lax.map(jax.vmap(pair), groups).reshape(draws, 2)
    weight = _shaped(fitness) @ jnp.array([1.0, -1.0]) / setting.population
    bi1, a1, e1, bi2, a2, e2 = noise
    product = "m,mir,mor->io"
    gradients = [
        (jnp.einsum(product, weight, bi1, a1) / (SIGMA * rank**0.5), weight @ e1 / SIGMA),
        (jnp.einsum(product, weight, bi2, a2) / (SIGMA * rank**0.5), weight @ e2 / SIGMA),
    ]
    return _adam(weights, gradients, first, second, step)


def _shaped(fitness):
    flat = fitness.ravel()
    return (jnp.argsort(jnp.argsort(flat)) / (len(flat) - 1) - 0.5).reshape(fitness.shape)


def _adam(weights, gradients, first, second, step):
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
    rate = RATE * jnp.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
    weights = jax.tree.map(
        lambda w, m, v: w + rate * m / (jnp.sqrt(v) + 1e-8), weights, first, second
    )
    return weights, first, second
