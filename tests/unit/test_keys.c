#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/keys.h"

static struct keys *keys;

static int begin(void **state)
{
    (void)state;
    return keys_open(&keys);
}

static int end(void **state)
{
    (void)state;
    keys_close(keys);
    return 0;
}

static bool is_kept(const struct key *key, bool *ret_is_newest)
{
    struct key found;

    if (!keys_find(keys, key->name, &found, ret_is_newest))
        return false;
    assert_memory_equal(&found, key, sizeof found);
    return true;
}

static void the_newest_seals_and_two_older_ones_open(void **state)
{
    struct key all[6];
    bool is_newest;

    (void)state;
    for (int i = 0; i < 6; i++) {
        assert_true(keys_newest(keys, &all[i]));
        for (int j = 0; j <= i; j++) {
            assert_int_equal(is_kept(&all[j], &is_newest), i - j <= KEYS_OLD);
            if (i - j <= KEYS_OLD)
                assert_int_equal(is_newest, i == j);
        }
        assert_int_equal(keys_renew(keys), 0);
    }
}

/* Whether the secret is in memory that processes share without a file. */
static bool is_in_shared_memory(const struct key *key)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    bool is_found = false;
    char line[512];

    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        char *dash;
        uintptr_t from = strtoul(line, &dash, 16);
        uintptr_t to = strtoul(dash + 1, NULL, 16);

        if (strstr(line, " rw-s ") != NULL && strstr(line, "/dev/zero") != NULL &&
            memmem((const void *)from, to - from, key->secret, sizeof key->secret) != NULL)
            is_found = true;
    }
    assert_int_equal(fclose(maps), 0);
    return is_found;
}

static void what_is_too_old_is_wiped(void **state)
{
    struct key key;

    (void)state;
    assert_true(keys_newest(keys, &key));
    for (int i = 0; i <= KEYS_OLD; i++) {
        assert_true(is_in_shared_memory(&key));
        assert_int_equal(keys_renew(keys), 0);
    }
    assert_false(is_in_shared_memory(&key));
}

static void no_key_is_like_another_and_none_is_empty(void **state)
{
    static const struct key nothing;
    struct key before = {0};
    struct key key;
    bool is_newest;

    (void)state;
    for (int i = 0; i < 8; i++) {
        assert_true(keys_newest(keys, &key));
        assert_memory_not_equal(key.name, before.name, sizeof key.name);
        assert_memory_not_equal(key.secret, before.secret, sizeof key.secret);
        assert_memory_not_equal(key.secret, key.secret + KEY_SECRET_BYTES / 2,
                                KEY_SECRET_BYTES / 2);
        before = key;
        assert_false(is_kept(&nothing, &is_newest)); /* nor does what was wiped pass for one */
        assert_int_equal(keys_renew(keys), 0);
    }
}

static void what_one_process_makes_another_finds(void **state)
{
    struct key before;
    struct key key;
    bool is_newest = true;
    int status;
    pid_t pid;

    (void)state;
    assert_true(keys_newest(keys, &before));
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(keys_renew(keys) == 0 ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(keys_newest(keys, &key));
    assert_memory_not_equal(key.name, before.name, sizeof key.name);
    assert_true(is_kept(&before, &is_newest));
    assert_false(is_newest);
}

/* Names and secrets of a run, each key once: what is read must be one of them, whole. */
enum {
    RENEWALS = 2000,
};

static struct key made[RENEWALS + 1];
static _Atomic int made_count;
static _Atomic int is_over;

static void *renew(void *unused)
{
    (void)unused;
    for (int i = 0; i < RENEWALS; i++) {
        if (keys_renew(keys) != 0 || !keys_newest(keys, &made[i + 1]))
            break;
        atomic_store(&made_count, i + 2);
    }
    atomic_store(&is_over, 1);
    return NULL;
}

static void a_reader_never_sees_half_a_key(void **state)
{
    pthread_t thread;
    struct key key;
    bool is_last;

    (void)state;
    assert_true(keys_newest(keys, &made[0]));
    atomic_store(&made_count, 1);
    assert_int_equal(pthread_create(&thread, NULL, renew, NULL), 0);
    do {
        const struct key *wanted;
        bool is_newest;

        is_last = atomic_load(&is_over) != 0; /* then the next line finds the last one made */
        wanted = &made[atomic_load(&made_count) - 1];
        if (keys_find(keys, wanted->name, &key, &is_newest))
            assert_memory_equal(&key, wanted, sizeof key);
        else
            assert_false(is_last);
    } while (!is_last);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load(&made_count), RENEWALS + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest_seals_and_two_older_ones_open), TEST(what_is_too_old_is_wiped),
        TEST(no_key_is_like_another_and_none_is_empty), TEST(what_one_process_makes_another_finds),
        TEST(a_reader_never_sees_half_a_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
