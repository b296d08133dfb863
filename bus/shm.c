#include "bus/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/handle.h"
#include "bus/robust.h"
#include "bus/role.h"
#include "bus/stats.h"
#include "bus/test_point.h"
#include "bus/wake.h"

/* How far a clock that jumps ahead is followed. */
#define TIME_AHEAD_MAX_NS INT64_C(60000000000)

enum {
    LOCK_WAIT_MS = 5000, /* old processes may still be inside an fsync */
    LOCK_POLL_MS = 10,
    ALLOCATE_TRIES_MAX = 1000, /* a signal interrupts the allocation of a large ring */
};

static char error_text[512];

/* Remembers in words what went wrong; returns -@error for the caller to hand on. */
__attribute__((format(printf, 2, 3))) static int open_failed(int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    /* The analyser does not see that va_start has initialised it. */
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    (void)vsnprintf(error_text, sizeof error_text, format, arguments); /* cut when too long */
    va_end(arguments);
    return -error;
}

const char *bus_error_text(void)
{
    return error_text;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now = {0};

    CHECK(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sleep_ms(int ms)
{
    const struct timespec pause = {.tv_nsec = (long)ms * 1000000};

    (void)nanosleep(&pause, NULL); /* cut short by a signal: the caller looks again */
}

/* --- the file ---------------------------------------------------------------------------- */

static bool is_size_good(uint64_t size)
{
    return size >= BUS_SIZE_MIN && size <= BUS_SIZE_MAX && (size & (size - 1)) == 0;
}

/* What an earlier run wrote about itself; zeros where the file is too short. */
static void read_old_header(int fd, struct bus_identity *ret_identity, int32_t *ret_master_pid)
{
    const off_t pid_offset = (off_t)(offsetof(struct bus_header, slots) +
                                     BUS_SLOT_MASTER * sizeof(struct bus_process_slot) +
                                     offsetof(struct bus_process_slot, pid));

    memset(ret_identity, 0, sizeof *ret_identity);
    *ret_master_pid = 0;
    if (pread(fd, ret_identity, sizeof *ret_identity, 0) < (ssize_t)sizeof *ret_identity) {
        memset(ret_identity, 0, sizeof *ret_identity);
        return;
    }
    if (memcmp(ret_identity->magic, BUS_MAGIC, sizeof ret_identity->magic) != 0 ||
        ret_identity->layout_version != BUS_LAYOUT_VERSION)
        return;
    if (pread(fd, ret_master_pid, sizeof *ret_master_pid, pid_offset) !=
        (ssize_t)sizeof *ret_master_pid)
        *ret_master_pid = 0;
}

static int lock_failed(int fd, const char *path)
{
    struct bus_identity identity;
    int32_t pid = 0;

    read_old_header(fd, &identity, &pid);
    if (pid > 0)
        return open_failed(EWOULDBLOCK, "%s is in use by another server (pid %" PRId32 ")", path,
                           pid);
    return open_failed(EWOULDBLOCK, "%s is in use by another process", path);
}

/* Waits for the old owner's processes to go. */
static int lock_file(int fd, const char *path, int64_t deadline_ns)
{
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return open_failed(errno, "cannot lock %s: %s", path, strerror(errno));
        if (clock_ns(CLOCK_BOOTTIME) >= deadline_ns)
            return lock_failed(fd, path);
        sleep_ms(LOCK_POLL_MS);
    }
    return 0;
}

/* 1: @path still names what @fd is; 0: its owner has unlinked it before we had the lock. */
static int is_same_file(int fd, const char *path)
{
    struct stat by_fd;
    struct stat by_path;

    if (fstat(fd, &by_fd) != 0)
        return open_failed(errno, "cannot look at %s: %s", path, strerror(errno));
    if (stat(path, &by_path) != 0)
        return errno == ENOENT ? 0
                               : open_failed(errno, "cannot look at %s: %s", path, strerror(errno));
    return by_fd.st_dev == by_path.st_dev && by_fd.st_ino == by_path.st_ino;
}

/* Opens and locks the file, creating it when there is none. */
static int open_file(const char *path, int *ret_fd)
{
    const int64_t deadline_ns = clock_ns(CLOCK_BOOTTIME) + (int64_t)LOCK_WAIT_MS * 1000000;
    int fd;
    int rc;

    for (;;) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return open_failed(errno, "cannot open %s: %s", path, strerror(errno));
        rc = lock_file(fd, path, deadline_ns);
        if (rc == 0)
            rc = is_same_file(fd, path);
        if (rc < 0)
            break;
        if (rc > 0) {
            *ret_fd = fd;
            return 0;
        }
        (void)close(fd);
        if (clock_ns(CLOCK_BOOTTIME) >= deadline_ns)
            return open_failed(EWOULDBLOCK, "%s is replaced again and again", path);
    }
    (void)close(fd);
    return rc;
}

/*
 * How large the data part of a file of @file_bytes is. An intact ring says it twice (in its header
 * and by its length). A cut or damaged one keeps its size, and so the places of its records, where
 * two of header, length and configuration agree, or where only the length is odd.
 */
static uint64_t choose_size(const struct bus_identity *old, uint64_t file_bytes,
                            const struct bus_options *options)
{
    const uint64_t by_length = file_bytes > BUS_HEADER_BYTES ? file_bytes - BUS_HEADER_BYTES : 0;
    const bool is_ours = memcmp(old->magic, BUS_MAGIC, sizeof old->magic) == 0 &&
                         old->layout_version == BUS_LAYOUT_VERSION &&
                         old->header_bytes == BUS_HEADER_BYTES &&
                         old->store_id == options->store_id;

    if (is_size_good(old->size)) {
        if (old->size == by_length || old->size == options->size)
            return old->size;
        if (is_ours && !is_size_good(by_length))
            return old->size;
    }
    return is_size_good(by_length) ? by_length : options->size;
}

/* Every page exists before the first append: a full tmpfs is an error now, not a SIGBUS later. */
static int allocate_file(int fd, const char *path, uint64_t bytes)
{
    int error = EINTR;

    for (int i = 0; i < ALLOCATE_TRIES_MAX && error == EINTR; i++)
        error = posix_fallocate(fd, 0, (off_t)bytes);
    if (error == ENOSPC)
        return open_failed(ENOSPC,
                           "no room for the ring: %s needs %" PRIu64
                           " MiB; choose a smaller --ring-size or a larger tmpfs",
                           path, bytes >> 20);
    if (error != 0)
        return open_failed(error, "cannot allocate %s: %s", path, strerror(error));
    /* Longer than it should be: what is behind the data part is not ours to keep. */
    if (ftruncate(fd, (off_t)bytes) != 0)
        return open_failed(errno, "cannot set the length of %s: %s", path, strerror(errno));
    return 0;
}

/* Header and data, and the data once more right behind, so that no record wraps. */
static int map_file(struct bus *bus)
{
    const size_t once = BUS_HEADER_BYTES + bus->size;
    uint8_t *base =
        mmap(NULL, once + bus->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED)
        return open_failed(errno, "no address space for the ring: %s", strerror(errno));
    bus->header = (struct bus_header *)(void *)base;
    bus->data = base + BUS_HEADER_BYTES;
    if (mmap(base, once, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, bus->fd, 0) ==
            MAP_FAILED ||
        mmap(base + once, bus->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, bus->fd,
             BUS_HEADER_BYTES) == MAP_FAILED)
        return open_failed(errno, "cannot map %s: %s", bus->path, strerror(errno));
    return 0;
}

/* --- what is made anew -------------------------------------------------------------------- */

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return -1;
}

/* 32 hex digits with dashes between, as the kernel writes it. */
static int read_boot_id(uint8_t ret_boot_id[16])
{
    char text[64];
    const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t length;
    unsigned digits = 0;
    int error;

    if (fd < 0)
        return open_failed(errno, "cannot read the boot id: %s", strerror(errno));
    length = read(fd, text, sizeof text);
    error = errno;
    (void)close(fd); /* only read from */
    if (length < 0)
        return open_failed(error, "cannot read the boot id: %s", strerror(error));
    for (ssize_t i = 0; i < length && digits < 32; i++) {
        const int value = hex_value(text[i]);

        if (value < 0)
            continue;
        ret_boot_id[digits / 2] = (uint8_t)(ret_boot_id[digits / 2] << 4 | value);
        digits++;
    }
    return digits == 32 ? 0 : open_failed(EIO, "the boot id is none");
}

static int make_mutex(pthread_mutex_t *mutex)
{
    int rc = robust_mutex_init(mutex);

    return rc == 0 ? 0 : open_failed(-rc, "no shared mutex: %s", strerror(-rc));
}

/*
 * Everything but identity, epoch and positions. Slot generations begin at a random number, so that
 * an operation left from before this start is never taken for one of this start's.
 */
static int renew_header(struct bus *bus)
{
    struct bus_header *header = bus->header;
    uint32_t generation;

    /* So few bytes come whole or not at all. */
    if (getrandom(&generation, sizeof generation, 0) != (ssize_t)sizeof generation)
        return open_failed(errno, "no random numbers: %s", strerror(errno));
    header->started_boottime_ns = clock_ns(CLOCK_BOOTTIME);
    header->clock_offset_ns = clock_ns(CLOCK_REALTIME) - header->started_boottime_ns;
    atomic_store_explicit(&header->urgent_pos, 0, memory_order_relaxed);
    atomic_store_explicit(&header->first_seq, 0, memory_order_relaxed);
    atomic_store_explicit(&header->refusal, BUS_ACCEPTS, memory_order_relaxed);
    atomic_store_explicit(&header->commit_error, 0, memory_order_relaxed);
    atomic_store_explicit(&header->phase, BUS_STARTING, memory_order_relaxed);
    atomic_store_explicit(&header->recovered, 0, memory_order_relaxed);
    atomic_store_explicit(&header->drain_deadline_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&header->tick_due_ns, 0, memory_order_relaxed);
    memset(header->active_slots, 0, sizeof header->active_slots);
    memset(header->slots, 0, sizeof header->slots);
    TEST_POINT(START_RING_CLEARED);
    for (unsigned slot = 0; slot < BUS_SLOT_COUNT; slot++)
        atomic_store_explicit(&header->slots[slot].generation, generation, memory_order_relaxed);
    return make_mutex(&header->append_mutex);
}

static int make_eventfds(struct bus *bus)
{
    for (unsigned slot = 0; slot < BUS_SLOT_COUNT; slot++) {
        bus->eventfds[slot] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (bus->eventfds[slot] < 0)
            return open_failed(errno, "no eventfd: %s", strerror(errno));
    }
    return 0;
}

static struct bus *bus_new(const struct bus_options *options)
{
    struct bus *bus = calloc(1, sizeof *bus);

    if (bus == NULL)
        return NULL;
    bus->fd = -1;
    for (unsigned slot = 0; slot < BUS_SLOT_COUNT; slot++)
        bus->eventfds[slot] = -1;
    bus->store_id = options->store_id;
    bus->path = strdup(options->path);
    if (bus->path == NULL) {
        free(bus);
        return NULL;
    }
    return bus;
}

int bus_open(const struct bus_options *options, struct bus **ret_bus)
{
    struct bus *bus = NULL;
    struct bus_identity old;
    struct stat status;
    int32_t old_pid;
    bool is_new = false; /* then a failure leaves no file behind */
    int rc;

    ROLE_CHECK(ROLE_MASTER);
    if (!is_size_good(options->size))
        return open_failed(EINVAL, "the ring's size must be a power of two from 64 KiB to 16 GiB");
    bus = bus_new(options);
    if (bus == NULL)
        return open_failed(ENOMEM, "no memory for the ring's handle");
    rc = open_file(bus->path, &bus->fd);
    if (rc != 0)
        goto fail;
    if (fstat(bus->fd, &status) != 0) {
        rc = open_failed(errno, "cannot look at %s: %s", bus->path, strerror(errno));
        goto fail;
    }
    TEST_POINT(START_RING_LOCKED);
    is_new = status.st_size == 0;
    read_old_header(bus->fd, &old, &old_pid);
    bus->size = choose_size(&old, (uint64_t)status.st_size, options);
    rc = allocate_file(bus->fd, bus->path, BUS_HEADER_BYTES + bus->size);
    TEST_POINT(START_RING_SIZED);
    if (rc == 0)
        rc = map_file(bus);
    if (rc == 0)
        rc = read_boot_id(bus->boot_id);
    if (rc == 0)
        rc = renew_header(bus);
    if (rc == 0)
        rc = make_eventfds(bus);
    if (rc != 0)
        goto fail;
    TEST_POINT(START_RING_OPEN);
    *ret_bus = bus;
    return 0;

fail:
    if (is_new)
        (void)unlink(bus->path); /* the failure itself is what is reported */
    bus_close(bus);
    return rc;
}

void bus_close(struct bus *bus)
{
    if (bus == NULL)
        return;
    if (bus->header != NULL)
        (void)munmap(bus->header, BUS_HEADER_BYTES + 2 * bus->size);
    for (unsigned slot = 0; slot < BUS_SLOT_COUNT; slot++) {
        if (bus->eventfds[slot] >= 0)
            (void)close(bus->eventfds[slot]);
    }
    if (bus->fd >= 0)
        (void)close(bus->fd);
    free(bus->path);
    free(bus);
}

int bus_unlink(struct bus *bus)
{
    ROLE_CHECK(ROLE_MASTER | ROLE_WRITER);
    return unlink(bus->path) == 0 ? 0 : -errno;
}

uint64_t bus_size(const struct bus *bus)
{
    return bus->size;
}

uint64_t bus_epoch(const struct bus *bus)
{
    return atomic_load_explicit(&bus->header->identity.epoch, memory_order_acquire);
}

uint64_t bus_store_id(const struct bus *bus)
{
    return bus->store_id;
}

int64_t bus_uptime_ns(const struct bus *bus)
{
    return clock_ns(CLOCK_BOOTTIME) - bus->header->started_boottime_ns;
}

int64_t bus_latest_time_ns(const struct bus *bus)
{
    return clock_ns(CLOCK_BOOTTIME) + bus->header->clock_offset_ns + TIME_AHEAD_MAX_NS;
}

/* --- server state ------------------------------------------------------------------------- */

enum bus_phase bus_phase(const struct bus *bus)
{
    return (enum bus_phase)atomic_load_explicit(&bus->header->phase, memory_order_acquire);
}

void bus_set_phase(struct bus *bus, enum bus_phase phase, int64_t deadline_ns)
{
    ROLE_CHECK(ROLE_MASTER);
    CHECK(phase >= bus_phase(bus));
    CHECK(phase <= BUS_STOPPING);
    atomic_store_explicit(&bus->header->drain_deadline_ns, deadline_ns, memory_order_relaxed);
    atomic_store_explicit(&bus->header->phase, phase, memory_order_release);
    TEST_POINT(START_PHASE_SET);
    wake_everybody(bus);
}

int64_t bus_drain_deadline_ns(const struct bus *bus)
{
    return atomic_load_explicit(&bus->header->drain_deadline_ns, memory_order_relaxed);
}

bool bus_is_recovered(const struct bus *bus)
{
    return atomic_load_explicit(&bus->header->recovered, memory_order_acquire) != 0;
}

void bus_set_refusal(struct bus *bus, enum bus_refusal refusal, int commit_error)
{
    ROLE_CHECK(ROLE_WRITER);
    CHECK(commit_error >= 0);
    atomic_store_explicit(&bus->header->commit_error, (uint32_t)commit_error, memory_order_relaxed);
    atomic_store_explicit(&bus->header->refusal, refusal, memory_order_release);
    wake_signal(bus, WAKE_STATE);
}

enum bus_refusal bus_refusal(const struct bus *bus)
{
    return (enum bus_refusal)atomic_load_explicit(&bus->header->refusal, memory_order_acquire);
}

int bus_commit_error(const struct bus *bus)
{
    return (int)atomic_load_explicit(&bus->header->commit_error, memory_order_relaxed);
}

bool bus_claim_tick(struct bus *bus, int64_t now_boottime_ns, int64_t interval_ns)
{
    _Atomic int64_t *due = &bus->header->tick_due_ns;
    int64_t seen = atomic_load_explicit(due, memory_order_relaxed);
    const bool is_due = seen != 0 && now_boottime_ns >= seen;
    int64_t next = seen + interval_ns;

    ROLE_CHECK(ROLE_WORKER);
    if (interval_ns <= 0)
        return false;
    /* Not due, unless no tick was ever planned or the interval has been made shorter since. */
    if (!is_due && seen != 0 && seen <= now_boottime_ns + interval_ns)
        return false;
    /* Keeps its beat; one that was missed (nobody was in the room) is not made up for. */
    if (!is_due || next <= now_boottime_ns)
        next = now_boottime_ns + interval_ns;
    return atomic_compare_exchange_strong_explicit(due, &seen, next, memory_order_relaxed,
                                                   memory_order_relaxed) &&
           is_due;
}

/* --- slots -------------------------------------------------------------------------------- */

unsigned bus_worker_slot(unsigned index, unsigned generation_parity)
{
    CHECK(index < BUS_WORKERS_MAX);
    CHECK(generation_parity < BUS_GENERATIONS);
    return BUS_SLOT_WORKERS + generation_parity * BUS_WORKERS_MAX + index;
}

/* What the slot's last process left behind. */
static void slot_clear(struct bus *bus, unsigned slot)
{
    struct bus_process_slot *process = bus_slot_at(bus, slot);

    atomic_store_explicit(&process->sleeping, 0, memory_order_relaxed);
    atomic_store_explicit(&process->pid, 0, memory_order_relaxed);
    atomic_store_explicit(&process->mark, SLOT_MARK_NONE, memory_order_relaxed);
    stat_clear_gauges(bus, slot);
}

void bus_slot_occupy(struct bus *bus, unsigned slot)
{
    struct bus_process_slot *process = bus_slot_at(bus, slot);

    ROLE_CHECK(ROLE_MASTER);
    CHECK(!bus_slot_is_active(bus, slot));
    slot_clear(bus, slot);
    stat_add(bus, slot, STAT_STARTS, 1); /* nobody else has the slot yet */
    atomic_store_explicit(&process->cursor_seq, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&process->generation, 1, memory_order_relaxed);
    atomic_fetch_or_explicit(&bus->header->active_slots[slot / 64], UINT64_C(1) << (slot % 64),
                             memory_order_release);
    TEST_POINT(BIRTH_SLOT);
}

void bus_slot_set_pid(struct bus *bus, unsigned slot, int32_t pid)
{
    ROLE_CHECK(ROLE_MASTER);
    atomic_store_explicit(&bus_slot_at(bus, slot)->pid, pid, memory_order_release);
}

void bus_slot_vacate(struct bus *bus, unsigned slot)
{
    ROLE_CHECK(ROLE_MASTER);
    CHECK(bus_slot_is_active(bus, slot));
    atomic_fetch_and_explicit(&bus->header->active_slots[slot / 64], ~(UINT64_C(1) << (slot % 64)),
                              memory_order_release);
    slot_clear(bus, slot);
    TEST_POINT(BURIAL_SLOT);
    /* It may have died between a change and its wake-ups. */
    wake_everybody(bus);
}

bool bus_slot_is_active(const struct bus *bus, unsigned slot)
{
    CHECK(slot < BUS_SLOT_COUNT);
    return (atomic_load_explicit(&bus->header->active_slots[slot / 64], memory_order_acquire) >>
                (slot % 64) &
            1) != 0;
}

int32_t bus_slot_pid(const struct bus *bus, unsigned slot)
{
    return atomic_load_explicit(&bus_slot_at(bus, slot)->pid, memory_order_acquire);
}

uint32_t bus_slot_generation(const struct bus *bus, unsigned slot)
{
    return atomic_load_explicit(&bus_slot_at(bus, slot)->generation, memory_order_relaxed);
}

void bus_slot_turn(struct bus *bus, unsigned slot)
{
    _Atomic uint64_t *count = &bus_slot_at(bus, slot)->turn_count;

    /* One writer: no read-modify-write needed. */
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

uint64_t bus_slot_turn_count(const struct bus *bus, unsigned slot)
{
    return atomic_load_explicit(&bus_slot_at(bus, slot)->turn_count, memory_order_relaxed);
}

void bus_slot_set_mark(struct bus *bus, unsigned slot, enum slot_mark mark)
{
    atomic_store_explicit(&bus_slot_at(bus, slot)->mark, mark, memory_order_relaxed);
}

enum slot_mark bus_slot_mark(const struct bus *bus, unsigned slot)
{
    return (enum slot_mark)atomic_load_explicit(&bus_slot_at(bus, slot)->mark,
                                                memory_order_relaxed);
}

void bus_slot_set_cursor(struct bus *bus, unsigned slot, uint64_t seq)
{
    atomic_store_explicit(&bus_slot_at(bus, slot)->cursor_seq, seq, memory_order_release);
}

uint64_t bus_slot_cursor(const struct bus *bus, unsigned slot)
{
    return atomic_load_explicit(&bus_slot_at(bus, slot)->cursor_seq, memory_order_acquire);
}

void bus_slot_set_applying(struct bus *bus, unsigned slot, uint64_t seq)
{
    atomic_store_explicit(&bus_slot_at(bus, slot)->applying_seq, seq, memory_order_relaxed);
}

uint64_t bus_slot_applying(const struct bus *bus, unsigned slot)
{
    return atomic_load_explicit(&bus_slot_at(bus, slot)->applying_seq, memory_order_relaxed);
}
