/* The options that give a message, and reading a whole one. Must never hold a large message in
 * memory. */
#include "tool/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "message/message.h"
#include "message/readdress.h"
#include "queue/put.h"
#include "tool/input_terms.h"

enum {
    INPUT_FROM = TOOL_LETTER_MAX + 1,
    INPUT_TO,
    INPUT_CC,
    INPUT_BCC,
    INPUT_RECIPIENT,
    INPUT_SUBJECT,
    INPUT_BODY,
    INPUT_BODY_FILE,
    INPUT_HTML,
    INPUT_HTML_FILE,
    INPUT_ATTACH,
    INPUT_INLINE,
    INPUT_ATTACH_TYPE,
    INPUT_ATTACH_NAME,
    INPUT_CONTENT_ID,
    INPUT_HEADER,
    INPUT_HEADERS_FILE,
    INPUT_REPLY_TO,
    INPUT_RETURN_PATH,
    INPUT_DATE,
    INPUT_MESSAGE_ID,
    INPUT_DELIVERY_NOTIFICATION_TO,
    INPUT_READ_RECEIPT_TO,
    INPUT_IMPORTANCE,
    INPUT_PRIORITY,
    INPUT_SENSITIVITY,
    INPUT_CHARSET,
    INPUT_FOLD_HEADERS,
    INPUT_MAX_HEADER_LENGTH,
    INPUT_ALLOW_EMPTY_TO,
    INPUT_MESSAGE_ID_ALGORITHM,
    INPUT_RAW,
};

const ToolOption input_options[] = {
    {.help = "A whole message is read from standard input; recipients that are given as arguments "
             "take the place of its own. Or it is composed, when one of these is given:"},
    {"from", INPUT_FROM, "ADDRESS", "sender, with or without a name; required"},
    {"to", INPUT_TO, "LIST", "recipients, comma-separated; repeatable", true},
    {"cc", INPUT_CC, "LIST", "more of them", true},
    {"bcc", INPUT_BCC, "LIST", "more, who do not stand in the message", true},
    {"recipient", INPUT_RECIPIENT, "KIND:ADDRESS",
        "to:, cc: or bcc: and one recipient, ESMTP parameters behind it as in 'to: Ann "
        "<ann@example.com> NOTIFY=SUCCESS,FAILURE'; repeatable"},
    {"subject", INPUT_SUBJECT, "TEXT", "UTF-8, like all text", true},
    {"body", INPUT_BODY, "TEXT",
        "the text; without it, and without HTML, standard input is the text", true},
    {"body-file", INPUT_BODY_FILE, "FILE", "the text is in this file; \"-\" is standard input"},
    {"html", INPUT_HTML, "TEXT", "the text as HTML, instead of the text or beside it", true},
    {"html-file", INPUT_HTML_FILE, "FILE", "the HTML is in this file; \"-\" is standard input"},
    {"attach", INPUT_ATTACH, "FILE", "attach a file; \"-\" is standard input; repeatable"},
    {"inline", INPUT_INLINE, "FILE",
        "a file that the HTML shows, as cid:NAME where its name is that; repeatable"},
    {"attach-type", INPUT_ATTACH_TYPE, "TYPE",
        "the content type of the file before, as in 'text/csv; charset=iso-8859-1'"},
    {"attach-name", INPUT_ATTACH_NAME, "NAME", "what the file before is called for the reader"},
    {"content-id", INPUT_CONTENT_ID, "ID", "what the HTML calls the inline file before"},
    {"header", INPUT_HEADER, "FIELD",
        "'NAME: VALUE': append a header field; repeatable. After an empty first one, the others "
        "replace the computed header",
        true},
    {"headers-file", INPUT_HEADERS_FILE, "FILE", "the same, one a line"},
    {"reply-to", INPUT_REPLY_TO, "ADDRESS", "where answers go", true},
    {"return-path", INPUT_RETURN_PATH, "ADDRESS",
        "where notices of failure go; without it, to --from", true},
    {"date", INPUT_DATE, "DATE",
        "as `date -R` prints it, or 2026-12-31T23:59:59+01:00; now: the default; empty: none",
        true},
    {"message-id", INPUT_MESSAGE_ID, "ID", "\"*\": a generated one (the default); empty: none",
        true},
    {"delivery-notification-to", INPUT_DELIVERY_NOTIFICATION_TO, "ADDRESS",
        "ask for a receipt of delivery", true},
    {"read-receipt-to", INPUT_READ_RECEIPT_TO, "ADDRESS", "ask for a receipt when it is read",
        true},
    {"importance", INPUT_IMPORTANCE, "high|normal|low", "the header field Importance"},
    {"priority", INPUT_PRIORITY, "normal|urgent|non-urgent", "the header field Priority"},
    {"sensitivity", INPUT_SENSITIVITY, "personal|private|company-confidential",
        "the header field Sensitivity"},
    {"charset", INPUT_CHARSET, "NAME", "for --set message.charset=NAME, as the next four"},
    {"fold-headers", INPUT_FOLD_HEADERS, "true|false", "whether the header is folded"},
    {"max-header-length", INPUT_MAX_HEADER_LENGTH, "NUMBER", "and from which length of a line on"},
    {"allow-empty-to", INPUT_ALLOW_EMPTY_TO, NULL, "recipients in --cc or --bcc only will do"},
    {"message-id-algorithm", INPUT_MESSAGE_ID_ALGORITHM, "sha256|sha1|md5",
        "the digest of a generated Message-ID"},
    {.help = "Or it is sent as it stands in a file; --from and --return-path are its sender then, "
             "and --to, --cc and --bcc its recipients, instead of its own:"},
    {"raw", INPUT_RAW, "FILE", "this file; \"-\" is standard input"},
    {.help = "How it is to be carried, which counts instead of what its envelope says:"},
    {"notify", INPUT_NOTIFY, "LIST",
        "when the sender is told about a recipient: never, or success, failure and delay, with "
        "commas"},
    {"ret", INPUT_RET, "full|headers", "what of the message comes back with such a notice"},
    {"envid", INPUT_ENVID, "TEXT", "what it calls the message"},
    {"require-tls", INPUT_REQUIRE_TLS, NULL,
        "over verified TLS all the way, or not at all (REQUIRETLS)"},
    {"deliver-by", INPUT_DELIVER_BY, "TIME[,notify|return]",
        "what is to be done when it is not delivered in that time (DELIVERBY)"},
    {"mt-priority", INPUT_MT_PRIORITY, "NUMBER",
        "from -9 to 9 (MT-PRIORITY); with --priority urgent it is 4, non-urgent -4"},
    {"hold-for", INPUT_HOLD_FOR, "TIME", "the relay is to send it on after that (FUTURERELEASE)"},
    {"hold-until", INPUT_HOLD_UNTIL, "TIME", "the same, as in 2030-12-24T18:00:00Z"},
    {"lane", INPUT_LANE, "NAME", "the lane that it is in, a word such as bulk, for the settings"},
    {0},
};

#define READ_BYTES ((size_t)64 * 1024)

void input_done(ToolInput *input)
{
    free(input->to.items);
    free(input->cc.items);
    free(input->bcc.items);
    free(input->headers.items);
    free(input->recipients.items);
    free(input->parts);
    for (size_t i = 0; i < input->styles.n; i++)
        free((char *)input->styles.items[i]);
    free(input->styles.items);
    buffer_done(&input->sender_terms);
    buffer_done(&input->recipient_terms);
}

static int words_add(Words *words, const char *word)
{
    const char **items = reallocarray(words->items, words->n + 2, sizeof(char *));

    if (!items)
        return tool_fail_memory();
    words->items = items;
    items[words->n++] = word;
    items[words->n] = NULL;
    return 0;
}

static int take(const char **member, const char *value)
{
    *member = value;
    return 0;
}

/* What would be lost unseen if it was given twice; of other options the last one counts, so that a
 * script can say more than its defaults. */
static int take_once(
    const char **member, const Command *command, int option, const char *what, const char *value)
{
    if (*member)
        return tool_usage(command, "--%s gives %s, and is there twice; leave one of them out",
            tool_option_find(input_options, option)->name, what);
    return take(member, value);
}

/* One of those that the table has for it, "high|normal|low", or the component's name or number. */
static int take_word(ToolInput *input, const Command *command, int option, const char *value)
{
    const ToolOption *row = tool_option_find(input_options, option);
    Compose *c = &input->compose;
    ComposeWord which = option == INPUT_IMPORTANCE ? WORD_IMPORTANCE
                        : option == INPUT_PRIORITY ? WORD_PRIORITY
                                                   : WORD_SENSITIVITY;
    int number = compose_word_find(which, value);

    if (number < 0)
        return tool_usage(command, "--%s is %s, not '%s'", row->name, row->argument, value);
    if (which == WORD_IMPORTANCE)
        c->importance = (ComposeImportance)number;
    else if (which == WORD_PRIORITY)
        c->priority = (ComposePriority)number;
    else
        c->sensitivity = (ComposeSensitivity)number;
    return 0;
}

ComposeSource input_source(const char *path)
{
    if (strcmp(path, "-") != 0)
        return (ComposeSource){.origin = COMPOSE_FILE, .path = path, .waits = true};
    return (ComposeSource){
        .origin = COMPOSE_DESCRIPTOR, .fd = STDIN_FILENO, .path = "standard input"};
}

static int add_part(ToolInput *input, const char *path, bool is_inline)
{
    ComposePart *parts = reallocarray(input->parts, input->n_parts + 1, sizeof(ComposePart));

    if (!parts)
        return tool_fail_memory();
    input->parts = parts;
    parts[input->n_parts++] = (ComposePart){.source = input_source(path),
        .name = strcmp(path, "-") == 0 ? "" : NULL,
        .is_inline = is_inline};
    return 0;
}

/* Says something of the file that was named last. */
static int describe_part(ToolInput *input, const Command *command, int option, const char *value)
{
    const ToolOption *row = tool_option_find(input_options, option);
    ComposePart *part = input->n_parts > 0 ? &input->parts[input->n_parts - 1] : NULL;

    if (!part || (option == INPUT_CONTENT_ID && !part->is_inline))
        return tool_usage(command, "--%s says something of the %s before it, and there is none",
            row->name, option == INPUT_CONTENT_ID ? "--inline" : "--attach or --inline");
    if (option == INPUT_ATTACH_TYPE)
        return take_once(&part->type, command, option, "the type of the file before it", value);
    if (option == INPUT_CONTENT_ID)
        return take_once(&part->content_id, command, option, "the id of the file before it", value);
    if (part->name && part->source.origin == COMPOSE_DESCRIPTOR && !*part->name)
        part->name = NULL; /* standard input has none of its own */
    return take_once(&part->name, command, option, "the name of the file before it", value);
}

/* An option that is a setting. */
static int add_style(ToolInput *input, const char *name, const char *value)
{
    char *text;

    if (asprintf(&text, "message.%s=%s", name, value) < 0)
        return tool_fail_memory();
    return words_add(&input->styles, text);
}

static int take_style(ToolInput *input, int option, const char *value)
{
    switch (option) {
    case INPUT_CHARSET: return add_style(input, "charset", value);
    case INPUT_FOLD_HEADERS: return add_style(input, "fold_headers", value);
    case INPUT_MAX_HEADER_LENGTH: return add_style(input, "max_header_length", value);
    case INPUT_ALLOW_EMPTY_TO: return add_style(input, "allow_empty_to", "true");
    case INPUT_MESSAGE_ID_ALGORITHM: return add_style(input, "message_id_algorithm", value);
    default: return EX_USAGE; /* it has been said what is wrong with the option */
    }
}

int input_option(ToolInput *input, const Command *command, int option, const char *value)
{
    Compose *c = &input->compose;

    if (option == INPUT_RAW)
        return take_once(&input->raw, command, option, "the message", value);
    if (option >= INPUT_TERMS_FIRST && option < INPUT_TERMS_END)
        return input_terms_option(input, command, option, value);
    if (option <= INPUT_RECIPIENT || option == INPUT_RETURN_PATH)
        input->has_envelope = true;
    else
        input->has_parts = true;
    switch (option) {
    case INPUT_FROM: return take(&c->from, value);
    case INPUT_RETURN_PATH: return take(&c->return_path, value);
    case INPUT_TO: return words_add(&input->to, value);
    case INPUT_CC: return words_add(&input->cc, value);
    case INPUT_BCC: return words_add(&input->bcc, value);
    case INPUT_RECIPIENT: return words_add(&input->recipients, value);
    case INPUT_SUBJECT: return take(&c->subject, value);
    case INPUT_BODY: return take_once(&input->body, command, option, "the text", value);
    case INPUT_BODY_FILE: return take_once(&input->body_file, command, option, "the text", value);
    case INPUT_HTML: return take_once(&input->html, command, option, "the HTML text", value);
    case INPUT_HTML_FILE:
        return take_once(&input->html_file, command, option, "the HTML text", value);
    case INPUT_ATTACH:
    case INPUT_INLINE: return add_part(input, value, option == INPUT_INLINE);
    case INPUT_ATTACH_TYPE:
    case INPUT_ATTACH_NAME:
    case INPUT_CONTENT_ID: return describe_part(input, command, option, value);
    case INPUT_HEADER: return words_add(&input->headers, value);
    case INPUT_HEADERS_FILE:
        return take_once(&input->headers_file, command, option, "the header fields", value);
    case INPUT_REPLY_TO: return take(&c->reply_to, value);
    case INPUT_DATE: return take(&c->date, value);
    case INPUT_MESSAGE_ID: return take(&c->message_id, value);
    case INPUT_DELIVERY_NOTIFICATION_TO: return take(&c->delivery_notification_to, value);
    case INPUT_READ_RECEIPT_TO: return take(&c->read_receipt_to, value);
    case INPUT_IMPORTANCE:
    case INPUT_PRIORITY:
    case INPUT_SENSITIVITY: return take_word(input, command, option, value);
    default: return take_style(input, option, value);
    }
}

static int add_recipients(const char *const *lists, Envelope *e, Failure *f)
{
    int r = 0;

    for (; r >= 0 && lists && *lists; lists++)
        r = envelope_add_list(e, *lists, strlen(*lists), NULL, f);
    return r;
}

/* One of --recipient. */
static int add_person(const char *text, Envelope *e, Failure *f)
{
    _cleanup_(input_person_done) InputPerson person = {0};
    int r = input_person_read(&person, text, f);

    return r < 0 ? r : envelope_add_recipient(e, person.address, person.options, f);
}

/* The envelope that the command line gives for a whole message. */
static int read_envelope(const ToolInput *input, char **recipients, Envelope *e, Failure *f)
{
    const char *sender = input->compose.return_path ?: input->compose.from;
    int r = sender ? envelope_set_sender_text(e, sender, NULL, f) : 0;

    if (r >= 0)
        r = add_recipients((const char *const *)recipients, e, f);
    if (r >= 0)
        r = add_recipients(input->to.items, e, f);
    if (r >= 0)
        r = add_recipients(input->cc.items, e, f);
    if (r >= 0)
        r = add_recipients(input->bcc.items, e, f);
    for (size_t i = 0; i < input->recipients.n && r >= 0; i++)
        r = add_person(input->recipients.items[i], e, f);
    if (r >= 0 && e->n_recipients == 0 &&
        (*recipients || input->to.n + input->cc.n + input->bcc.n + input->recipients.n > 0))
        r = failure_set(f, -EBADMSG, ERROR_NO_RECIPIENT,
            "the command line names no recipient: its lists are empty");
    return r;
}

/* 1 when there may be more, 0 at the end of the file. */
static int read_piece(void *source, Buffer *out, _unused_ Failure *f)
{
    char *to = buffer_reserve(out, READ_BYTES);
    ssize_t n;

    if (!to)
        return -ENOMEM;
    do
        n = read(*(int *)source, to, READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        buffer_commit(out, (size_t)n);
    return n < 0 ? -errno : n > 0;
}

void input_rest_done(InputRest *rest)
{
    if (rest->fd >= 0)
        (void)close(rest->fd);
    composed_free(rest->composed);
    *rest = INPUT_REST_NONE;
}

int input_rest_read(void *source, Buffer *out, Failure *f)
{
    InputRest *rest = source;
    char *to;
    ssize_t n;

    if (rest->composed)
        return composed_read(rest->composed, READ_BYTES, out, f);
    if (rest->fd < 0)
        return 0;
    to = buffer_reserve(out, READ_BYTES);
    if (!to)
        return -ENOMEM;
    do
        n = read(rest->fd, to, READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return failure_set_errno(f, -errno, "cannot read the message");
    buffer_commit(out, (size_t)n);
    return n > 0;
}

int input_read_start(const char *path, Buffer *ret_start, InputRest *ret_rest, Failure *f)
{
    bool is_file = path && strcmp(path, "-") != 0;
    const char *name = is_file ? "the file" : "standard input";
    _cleanup_close_ int fd = is_file ? file_open(AT_FDCWD, path, FILE_ANY_PIPE) : dup(STDIN_FILENO);
    int more;

    *ret_rest = INPUT_REST_NONE;
    if (fd < 0)
        return fd == -ENXIO
                   ? failure_set(f, fd, ERROR_FILE, "cannot open %s: %s", name, file_trouble(fd))
                   : failure_set_errno(f, is_file ? fd : -errno, "cannot open %s", name);
    more = message_read_start(read_piece, &fd, ret_start, f);
    if (more < 0)
        return failure_set_errno(f, more, "cannot read %s", name);
    if (buffer_size(ret_start) == 0)
        return failure_set(f, -EBADMSG, ERROR_MESSAGE, "%s is empty", name);
    if (more > 0)
        ret_rest->fd = TAKE_FD(fd);
    return 0;
}

int input_open_file(const ToolInput *input, const char *path, char **recipients, Buffer *ret_start,
    InputRest *ret_rest, Failure *f)
{
    _cleanup_envelope_ Envelope envelope = {0};
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_buffer_ Buffer start = {0};
    InputMemory bytes;
    int r = input_read_start(path, &start, ret_rest, f);

    if (r >= 0)
        r = read_envelope(input, recipients, &envelope, f);
    if (r >= 0) /* here its lines are those of what the user has */
        r = input_check(&start, input_rest_any(ret_rest), &envelope, &bytes, &message, f);
    if (r >= 0)
        r = message_readdress_as(buffer_data(&start), buffer_size(&start), &envelope,
            message_envelope(message), ret_start);
    if (r >= 0)
        r = input_terms_apply(input, ret_start, ret_rest, f);
    return r == -ENOMEM ? failure_set_errno(f, r, "cannot read the message") : r;
}

int input_open(const ToolInput *input, const Command *command, char **recipients, Buffer *ret_start,
    InputRest *ret_rest)
{
    _cleanup_failure_ Failure f = {0};

    *ret_rest = INPUT_REST_NONE;
    if (input->raw && input->has_parts)
        return tool_usage(command, "--raw takes a whole message: of the composing options only "
                                   "--from, --return-path, --to, --cc, --bcc and --recipient go "
                                   "with it");
    if (!input->raw && (input->has_parts || input->has_envelope)) {
        int status = input_compose(input, command, recipients, ret_start, ret_rest);

        if (status == 0 && input_terms_apply(input, ret_start, ret_rest, &f) < 0)
            status = tool_fail(&f);
        return status;
    }
    return input_open_file(input, input->raw, recipients, ret_start, ret_rest, &f) < 0
               ? input_fail(input, &f)
               : 0;
}

int input_fail(const ToolInput *input, const Failure *f)
{
    return input->raw && strcmp(input->raw, "-") != 0 ? tool_fail_about(input->raw, f)
                                                      : tool_fail(f);
}

int input_check(const Buffer *start, bool more, const Envelope *asked, InputMemory *bytes,
    Message **ret_message, Failure *f)
{
    size_t n = MIN(buffer_size(start), (size_t)MESSAGE_START_MAX);

    input_memory_init(bytes, buffer_data(start), n);
    bytes->base.size += more || n < buffer_size(start);
    return queue_look(&bytes->base, asked, ret_message, f);
}
