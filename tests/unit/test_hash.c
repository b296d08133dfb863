/* The hash of what clients choose: nobody outside can tell where in a table a name will stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bus/hash.h"

enum {
    NAME_COUNT = 64,
    NAME_BYTES = 32,
    PLACE_MASK = 1023,
    SEED_COUNT = 32,
};

/* Names that an attacker has searched for: all in one place of a table under @seed. */
static void collide(uint64_t seed, char names[NAME_COUNT][NAME_BYTES])
{
    unsigned number = 0;

    for (size_t count = 0; count < NAME_COUNT; number++) {
        (void)snprintf(names[count], NAME_BYTES, "topic-%u", number);
        if ((hash_bytes(seed, names[count], strlen(names[count])) & PLACE_MASK) == 0)
            count++;
    }
}

/* How many of them stand in the fullest place under @seed. */
static unsigned fullest_place(uint64_t seed, char names[NAME_COUNT][NAME_BYTES])
{
    unsigned places[PLACE_MASK + 1] = {0};
    unsigned most = 0;

    for (size_t i = 0; i < NAME_COUNT; i++) {
        unsigned *place = &places[hash_bytes(seed, names[i], strlen(names[i])) & PLACE_MASK];

        if (++*place > most)
            most = *place;
    }
    return most;
}

static void the_same_seed_gives_the_same_hash(void **state)
{
    (void)state;
    assert_int_equal(hash_bytes(7, "news", 4), hash_bytes(7, "news", 4));
    assert_int_not_equal(hash_bytes(7, "news", 4), hash_bytes(8, "news", 4));
    assert_int_not_equal(hash_bytes(7, "news", 4), hash_bytes(7, "new", 3));
}

static void names_that_collide_under_one_seed_are_spread_by_another(void **state)
{
    char names[NAME_COUNT][NAME_BYTES];

    (void)state;
    collide(0, names);
    assert_int_equal(fullest_place(0, names), NAME_COUNT);
    for (uint64_t seed = 1; seed <= SEED_COUNT; seed++)
        assert_true(fullest_place(seed * UINT64_C(0x9e3779b97f4a7c15), names) < NAME_COUNT / 8);
}

static void every_start_has_a_seed_of_its_own(void **state)
{
    uint64_t first = 0;
    uint64_t second = 0;

    (void)state;
    assert_int_equal(hash_seed_make(&first), 0);
    assert_int_equal(hash_seed_make(&second), 0);
    assert_int_not_equal(first, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_hash),
        cmocka_unit_test(names_that_collide_under_one_seed_are_spread_by_another),
        cmocka_unit_test(every_start_has_a_seed_of_its_own),
    };

    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
