/* The queue directory, for commands that look at it or change what is in it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "tool/command.h"

#define NAMED_MAX 5

int tool_fail_queue(const Spool *spool, int error)
{
    return tool_fail_number(error_is_common(error) ? error_from_errno(error) : ERROR_SPOOL,
        "cannot read %s: %s", spool_path(spool), strerrordesc_np(-error) ?: "unknown error");
}

static int open_by(int (*open)(const char *path, Spool **ret, Failure *f), const Tool *tool,
    const char *directory, Spool **ret)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *path = NULL;
    int status;

    if (tool->has_user && directory)
        return tool_refuse(ERROR_USAGE, "--directory and --user exclude each other");
    status = tool_directory(tool, directory, &path, NULL, NULL);
    if (status != 0)
        return status;
    if (open(path, ret, &f) < 0)
        return tool_fail(&f);
    if (tool->has_user)
        spool_show_only(*ret, tool->user);
    return 0;
}

int tool_open_spool(const Tool *tool, const char *directory, Spool **ret)
{
    return open_by(spool_open, tool, directory, ret);
}

int tool_open_spool_to_read(const Tool *tool, const char *directory, Spool **ret)
{
    return open_by(spool_open_to_read, tool, directory, ret);
}

/* A look that fails is no proof that there is none. */
static bool may_be_there(const Spool *spool, const char *id)
{
    SpoolState state;

    return spool_find(spool, id, &state) != -ENOENT;
}

static int fail_ambiguous(const Spool *spool, const char *word, const char *id_of_file)
{
    SpoolState state;

    return tool_refuse(ERROR_FILE,
        "%s is the id of one message in %s and names the file of another, %s: say ./%s.%s for the "
        "first, and ./%s for the second",
        word, spool_path(spool), id_of_file, word,
        spool_state_name(spool_find(spool, word, &state) == 0 ? state : SPOOL_QUEUED), word);
}

/* Whether the path of a file is of this queue: `./` stands for it wherever one is. */
static bool is_of_queue(const Spool *spool, const char *path, const char *name)
{
    _cleanup_free_
    char *directory = strndup(path, (size_t)(name - path));
    struct stat there, here;

    if (!directory || strcmp(directory, "./") == 0)
        return true;
    return stat(directory, &there) == 0 && fstat(spool_directory_fd(spool), &here) == 0 &&
           there.st_dev == here.st_dev && there.st_ino == here.st_ino;
}

static int fail_elsewhere(const Spool *spool, const char *path)
{
    return tool_refuse(ERROR_FILE,
        "%s is in no queue but that of its own directory, and not in %s: name that directory with "
        "--directory",
        path, spool_path(spool));
}

/* The messages whose ids begin so: the first of them in `ret_id`, and up to NAMED_MAX named in
 * `names`. How many there are, or a negative errno. */
static int find_beginning(
    const Spool *spool, const char *start, char ret_id[static SPOOL_NAME_MAX], Buffer *names)
{
    _cleanup_(spool_scan_free_p) SpoolScan *scan = NULL;
    SpoolEntry entry;
    int n = 0, r = spool_scan_new(spool, &scan, NULL);

    while (r >= 0 && (r = spool_scan_next(scan, &entry)) > 0) {
        if (strncmp(entry.id, start, strlen(start)) != 0 ||
            (n > 0 && strcmp(entry.id, ret_id) == 0))
            continue;
        if (n++ == 0)
            snprintf(ret_id, SPOOL_NAME_MAX, "%s", entry.id);
        if (n <= NAMED_MAX)
            r = buffer_appendf(names, "%s%s", n > 1 ? ", " : "", entry.id);
    }
    return r < 0 ? r : n;
}

/* The id of which this is the beginning, where that is of one message alone; else it stays. */
static int complete(const Spool *spool, char id[static SPOOL_NAME_MAX])
{
    _cleanup_buffer_ Buffer names = {0};
    char whole[SPOOL_NAME_MAX];
    int n = may_be_there(spool, id) || !*id ? 0 : find_beginning(spool, id, whole, &names);

    if (n < 0)
        return tool_fail_queue(spool, n);
    if (n > 1)
        return tool_refuse(ERROR_FILE, "%s is the beginning of %d messages: %.*s%s", id, n,
            (int)buffer_size(&names), buffer_data(&names), n > NAMED_MAX ? ", ..." : "");
    if (n == 1)
        memcpy(id, whole, sizeof(whole));
    return 0;
}

/* Ids that end like a state are as good as any: `report.deferred`, in `report.deferred.queued`. So
 * a word is what `list` prints first. The state in the name of a file may be one that the message
 * has left meanwhile, and decides nothing. */
static int find_id(const Spool *spool, const char *argument, char ret_id[static SPOOL_NAME_MAX],
    SpoolState *ret_named)
{
    const char *word = tool_base_name(argument);
    char id_of_file[SPOOL_NAME_MAX];
    SpoolState state;
    size_t length;

    *ret_named = SPOOL_STATE_MAX;
    if (word > argument && !is_of_queue(spool, argument, word))
        return fail_elsewhere(spool, argument);
    snprintf(ret_id, SPOOL_NAME_MAX, "%s", word);
    if (!spool_name_parse(word, &state, &length))
        return complete(spool, ret_id);
    snprintf(id_of_file, sizeof(id_of_file), "%.*s", (int)length, word);
    if (word == argument && may_be_there(spool, word))
        return may_be_there(spool, id_of_file) ? fail_ambiguous(spool, word, id_of_file) : 0;
    memcpy(ret_id, id_of_file, sizeof(id_of_file));
    *ret_named = state;
    return word == argument ? complete(spool, ret_id) : 0;
}

static int fail_several(const Spool *spool, const char *id, const bool *there)
{
    _cleanup_buffer_ Buffer names = {0};

    for (SpoolState s = 0; s < SPOOL_STATE_MAX; s++)
        if (there[s] && buffer_appendf(&names, "%s%s.%s", buffer_size(&names) > 0 ? ", " : "", id,
                            spool_state_name(s)) < 0)
            return tool_fail_memory();
    return tool_refuse(ERROR_FILE,
        "%s is the id of several messages in %s: name one of them with its state: %.*s", id,
        spool_path(spool), (int)buffer_size(&names), buffer_data(&names));
}

static int find_message(
    const Spool *spool, const char *argument, bool (*applies)(SpoolState state), ToolMessage *ret)
{
    bool there[SPOOL_STATE_MAX];
    SpoolState named, last = SPOOL_STATE_MAX;
    unsigned n = 0;
    int status = find_id(spool, argument, ret->id, &named);

    ret->state = SPOOL_STATE_MAX;
    if (status != 0)
        return status;
    for (SpoolState s = 0; s < SPOOL_STATE_MAX; s++) {
        struct stat st;
        int r = spool_look_at(spool, ret->id, s, &st);

        there[s] = (r >= 0 || r == -EXDEV) && (!applies || applies(s));
        n += there[s];
        last = there[s] ? s : last;
        if (s == named && r >= 0) {
            ret->state = s;
            return 0;
        }
    }
    if (n > 1)
        return fail_several(spool, ret->id, there);
    if (n == 1)
        ret->state = last;
    else if (spool_find(spool, ret->id, &ret->state) < 0)
        ret->state = SPOOL_STATE_MAX;
    return 0;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c ? strchr(digits, c) : NULL;

    return found ? (int)(found - digits) : -1;
}

/* What `list` prints "\xHH" for in an id, or `mailq`, which has no blanks in one: the byte, or 0.
 * Anything that they print as it is has no such form. */
static unsigned char escaped_byte(const char *p)
{
    int high = p[0] == '\\' && p[1] == 'x' ? hex_digit(p[2]) : -1;
    int low = high >= 0 ? hex_digit(p[3]) : -1;
    int byte = low >= 0 ? high << 4 | low : 0;

    return byte <= 0x20 || byte >= 0x7f ? (unsigned char)byte : 0;
}

/* The argument with the bytes for which there are escapes in it; whether there were any. */
static bool put_bytes_back(char *argument)
{
    bool any = false;
    char *to = argument;

    for (const char *p = argument; *p;) {
        unsigned char byte = escaped_byte(p);

        *to++ = byte ? (char)byte : *p;
        p += byte ? 4 : 1;
        any |= byte != 0;
    }
    *to = '\0';
    return any;
}

/* An id that has such characters itself goes before the one that is printed so. */
int tool_find_message(
    const Spool *spool, const char *argument, bool (*applies)(SpoolState state), ToolMessage *ret)
{
    _cleanup_free_
    char *raw = strdup(argument);
    int status;

    if (!raw)
        return tool_fail_memory();
    status = find_message(spool, argument, applies, ret);
    if (status != 0 || ret->state != SPOOL_STATE_MAX || !put_bytes_back(raw))
        return status;
    return find_message(spool, raw, applies, ret);
}
