/* The functions of kgpt/quant.h's table, one for each type, around one function for all of them.
 *
 * Who includes this has defined SUFFIX, struct kind, and MULTIPLY_ROWS: what multiplies rows of a kind, with the
 * parameters of kg_rows_fn and the kind behind them. A kind is constant, so the compiler makes code for each. */
#define NAME_OF_ROWS(type, suffix) kg_rows_##type##suffix
#define NAME_OF(type, suffix) NAME_OF_ROWS(type, suffix)
#define DEFINE_ROWS(type, ...)                                                                                        \
    void NAME_OF(type, SUFFIX)(float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first, uint32_t n, \
                               const void *acts, size_t act_stride, uint32_t tokens)                                  \
    {                                                                                                                 \
        const struct kind kind = {__VA_ARGS__};                                                                       \
        MULTIPLY_ROWS(y, y_stride, matrix, first, n, acts, act_stride, tokens, kind);                                 \
    }
