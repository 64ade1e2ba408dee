/* outbox import: messages of another mail system's queue become messages of this one. Must never
 * remove one that is not queued here. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "foreign/foreign.h"
#include "message/mend.h"
#include "message/not_before.h"
#include "message/readdress.h"
#include "tool/command.h"
#include "tool/input.h"
#include "tool/json.h"
#include "tool/put.h"
#include "tool/terminal.h"

typedef struct Import {
    QueueTarget target;
    bool dry, removes, json;
    json_t *array; /* with --json */
    size_t n, n_left;
    int status;
} Import;

/* ---- telling ---- */

static void tell(Import *import, const char *name, const char *path, const char *error)
{
    if (import->array) {
        (void)json_array_append_new(
            import->array, json_pack("{s:o, s:o, s:o}", "source", json_text(name), "path",
                               json_text(path), "error", json_text(error)));
        return;
    }
    if (error)
        return;
    (void)terminal_print(stdout, name, SIZE_MAX);
    printf(import->dry ? " would be imported\n" : " -> %s\n", path);
}

/* Of several failures what may pass is the one to be told by: all of it is to be tried again. A
 * message that is none is the least. */
static int weight(int status)
{
    return status == EX_TEMPFAIL ? 3 : status == EX_DATAERR ? 1 : status == EX_OK ? 0 : 2;
}

static void fail(Import *import, int status)
{
    if (weight(status) > weight(import->status))
        import->status = status;
}

static void refuse(Import *import, const char *name, const Failure *f)
{
    import->n_left++;
    if (import->array)
        fail(import, error_status(f->number) ?: EX_SOFTWARE);
    else
        fail(import, tool_fail_about(name, f));
    tell(import, name, NULL, failure_text(f));
}

static void tell_sum(const Import *import, ForeignFormat format)
{
    const char *what = import->n == 1 ? "it" : "them";

    if (import->array)
        return;
    printf("%zu message%s %s", import->n, import->n == 1 ? "" : "s",
        import->dry ? "would be imported" : "imported");
    if (import->n_left > 0)
        printf(", %zu left", import->n_left);
    if (import->n > 0 && !import->dry && !import->removes && format != FOREIGN_BSMTP)
        printf("; %s in the other queue as well, and --remove would have removed %s there: who "
               "runs that system again sends %s twice",
            import->n == 1 ? "it is" : "they are", what, what);
    putchar('\n');
}

/* ---- importing ---- */

/* The header as programs write it that hand mail to a sendmail, which all of these systems are. */
static int mend(const Buffer *start, const char *author, Buffer *out)
{
    _cleanup_buffer_ Buffer mended = {0};
    int r = message_mend(buffer_data(start), buffer_size(start), &mended);

    return r < 0 ? r
                 : message_mend_addresses(buffer_data(&mended), buffer_size(&mended),
                       &(MendPeople){.author = author, .sender = author}, out);
}

/* With what is said of each recipient. */
static int add_parameters(const Envelope *found, const char *parameters, Envelope *e, Failure *f)
{
    int r = envelope_set_sender(e, found->sender, found->sender_parameters, f);

    for (size_t i = 0; r >= 0 && i < found->n_recipients; i++) {
        const EnvelopeRecipient *recipient = &found->recipients[i];

        r = envelope_add_recipient(e, recipient->address, recipient->parameters ?: parameters, f);
    }
    return r;
}

/* Which lane it is in, and when it may go, where the other queue says so. */
static int add_own(const Envelope *asked, Envelope *e, Failure *f)
{
    e->not_before = asked->not_before;
    return asked->lane ? envelope_set_lane(e, asked->lane, strlen(asked->lane), f) : 0;
}

/* The start with its envelope in front, and a From field, where it has none. */
static int write_start(
    const Envelope *envelope, const char *author, const Buffer *start, Buffer *out, Failure *f)
{
    _cleanup_buffer_ Buffer from = {0};
    int r = 0;

    if (author && !message_shape(buffer_data(start), buffer_size(start)).has_from) {
        r = message_append_originator("From", NULL, author, &from);
        if (r >= 0)
            r = buffer_append(&from, "", 1);
    }
    if (r >= 0)
        r = message_readdress(
            buffer_data(start), buffer_size(start), envelope, buffer_data(&from), out);
    return r < 0 ? failure_set_errno(f, r, "cannot read the message") : 0;
}

/* The start of the message as it is queued. */
static int address(Import *import, const ForeignMessage *foreign, const Buffer *start, bool more,
    Buffer *out, Failure *f)
{
    const Envelope *asked = foreign_envelope(foreign);
    const char *author = asked->sender && asked->sender[0] ? asked->sender : NULL;
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_envelope_ Envelope whole = {0};
    _cleanup_buffer_ Buffer mended = {0};
    InputMemory bytes;
    int r = mend(start, author, &mended);

    if (r < 0)
        return failure_set_errno(f, r, "cannot read the message");
    r = input_check(&mended, more, asked, &bytes, &message, f);
    if (r >= 0)
        r = queue_check_sender(&import->target, message, f);
    if (r >= 0)
        r = add_parameters(
            message_envelope(message), foreign_recipient_parameters(foreign), &whole, f);
    if (r >= 0)
        r = add_own(asked, &whole, f);
    if (r >= 0 && asked->not_before > 0)
        r = not_before_check(asked->not_before, clock_realtime(), f);
    return r < 0 ? r : write_start(&whole, author, &mended, out, f);
}

/* The path of the message in this queue, which the caller frees; NULL when nothing is to be done.
 */
static int import_message(Import *import, ForeignMessage *message, char **ret_path, Failure *f)
{
    _cleanup_buffer_ Buffer start = {0}, addressed = {0};
    int r = message_read_start(foreign_read, message, &start, f);

    if (r >= 0)
        r = address(import, message, &start, r > 0, &addressed, f);
    if (r < 0 || import->dry)
        return r;
    return put_message(&import->target, &addressed, foreign_read, message, ret_path, f);
}

/* Queued here it is; what goes wrong with the other file is told beside that. */
static void remove_message(Import *import, ForeignMessage *message, const char *name)
{
    _cleanup_failure_ Failure f = {0};

    if (import->removes && !import->dry && foreign_remove(message, &f) < 0)
        fail(import, tool_fail_about(name, &f));
}

static void import_one(Import *import, ForeignMessage *message, const char *name)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *path = NULL;

    if (import_message(import, message, &path, &f) < 0) {
        refuse(import, name, &f);
        return;
    }
    import->n++;
    tell(import, name, path, NULL);
    (void)fflush(stdout);
    remove_message(import, message, name);
}

static void import_queue(Import *import, ForeignFormat format, const char *path)
{
    _cleanup_(foreign_close_p) ForeignQueue *queue = NULL;
    _cleanup_failure_ Failure f = {0};
    int r = foreign_open(format, path, &queue, &f);

    if (r < 0) {
        refuse(import, path, &f);
        return;
    }
    do {
        _cleanup_(foreign_message_free_p) ForeignMessage *message = NULL;
        _cleanup_failure_ Failure of_it = {0};
        const char *name = NULL;

        r = foreign_next(queue, &message, &name, &of_it);
        if (r > 0)
            import_one(import, message, name);
        else if (r < 0)
            refuse(import, name ?: path, &of_it);
    } while (r != 0 && r != -ECANCELED);
}

/* ---- the command ---- */

static int wrong_format(const Command *command, const char *name)
{
    char names[TOOL_NAMES_MAX] = "";

    for (ForeignFormat format = 0; format < FOREIGN_FORMAT_MAX; format++)
        tool_list_name(names, foreign_format_name(format));
    return tool_usage(command, "%s is no format that can be imported: those are %s", name, names);
}

static int run(Import *import, const Command *command, char **arguments)
{
    ForeignFormat format;

    if (!arguments[0] || !arguments[1])
        return tool_usage(command, "a format and the path of a queue, or of a file, are needed");
    format = foreign_format_find(arguments[0]);
    if (format == FOREIGN_FORMAT_MAX)
        return wrong_format(command, arguments[0]);
    if (import->removes && format == FOREIGN_BSMTP)
        return tool_usage(
            command, "--remove does not go with bsmtp: its file is none of a single message");
    if (import->json)
        import->array = json_array();
    if (import->json && !import->array)
        return tool_fail_memory();
    for (char **path = arguments + 1; *path; path++)
        import_queue(import, format, *path);
    tell_sum(import, format);
    if (import->array && json_print(import->array) != EX_OK)
        return EX_OSERR;
    return import->status;
}

int run_import(const Tool *tool, const Command *command, int argc, char **argv)
{
    const char *directory = NULL;
    QueueLink link = {0};
    Import import = {.target.link = &link};
    int c, status;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'd': directory = optarg; break;
        case 'n': import.dry = true; break;
        case 'r': import.removes = true; break;
        case 'j': import.json = true; break;
        default: return EX_USAGE;
        }
    status = queue_target_open(tool, directory, &import.target);
    if (status == 0)
        status = run(&import, command, argv + optind);
    queue_target_done(&import.target);
    return tool_finish_output(status);
}
