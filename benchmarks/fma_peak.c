/* Floating-point operations a second of one core at its limit: independent chains of a
 * multiplication and an addition on vectors, in registers, fused where the compiler is told to
 * (-ffp-contract=fast). Prints GFLOP/s of processor time; an addition and a multiplication count 2.
 *
 * A vector is one register and all chains fit the registers, or their spills would be measured;
 * there are enough of them to cover the latency of both operations. */
#include <stdio.h>
#include <time.h>

#if defined __AVX512F__
#define WIDTH 8
#define CHAINS 24
#elif defined __AVX__
#define WIDTH 4
#define CHAINS 12
#elif defined __aarch64__
#define WIDTH 2
#define CHAINS 24
#else
#define WIDTH 2
#define CHAINS 12
#endif
#define OPERATIONS 4e9

typedef double vector __attribute__((vector_size(WIDTH * sizeof(double))));

int main(void)
{
    vector sums[CHAINS], factor, term;
    for (int lane = 0; lane < WIDTH; lane++) {
        factor[lane] = 0.999 + 1e-5 * lane;
        term[lane] = 1e-3;
    }
    for (int chain = 0; chain < CHAINS; chain++)
        sums[chain] = term * (double)chain;
    long turns = (long)(OPERATIONS / (2 * CHAINS * WIDTH));
    clock_t begun = clock();
    for (long turn = 0; turn < turns; turn++)
#pragma GCC unroll 24
        for (int chain = 0; chain < CHAINS; chain++)
            sums[chain] = sums[chain] * factor + term;
    double seconds = (double)(clock() - begun) / CLOCKS_PER_SEC;
    double total = 0;
    for (int chain = 0; chain < CHAINS; chain++)
        for (int lane = 0; lane < WIDTH; lane++)
            total += sums[chain][lane];
    printf("%.3f %g\n", 2e-9 * turns * CHAINS * WIDTH / seconds, total);
    return 0;
}
