#include "tests/fault/power_cut_disk.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/check.h"

enum {
    SECTOR_BYTES = 512,
    BLOCK_BYTES = 4096, /* by which a file's size grows within a write */
    NAMES_MAX = 64,     /* of a directory */
    NAME_BYTES = 64,
    LOSS_ONE_IN = 8, /* syncs, of a planted fault */
};

struct node;

struct name {
    char text[NAME_BYTES];
    struct node *node;
};

struct names {
    struct name list[NAMES_MAX];
    size_t count;
};

/* Of a file: a write or a size. Of a directory: @name is @node from now on (NULL: nothing). */
struct change {
    size_t place; /* of its record */
    uint32_t kind;
    bool is_certain;
    uint64_t offset;
    const uint8_t *data;
    size_t data_bytes;
    struct node *node;
    char name[NAME_BYTES];
    char old_name[NAME_BYTES]; /* of a rename */
};

struct node {
    struct node *next; /* all of them, newest first */
    uint64_t inode;
    bool is_dir;
    struct names now;     /* of a directory: as processes see it */
    struct names certain; /* as the disk has it */
    uint8_t *data;        /* of a file: what is certain; zeros behind it to @size */
    size_t data_bytes;
    uint64_t size;
    struct change *changes; /* that are not in the above yet, in their order */
    size_t change_count;
    size_t change_room;
};

struct disk {
    const uint8_t *trace;
    struct trace_record **records;
    size_t record_count;
    size_t place;
    struct node *nodes;
    struct node *root;
    uint64_t loss_state; /* 0: none is planted */
};

uint64_t disk_random(uint64_t *state)
{
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

/* --- the trace ------------------------------------------------------------------------------ */

static size_t record_bytes(const struct trace_record *record)
{
    return sizeof *record + record->path_bytes + record->to_bytes + record->data_bytes;
}

/* The bytes behind the head: path, to, data. */
static const char *record_tail(const struct trace_record *record)
{
    return (const char *)(record + 1);
}

static struct node *node_new(struct disk *disk, uint64_t inode, bool is_dir)
{
    struct node *node = calloc(1, sizeof *node);

    CHECK(node != NULL);
    node->inode = inode;
    node->is_dir = is_dir;
    node->next = disk->nodes;
    disk->nodes = node;
    return node;
}

/* Records lie where they were written: copied, because their numbers need alignment. */
static struct trace_record *record_copy(const uint8_t *from, size_t bytes_left)
{
    struct trace_record head;
    struct trace_record *record;

    if (bytes_left < sizeof head)
        return NULL;
    memcpy(&head, from, sizeof head);
    CHECK(head.magic == TRACE_MAGIC);
    if (bytes_left < record_bytes(&head))
        return NULL;
    record = malloc(record_bytes(&head));
    CHECK(record != NULL);
    memcpy(record, from, record_bytes(&head));
    return record;
}

struct disk *disk_load(const char *trace)
{
    struct disk *disk = calloc(1, sizeof *disk);
    int fd = open(trace, O_RDONLY | O_CLOEXEC);
    struct trace_record *record;
    struct stat stat;
    uint8_t *map;

    CHECK(disk != NULL && fd >= 0 && fstat(fd, &stat) == 0 && stat.st_size > 0);
    map = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(map != MAP_FAILED);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    disk->records = calloc((size_t)stat.st_size / sizeof *record + 1, sizeof *disk->records);
    CHECK(disk->records != NULL);
    for (size_t at = 0; (record = record_copy(map + at, (size_t)stat.st_size - at)) != NULL;
         at += record_bytes(record)) {
        CHECK(record->kind != TRACE_FAILED);
        disk->records[disk->record_count++] = record;
    }
    CHECK(disk->record_count > 0);
    CHECK(munmap(map, (size_t)stat.st_size) == 0);
    (void)close(fd); /* only read */
    disk->root = node_new(disk, 0, true);
    return disk;
}

void disk_free(struct disk *disk)
{
    struct node *next;

    for (struct node *node = disk->nodes; node != NULL; node = next) {
        next = node->next;
        free(node->data);
        free(node->changes);
        free(node);
    }
    for (size_t i = 0; i < disk->record_count; i++)
        free(disk->records[i]);
    free(disk->records);
    free(disk);
}

size_t disk_record_count(const struct disk *disk)
{
    return disk->record_count;
}

const struct trace_record *disk_record(const struct disk *disk, size_t place)
{
    CHECK(place < disk->record_count);
    return disk->records[place];
}

void disk_plant_loss(struct disk *disk)
{
    disk->loss_state = 1;
}

/* --- names ---------------------------------------------------------------------------------- */

static struct name *names_find(struct names *names, const char *text)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->list[i].text, text) == 0)
            return &names->list[i];
    }
    return NULL;
}

static void names_set(struct names *names, const char *text, struct node *node)
{
    struct name *name = names_find(names, text);

    if (name == NULL && node == NULL)
        return;
    if (name == NULL) {
        CHECK(names->count < NAMES_MAX);
        name = &names->list[names->count++];
        (void)snprintf(name->text, sizeof name->text, "%s", text); /* fits: checked when made */
    }
    if (node != NULL)
        name->node = node;
    else
        *name = names->list[--names->count];
}

static void names_change(struct names *names, const struct change *change)
{
    if (change->kind == TRACE_RENAME)
        names_set(names, change->old_name, NULL);
    names_set(names, change->name, change->node);
}

/* The directory that holds @path, and the last name in it. */
static struct node *find_parent(const struct disk *disk, const char *path, size_t bytes, char *name)
{
    struct node *dir = disk->root;
    size_t at = 0;

    for (;;) {
        const char *slash = memchr(path + at, '/', bytes - at);
        size_t length = slash != NULL ? (size_t)(slash - path) - at : bytes - at;
        struct name *found;

        CHECK(length > 0 && length < NAME_BYTES);
        memcpy(name, path + at, length);
        name[length] = '\0';
        if (slash == NULL)
            return dir;
        found = names_find(&dir->now, name);
        CHECK(found != NULL && found->node->is_dir);
        dir = found->node;
        at += length + 1;
    }
}

/* --- changes -------------------------------------------------------------------------------- */

static struct change *change_add(struct disk *disk, struct node *node, uint32_t kind)
{
    struct change *change;

    if (node->change_count == node->change_room) {
        node->change_room = node->change_room * 2 + 64;
        node->changes = realloc(node->changes, node->change_room * sizeof *node->changes);
        CHECK(node->changes != NULL);
    }
    change = &node->changes[node->change_count++];
    *change = (struct change){.place = disk->place, .kind = kind};
    return change;
}

static void add_name(struct disk *disk, const struct trace_record *record)
{
    const char *path = record_tail(record);
    char name[NAME_BYTES];
    struct node *dir = find_parent(disk, path, record->path_bytes, name);
    struct name *found = names_find(&dir->now, name);
    struct change *change;

    if (record->kind == TRACE_UNLINK && found == NULL)
        return; /* a socket, which is not recorded */
    change = change_add(disk, dir, record->kind);
    (void)snprintf(change->name, sizeof change->name, "%s", name); /* as long as it is */
    if (record->kind == TRACE_CREATE || record->kind == TRACE_MAKE_DIR) {
        change->node = node_new(disk, record->inode, record->kind == TRACE_MAKE_DIR);
    } else if (record->kind == TRACE_RENAME) {
        CHECK(found != NULL);
        change->node = found->node;
        (void)snprintf(change->old_name, sizeof change->old_name, "%s", name); /* likewise */
        CHECK(find_parent(disk, path + record->path_bytes, record->to_bytes, change->name) == dir);
    }
    names_change(&dir->now, change);
}

/* A file or directory that the trace has seen made; NULL: none that matters. */
static struct node *find_node(const struct disk *disk, const struct trace_record *record)
{
    if (record->path_bytes == 0)
        return disk->root;
    for (struct node *node = disk->nodes; node != NULL; node = node->next) {
        if (node->inode == record->inode)
            return node;
    }
    return NULL;
}

static void add_content(struct disk *disk, const struct trace_record *record)
{
    struct node *node = find_node(disk, record);
    struct change *change;

    CHECK(node != NULL && !node->is_dir);
    change = change_add(disk, node, record->kind);
    change->offset = record->offset;
    change->data = (const uint8_t *)record_tail(record) + record->path_bytes + record->to_bytes;
    change->data_bytes = record->data_bytes;
}

static void data_reserve(struct node *node, size_t bytes)
{
    if (bytes <= node->data_bytes)
        return;
    node->data = realloc(node->data, bytes);
    CHECK(node->data != NULL);
    memset(node->data + node->data_bytes, 0, bytes - node->data_bytes);
    node->data_bytes = bytes;
}

static void data_put(struct node *node, const struct change *change, size_t from, size_t bytes)
{
    uint64_t end = change->offset + from + bytes;

    data_reserve(node, end);
    memcpy(node->data + change->offset + from, change->data + from, bytes);
    if (node->size < end)
        node->size = end;
}

static void data_resize(struct node *node, uint64_t size)
{
    if (size < node->data_bytes)
        memset(node->data + size, 0, node->data_bytes - size);
    node->size = size;
}

static void data_change(struct node *node, const struct change *change)
{
    if (change->kind == TRACE_WRITE)
        data_put(node, change, 0, change->data_bytes);
    else if (change->kind == TRACE_RESIZE || change->offset > node->size)
        data_resize(node, change->offset);
}

/* What is certain up to the first change that is not needs not to be kept apart. */
static void settle(struct node *node)
{
    size_t count = 0;

    for (; count < node->change_count && node->changes[count].is_certain; count++) {
        if (node->is_dir)
            names_change(&node->certain, &node->changes[count]);
        else
            data_change(node, &node->changes[count]);
    }
    node->change_count -= count;
    if (node->change_count > 0)
        memmove(node->changes, node->changes + count, node->change_count * sizeof *node->changes);
}

/* Where the sync began that ends at @place. */
static size_t find_begin(const struct disk *disk, size_t place)
{
    const struct trace_record *end = disk->records[place];

    while (place-- > 0) {
        const struct trace_record *record = disk->records[place];

        if (record->kind == TRACE_SYNC_BEGIN && record->pid == end->pid &&
            record->inode == end->inode)
            return place;
    }
    UNREACHABLE();
}

static void lose_one(struct disk *disk, struct node *node)
{
    struct change *change;

    if (node->is_dir || node->change_count == 0 ||
        disk_random(&disk->loss_state) % LOSS_ONE_IN != 0)
        return;
    change = &node->changes[disk_random(&disk->loss_state) % node->change_count];
    if (change->kind == TRACE_WRITE)
        change->data_bytes = 0;
}

static void end_sync(struct disk *disk, const struct trace_record *record)
{
    struct node *node = find_node(disk, record);
    size_t begin = find_begin(disk, disk->place);

    if (node == NULL)
        return;
    if (disk->loss_state != 0)
        lose_one(disk, node);
    for (size_t i = 0; i < node->change_count; i++) {
        if (node->changes[i].place < begin)
            node->changes[i].is_certain = true;
    }
    settle(node);
}

/* An O_DSYNC write makes itself certain, and nothing before it. */
static void end_write(struct disk *disk, const struct trace_record *record)
{
    struct node *node = find_node(disk, record);

    CHECK(node != NULL);
    for (size_t i = node->change_count; i-- > 0;) {
        struct change *change = &node->changes[i];

        if (disk->records[change->place]->pid == record->pid && change->kind == TRACE_WRITE) {
            change->is_certain = true;
            break;
        }
    }
    settle(node);
}

void disk_advance(struct disk *disk, size_t place)
{
    CHECK(place >= disk->place && place <= disk->record_count);
    for (; disk->place < place; disk->place++) {
        const struct trace_record *record = disk->records[disk->place];

        if (record->kind == TRACE_SYNC_END)
            end_sync(disk, record);
        else if (record->kind == TRACE_WRITTEN)
            end_write(disk, record);
        else if (record->kind <= TRACE_UNLINK)
            add_name(disk, record);
        else if (record->kind != TRACE_SYNC_BEGIN)
            add_content(disk, record);
    }
}

size_t disk_uncertain_count(const struct disk *disk)
{
    size_t count = 0;

    for (const struct node *node = disk->nodes; node != NULL; node = node->next) {
        for (size_t i = 0; i < node->change_count; i++)
            count += !node->changes[i].is_certain;
    }
    return count;
}

/* --- the disk after the cut ------------------------------------------------------------------ */

struct cut {
    enum disk_choice choice;
    uint64_t random;
    unsigned percent; /* of the uncertain changes that are there */
};

static bool draw(struct cut *cut)
{
    if (cut->choice == DISK_NOTHING || cut->choice == DISK_ALL)
        return cut->choice == DISK_ALL;
    return disk_random(&cut->random) % 100 < cut->percent;
}

static void tear(struct node *node, const struct change *change, struct cut *cut)
{
    uint64_t end;
    size_t at = 0;

    while (at < change->data_bytes) {
        size_t bytes = SECTOR_BYTES - (change->offset + at) % SECTOR_BYTES;

        if (bytes > change->data_bytes - at)
            bytes = change->data_bytes - at;
        at += bytes;
        if (!draw(cut))
            continue;
        data_put(node, change, at - bytes, bytes);
        end = change->offset + (at + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
        if (end > change->offset + change->data_bytes)
            end = change->offset + change->data_bytes;
        if (node->size < end)
            node->size = end;
    }
}

/* The content that @file has after the cut, for the caller to free. */
static struct node file_after(const struct node *file, struct cut *cut)
{
    struct node after = {.size = file->size};
    uint64_t size_max = file->size;

    data_reserve(&after, file->data_bytes);
    if (file->data_bytes > 0)
        memcpy(after.data, file->data, file->data_bytes);
    for (size_t i = 0; i < file->change_count; i++) {
        const struct change *change = &file->changes[i];

        if (change->offset + change->data_bytes > size_max)
            size_max = change->offset + change->data_bytes;
        if (!change->is_certain && cut->choice == DISK_TORN && change->kind == TRACE_WRITE)
            tear(&after, change, cut);
        else if (change->is_certain || draw(cut))
            data_change(&after, change);
    }
    if (cut->choice == DISK_HOLES && after.size < size_max)
        data_resize(&after, size_max);
    return after;
}

static void file_make(const char *path, const char *name, const struct node *file, struct cut *cut)
{
    struct node after = file_after(file, cut);
    size_t bytes = after.size < after.data_bytes ? (size_t)after.size : after.data_bytes;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

    if (strcmp(name, "lock.mdb") == 0) {
        data_reserve(&after, (size_t)after.size);
        bytes = (size_t)after.size;
        for (size_t i = 0; i < bytes; i++)
            after.data[i] = (uint8_t)disk_random(&cut->random);
    }
    CHECK(fd >= 0 && ftruncate(fd, (off_t)after.size) == 0);
    CHECK(bytes == 0 || write(fd, after.data, bytes) == (ssize_t)bytes);
    CHECK(close(fd) == 0);
    free(after.data);
}

/* The names that @dir has after the cut: a first part of its uncertain changes. */
static struct names names_after(const struct node *dir, struct cut *cut)
{
    struct names names = dir->certain;
    size_t count = 0;

    if (cut->choice == DISK_ALL)
        count = dir->change_count;
    else if (cut->choice != DISK_NOTHING)
        count = (size_t)(disk_random(&cut->random) % (dir->change_count + 1));
    for (size_t i = 0; i < dir->change_count; i++) {
        if (i < count || dir->changes[i].is_certain)
            names_change(&names, &dir->changes[i]);
    }
    return names;
}

/* As deep as the data directory is: two below the root. */
static void dir_make(const char *path, const struct node *dir,
                     struct cut *cut) // NOLINT(misc-no-recursion)
{
    struct names names = names_after(dir, cut);
    char below[PATH_MAX];

    CHECK(mkdir(path, 0750) == 0);
    for (size_t i = 0; i < names.count; i++) {
        const struct name *name = &names.list[i];

        CHECK(snprintf(below, sizeof below, "%s/%s", path, name->text) < (int)sizeof below);
        if (name->node->is_dir)
            dir_make(below, name->node, cut);
        else
            file_make(below, name->text, name->node, cut);
    }
}

void disk_rebuild(const struct disk *disk, enum disk_choice choice, uint64_t seed, const char *dir)
{
    static const unsigned percents[] = {10, 50, 90};
    struct cut cut = {.choice = choice, .random = seed};

    cut.percent = percents[disk_random(&cut.random) % (sizeof percents / sizeof percents[0])];
    dir_make(dir, disk->root, &cut);
}
