/* outbox export: messages of the queue as files or a stream that other mail systems take. Must
 * never change a message of the queue, or a file that is there. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/idn.h"
#include "base/text.h"
#include "message/header.h"
#include "message/message.h"
#include "message/readdress.h"
#include "tool/command.h"
#include "tool/json.h"
#include "tool/store.h"
#include "tool/terminal.h"

#define NAMES_MAX 1000 /* ID.eml, ID-2.eml, ... */
#define OWN_MARK "X-Outbox-Uid:"

typedef struct Export {
    Store *store;
    Selection selection;
    bool is_stream, json;
    bool is_maildir; /* files, in a directory that mail readers take */
    const char *target;
    int fd;         /* the directory of files, or the stream's file */
    int tmp_fd;     /* where a file is until it is complete; -1: there as well */
    json_t *array;  /* with --json */
    size_t n, left; /* exported; left out, which was said */
    size_t n_early; /* of a stream: what waits for a time here, which it cannot say */
    int status;
    bool line_began; /* of a stream: the next byte begins a line */
    bool is_cut;     /* nobody reads standard output any more */
} Export;

/* What is written of one. */
typedef struct Exported {
    Envelope envelope; /* those who have not had it */
    size_t n_had;
    bool waits;   /* for its time */
    Buffer start; /* of the file, its whole header at least */
    bool has_more;
    int fd;
    char name[NAME_MAX + 32]; /* in the directory; "" in a stream */
} Exported;

static void exported_done(Exported *e)
{
    envelope_done(&e->envelope);
    buffer_done(&e->start);
    close_p(&e->fd);
}

/* ---- telling ---- */

static void tell(Export *export, const char *id, const Exported *e, const char *error)
{
    char path[NAME_MAX + 40];
    const char *name = e && e->name[0] ? path : NULL;

    if (name)
        (void)snprintf(path, sizeof(path), "%s%s", export->is_maildir ? "new/" : "", e->name);

    if (export->array) {
        (void)json_array_append_new(export->array,
            json_pack("{s:o, s:o, s:i, s:o}", "id", json_text(id), "file", json_text(name),
                "delivered", (int)(e ? e->n_had : 0), "error", json_text(error)));
        return;
    }
    if (error || export->is_stream)
        return;
    (void)terminal_print(stdout, id, SIZE_MAX);
    fputs(" -> ", stdout);
    (void)terminal_print(stdout, export->target, SIZE_MAX);
    putchar('/');
    (void)terminal_print(stdout, name, SIZE_MAX);
    if (e->n_had > 0)
        printf(" (without %zu who %s it)", e->n_had, e->n_had == 1 ? "has" : "have");
    putchar('\n');
}

/* A message that cannot be exported; the others go on. */
static void leave(Export *export, const char *id, const Failure *f)
{
    int status = export->array ? error_status(f->number) ?: EX_SOFTWARE : tool_fail_about(id, f);

    export->left++;
    if (export->is_cut)
        status = EX_IOERR;
    export->status = export->status == EX_TEMPFAIL ? EX_TEMPFAIL : status;
    tell(export, id, NULL, failure_text(f));
}

/* ---- reading ---- */

/* The line that says who queued it is the queue's own. */
static void drop_mark(Buffer *start)
{
    const char *data = buffer_data(start), *end;

    if (buffer_size(start) < strlen(OWN_MARK) || memcmp(data, OWN_MARK, strlen(OWN_MARK)) != 0)
        return;
    end = memchr(data, '\n', buffer_size(start));
    buffer_consume(start, end ? (size_t)(end - data) + 1 : buffer_size(start));
}

static int open_one(const Export *export, const ToolMessage *m, Exported *e, Failure *f)
{
    Store *store = export->store;
    uint64_t size;
    int r;

    if (m->state == SPOOL_SENDING || m->state == SPOOL_SENT)
        return failure_set(f, -ENOENT, ERROR_MESSAGE, "it is %s, and left out",
            m->state == SPOOL_SENT ? "sent already" : "being sent just now");
    e->fd = store->ops->open(store, m->id, m->state, &size, f);
    if (e->fd < 0)
        return e->fd;
    r = store->ops->envelope(store, m, e->fd, size, &e->envelope, &e->n_had, f);
    if (r < 0)
        return r;
    if (e->envelope.n_recipients == 0)
        return failure_set(f, -ENOENT, ERROR_MESSAGE, "all recipients have had it");
    e->waits = e->envelope.not_before > clock_realtime();
    if (lseek(e->fd, 0, SEEK_SET) < 0)
        return failure_set_errno(f, -errno, "cannot read it");
    r = message_read_start(store_read_piece, &e->fd, &e->start, f);
    e->has_more = r > 0;
    drop_mark(&e->start);
    return MIN(r, 0);
}

/* ---- files ---- */

static int cannot_write(const Export *export, int error, Failure *f)
{
    const char *target = strcmp(export->target, "-") == 0 ? "standard output" : export->target;

    return failure_set_errno(f, error, "%s cannot be written to", target);
}

static int write_file(const Export *export, Exported *e, int fd, Failure *f)
{
    _cleanup_buffer_ Buffer out = {0};
    int r =
        message_readdress(buffer_data(&e->start), buffer_size(&e->start), &e->envelope, NULL, &out);
    int more = e->has_more;

    while (r >= 0) {
        r = file_write_all(fd, buffer_data(&out), buffer_size(&out));
        buffer_clear(&out);
        if (r < 0 || more == 0)
            break;
        more = store_read_piece(&e->fd, &out, f);
        if (more < 0)
            return more;
    }
    if (r >= 0)
        r = file_sync(fd);
    return r < 0 ? cannot_write(export, r, f) : 0;
}

static int link_file(const Export *export, const char *from, const Exported *e)
{
    int from_fd = export->tmp_fd >= 0 ? export->tmp_fd : export->fd;

    return linkat(from_fd, from, export->fd, e->name, 0) < 0 ? -errno : 0;
}

/* As others make them, who deliver there at the same time: the time, what is never the same twice,
 * and the host. */
static int name_in_maildir(const Export *export, const char *from, Exported *e, Failure *f)
{
    char host[64] = "localhost", random[14];
    int r;

    (void)gethostname(host, sizeof(host) - 1);
    for (char *at = host; *at; at++)
        if (*at == '/' || *at == ':')
            *at = '_';
    file_random_name(random, 13);
    (void)snprintf(e->name, sizeof(e->name), "%llu.R%s.%s",
        (unsigned long long)(clock_realtime() / USEC_PER_SEC), random, host);
    r = link_file(export, from, e);
    return r < 0 ? cannot_write(export, r, f) : 0;
}

/* A name that is free, for the file that is complete. */
static int name_file(
    const Export *export, const char *from, const char *id, Exported *e, Failure *f)
{
    if (export->is_maildir)
        return name_in_maildir(export, from, e, f);
    for (unsigned i = 1; i <= NAMES_MAX; i++) {
        char number[16] = "";
        int r;

        if (i > 1)
            (void)snprintf(number, sizeof(number), "-%u", i);
        (void)snprintf(e->name, sizeof(e->name), "%.*s%s.eml", NAME_MAX - 16, id, number);
        r = link_file(export, from, e);
        if (r != -EEXIST)
            return r < 0 ? cannot_write(export, r, f) : 0;
    }
    return failure_set(f, -EEXIST, ERROR_FILE,
        "%s has a thousand files of that name already; name another directory", export->target);
}

/* Whoever takes the files sees none that is not complete. */
static int export_file(const Export *export, const char *id, Exported *e, Failure *f)
{
    char name[32] = ".outbox-export-";
    _cleanup_close_ int fd = -1;
    int r, directory = export->tmp_fd >= 0 ? export->tmp_fd : export->fd;

    file_random_name(name + strlen(name), 13);
    fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return cannot_write(export, -errno, f);
    r = write_file(export, e, fd, f);
    close_p(&fd);
    if (r >= 0)
        r = name_file(export, name, id, e, f);
    (void)unlinkat(directory, name, 0);
    return r;
}

/* ---- a stream of batch SMTP ---- */

static int append_path(const char *verb, const char *address, const char *parameters, Buffer *out)
{
    return buffer_appendf(
        out, "%s<%s>%s%s\r\n", verb, address, parameters ? " " : "", parameters ? parameters : "");
}

/* A dot that begins a line gets another. */
static int append_stuffed(Export *export, const char *data, size_t n, Buffer *out)
{
    int r = 0;

    for (size_t at = 0, length; r >= 0 && at < n; at += length) {
        const char *end = memchr(data + at, '\n', n - at);

        length = end ? (size_t)(end - data) - at + 1 : n - at;
        if (export->line_began && data[at] == '.')
            r = buffer_append(out, ".", 1);
        if (r >= 0)
            r = buffer_append(out, data + at, length);
        export->line_began = end != NULL;
    }
    return r;
}

static int begin_stream(Export *export, Exported *e, Buffer *out)
{
    const Envelope *envelope = &e->envelope;
    const char *data = buffer_data(&e->start), *end = data + buffer_size(&e->start);
    HeaderParts parts;
    int r = append_path("MAIL FROM:", envelope->sender, envelope->sender_parameters, out);

    for (size_t i = 0; r >= 0 && i < envelope->n_recipients; i++)
        r = append_path(
            "RCPT TO:", envelope->recipients[i].address, envelope->recipients[i].parameters, out);
    if (r >= 0)
        r = buffer_append_string(out, "DATA\r\n");
    (void)header_locate(data, buffer_size(&e->start), true, &parts);
    export->line_began = true;
    return r < 0 ? r
                 : append_stuffed(export, parts.header.at, (size_t)(end - parts.header.at), out);
}

static int export_stream(Export *export, Exported *e, Failure *f)
{
    _cleanup_buffer_ Buffer out = {0}, piece = {0};
    int r = begin_stream(export, e, &out), more = e->has_more;

    while (r >= 0 && more > 0) {
        r = file_write_all(export->fd, buffer_data(&out), buffer_size(&out));
        buffer_clear(&out);
        buffer_clear(&piece);
        if (r >= 0)
            more = store_read_piece(&e->fd, &piece, f);
        if (more < 0)
            return more;
        if (r >= 0)
            r = append_stuffed(export, buffer_data(&piece), buffer_size(&piece), &out);
    }
    if (r >= 0)
        r = buffer_append_string(&out, export->line_began ? ".\r\n" : "\r\n.\r\n");
    if (r >= 0)
        r = file_write_all(export->fd, buffer_data(&out), buffer_size(&out));
    export->is_cut = r == -EPIPE;
    return r < 0 ? cannot_write(export, r, f) : 0;
}

/* ---- the command ---- */

/* What breaks off a stream is the end of it; false. */
static bool export_one(Export *export, const ToolMessage *m)
{
    _cleanup_(exported_done) Exported e = {.fd = -1};
    _cleanup_failure_ Failure f = {0};
    int r = open_one(export, m, &e, &f);
    bool begun = r >= 0;

    if (r >= 0)
        r = export->is_stream ? export_stream(export, &e, &f) : export_file(export, m->id, &e, &f);
    if (r < 0) {
        leave(export, m->id, &f);
        return !(begun && export->is_stream);
    }
    export->n++;
    export->n_early += export->is_stream && e.waits;
    tell(export, m->id, &e, NULL);
    return true;
}

static int export_found(void *user, Inspection *i, _unused_ Failure *f)
{
    ToolMessage m = {.state = i->state};

    (void)snprintf(m.id, sizeof(m.id), "%s", i->id);
    return !export_one(user, &m);
}

static bool is_exported(SpoolState state)
{
    return state != SPOOL_SENT;
}

static int export_selected(Export *export)
{
    const StoreQuery query = {
        .selection = &export->selection, .applies = is_exported, .names_only = true};
    _cleanup_failure_ Failure f = {0};
    int r = export->store->ops->look(export->store, &query, export_found, export, &f);

    return r < 0 ? tool_fail(&f) : EX_OK;
}

static int export_named(Export *export, char **ids, int n)
{
    bool go_on = true;

    for (int i = 0; go_on && i < n; i++) {
        ToolMessage m;
        int status = export->store->ops->find(export->store, ids[i], NULL, &m);

        if (status == EX_OK && m.state == SPOOL_STATE_MAX)
            status =
                tool_refuse(ERROR_FILE, "there is no message %s in %s", m.id, export->store->name);
        if (status != EX_OK)
            export->status = status;
        else
            go_on = export_one(export, &m);
    }
    return EX_OK;
}

/* What is missing of it is made: tmp, new and cur. `export->fd` is then that of `new`. */
static int open_maildir(Export *export, Failure *f)
{
    static const char *const names[] = {"tmp", "new", "cur"};
    _cleanup_close_ int whole = TAKE_FD(export->fd);

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (mkdirat(whole, names[i], 0700) < 0 && errno != EEXIST)
            return cannot_write(export, -errno, f);
    (void)file_sync(whole);
    export->tmp_fd = openat(whole, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    export->fd = openat(whole, "new", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return export->tmp_fd < 0 || export->fd < 0
               ? failure_set_errno(
                     f, -errno, "%s: its tmp and new cannot be opened", export->target)
               : 0;
}

static int open_target(Export *export, Failure *f)
{
    if (strcmp(export->target, "-") == 0) {
        export->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        return export->fd < 0 ? failure_set_errno(f, -errno, "standard output") : 0;
    }
    export->fd = open(export->target,
        export->is_stream ? O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY
                          : O_RDONLY | O_DIRECTORY | O_CLOEXEC,
        0600);
    if (export->fd >= 0)
        return export->is_maildir ? open_maildir(export, f) : 0;
    if (errno == EEXIST)
        return failure_set(f, -EEXIST, ERROR_FILE,
            "%s is there already, and stays: remove it, or name another file", export->target);
    if (errno == ENOENT && !export->is_stream)
        return failure_set(f, -ENOENT, ERROR_FILE,
            "there is no directory %s; make it, for those alone who may read the mail: mkdir -m "
            "700 %s",
            export->target, export->target);
    return failure_set_errno(f, -errno, "cannot open %s", export->target);
}

static void tell_sum(const Export *export)
{
    FILE *to = export->is_stream ? stderr : stdout;

    if (export->array)
        return;
    fprintf(to, "%s%zu message%s exported", export->is_stream ? "outbox: " : "", export->n,
        export->n == 1 ? "" : "s");
    if (export->left > 0)
        fprintf(to, ", %zu left out", export->left);
    if (export->n > 0)
        fprintf(to, "; %s in the queue as well, and sent from there",
            export->n == 1 ? "it is" : "they are");
    fputc('\n', to);
}

static void tell_early(const Export *export)
{
    if (export->n_early > 0)
        fprintf(stderr,
            "outbox: batch SMTP cannot say that a message waits for its time, as %zu of them %s: "
            "who takes the stream sends them at once; --format eml says it\n",
            export->n_early, export->n_early == 1 ? "does" : "do");
}

static int run(Export *export, char **arguments, int n)
{
    _cleanup_failure_ Failure f = {0};
    int status;

    if (open_target(export, &f) < 0)
        return tool_fail(&f);
    if (export->json && !(export->array = json_array()))
        return tool_fail_memory();
    status = n > 1 ? export_named(export, arguments, n - 1) : export_selected(export);
    if (file_sync(export->fd) < 0 && status == EX_OK && !export->is_stream)
        status = tool_fail_number(ERROR_FILE, "%s cannot be synced to the disk", export->target);
    tell_sum(export);
    tell_early(export);
    if (export->array && json_print(TAKE_PTR(export->array)) != EX_OK)
        status = EX_OSERR;
    return status ?: export->status;
}

static int check(
    const Tool *tool, const Command *command, const Export *export, int n, bool selects)
{
    bool to_output = export->target && strcmp(export->target, "-") == 0;

    if (!export->target || !*export->target)
        return tool_usage(command, "a directory is wanted at the end, or a file, or -");
    if (n > 1 && selects)
        return tool_usage(command, "ids and options that choose messages exclude each other");
    if (to_output && !export->is_stream)
        return tool_usage(command, "to standard output goes a stream: --format bsmtp");
    if (to_output && export->json)
        return tool_usage(command, "--json does not go with -, where the messages are");
    /* It would be written as the daemon's user. */
    if (tool->has_user && !to_output)
        return tool_refuse(error_from_errno(EACCES),
            "who may not read the queue directory gets his messages on standard output alone: "
            "outbox export - > FILE");
    return EX_OK;
}

static int take_format(const Command *command, const char *name, Export *export)
{
    export->is_stream = strcmp(name, "bsmtp") == 0;
    export->is_maildir = strcmp(name, "maildir") == 0;
    if (export->is_stream || export->is_maildir || strcmp(name, "eml") == 0)
        return EX_OK;
    return tool_usage(command, "--format %s: the formats are eml, maildir and bsmtp", name);
}

int run_export(const Tool *tool, const Command *command, int argc, char **argv)
{
    _cleanup_(store_free_p) Store *store = NULL;
    const char *directory = NULL, *format = NULL;
    Export export = {.fd = -1, .tmp_fd = -1};
    bool selects = false;
    int c, status = EX_OK;

    while (status == EX_OK && (c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'd': directory = optarg; break;
        case 'f': format = optarg; break;
        case 'j': export.json = true; break;
        case '?': return EX_USAGE;
        default: selects = true; status = selection_take(&export.selection, command, c, optarg);
        }
    export.target = argc > optind ? argv[argc - 1] : NULL;
    if (status == EX_OK && format)
        status = take_format(command, format, &export);
    if (status == EX_OK && !format)
        export.is_stream = export.target && strcmp(export.target, "-") == 0;
    if (status == EX_OK)
        status = check(tool, command, &export, argc - optind, selects);
    if (status == EX_OK)
        status = store_open_to_read(tool, directory, &store);
    if (status != EX_OK)
        return status;
    export.store = store;
    status = run(&export, argv + optind, argc - optind);
    close_p(&export.fd);
    close_p(&export.tmp_fd);
    json_decref(export.array);
    return tool_finish_output(status);
}
