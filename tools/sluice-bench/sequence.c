#include "tools/sluice-bench/sequence.h"

enum sequence_verdict sequence_take(struct sequence *sequence, uint64_t number)
{
    if (number >= sequence->next_number) {
        uint64_t step = number - sequence->next_number + 1;
        sequence->seen = step < SEQUENCE_MEMORY ? (sequence->seen << step) | 1 : 1;
        sequence->next_number = number + 1;
        return SEQUENCE_NEW;
    }

    uint64_t age = sequence->next_number - 1 - number;
    if (age >= SEQUENCE_MEMORY)
        return SEQUENCE_DUPLICATE;

    uint64_t bit = UINT64_C(1) << age;
    if (sequence->seen & bit)
        return SEQUENCE_DUPLICATE;
    sequence->seen |= bit;
    return SEQUENCE_LATE;
}
