/* What two ranks tell each other costs: an exchange with both neighbours, as da_base_domain makes it,
 * and a reduction of one number. Rank 0 prints lines "exchange BYTES MICROSECONDS" and
 * "reduction MICROSECONDS": the median over batches, which the machine's other work disturbs least. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCHES 101
#define TURNS 50
#define LARGEST (1 << 20)

static int ascending(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static double median(double *times)
{
    qsort(times, BATCHES, sizeof *times, ascending);
    return times[BATCHES / 2];
}

static char sent[2][LARGEST], received[2][LARGEST];

static void exchange(int left, int right, int bytes)
{
    MPI_Request requests[4];
    MPI_Irecv(received[0], bytes, MPI_BYTE, left, 0, MPI_COMM_WORLD, &requests[0]);
    MPI_Irecv(received[1], bytes, MPI_BYTE, right, 1, MPI_COMM_WORLD, &requests[1]);
    MPI_Isend(sent[0], bytes, MPI_BYTE, right, 0, MPI_COMM_WORLD, &requests[2]);
    MPI_Isend(sent[1], bytes, MPI_BYTE, left, 1, MPI_COMM_WORLD, &requests[3]);
    MPI_Waitall(4, requests, MPI_STATUSES_IGNORE);
}

int main(int argc, char **argv)
{
    double times[BATCHES];
    int rank, ranks;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    int left = (rank + ranks - 1) % ranks, right = (rank + 1) % ranks;
    for (int bytes = 8; bytes <= LARGEST; bytes *= 8) {
        for (int batch = 0; batch < BATCHES; batch++) {
            MPI_Barrier(MPI_COMM_WORLD);
            double begun = MPI_Wtime();
            for (int turn = 0; turn < TURNS; turn++)
                exchange(left, right, bytes);
            times[batch] = 1e6 * (MPI_Wtime() - begun) / TURNS;
        }
        if (rank == 0)
            printf("exchange %d %.3f\n", bytes, median(times));
    }
    for (int batch = 0; batch < BATCHES; batch++) {
        double value = rank;
        MPI_Barrier(MPI_COMM_WORLD);
        double begun = MPI_Wtime();
        for (int turn = 0; turn < TURNS; turn++)
            MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
        times[batch] = 1e6 * (MPI_Wtime() - begun) / TURNS;
    }
    if (rank == 0)
        printf("reduction %.3f\n", median(times));
    MPI_Finalize();
    return 0;
}
