/*
 * tests/unit/accept_queue.h - newcomers that have arrived. connect() returns when the server has answered;
 * what accept() gives is there a moment later, when the client's own answer has come, too.
 */
#ifndef TESTS_UNIT_ACCEPT_QUEUE_H
#define TESTS_UNIT_ACCEPT_QUEUE_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka.h wants those above before it. */
#include <cmocka.h>

/* Waits until so many can be accepted, 20 s at most; then the test fails. */
static inline void accept_queue_wait(int listener, unsigned count)
{
    enum { PAUSE_US = 1000, PAUSES_MAX = 20000 };

    for (int i = 0; i < PAUSES_MAX; i++) {
        struct tcp_info info;
        socklen_t size = sizeof info;

        assert_int_equal(getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
        if (info.tcpi_unacked == count) /* of a listener, its queue's length */
            return;
        assert_int_equal(usleep(PAUSE_US), 0);
    }
    fail_msg("%u newcomers have not come", count);
}

#endif
