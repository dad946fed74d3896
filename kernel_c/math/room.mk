ENGINE += \
    math/math.c \
    math/math_test.c \
    math/random.c \
    math/random_test.c
ENGINE_LM += \
    math/dmath.c \
    math/dmath_trig.c \
    math/math_inline_test.c
ENGINE_TRAIN += \
    math/dmath.c \
    math/dmath_test.c \
    math/dmath_trig.c \
    math/mt19937.c \
    math/mt19937_test.c
SMALL += math/random.c
