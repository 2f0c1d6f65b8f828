/* Floating-point operations a second of one core at its limit: independent fused multiply-adds on
 * vectors, in registers. Prints GFLOP/s of processor time; an addition and a multiplication count 2. */
#include <stdio.h>
#include <time.h>

#define WIDTH 8
#define CHAINS 12
#define TURNS 40000000L

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
    clock_t begun = clock();
    for (long turn = 0; turn < TURNS; turn++)
#pragma GCC unroll 12
        for (int chain = 0; chain < CHAINS; chain++)
            sums[chain] = sums[chain] * factor + term;
    double seconds = (double)(clock() - begun) / CLOCKS_PER_SEC;
    double total = 0;
    for (int chain = 0; chain < CHAINS; chain++)
        for (int lane = 0; lane < WIDTH; lane++)
            total += sums[chain][lane];
    printf("%.3f %g\n", 2e-9 * TURNS * CHAINS * WIDTH / seconds, total);
    return 0;
}
