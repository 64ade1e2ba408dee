/* A shell command's two pipes. Must never let its output into a failure: it is a secret. */
#include "settings/command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"
#include "settings/command_child.h"

#define ERRORS_MAX_BYTES 4096
#define ERRORS_SHOWN_BYTES 400
#define COMMAND_SHOWN_BYTES 400

/* One of the command's pipes, and where its bytes go. */
typedef struct Stream {
    int fd;
    Buffer *to;
    size_t max;
    bool overflow;
} Stream;

/* One read; 0 at the end of the stream, which closes it. */
static int stream_read(Stream *stream)
{
    char chunk[4096];
    ssize_t n = read(stream->fd, chunk, sizeof(chunk));
    size_t room = stream->max - buffer_size(stream->to), take;
    int r;

    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    if (n == 0) {
        close(stream->fd);
        stream->fd = -1;
        return 0;
    }
    take = MIN((size_t)n, room);
    stream->overflow |= take < (size_t)n;
    r = buffer_append(stream->to, chunk, take);
    explicit_bzero(chunk, sizeof(chunk));
    return r;
}

/* What has been said so far. 0 or a negative errno. */
static int drain(Stream streams[static 2])
{
    int r = 0;

    for (size_t i = 0; i < 2; i++) {
        struct pollfd said = {streams[i].fd, POLLIN, 0};

        while (r == 0 && streams[i].fd >= 0 && !streams[i].overflow && poll(&said, 1, 0) > 0)
            r = stream_read(&streams[i]);
    }
    return r;
}

/* Reads both streams to their ends, or as far as they go when the command is over: what it has left
 * behind may keep them open. 0, -ETIMEDOUT, or another negative errno. */
static int read_streams(Stream streams[static 2], int over_fd, usec_t deadline)
{
    int r = 0;

    while (r == 0 && (streams[0].fd >= 0 || streams[1].fd >= 0)) {
        struct pollfd polls[3] = {
            {streams[0].fd, POLLIN, 0}, {streams[1].fd, POLLIN, 0}, {over_fd, POLLIN, 0}};
        usec_t now = clock_monotonic();
        usec_t left = now < deadline ? (deadline - now) / USEC_PER_MSEC + 1 : 0;
        int n = poll(polls, 3, (int)MIN(left, (usec_t)INT_MAX));

        /* What was said in time counts, however late this process comes to look. */
        if (n == 0 && left == 0)
            return -ETIMEDOUT;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (polls[2].revents)
            return drain(streams);
        for (size_t i = 0; i < 2 && r == 0; i++)
            if (polls[i].revents)
                r = stream_read(&streams[i]);
    }
    return r;
}

/* What a command wrote to standard error, as its words: " and said \"no key\"", or nothing. NULL
 * without memory. */
static char *say_errors(const Buffer *errors)
{
    size_t n = buffer_size(errors);
    _cleanup_free_
    char *words = NULL;
    char *said;

    while (n > 0 && buffer_data(errors)[n - 1] == '\n')
        n--;
    words = text_printable(n ? buffer_data(errors) : "", n, ERRORS_SHOWN_BYTES);
    if (!words)
        return NULL;
    if (!*words)
        return strdup("");
    return asprintf(&said, " and said \"%s\"", words) < 0 ? NULL : said;
}

/* The command as failures have it: "the command `pass show mail`". NULL without memory. */
static char *say_command(const char *command, const CommandUse *use)
{
    const char *shown = use->shown ?: command;
    _cleanup_free_
    char *words = text_printable(shown, strlen(shown), COMMAND_SHOWN_BYTES);
    char *said;

    return !words || asprintf(&said, "%s `%s`", use->name, words) < 0 ? NULL : said;
}

static int failed(const char *name, int status, const char *said, Failure *f)
{
    bool killed = WIFSIGNALED(status);

    return failure_set(f, -EPROTO, ERROR_CONFIGURATION,
        "%s %s %d%s; try it in a shell as the same user", name,
        killed ? "was ended by signal" : "failed with status",
        killed ? WTERMSIG(status) : WEXITSTATUS(status), said);
}

/* Not among the standard streams, which a program may have closed. */
static int open_pipe(int ends[static 2])
{
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        int higher = ends[i] > STDERR_FILENO ? ends[i] : fcntl(ends[i], F_DUPFD_CLOEXEC, 3);
        int error = errno;

        if (higher < 0) {
            close(ends[0]);
            close(ends[1]);
            return -error;
        }
        if (higher != ends[i])
            close(ends[i]);
        ends[i] = higher;
    }
    return 0;
}

static int start(const char *command, CommandStop *stop, Stream streams[static 2])
{
    int out[2], errors[2], r = open_pipe(out);

    if (r < 0)
        return r;
    streams[0].fd = out[0];
    r = open_pipe(errors);
    if (r == 0) {
        streams[1].fd = errors[0];
        r = command_child_start(command, out[1], errors[1], stop);
        close(errors[1]);
    }
    close(out[1]);
    return r;
}

static int explain(const char *name, const CommandUse *use, int r, usec_t limit, Failure *f)
{
    if (r == -ECANCELED)
        return failure_set(f, r, ERROR_INTERRUPTED, "%s is not wanted any more", name);
    if (r == -ETIMEDOUT)
        return failure_set(f, r, ERROR_TIMEOUT,
            "%s was not done after %u s and was ended; it must %s", name,
            (unsigned)(limit / USEC_PER_SEC), use->duty);
    if (r == -EAGAIN)
        return failure_set(f, r, error_from_spawn(r),
            "cannot run %s: no process can be had; raise the limit of tasks (TasksMax=, ulimit -u)",
            name);
    return failure_set_errno(f, r, "cannot run %s", name);
}

/* Until it is over, however that is. */
static int run(
    const char *command, usec_t limit, CommandStop *stop, Stream streams[static 2], int *ret_status)
{
    usec_t deadline = usec_add(clock_monotonic(), limit);
    int over_fd = -1, r = start(command, stop, streams);

    if (r == 0)
        r = read_streams(streams, over_fd = command_child_fd(stop), deadline);
    close_p(&over_fd);
    close_p(&streams[0].fd);
    close_p(&streams[1].fd);
    if (r == 0)
        r = command_child_wait(stop, deadline, ret_status);
    return command_child_end(stop) ? -ECANCELED : r;
}

int command_run(const char *command, const CommandUse *use, usec_t limit, size_t max, Buffer *out,
    char **ret_said, CommandStop *stop, Failure *f)
{
    _cleanup_free_
    char *name = say_command(command, use), *said = NULL;
    _cleanup_buffer_ Buffer errors = {0};
    _cleanup_(command_stop_done) CommandStop own;
    Stream streams[2] = {{-1, out, max}, {-1, &errors, ERRORS_MAX_BYTES}};
    int status = 0, r;

    command_stop_init(&own);
    if (!name)
        return -ENOMEM;
    stop = stop ?: &own;
    command_stop_waits(stop, use->remedy, "%.170s", name);
    r = run(command, limit, stop, streams, &status);
    if (r < 0)
        return explain(name, use, r, limit, f);
    said = say_errors(&errors);
    if (!said)
        return -ENOMEM;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return failed(name, status, said, f);
    if (streams[0].overflow)
        return failure_set(f, -EPROTO, ERROR_CONFIGURATION,
            "%s printed more than %zu bytes; it must %s", name, max, use->duty);
    if (ret_said)
        *ret_said = TAKE_PTR(said);
    return 0;
}

/* ---- judging ---- */

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What a shell does by itself (POSIX.1-2017, 2.4, 2.14 and 1.6, and what dash adds). */
static bool is_of_the_shell(const char *word)
{
    static const char *const words[] = {"!", "{", "case", "do", "done", "elif", "else", "esac",
        "fi", "for", "if", "in", "then", "until", "while", ".", ":", "[", "alias", "bg", "break",
        "cd", "command", "continue", "echo", "eval", "exec", "exit", "export", "false", "fg",
        "getopts", "hash", "jobs", "kill", "local", "printf", "pwd", "read", "readonly", "return",
        "set", "shift", "test", "times", "trap", "true", "type", "ulimit", "umask", "unalias",
        "unset", "wait"};

    for (size_t i = 0; i < ELEMENTSOF(words); i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

/* The word that names a program, where it stands for itself alone; NULL: it does not, or there is
 * none. `*ret_error` is -ENOMEM where memory is short. */
static char *first_word(const char *command, int *ret_error)
{
    static const char own[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+-:@,%";
    const char *at = command + strspn(command, " \t");
    char quote = *at == '"' || *at == '\'' ? *at++ : '\0';
    size_t n = strspn(at, own);
    char *word;

    if (quote)
        while (at[n] == ' ' || (at[n] && strchr(own, at[n])))
            n++;
    if (n == 0 || (quote ? at[n] != quote || (at[n + 1] && !strchr(" \t\n;|&", at[n + 1]))
                         : at[n] && !strchr(" \t\n;|&<>", at[n])))
        return NULL;
    word = strndup(at, n);
    *ret_error = word ? 0 : -ENOMEM;
    return word;
}

/* 0; -ENOENT: it is not there; -EACCES: it is, and cannot be run; another: that cannot be told. */
static int try_program(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno == ENOTDIR ? -ENOENT : errno == ENOENT ? -ENOENT : -EIO;
    return S_ISREG(st.st_mode) && access(path, X_OK) == 0 ? 0 : -EACCES;
}

/* The same, in each directory of PATH. */
static int find_program(const char *name)
{
    const char *path = getenv("PATH") ?: PATH_DEFAULT;
    int r = -ENOENT;

    while (r < 0) {
        size_t n = strcspn(path, ":");
        _cleanup_free_
        char *full = NULL;
        int found;

        if (asprintf(&full, "%.*s%s%s", (int)n, path, n > 0 ? "/" : "./", name) < 0) {
            full = NULL;
            return -ENOMEM;
        }
        found = try_program(full);
        if (found != -ENOENT)
            r = found;
        if (!path[n])
            break;
        path += n + 1;
    }
    return r;
}

int command_check(const char *command, Failure *f)
{
    int r = 0;
    _cleanup_free_
    char *word = first_word(command, &r);

    if (!word || is_of_the_shell(word) || (*word != '/' && strchr(word, '/')))
        return r;
    r = strchr(word, '/') ? try_program(word) : find_program(word);
    if (r == -ENOENT)
        return failure_set(f, r, ERROR_CONFIGURATION,
            "there is no program %s%s, which the command `%s` begins with; correct it, or install "
            "the program",
            word, strchr(word, '/') ? "" : " in PATH", command);
    if (r == -EACCES)
        return failure_set(f, r, ERROR_CONFIGURATION,
            "%s, which the command `%s` begins with, cannot be run by this user; see its mode "
            "(`chmod +x`), and that it is a file",
            word, command);
    return r == -ENOMEM ? r : 0;
}
