/* The identity of a file. Must never take two files for the same; where it cannot tell, the
 * message is sent again rather than not at all. */
#include "spool/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "spool/internal.h"
#include "spool/scan.h"
#include "spool/submitter.h"

#define EVENT "message"

/* The first line is no longer than its members at their longest. */
#define LINE_MAX_BYTES 1024

/* A handle with room for what the kernel writes behind it. */
typedef union Handle {
    struct file_handle head;
    unsigned char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
} Handle;

static uint64_t nanoseconds(const struct statx_timestamp *t)
{
    return t->tv_sec < 0 ? 0 : (uint64_t)t->tv_sec * 1000000000u + t->tv_nsec;
}

static void format_handle(const Handle *handle, char ret[static FILE_IDENTITY_HANDLE_MAX])
{
    const unsigned char *data = handle->bytes + sizeof(struct file_handle);
    int n = sprintf(ret, "%x-", (unsigned)handle->head.handle_type & 0xffffu);

    for (unsigned i = 0; i < handle->head.handle_bytes && i < MAX_HANDLE_SZ; i++)
        n += sprintf(ret + n, "%02x", data[i]);
}

/* A file system that has none, or a filter of system calls, is no fault: the time of birth does. */
static int get_handle(int fd, const char *name, char ret[static FILE_IDENTITY_HANDLE_MAX])
{
    Handle handle = {.head = {.handle_bytes = MAX_HANDLE_SZ}};
    int mount;

    ret[0] = '\0';
    if (name_to_handle_at(fd, name, &handle.head, &mount, name[0] ? 0 : AT_EMPTY_PATH) == 0)
        format_handle(&handle, ret);
    else if (errno == ENOENT || errno == ESTALE || errno == EIO || errno == ENOMEM)
        return -errno;
    return 0;
}

int file_identity_of(const Spool *spool, int fd, const char *name, FileIdentity *ret)
{
    const unsigned mask =
        STATX_INO | STATX_BTIME | STATX_MTIME | STATX_SIZE | STATX_UID | STATX_TYPE | STATX_MODE;
    struct stat look;
    struct statx st;

    if (statx(fd, name, SPOOL_LOOK_FLAGS | AT_EMPTY_PATH, mask, &st) < 0)
        return -errno;
    if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
        return -EXDEV;
    *ret = (FileIdentity){
        .mtime = nanoseconds(&st.stx_mtime), .bytes = st.stx_size, .owner = st.stx_uid};
    look = (struct stat){.st_mode = st.stx_mode, .st_uid = st.stx_uid};
    ret->owner = *name ? spool_submitter_at(spool, name, &look) : spool_submitter(spool, fd, &look);
    if (spool->forgets_inodes)
        return 0;
    ret->inode = st.stx_ino;
    ret->birth = (st.stx_mask & STATX_BTIME) ? nanoseconds(&st.stx_btime) : 0;
    return get_handle(fd, name, ret->handle);
}

bool file_identity_is_same(const FileIdentity *a, const FileIdentity *b)
{
    bool handles = a->handle[0] && b->handle[0], births = a->birth > 0 && b->birth > 0;

    if (a->inode != b->inode || (handles && strcmp(a->handle, b->handle) != 0) ||
        (births && a->birth != b->birth))
        return false;
    return handles || births || (a->mtime == b->mtime && a->bytes == b->bytes);
}

int file_identity_append_line(Buffer *lines, usec_t now, const FileIdentity *i)
{
    char time[RFC3339_MAX];

    return buffer_appendf(lines,
        "{\"time\":\"%s\",\"event\":\"" EVENT "\",\"file\":\"%llu/%llu/%s/%llu/%llu\","
        "\"uid\":%u}\n",
        clock_format_rfc3339(now, time), (unsigned long long)i->inode, (unsigned long long)i->birth,
        i->handle, (unsigned long long)i->mtime, (unsigned long long)i->bytes, i->owner);
}

/* Passes by a number and the slash, or the end of the text, behind it. */
static bool take_number(const char **text, uint64_t *ret)
{
    char *end;

    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    *ret = strtoull(*text, &end, 10);
    if (errno != 0 || (*end != '/' && *end != '\0'))
        return false;
    *text = *end ? end + 1 : end;
    return true;
}

static bool parse(const char *text, FileIdentity *ret)
{
    size_t n;

    *ret = (FileIdentity){0};
    if (!take_number(&text, &ret->inode) || !take_number(&text, &ret->birth))
        return false;
    n = strcspn(text, "/");
    if (text[n] != '/' || n >= sizeof(ret->handle))
        return false;
    memcpy(ret->handle, text, n);
    text += n + 1;
    return take_number(&text, &ret->mtime) && take_number(&text, &ret->bytes) && !*text;
}

/* An older record does not say it. */
static uid_t owner_of(const json_t *line)
{
    const json_t *uid = json_object_get(line, "uid");

    return json_is_integer(uid) ? (uid_t)json_integer_value(uid) : FILE_OWNER_UNKNOWN;
}

int file_identity_of_record(int record_fd, FileIdentity *ret)
{
    char data[LINE_MAX_BYTES];
    const char *end, *file, *event;
    RecordEvent kind;
    json_t *line;
    ssize_t n;
    int r;

    do
        n = pread(record_fd, data, sizeof(data), 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    end = memchr(data, '\n', (size_t)n);
    if (!end)
        return 0;
    r = record_line_parse(data, (size_t)(end - data), &kind, &line);
    event = json_string_value(json_object_get(line, "event"));
    file = json_string_value(json_object_get(line, "file"));
    if (r >= 0)
        r = event && file && strcmp(event, EVENT) == 0 && parse(file, ret);
    if (r > 0)
        ret->owner = owner_of(line);
    json_decref(line);
    return r;
}
