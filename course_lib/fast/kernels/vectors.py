"""Vectors of 8 to 64 float32 numbers, inside compiled functions.

A loop that keeps its state in variables of this type keeps it in the processor's vector registers,
over all steps of a simulation, where a loop over arrays would write it to memory and read it again
at every step. LLVM turns the lanes into whatever the machine has: 16 are one AVX-512 register, two
of AVX2, four of NEON.

    voltage = fma(leak, voltage, load(currents, i, 64))    # v ← β v + I, for neurons i … i + 63
    fired = above(voltage, threshold)                      # a word of 64 bits, lowest first
    voltage = choose(fired, zero, voltage)

Nothing checks that i + 63 lies within the array: callers pad their arrays to whole vectors.

For whoever has to mend this some day. Plain Numba loops were measured four times slower for a
generation, which is why these functions exist; each is a few lines of LLVM's language (``ir``) that
``@intrinsic`` pastes into compiled code. There are five groups: ``load`` and ``store`` (with
``put``, ``item`` and ``word_at`` for single words), arithmetic, comparisons that give a word of one
bit a lane, ``choose`` by such a word, and ``lowest`` and ``count`` of a word's bits. They use only
what LLVM has had for ten years and what every processor has a translation of. How many lanes there
are, LANES, changes speed and never a result: each sum is made lane by lane in one order.
``philox.py`` and ``threads.py`` hold the only other hand-written instructions, products of words
and one atomic addition. If a new LLVM refuses one of these functions, or computes another number,
``fast/trust.py`` notices in a child process and the course goes on in plain torch: nothing is
urgent. To find the one that is at fault, run
``COURSE_KERNELS=on pytest tests/test_population.py -k "noise or events or vectors"``, then compile
the intrinsics one after another in a file of five lines each. llvmlite's manual has the words
(``builder.fcmp_ordered``, …), LLVM's "Language Reference" their meaning, and a compiled function's
``inspect_asm`` shows what became of them. When it works again, add the version to ``trust.PROVEN``.
"""

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from course_lib.fast.trust import host_features


class Lanes(types.Type):
    """Numba's type of a vector of so many float32 numbers."""

    def __init__(self, lanes):
        self.lanes = lanes
        self.floats = ir.VectorType(ir.FloatType(), lanes)
        self.bits = ir.VectorType(ir.IntType(1), lanes)
        self.word = types.Integer.from_bitwidth(lanes, signed=False)
        super().__init__(name=f"Lanes({lanes})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, lanes):
        super().__init__(manager, lanes, lanes.floats)


def _place(context, builder, signature, args):
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


def _kind(like):
    """Lanes are said by a number, or by another vector of the same length."""
    return like if isinstance(like, Lanes) else Lanes(like.literal_value)


@intrinsic(prefer_literal=True)
def load(typing, array, index, like):
    """array[index : index + lanes] of a contiguous one-dimensional float32 array."""
    kind = _kind(like)

    def generate(context, builder, signature, args):
        place = builder.bitcast(_place(context, builder, signature, args), kind.floats.as_pointer())
        return builder.load(place, align=4)

    return kind(array, types.intp, like), generate


@intrinsic
def store(typing, array, index, vector):
    """array[index : index + lanes] = vector."""

    def generate(context, builder, signature, args):
        place = _place(context, builder, signature, args)
        builder.store(args[2], builder.bitcast(place, vector.floats.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, vector), generate


@intrinsic
def put(typing, array, index, word):
    """Store a word of any width in an array's memory, as if it were an array of such words."""

    def generate(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        words = builder.bitcast(data, ir.IntType(word.bitwidth).as_pointer())
        builder.store(args[2], builder.gep(words, [args[1]]))
        return context.get_dummy_value()

    return types.none(array, types.intp, word), generate


@intrinsic
def item(typing, array, index):
    """array[index] for an index that is known to be valid and not negative."""

    def generate(context, builder, signature, args):
        return builder.load(_place(context, builder, signature, args))

    return array.dtype(array, types.intp), generate


@intrinsic
def word_at(typing, array, index):
    """Eight bytes of a uint8 array as a 64-bit word, the first of them lowest."""

    def generate(context, builder, signature, args):
        place = _place(context, builder, signature, args)
        return builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(array, types.intp), generate


@intrinsic(prefer_literal=True)
def spread(typing, number, like):
    """A vector of the same number in every lane."""
    kind = _kind(like)

    def generate(context, builder, signature, args):
        undefined, place = ir.Constant(kind.floats, ir.Undefined), ir.IntType(32)
        one = builder.insert_element(undefined, args[0], ir.Constant(place, 0))
        zeros = ir.Constant(ir.VectorType(place, kind.lanes), [0] * kind.lanes)
        return builder.shuffle_vector(one, undefined, zeros)

    return kind(types.float32, like), generate


@intrinsic
def add(typing, x, y):
    return x(x, y), lambda context, builder, signature, args: builder.fadd(*args)


@intrinsic
def sub(typing, x, y):
    return x(x, y), lambda context, builder, signature, args: builder.fsub(*args)


@intrinsic
def mul(typing, x, y):
    return x(x, y), lambda context, builder, signature, args: builder.fmul(*args)


@intrinsic
def fma(typing, x, y, z):
    """x · y + z, rounded once where the machine can."""

    def generate(context, builder, signature, args):
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(x.floats, [x.floats] * 3),
            f"llvm.fmuladd.v{x.lanes}f32",
        )  # fmt: skip
        return builder.call(function, args)

    return x(x, y, z), generate


@intrinsic
def power_of_two(typing, x):
    """2^x for whole numbers from −126 to 127: x becomes a number's exponent."""

    def generate(context, builder, signature, args):
        kind = ir.VectorType(ir.IntType(32), x.lanes)
        exponent = builder.add(builder.fptosi(args[0], kind), ir.Constant(kind, [127] * x.lanes))
        bits = builder.shl(exponent, ir.Constant(kind, [23] * x.lanes))
        return builder.bitcast(bits, x.floats)

    return x(x), generate


def _comparison(name: str, sign: str):
    """A function of two vectors: in which lanes it holds, as a word of that many bits."""

    @intrinsic
    def compare(typing, x, y):
        def generate(context, builder, signature, args):
            return builder.bitcast(getattr(builder, name)(sign, *args), ir.IntType(x.lanes))

        return x.word(x, y), generate

    return compare


#: x > y;  not x > y;  x ≠ y, or one is not a number
above = _comparison("fcmp_ordered", ">")
not_above = _comparison("fcmp_unordered", "<=")
unequal = _comparison("fcmp_unordered", "!=")


@intrinsic
def choose(typing, word, x, y):
    """x in the lanes whose bit is set, y in the others."""

    def generate(context, builder, signature, args):
        return builder.select(builder.bitcast(args[0], x.bits), args[1], args[2])

    return x(x.word, x, y), generate


@intrinsic
def lowest(typing, word):
    """The place of the lowest set bit of a 64-bit word; 64 if there is none."""

    def generate(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


@intrinsic
def count(typing, word):
    """How many bits of a 64-bit word are set."""

    def generate(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate


FEATURES = host_features()
#: numbers of a vector of neurons whose whole state should stay in registers: AVX-512 has 32 of 16
#: numbers, AVX2 has 16 of 8; and of half such a vector: AVX2 collects the bits of eight lanes
LANES = 64 if FEATURES.get("avx512f", False) else 16
HALF = LANES // 2
#: for functions that only other compiled ones call. They make no array, so they need not count
#: references to any ("_nrt"): inside a loop that would be an atomic operation at every turn
INNER = {"_nrt": False, "nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
#: for the small functions that kernels are put together from
INLINE = numba.njit(**INNER, forceinline=True)
