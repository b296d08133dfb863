/*
 * store/files.h - small files and directories that must survive a power cut.
 *
 * Callers  store/ only.
 * Errors   0 or -errno, no text.
 * Crashes  a new name is there with its whole content, or it is not there.
 */
#ifndef STORE_FILES_H
#define STORE_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* Opens the directory @path; -errno or the descriptor. */
int files_open_dir(const char *path);
/* Makes the directory @name in @dir_fd (0750) unless it is there, and its entry durable. */
int files_make_dir(int dir_fd, const char *name);
/* Writes @name in @dir_fd: temporary file, fsync, rename, fsync of the directory. */
int files_write(int dir_fd, const char *name, const void *content, size_t bytes);
/* Reads at most @buf_bytes of @name; the length or -errno. */
int files_read(int dir_fd, const char *name, void *buf, size_t buf_bytes);
/* Gives the file or directory @from, whose content is durable, the name @to; durably. */
int files_rename(int dir_fd, const char *from, const char *to);
/* 1: there is a @name; 0: there is none; or -errno. */
int files_exists(int dir_fd, const char *name);
/* Removes @name and makes that durable (and its blocks free). 0 or -errno. */
int files_remove(int dir_fd, const char *name);
/* Sees to it that @name has at least @bytes, really allocated where the file system can do that. */
int files_reserve(int dir_fd, const char *name, size_t bytes);
/* Gives @name @bytes that are really allocated; all of them or no file. */
int files_allocate(int dir_fd, const char *name, size_t bytes);

#endif
