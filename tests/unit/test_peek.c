/* What a ring's file says to who only looks. */
#include "bus/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/bus_fixture.h"

static void it_tells_the_newest_operation_and_the_epoch(void **state)
{
    const struct fixture *fixture = *state;
    struct bus_peek peek;

    assert_int_equal(bus_peek(fixture->path, FIXTURE_STORE_ID, &peek), 0);
    assert_int_equal(peek.epoch, FIXTURE_EPOCH);
    assert_int_equal(peek.last_seq, 0);
    for (uint64_t seq = 1; seq <= 5; seq++) {
        struct ring_appended appended;

        assert_int_equal(fixture_append(fixture->bus, 64, seq, &appended), 0);
        assert_int_equal(bus_peek(fixture->path, FIXTURE_STORE_ID, &peek), 0);
        assert_int_equal(peek.last_seq, seq);
    }
}

static void what_is_no_ring_of_the_store_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    struct bus_peek peek;
    int fd;

    assert_int_equal(bus_peek("/nowhere/at/all", FIXTURE_STORE_ID, &peek), -ENOENT);
    assert_int_equal(bus_peek(fixture->path, FIXTURE_STORE_ID + 1, &peek), -EINVAL);
    assert_int_equal(bus_peek("/dev/null", FIXTURE_STORE_ID, &peek), -EINVAL);
    fd = open(fixture->path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "x", 1, 0), 1);
    assert_int_equal(bus_peek(fixture->path, FIXTURE_STORE_ID, &peek), -EINVAL);
    assert_int_equal(pwrite(fd, "S", 1, 0), 1);
    assert_int_equal(bus_peek(fixture->path, FIXTURE_STORE_ID, &peek), 0);
    assert_int_equal(close(fd), 0);
}

/* The beginning of one, as a full disk leaves it. */
static void a_ring_that_was_cut_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    char path[] = "/tmp/sluice-peek-XXXXXX";
    int to = mkstemp(path);
    int from = open(fixture->path, O_RDONLY | O_CLOEXEC);
    struct bus_peek peek;
    char head[100];

    assert_true(to >= 0);
    assert_true(from >= 0);
    assert_int_equal(read(from, head, sizeof head), sizeof head);
    assert_int_equal(write(to, head, sizeof head), sizeof head);
    assert_int_equal(bus_peek(path, FIXTURE_STORE_ID, &peek), -EINVAL);
    assert_int_equal(close(from), 0);
    assert_int_equal(close(to), 0);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_tells_the_newest_operation_and_the_epoch, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_ring_of_the_store_is_refused, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_ring_that_was_cut_is_refused, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests_name("peek", tests, NULL, NULL);
}
