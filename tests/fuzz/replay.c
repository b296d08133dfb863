/*
 * tests/fuzz/replay.c - runs a fuzz target over the files of directories, without libFuzzer.
 *
 * So that a corpus, and every input that ever crashed, is tried by whatever compiler is there.
 * Usage: replay_<target> DIRECTORY... A crash is the failure; 1 also when there was no file.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/target.h"

enum {
    INPUT_BYTES_MAX = 16 * 1024 * 1024,
};

/* The whole of a regular file, or NULL. The copy has the file's exact size, for ASan's sake. */
static uint8_t *read_input(const char *path, size_t *ret_bytes)
{
    struct stat about;
    uint8_t *bytes = NULL;
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        return NULL;
    if (fstat(fileno(file), &about) < 0 || !S_ISREG(about.st_mode) ||
        about.st_size > INPUT_BYTES_MAX)
        goto done;
    bytes = malloc(about.st_size > 0 ? (size_t)about.st_size : 1);
    if (bytes == NULL)
        goto done;
    *ret_bytes = fread(bytes, 1, (size_t)about.st_size, file);

done:
    (void)fclose(file); /* read only: nothing can be lost */
    return bytes;
}

/* How many files of the directory were run; -errno when it cannot be read. */
static int replay_directory(const char *directory)
{
    int count = 0;
    struct dirent *entry;
    DIR *dir = opendir(directory);

    if (dir == NULL)
        return -errno;
    while ((entry = readdir(dir)) != NULL) {
        char path[4096];
        size_t bytes = 0;
        uint8_t *input;
        int length = snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);

        if (length < 0 || (size_t)length >= sizeof path)
            continue;
        input = read_input(path, &bytes);
        if (input == NULL)
            continue;
        (void)fprintf(stderr, "%s\n", path); /* the last one named is the one that crashed */
        (void)LLVMFuzzerTestOneInput(input, bytes);
        free(input);
        count++;
    }
    (void)closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        int count = replay_directory(argv[i]);

        if (count < 0)
            (void)fprintf(stderr, "%s: %s\n", argv[i], strerror(-count));
        else
            total += count;
    }
    (void)fprintf(stderr, "%d inputs\n", total);
    return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
