/*
 * Lets a call of the system fail that has to do with files below a folder; to be preloaded (LD_PRELOAD).
 *
 * Calls are counted by kind from the moment that `arm` is called. The nth of the chosen kind fails, or the nth and all
 * after it. A write that fails for want of room, or by the device, has written half of its bytes.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN, WRITE, FSYNC, RENAME, UNLINK, MKDIR, FLOCK, KINDS };

static char root[PATH_MAX];
static char place[PATH_MAX + 64];
static int armed, kind_to_fail, error_to_give, is_lasting;
static long nth_to_fail, counts[KINDS];

void arm(const char *folder, int kind, int error, long nth, int lasting) {
    snprintf(root, sizeof root, "%s/", folder);
    memset(counts, 0, sizeof counts);
    kind_to_fail = kind, error_to_give = error, nth_to_fail = nth, is_lasting = lasting;
    place[0] = 0;
    armed = 1;
}

void disarm(void) { armed = 0; }
long counted(int kind) { return counts[kind]; }
const char *failed_at(void) { return place; }

static int fails(int kind, const char *path) {
    if (!armed || strncmp(path, root, strlen(root)) != 0)
        return 0;
    long number = __atomic_add_fetch(&counts[kind], 1, __ATOMIC_SEQ_CST);
    if (kind != kind_to_fail || (is_lasting ? number < nth_to_fail : number != nth_to_fail))
        return 0;
    if (!place[0])
        snprintf(place, sizeof place, "%s", path);
    errno = error_to_give;
    return 1;
}

static int fails_at(int kind, int folder, const char *name) {
    char link[64], path[PATH_MAX * 2];
    if (!armed)
        return 0;
    if (name[0] == '/')
        return fails(kind, name);
    if (folder == AT_FDCWD)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, path, PATH_MAX);
    if (length < 0)
        return 0;
    snprintf(path + length, sizeof path - length, "/%s", name);
    return fails(kind, path);
}

static int fails_on(int kind, int file) {
    char link[64], path[PATH_MAX + 1];
    if (!armed)
        return 0;
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX);
    errno = before;
    if (length < 0)
        return 0;
    path[length] = 0;
    return fails(kind, path);
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) \
        real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, name, const char *, int, ...); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = va_arg(rest, mode_t); \
        va_end(rest); \
        return fails_at(OPEN, AT_FDCWD, path) ? -1 : real(path, flags, mode); \
    }
#define OPENS_AT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        REAL(int, name, int, const char *, int, ...); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = va_arg(rest, mode_t); \
        va_end(rest); \
        return fails_at(OPEN, folder, path) ? -1 : real(folder, path, flags, mode); \
    }
OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)

DIR *opendir(const char *path) {
    REAL(DIR *, opendir, const char *);
    return fails_at(OPEN, AT_FDCWD, path) ? NULL : real(path);
}

FILE *fopen(const char *path, const char *mode) {
    REAL(FILE *, fopen, const char *, const char *);
    return fails_at(OPEN, AT_FDCWD, path) ? NULL : real(path, mode);
}

FILE *fopen64(const char *path, const char *mode) {
    REAL(FILE *, fopen64, const char *, const char *);
    return fails_at(OPEN, AT_FDCWD, path) ? NULL : real(path, mode);
}

ssize_t write(int file, const void *bytes, size_t count) {
    REAL(ssize_t, write, int, const void *, size_t);
    if (!fails_on(WRITE, file))
        return real(file, bytes, count);
    if (error_to_give != EINTR && error_to_give != EROFS)
        (void)!real(file, bytes, count / 2);
    errno = error_to_give;
    return -1;
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    return fails_on(WRITE, file) ? -1 : real(file, parts, count);
}

int fsync(int file) {
    REAL(int, fsync, int);
    return fails_on(FSYNC, file) ? -1 : real(file);
}

int fdatasync(int file) {
    REAL(int, fdatasync, int);
    return fails_on(FSYNC, file) ? -1 : real(file);
}

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    return fails_at(RENAME, AT_FDCWD, from) ? -1 : real(from, to);
}

int renameat(int folder, const char *from, int other, const char *to) {
    REAL(int, renameat, int, const char *, int, const char *);
    return fails_at(RENAME, folder, from) ? -1 : real(folder, from, other, to);
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    return fails_at(UNLINK, AT_FDCWD, path) ? -1 : real(path);
}

int rmdir(const char *path) {
    REAL(int, rmdir, const char *);
    return fails_at(UNLINK, AT_FDCWD, path) ? -1 : real(path);
}

int unlinkat(int folder, const char *path, int flags) {
    REAL(int, unlinkat, int, const char *, int);
    return fails_at(UNLINK, folder, path) ? -1 : real(folder, path, flags);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, mkdir, const char *, mode_t);
    return fails_at(MKDIR, AT_FDCWD, path) ? -1 : real(path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode) {
    REAL(int, mkdirat, int, const char *, mode_t);
    return fails_at(MKDIR, folder, path) ? -1 : real(folder, path, mode);
}

int flock(int file, int operation) {
    REAL(int, flock, int, int);
    return fails_on(FLOCK, file) ? -1 : real(file, operation);
}
